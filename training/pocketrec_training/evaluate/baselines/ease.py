"""EASE: a linear item-item model in closed form."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pocketrec_training.evaluate.baselines.baseline import Baseline, history_matrix
from pocketrec_training.evaluate.ranker import Histories
from pocketrec_training.neighbours.text_ease import ease, gram

MAX_ITEMS = 20_000
"""The closed form inverts a dense items x items matrix; beyond this it takes over 3 GB."""


@dataclass(frozen=True, slots=True)
class Ease(Baseline):
    """Embarrassingly shallow autoencoder (Steck, WWW 2019): scores = X B, with every weight kept and no text.

    The equation for B stands in `pocketrec_training.neighbours.text_ease`.
    """

    items: int
    weights: NDArray[np.float32]
    """B, [items, items]."""

    @classmethod
    def fit(cls, histories: Sequence[NDArray[np.int32]], items: int, regularisation: float = 100.0) -> "Ease":
        """Solve once.

        Args:
            histories: Item rows of each user.
            items: Size of the catalogue.
            regularisation: lambda of the paper.

        Raises:
            ValueError: The catalogue is too large for a dense inverse.
        """
        if items > MAX_ITEMS:
            raise ValueError(f"EASE inverts an items x items matrix: {items} items are more than {MAX_ITEMS}")
        return cls(items, np.ascontiguousarray(ease(gram(history_matrix(histories, items)), regularisation)))

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Sums of the history's rows of B."""
        scores: NDArray[np.float32] = history_matrix(histories, self.items) @ self.weights
        return scores
