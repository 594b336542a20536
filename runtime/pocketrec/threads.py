"""How many threads this process may use: what the kernel and the container allow, not what the host has."""

import os
from pathlib import Path


def available_cores() -> int:
    """Whole cores within CPU affinity and cgroup limits, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup_cores(Path("/sys/fs/cgroup"))
    return max(1, cores if quota is None else min(cores, int(quota)))


def cgroup_cores(root: Path) -> float | None:
    """CPU quota of this container in cores, from cgroup version 2 or 1; None without one.

    Args:
        root: Where the cgroup file system is mounted.
    """
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            quota, period = " ".join((root / name).read_text() for name in names).split()
            return None if quota in ("max", "-1") else int(quota) / int(period)
        except (OSError, ValueError, ZeroDivisionError):
            continue
    return None
