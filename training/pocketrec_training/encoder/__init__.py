"""The language model learns, before tower or with it."""
