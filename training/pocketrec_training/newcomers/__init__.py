"""What nobody took yet: where it stands, who votes for it, how much of it people meet."""
