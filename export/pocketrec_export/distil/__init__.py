"""Distillation: a small encoder that gives a large one's vectors for the texts of one domain."""
