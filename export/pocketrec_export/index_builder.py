"""Build the HNSW index and tune its search breadth to a measured recall."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import hnswlib
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from pocketrec.config import Config
from pocketrec.manifest import IndexFacts

Vectors = NDArray[np.float32]
STEP_ROWS = 50.0
"""Rows of an exact scan in the time of one step of breadth, by seven catalogues (docs/decisions/0021). A clock doesn't
say the same twice, and an export must."""


class IndexConfig(Config, frozen=True, kw_only=True):
    """How the index is built."""

    m: Annotated[int, Meta(ge=2, le=128)] = 16
    """Links of an item in each layer of the graph."""
    ef_construction: Annotated[int, Meta(ge=10)] = 400
    """Breadth of the search that finds them; more takes longer and spares requests breadth (docs/decisions/0034)."""
    recall: Annotated[float, Meta(gt=0, le=1)] = 0.98
    """Share of the exact answer that a search must return, on average over user vectors of each kind."""
    seed: int = 0
    """Of the layers in which items stand."""


def build_index(vectors: Vectors, users: Sequence[Vectors], count: int, config: IndexConfig, path: Path) -> IndexFacts:
    """Write the index of unit vectors, and measure it.

    Items are inserted by one thread, in order: the same vectors give the same file.

    Args:
        vectors: Float32 [items, dim], unit rows.
        users: Of each kind of request float32 [users, dim], at least one: user vectors to search with. Vectors of
            queries lie elsewhere than those of histories, and a breadth that is enough for these may lose a tenth
            of the answers to those.
        count: Items that a search returns.
        config: Links, breadths, target.
        path: File to write.

    Returns:
        The facts for the manifest: the smallest breadth tried that reaches the target for every kind, and the lowest
        recall of a kind.
    """
    count = min(count, len(vectors))
    index = hnswlib.Index(space="ip", dim=vectors.shape[1])
    index.init_index(
        max_elements=len(vectors), M=config.m, ef_construction=config.ef_construction, random_seed=config.seed
    )
    index.set_num_threads(1)
    index.add_items(vectors, np.arange(len(vectors)), num_threads=1)
    index.save_index(str(path))
    exact = [np.argpartition(-(kind @ vectors.T), count - 1, axis=1)[:, :count] for kind in users]
    for ef in _breadths(count, len(vectors)):
        index.set_ef(ef)
        recall = min(_recall(index, kind, nearest) for kind, nearest in zip(users, exact, strict=True))
        if recall >= config.recall:
            break
    return IndexFacts(
        m=config.m,
        ef_construction=config.ef_construction,
        ef=ef,
        recall=round(recall, 4),
        step_rows=STEP_ROWS,
    )


def _recall(index: hnswlib.Index, users: Vectors, nearest: NDArray[np.intp]) -> float:
    """Mean share of each user's exact answer [users, count] that a search finds."""
    count = nearest.shape[1]
    found = [index.knn_query(user, k=count)[0][0] for user in users]
    return float(np.mean([len(np.intersect1d(a, b)) for a, b in zip(found, nearest, strict=True)]) / count)


def _breadths(count: int, items: int) -> list[int]:
    """From the least that hnswlib allows, growing by half, to all items."""
    breadths = [count]
    while breadths[-1] < items:
        breadths.append(min(items, breadths[-1] * 3 // 2 + 1))
    return breadths
