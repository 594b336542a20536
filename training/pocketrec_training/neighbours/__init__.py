"""Item-item weights: neighbours and followers."""
