"""What CPU this is."""

import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

_CPUINFO = Path("/proc/cpuinfo")


@cache
def cpu_facts() -> Mapping[str, str]:
    """What Linux says of the first core, by keys in lower case; nothing on systems without /proc."""
    if not _CPUINFO.exists():
        return MappingProxyType({})
    first = _CPUINFO.read_text().partition("\n\n")[0]
    facts = (line.partition(":") for line in first.splitlines())
    return MappingProxyType({key.strip().lower(): value.strip() for key, _, value in facts})


def cpu_name() -> str:
    """As Linux says it, or else Python."""
    return cpu_facts().get("model name") or platform.processor() or platform.machine()


def cpu_flags() -> frozenset[str]:
    """Instruction sets, as Linux names them."""
    facts = cpu_facts()
    return frozenset(facts.get("flags", facts.get("features", "")).split())
