"""int8 behind a gate: how graphs are quantised, and which ship."""
