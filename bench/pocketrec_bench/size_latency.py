"""How fast each size reads a text: one thread, in turns, so that what else the machine does falls on all alike."""

import json
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

import msgspec
import numpy as np

from pocketrec.bundle import Bundle
from pocketrec_bench.latency import measured_apart
from pocketrec_bench.workload import Workload

CANDIDATES = 100
"""That the scorer is timed with."""
PEER = "sentence-transformers"
"""all-MiniLM-L6-v2 on torch, timed beside the sizes where that library is installed."""
WARM_UP = 20
RUN = 20
"""Calls of one way before it is another's turn: right after another's, caches hold that one's weights."""


def time_sizes(bundles: Mapping[str, Path], calls: int, seed: int) -> dict[str, float]:
    """Time bundles of one model in a process of its own.

    Args:
        bundles: By size, one of them `base`.
        calls: Texts of 16 tokens, all different; as many histories and lists of candidates for the small graphs.
        seed: Of them.

    Returns:
        Median milliseconds under `SIZE/encode_p50_ms`, tokeniser included; `tower_p50_ms` for a history of the most
        items that the tower reads, `scorer_p50_ms` for `CANDIDATES`.

    Raises:
        BundleError: The measuring process failed; the message is its last word.
    """
    request = [{size: str(path) for size, path in bundles.items()}, calls, seed]
    return msgspec.json.decode(
        measured_apart("pocketrec_bench.size_latency", request, 1, str(bundles["base"])), type=dict[str, float]
    )


def time_sizes_here(bundles: Mapping[str, Path], calls: int, seed: int) -> dict[str, float]:
    """The same in this process."""
    opened = {size: Bundle.open(path, threads=1) for size, path in bundles.items()}
    base, count = opened["base"], calls + WARM_UP
    texts, random = Workload.of(base, 0, count, seed).texts, np.random.default_rng(seed)
    history, dim = base.manifest.history, base.manifest.dim
    chosen = [
        base.index.vectors[random.integers(0, len(base.index.vectors), history + CANDIDATES)] for _ in range(count)
    ]
    kinds, mask = np.zeros((1, history), np.int64), np.ones((1, history), np.float32)
    users = random.standard_normal((count, 1, dim)).astype(np.float32) * dim**-0.5
    features = random.random((1, CANDIDATES, len(base.manifest.features)), dtype=np.float32)

    def tower(place: int) -> object:
        return base.user.run({"vectors": chosen[place][None, :history], "kinds": kinds, "mask": mask})

    def scorer(place: int) -> object:
        rows = chosen[place][None, history:]
        return base.scorer.run({"user": users[place], "candidates": rows, "features": features})

    def reads(encode: Callable[[str], object]) -> Callable[[int], object]:
        return lambda place: encode(texts[place])

    ways: dict[str, Callable[[int], object]] = {"tower_p50_ms": tower, "scorer_p50_ms": scorer}
    for size, bundle in opened.items():
        ways[f"{size}/encode_p50_ms"] = reads(bundle.encoder.encode_one)
    if find_spec("sentence_transformers"):
        import torch
        from sentence_transformers import SentenceTransformer

        from pocketrec_training.encoder.default import default_encoder

        torch.set_num_threads(1)
        ways[f"{PEER}/encode_p50_ms"] = reads(SentenceTransformer(str(default_encoder()), device="cpu").encode)
    return medians(ways, count)


def medians(ways: Mapping[str, Callable[[int], object]], count: int) -> dict[str, float]:
    """Milliseconds of each way, in turns of `RUN` calls: the median over all places but the first, which warm up.

    Args:
        ways: By name, what is done at a place.
        count: Places, more than `WARM_UP`.
    """
    times = np.empty((count, len(ways)))
    for start in range(0, count, RUN):
        for column, way in enumerate(ways.values()):
            for place in range(start, min(start + RUN, count)):
                begun = perf_counter()
                way(place)
                times[place, column] = perf_counter() - begun
    found = np.median(times[WARM_UP:], axis=0) * 1e3
    return {name: round(float(median), 4) for name, median in zip(ways, found, strict=True)}


if __name__ == "__main__":
    bundles, *rest = json.loads(sys.argv[1])
    found = time_sizes_here({size: Path(path) for size, path in bundles.items()}, *rest)
    sys.stdout.buffer.write(msgspec.json.encode(found))
