"""Memory of this process."""

import resource
import sys
from pathlib import Path


def peak_rss_mb() -> float:
    """Most resident memory this process ever held, in units of 10^6 bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count the parent's memory from before this program began
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
