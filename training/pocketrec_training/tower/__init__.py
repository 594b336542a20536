"""Item vectors and the user tower: what they learn from, and how."""
