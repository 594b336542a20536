"""Find the items nearest to a user vector: an exact scan, or the HNSW graph where that costs far less here."""

from dataclasses import dataclass
from pathlib import Path

import hnswlib
import numpy as np
from numpy.typing import NDArray

from pocketrec.errors import BundleError
from pocketrec.hnsw_file import check_hnsw_file
from pocketrec.manifest import IndexFacts

Floats = NDArray[np.float32]
Rows = NDArray[np.int32]
Mask = NDArray[np.bool_]

_NONE = np.zeros(0, np.int32)
_GATHER_BELOW = 0.5
"""Share of the catalogue up to which gathering the allowed vectors costs less than scanning all: a row costs twice."""
_WORTHWHILE = 0.5
"""Share of the exact scan's cost below which the graph is worth what it may miss."""


@dataclass(frozen=True, slots=True)
class HnswGraph:
    """An opened HNSW index and what a search of it costs."""

    index: hnswlib.Index
    ef: int
    step_rows: float
    """As in `IndexFacts`."""

    @classmethod
    def open(cls, path: Path, items: int, dim: int, facts: IndexFacts) -> "HnswGraph":
        """Check the file, then let hnswlib read it.

        Raises:
            BundleError: The file isn't an index of this many vectors of this length.
        """
        check_hnsw_file(path, items, dim, facts.m)
        index = hnswlib.Index(space="ip", dim=dim)
        try:
            index.load_index(str(path), max_elements=items)
        except RuntimeError as error:
            raise BundleError(f"{path} can't be read: {error}; export the bundle again") from None
        index.set_ef(facts.ef)  # hnswlib resets it to 10 on load
        index.set_num_threads(1)
        return cls(index, facts.ef, facts.step_rows)


@dataclass(frozen=True, slots=True)
class VectorIndex:
    """The catalogue's vectors, searchable by inner product."""

    vectors: Floats
    """Float32 [items, dim], unit rows."""
    graph: HnswGraph | None
    """None where the exact scan is always taken."""

    @classmethod
    def exact_only(cls, vectors: Floats) -> "VectorIndex":
        """An index that scans."""
        return cls(vectors, None)

    def search(self, user: Floats, count: int, without: Rows = _NONE, allowed: Mask | None = None) -> Rows:
        """Rows of the nearest items, best first.

        Args:
            user: User vector [dim].
            count: Items wanted; all that are left if there are fewer, and never fewer than that.
            without: A few rows to leave out.
            allowed: Mask of the rows to choose from; all by default.
        """
        share = 1.0 if allowed is None else float(np.count_nonzero(allowed)) / len(self.vectors)
        graph = self.graph
        if graph is not None and share > 0:
            fetch = int(count / share * 1.2) + len(without) if allowed is not None else count + len(without)
            scanned = len(self.vectors) * min(1.0, share / _GATHER_BELOW)
            if fetch < len(self.vectors) and graph.step_rows * max(graph.ef, fetch) < _WORTHWHILE * scanned:
                found = self._walk(graph, user, count, fetch, without, allowed)
                if found is not None:
                    return found
        return self._scan(user, count, without, allowed)

    def _scan(self, user: Floats, count: int, without: Rows, allowed: Mask | None) -> Rows:
        if allowed is None or np.count_nonzero(allowed) > _GATHER_BELOW * len(allowed):
            scores = self.vectors @ user
            if allowed is not None:
                scores[~allowed] = -np.inf
            scores[without] = -np.inf
            return _best(scores, count)
        rows = np.flatnonzero(allowed).astype(np.int32)
        rows = rows[~np.isin(rows, without)]
        return rows[_best(self.vectors[rows] @ user, count)]

    def _walk(
        self, graph: HnswGraph, user: Floats, count: int, fetch: int, without: Rows, allowed: Mask | None
    ) -> Rows | None:
        """Search the graph for more than is wanted and drop what isn't allowed; None if too few are left."""
        try:
            # Where k is larger than ef, hnswlib searches as broadly as k.
            rows = graph.index.knn_query(user, k=fetch, num_threads=1)[0][0].astype(np.int32)
        except RuntimeError:  # hnswlib's word for "found fewer than k"
            return None
        keep = ~np.isin(rows, without)
        if allowed is not None:
            keep &= allowed[rows]
        rows = rows[keep][:count]
        return rows if len(rows) == count else None


def _best(scores: Floats, count: int) -> Rows:
    """Places of the largest scores that aren't -inf, best first; of equal ones the lower place."""
    top = np.arange(len(scores))
    if 0 < count < len(scores):
        least = np.partition(scores, -count)[-count]
        top = (scores >= least).nonzero()[0]
    top = top[(-scores[top]).argsort(kind="stable")][:count]
    return top[scores[top] > -np.inf].astype(np.int32)
