"""What is kept between runs because it takes long to make or fetch."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """POCKETREC_CACHE, else `pocketrec` in the user's own cache folder; it may not exist yet."""
    named = os.environ.get("POCKETREC_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pocketrec"
