"""Frozen text: item vectors of a pretrained encoder, as it came."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pocketrec_training.evaluate.baselines.baseline import Baseline, history_matrix, popularity_below_zero
from pocketrec_training.evaluate.ranker import Histories, best


@dataclass(frozen=True, slots=True)
class FrozenText(Baseline):
    """Inner product with the mean vector of the history's newest items; popularity for empty histories.

    Example:
        >>> vectors = np.array([[1, 0], [0, 1], [0.8, 0.6]], dtype=np.float32)
        >>> FrozenText.fit(vectors, np.zeros(3, dtype=np.int64)).rank([np.array([0], dtype=np.int32)], k=2)
        array([[2, 1]], dtype=int32)
    """

    items: int
    vectors: NDArray[np.float32]
    """[items, d], rows of unit length."""
    below: NDArray[np.float32]
    newest: int

    @classmethod
    def fit(cls, vectors: NDArray[np.float32], popularity: NDArray[np.int64], newest: int = 5) -> "FrozenText":
        """Take the vectors as they are.

        Args:
            vectors: Unit vector of each item's text, [items, d].
            popularity: Interactions with each item, for empty histories.
            newest: Items of the history that count.
        """
        return cls(len(vectors), vectors, popularity_below_zero(popularity), newest)

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Inner products, up to a factor for each history."""
        taken = history_matrix(histories, self.items, self.newest)
        scores: NDArray[np.float32] = (taken @ self.vectors) @ self.vectors.T
        scores[np.diff(taken.indptr) == 0] = self.below
        return scores


@dataclass(frozen=True, slots=True)
class FrozenSearch:
    """Inner product with the vector of the query."""

    vectors: NDArray[np.float32]
    """Of items, [items, d], rows of unit length."""
    read: Callable[[Sequence[str]], NDArray[np.float32]]
    """Gives vectors [texts, d] of texts."""

    def search(self, queries: Sequence[str], k: int) -> NDArray[np.int32]:
        """Rows of the k best items for each query, as `Searcher.search` says."""
        return best(self.read(queries) @ self.vectors.T, k)
