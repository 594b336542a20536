"""Popularity: the same ranking for everybody."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pocketrec_training.evaluate.baselines.baseline import Baseline
from pocketrec_training.evaluate.ranker import Histories


@dataclass(frozen=True, slots=True)
class Popularity(Baseline):
    """Items by their number of interactions.

    Example:
        >>> taken = [np.array([1, 1, 2], dtype=np.int32), np.array([1], dtype=np.int32)]
        >>> Popularity.fit(taken, items=3).rank([np.array([1], dtype=np.int32)], k=2)
        array([[2, 0]], dtype=int32)
    """

    items: int
    counts: NDArray[np.float32]

    @classmethod
    def fit(cls, histories: Sequence[NDArray[np.int32]], items: int) -> "Popularity":
        """Count."""
        rows = np.concatenate([*histories, np.zeros(0, dtype=np.int32)])
        return cls(items, np.bincount(rows, minlength=items).astype(np.float32))

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Counts, for every history."""
        return np.tile(self.counts, (len(histories), 1))
