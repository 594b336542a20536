"""What all baselines share: they score the whole catalogue, and fall back on popularity."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pocketrec_training.evaluate.ranker import Histories, Mask, rank_by_scores


class Baseline(ABC):
    """A ranker by scores."""

    items: int
    """Size of the catalogue."""

    @abstractmethod
    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Scores [n, items] that the caller may overwrite; higher is better."""

    def rank(
        self, histories: Histories, k: int, allow_seen: bool = False, among: Mask | None = None
    ) -> NDArray[np.int32]:
        """Rows of the k best items for each history, as `Ranker.rank` says."""
        return rank_by_scores(self.score, self.items, histories, k, allow_seen, among)


def popularity_below_zero(popularity: NDArray[np.int64]) -> NDArray[np.float32]:
    """Popularity scaled into -2..-1: where a baseline has no evidence (score 0), popular items come first.

    Example:
        >>> popularity_below_zero(np.array([0, 4, 2]))
        array([-2. , -1. , -1.5], dtype=float32)
    """
    below: NDArray[np.float32] = (popularity / max(popularity.max(initial=0), 1) - 2).astype(np.float32)
    return below


def backed_off(scores: sparse.csr_array, below: NDArray[np.float32]) -> NDArray[np.float32]:
    """Dense scores in which items without evidence follow the others in order of popularity.

    Args:
        scores: Sparse non-negative evidence [n, items].
        below: From `popularity_below_zero`, [items].
    """
    dense = scores.toarray().astype(np.float32, copy=False)
    return np.where(dense > 0, dense, below)


def history_matrix(histories: Sequence[NDArray[np.int32]], items: int, newest: int | None = None) -> sparse.csr_array:
    """Histories as a 0/1 matrix [n, items], of their newest items alone where `newest` is given.

    Example:
        >>> history_matrix([np.array([2, 0, 2], dtype=np.int32)], items=3).toarray()
        array([[1., 0., 1.]], dtype=float32)
    """
    kept = [np.unique(rows if newest is None else rows[-newest:]) for rows in histories]
    offsets = np.concatenate([[0], np.cumsum([len(rows) for rows in kept])]).astype(np.int64)
    rows = np.concatenate([*kept, np.zeros(0, dtype=np.int32)])
    return sparse.csr_array((np.ones(len(rows), dtype=np.float32), rows, offsets), shape=(len(kept), items))
