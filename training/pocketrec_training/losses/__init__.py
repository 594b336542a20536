"""Losses, one a module, each with its equation and source."""
