"""Commands of the training part."""
