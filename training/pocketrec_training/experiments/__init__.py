"""Whole lines from raw files to figures, for several seeds, and what each part is worth."""
