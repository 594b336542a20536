"""Commands of the bench part."""
