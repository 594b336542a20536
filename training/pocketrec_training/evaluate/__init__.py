"""How good a model or a bundle is, and against what."""
