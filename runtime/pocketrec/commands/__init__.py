"""Commands that need the runtime alone."""
