"""The scorer: what it learns from, and how."""
