"""A bundle's latency, start, memory and size as one result."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pocketrec.bundle import Bundle
from pocketrec.progress import progress
from pocketrec.results import Machine, Result, installed_versions
from pocketrec_bench.latency import Timings, measure
from pocketrec_bench.start_up import StartUp, start_up
from pocketrec_bench.workload import Workload, text_tokens


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What was measured: figures that are kept, and every call's time for the picture."""

    result: Result
    timings: Timings


def benchmark(folder: Path, calls: int = 4000, threads: int = 1, seed: int = 0) -> Benchmark:
    """Measure a bundle on this machine.

    Args:
        folder: The bundle.
        calls: Histories to answer, and half as many texts. A thousand leave ten calls above the 99th percentile.
        threads: For the graphs and for numpy; start-up is always measured with one.
        seed: Of the requests.

    Raises:
        ValueError: `calls` or `threads` is less than 1.
        BundleError: The bundle can't be opened.
    """
    if calls < 1 or threads < 1:
        raise ValueError(f"calls={calls} and threads={threads} must both be at least 1")
    begun = time.perf_counter()
    bundle = Bundle.open(folder)
    manifest = bundle.manifest
    history = Workload.of(bundle, 1, 0, seed).histories[0]
    with progress("Measuring", total=2) as shown:
        timings = measure(folder, calls, max(1, calls // 2), threads, seed)
        shown.advance()
        start = start_up(folder, history)
        shown.advance()
    sizes = {"manifest.json": (folder / "manifest.json").stat().st_size}
    sizes |= {name: facts.bytes for name, facts in manifest.files.items()}
    result = Result(
        name=manifest.name,
        command="bench",
        machine=Machine.here(),
        versions=installed_versions(),
        seeds=(seed,),
        duration_s=round(time.perf_counter() - begun, 3),
        metrics=_latencies(timings) | _start(start) | {"rss_mb": round(timings.rss_mb, 1)} | _megabytes(sizes),
        notes={
            "histories": f"{calls} of {len(history)} items, the most that the user tower reads, drawn from all alike",
            "texts": f"{max(1, calls // 2)} of {text_tokens(bundle)} tokens, all different, so never from the cache",
            "threads": str(threads),
            "items": str(manifest.items),
            "precision": ", ".join(f"{role} {graph.precision}" for role, graph in manifest.graphs.items()),
        },
    )
    return Benchmark(result, timings)


def _latencies(timings: Timings) -> dict[str, float]:
    """Percentiles of whole requests; medians of steps, those of the history path under the plain name."""
    figures = {}
    for name in ("history_top10", "text_top10"):
        for percent in (50, 95, 99):
            figures[f"{name}_p{percent}_ms"] = float(np.percentile(timings.samples[name], percent))
    for name, times in timings.samples.items():
        path, _, step = name.partition("/")
        if step:
            key = f"text/{step}" if path == "text" and f"history/{step}" in timings.samples else step
            figures[f"{key}_p50_ms"] = float(np.median(times))
    return {name: round(value, 4) for name, value in figures.items()}


def _start(start: StartUp) -> dict[str, float]:
    return {
        "import_s": round(start.import_s, 4),
        "load_s": round(start.load_s, 4),
        "first_answer_s": round(start.first_answer_s, 4),
    }


def _megabytes(sizes: dict[str, int]) -> dict[str, float]:
    """Of the whole bundle, and of each file before a slash; a megabyte is 10^6 bytes."""
    each = {f"{name}/bundle_mb": round(size / 1e6, 4) for name, size in sorted(sizes.items())}
    return {"bundle_mb": round(sum(sizes.values()) / 1e6, 3)} | each
