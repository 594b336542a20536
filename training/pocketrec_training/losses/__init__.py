"""Losses with their equations and sources, and where their negatives come from."""
