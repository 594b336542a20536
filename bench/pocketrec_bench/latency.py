"""Times of whole requests and of each step inside, in a process that runs on the threads it was given and no more."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from pocketrec import BundleError, Recommender
from pocketrec.bundle import Bundle
from pocketrec.config import Config
from pocketrec.features import features
from pocketrec.items import Recommendation
from pocketrec.live import LiveCatalogue
from pocketrec.overlay import Changes, Overlay, Read, Vectors
from pocketrec.retrieval import retrieve
from pocketrec.votes import Votes
from pocketrec_bench.memory import peak_rss_mb
from pocketrec_bench.workload import Workload

HISTORY_STEPS = ("gather", "tower", "votes", "search", "features", "scorer", "items")
"""Steps of history -> top 10, in their order."""
TEXT_STEPS = ("tokenise", "encode", *HISTORY_STEPS[1:])
"""Steps of text -> top 10, in their order."""

Request = TypeVar("Request")

_K = 10
_WARM_UP = 100
_ITEM, _QUERY = 0, 1
_UNSET = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""Would make numpy's products those of another CPU."""


class Timings(Config, frozen=True, kw_only=True):
    """What one measuring process saw."""

    samples: dict[str, list[float]]
    """Milliseconds of every call, by what was timed: `history_top10`, `text_top10`, `history/tower`, ..."""
    rss_mb: float
    """Most memory the process held once all requests were answered."""


def measure(bundle: Path, calls: int, text_calls: int, threads: int = 1, seed: int = 0) -> Timings:
    """Measure a bundle in a process of its own.

    Args:
        bundle: Folder that `export` wrote.
        calls: Requests of the history path, whole and again step by step.
        text_calls: The same of the text path.
        threads: For the graphs and for numpy.
        seed: Of the requests.

    Raises:
        BundleError: The measuring process failed; the message is its last word.
    """
    request = [str(bundle), calls, text_calls, threads, seed]
    return msgspec.json.decode(measured_apart("pocketrec_bench.latency", request, threads, str(bundle)), type=Timings)


def measured_apart(module: str, request: Sequence[object], threads: int, what: str) -> bytes:
    """What a module says that runs in a process of its own.

    Args:
        module: Takes the request as its one argument, and writes JSON.
        request: As JSON.
        threads: For all native code.
        what: Is measured, for the message.

    Raises:
        BundleError: The process failed; the message is its last word.
    """
    words = [sys.executable, "-m", module, json.dumps(request)]
    done = subprocess.run(words, env=environment(threads), capture_output=True, check=False)
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise BundleError(f"measuring {what} ended with status {done.returncode}: {lines[-1]}")
    return done.stdout


def environment(threads: int) -> dict[str, str]:
    """Of a measuring process: this process's own, with all native code held to `threads`."""
    kept = {name: value for name, value in os.environ.items() if name not in _UNSET}
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
        kept[name] = str(threads)
    return kept | {"TOKENIZERS_PARALLELISM": "false"}


def time_here(folder: Path, calls: int, text_calls: int, threads: int, seed: int) -> Timings:
    """Time in this process: whole requests through the public door, and their steps through the parts behind it."""
    bundle = Bundle.open(folder, threads)  # one for both, so that memory counts it once
    recommender = Recommender(bundle, Overlay.open(None, bundle.reading, bundle.manifest.dim, _no_items(bundle)))
    workload = Workload.of(bundle, calls + _WARM_UP, text_calls + _WARM_UP, seed)

    live = unchanged(bundle)

    def by_text(text: str) -> list[Recommendation]:
        return recommender.recommend(query=text, k=_K)

    by_history, steps_of_history = partial(recommender.recommend, k=_K), partial(walk_history, live)
    samples = _times("history", HISTORY_STEPS, by_history, steps_of_history, workload.histories)
    samples |= _times("text", TEXT_STEPS, by_text, partial(walk_text, live), workload.texts)
    return Timings(samples=samples, rss_mb=peak_rss_mb())


def unchanged(bundle: Bundle) -> LiveCatalogue:
    """A bundle's catalogue without an overlay."""
    return LiveCatalogue.of(bundle, Changes((), Vectors.none(bundle.manifest.dim), frozenset()))


def _no_items(bundle: Bundle) -> Read:
    return lambda items: Vectors.none(bundle.manifest.dim)


def _times(
    path: str,
    steps: Sequence[str],
    answer: Callable[[Request], object],
    walk: Callable[[Request], "Walk"],
    requests: Sequence[Request],
) -> dict[str, list[float]]:
    """Milliseconds of whole requests and of steps after the warm-up.

    The two take turns, so that what else the machine does falls on both alike; the steps take another request
    than the one just answered, whose items the CPU's cache still holds.
    """
    whole, clocks = [], []
    for request, other in zip(requests, reversed(requests), strict=True):
        begun = perf_counter()
        answer(request)
        whole.append(perf_counter() - begun)
        clocks.append(walk(other).clock)
    each = np.diff(np.array(clocks[_WARM_UP:]), axis=1) * 1000
    samples = {f"{path}_top10": [took * 1000 for took in whole[_WARM_UP:]]}
    return samples | {f"{path}/{step}": each[:, place].tolist() for place, step in enumerate(steps)}


class Walk(NamedTuple):
    """One request, taken step by step as `Recommender.recommend` takes it."""

    clock: list[float]
    """Seconds before the first step and after each."""
    ids: list[str]
    """Its answer: the same as `recommend` gives, or the steps would be those of another request."""


def walk_history(live: LiveCatalogue, history: list[str]) -> Walk:
    """Through `HISTORY_STEPS`."""
    clock = [perf_counter()]
    rows = live.rows_of(history)
    tokens = live.vectors(rows[-live.bundle.manifest.history :])
    kinds = np.full(len(tokens), _ITEM)
    return _answer(live, clock, rows, tokens, kinds, None)


def walk_text(live: LiveCatalogue, text: str) -> Walk:
    """Through `TEXT_STEPS`."""
    encoder, nothing = live.bundle.encoder, np.zeros(0, np.int32)
    clock = [perf_counter()]
    tokens = encoder.reader.ids(text)
    clock.append(perf_counter())
    query = encoder.run(tokens)
    return _answer(live, clock, nothing, query[None], np.array([_QUERY]), query)


def _answer(
    live: LiveCatalogue,
    clock: list[float],
    rows: NDArray[np.int32],
    tokens: NDArray[np.float32],
    kinds: NDArray[np.int64],
    query: NDArray[np.float32] | None,
) -> Walk:
    """The steps that both paths share, from the tower on; `clock` is at the end of the step before."""
    bundle = live.bundle
    history = tokens if query is None else tokens[:0]
    clock.append(perf_counter())
    mask = np.ones((1, len(tokens)), np.float32)
    user = bundle.user.run({"vectors": tokens[None], "kinds": kinds[None], "mask": mask})[0]
    clock.append(perf_counter())
    votes = Votes.of(rows, bundle.tables)
    clock.append(perf_counter())
    found = retrieve(user, votes, bundle.index, bundle.manifest.candidates, rows, None, bundle.trending)
    clock.append(perf_counter())
    vectors = live.vectors(found)
    table = features(
        user=user,
        vectors=vectors,
        votes=votes.at(found),
        popularity=bundle.popularity[found],
        trend=bundle.trend[found],
        history=history,
        query=query,
        allow_seen=False,
    )
    clock.append(perf_counter())
    table = table[:, : len(bundle.manifest.features)]
    feed = {"user": user[None], "candidates": vectors[None], "features": table[None]}
    scores = bundle.scorer.run(feed)[0]
    best = (-scores).argsort(kind="stable")[:_K]
    clock.append(perf_counter())
    answer = [
        Recommendation(id=item.id, score=score, item=item)
        for item, score in zip(map(live.item, found[best].tolist()), scores[best].tolist(), strict=True)
    ]
    clock.append(perf_counter())
    return Walk(clock, [recommendation.id for recommendation in answer])


if __name__ == "__main__":
    folder, *rest = json.loads(sys.argv[1])
    sys.stdout.buffer.write(msgspec.json.encode(time_here(Path(folder), *rest)))
