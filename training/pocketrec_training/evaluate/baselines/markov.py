"""Markov chain: what follows the last item."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pocketrec_training.evaluate.baselines.baseline import Baseline
from pocketrec_training.evaluate.ranker import Histories


@dataclass(frozen=True, slots=True)
class Markov(Baseline):
    """First-order transitions, smoothed by popularity (Dirichlet prior).

        P(j | i) = (times j followed i + smoothing * P(j)) / (times i was followed + smoothing)

    The divisor is the same for all j, so scores leave it out.
    """

    items: int
    follows: sparse.csr_array
    """[items, items]; row i counts what came right after i."""
    prior: NDArray[np.float32]
    """smoothing * P(j), [items]."""

    @classmethod
    def fit(cls, histories: Sequence[NDArray[np.int32]], items: int, smoothing: float = 1.0) -> "Markov":
        """Count transitions.

        Args:
            histories: Item rows of each user, oldest first.
            items: Size of the catalogue.
            smoothing: How many transitions the popularity of items is worth.
        """
        before = np.concatenate([*(rows[:-1] for rows in histories), np.zeros(0, dtype=np.int32)])
        after = np.concatenate([*(rows[1:] for rows in histories), np.zeros(0, dtype=np.int32)])
        counts = sparse.coo_array((np.ones(len(before), dtype=np.float32), (before, after)), shape=(items, items))
        popularity = np.bincount(np.concatenate([*histories, np.zeros(0, dtype=np.int32)]), minlength=items)
        prior = smoothing * popularity / max(popularity.sum(), 1)
        return cls(items, counts.tocsr(), prior.astype(np.float32))

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Transitions from the newest item; popularity alone for empty histories."""
        last = np.array([rows[-1] if len(rows) else -1 for rows in histories], dtype=np.int64)
        scores: NDArray[np.float32] = self.follows[np.maximum(last, 0)].toarray()
        scores[last < 0] = 0
        return scores + self.prior
