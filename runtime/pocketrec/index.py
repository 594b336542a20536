"""Find the items nearest to a user vector: an exact scan or the HNSW graph, whichever costs less here."""

import struct
from dataclasses import dataclass
from pathlib import Path

import hnswlib
import numpy as np
from numpy.typing import NDArray

from pocketrec.errors import BundleError
from pocketrec.manifest import IndexFacts

Floats = NDArray[np.float32]
Rows = NDArray[np.int32]
Mask = NDArray[np.bool_]

_NONE = np.zeros(0, np.int32)


@dataclass(frozen=True, slots=True)
class HnswGraph:
    """An opened HNSW index and what a search of it costs."""

    index: hnswlib.Index
    ef: int
    search_ms: float
    exact_ms: float

    @classmethod
    def open(cls, path: Path, items: int, dim: int, facts: IndexFacts) -> "HnswGraph":
        """Check the file's header, then let hnswlib read it.

        Raises:
            BundleError: The file isn't an index of this many vectors of this length.
        """
        check_header(path, items, dim, facts.m)
        index = hnswlib.Index(space="ip", dim=dim)
        try:
            index.load_index(str(path), max_elements=items)
        except RuntimeError as error:
            raise BundleError(f"{path} can't be read: {error}; export the bundle again") from None
        index.set_ef(facts.ef)  # hnswlib resets it to 10 on load
        index.set_num_threads(1)
        return cls(index, facts.ef, facts.search_ms, facts.exact_ms)


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
            # A scan of part of the catalogue has to gather it first, which about doubles the cost of a row.
            scan_ms = graph.exact_ms * (share * 2 if allowed is not None else 1.0)
            if fetch < len(self.vectors) and graph.search_ms * max(1.0, fetch / graph.ef) < scan_ms:
                found = self._walk(graph, user, count, fetch, without, allowed)
                if found is not None:
                    return found
        return self._scan(user, count, without, allowed)

    def _scan(self, user: Floats, count: int, without: Rows, allowed: Mask | None) -> Rows:
        if allowed is None:
            scores = self.vectors @ user
            scores[without] = -np.inf
            return _best(scores, count, len(scores) - len(np.unique(without)))
        rows = np.flatnonzero(allowed)
        rows = rows[~np.isin(rows, without)].astype(np.int32)
        return rows[_best(self.vectors[rows] @ user, count, len(rows))]

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


def _best(scores: Floats, count: int, available: int) -> Rows:
    """Places of the largest scores, best first; ties go to the lower row."""
    count = min(count, available)
    if count <= 0:
        return _NONE
    if count < len(scores):
        top = np.argpartition(-scores, count - 1)[:count]
        top.sort()
    else:
        top = np.arange(len(scores))
    return top[np.argsort(-scores[top], kind="stable")].astype(np.int32)


_HEADER = struct.Struct("<QQQQQQiIQQQdQ")


def check_header(path: Path, items: int, dim: int, m: int) -> None:
    """Check an hnswlib file before its native reader, which trusts every number, sees it.

    hnswlib 0.8 writes offset of level 0, capacity, count, bytes an element, label offset, data offset, top level,
    entry point, links by layer, the factor that draws levels and the construction breadth, then a fixed block an
    element, then each element's upper links behind their size.

    Raises:
        BundleError: A number doesn't fit the manifest, or the file is shorter or longer than its own numbers say.
    """

    def refuse(what: str, found: object, expected: object) -> None:
        raise BundleError(f"{path}: {what} is {found}, {expected} expected; export the bundle again")

    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEADER.size)
        if len(head) < _HEADER.size:
            refuse("size", size, f"at least {_HEADER.size}")
        fields = _HEADER.unpack(head)
        start, capacity, count, element, label, data, top, entry, most_upper, most, links, _, _ = fields
        for what, found, expected in (
            ("offset of level 0", start, 0),
            ("number of items", count, items),
            ("links (M)", links, m),
            ("links in level 0", most, 2 * m),
            ("links in upper levels", most_upper, m),
            ("bytes an item", element, 2 * m * 4 + 4 + dim * 4 + 8),
            ("offset of vectors", data, most * 4 + 4),
            ("offset of labels", label, most * 4 + 4 + dim * 4),
        ):
            if found != expected:
                refuse(what, found, expected)
        if capacity < count:
            refuse("capacity", capacity, f"at least {count}")
        if count and not (0 <= entry < count and 0 <= top < 64):
            refuse("entry point", f"{entry} at level {top}", f"one of {count} items")
        _check_links(path, file.read(count * element), file.read(), count, element, most)


def _check_links(path: Path, base: bytes, upper: bytes, count: int, element: int, most: int) -> None:
    """Every link of level 0 must point to an item, and the upper links must fill the rest of the file."""
    if len(base) != count * element:
        raise BundleError(f"{path} is cut off in its items; export the bundle again")
    table = np.frombuffer(base, np.uint8).reshape(count, element)
    lengths = table[:, :2].copy().view(np.uint16)[:, 0]
    links = table[:, 4 : 4 + most * 4].copy().view(np.uint32)
    real = np.arange(most)[None, :] < lengths[:, None]
    if (lengths > most).any() or (links[real] >= count).any():
        raise BundleError(f"{path} links items that it doesn't hold; export the bundle again")
    place = 0
    for _ in range(count):
        if place + 4 > len(upper):
            raise BundleError(f"{path} is cut off in its upper levels; export the bundle again")
        place += 4 + int.from_bytes(upper[place : place + 4], "little")
    if place != len(upper):
        raise BundleError(f"{path} has {len(upper) - place} bytes too many; export the bundle again")
