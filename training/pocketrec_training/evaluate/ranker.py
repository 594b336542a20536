"""What is evaluated: anything that ranks items for histories, or for queries."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pocketrec.progress import progress

Histories = Sequence[NDArray[np.int32]]
"""Item rows of each case, oldest first."""

Mask = NDArray[np.bool_]

_CELLS = 12_000_000
"""Scores held in memory at a time; sorting them takes about six times their 4 bytes."""


class Ranker(Protocol):
    """Ranks the whole catalogue."""

    def rank(
        self, histories: Histories, k: int, allow_seen: bool = False, among: Mask | None = None
    ) -> NDArray[np.int32]:
        """Rows of the k best items for each history, [n, k], best first.

        Items of the history are left out unless `allow_seen`, and all but those of the mask `among`; -1 stands where
        there are fewer than k.
        """


class Searcher(Protocol):
    """Ranks the whole catalogue for what was typed."""

    def search(self, queries: Sequence[str], k: int) -> NDArray[np.int32]:
        """Rows of the k best items for each query, [n, k], best first; -1 where there are fewer than k."""


def rank_by_scores(
    score: Callable[[Histories], NDArray[np.float32]],
    items: int,
    histories: Histories,
    k: int,
    allow_seen: bool,
    among: Mask | None = None,
) -> NDArray[np.int32]:
    """Rank by scores [n, items], a block of histories at a time; of equal scores the lower row goes first.

    Args:
        score: Scores a block; -inf for items that must not appear.
        items: Size of the catalogue.
        histories: Cases.
        k: Length of each ranking.
        allow_seen: Whether items of the history may be recommended.
        among: Items that may be recommended; all by default.
    """
    ranked = np.full((len(histories), k), -1, dtype=np.int32)
    for block in _blocks(len(histories), items):
        scores = score(histories[block])
        if not allow_seen:
            for line, rows in zip(scores, histories[block], strict=True):
                line[rows] = -np.inf
        if among is not None:
            scores[:, ~among] = -np.inf
        ranked[block, : min(k, items)] = best(scores, min(k, items))
    return ranked


def best(scores: NDArray[np.float32], k: int) -> NDArray[np.int32]:
    """Columns of the k largest scores of each row, best first; -1 for those at -inf.

    Example:
        >>> best(np.array([[0.1, 0.9, -np.inf, 0.9]], dtype=np.float32), k=4)
        array([[ 1,  3,  0, -1]], dtype=int32)
    """
    border = np.partition(scores, scores.shape[1] - k, axis=1)[:, scores.shape[1] - k, None]
    ranked = np.empty((len(scores), k), dtype=np.int32)
    for line, (row, least) in enumerate(zip(scores, border, strict=True)):
        columns = np.flatnonzero(row >= least)
        columns = columns[np.argsort(-row[columns], kind="stable")[:k]]
        ranked[line] = np.where(row[columns] > -np.inf, columns, -1)
    return ranked


def _blocks(cases: int, items: int) -> Iterator[slice]:
    step = max(1, _CELLS // max(items, 1))
    with progress("Ranking", total=cases) as shown:
        for start in range(0, cases, step):
            stop = min(cases, start + step)
            yield slice(start, stop)
            shown.advance(stop - start)
