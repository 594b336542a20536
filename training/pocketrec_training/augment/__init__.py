"""Variations of histories and texts that mean the same, so that a model learns what they have in common."""
