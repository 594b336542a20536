"""From nothing to the first answer: a new process that imports the runtime, loads a bundle and recommends."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from pocketrec import BundleError
from pocketrec_bench.latency import environment

_PROGRAM = """
import sys
from time import perf_counter
begun = perf_counter()
from pocketrec import Recommender
imported = perf_counter()
recommender = Recommender.load(sys.argv[1])
loaded = perf_counter()
recommender.recommend(history=sys.argv[2:], k=10)
print(imported - begun, loaded - imported, flush=True)
"""


@dataclass(frozen=True, slots=True)
class StartUp:
    """Medians over fresh processes, in seconds."""

    import_s: float
    load_s: float
    """Checking every hash and opening every file, after the imports."""
    first_answer_s: float
    """From the start of the process, so with the interpreter's own."""


def start_up(bundle: Path, history: list[str], runs: int = 5) -> StartUp:
    """Time fresh processes, after one that fills the disk's cache.

    Args:
        bundle: Folder that `export` wrote.
        history: Ids to recommend from.
        runs: Processes to time.

    Raises:
        BundleError: A process failed; the message is its last word.
    """
    _run(bundle, history)
    seen = [_run(bundle, history) for _ in range(runs)]
    return StartUp(*(median(times) for times in zip(*seen, strict=True)))


def _run(bundle: Path, history: list[str]) -> tuple[float, float, float]:
    words = [sys.executable, "-c", _PROGRAM, str(bundle), *history]
    begun = perf_counter()
    with subprocess.Popen(
        words, env=environment(1), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        answered = perf_counter() - begun
        _, said = process.communicate()
    if process.returncode:
        raise BundleError(f"loading {bundle} ended with status {process.returncode}: {said.strip().splitlines()[-1]}")
    imported, loaded = line.split()
    return float(imported), float(loaded), answered
