"""Matrix factorisation: users and items as factors, new users folded in."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pocketrec_training.evaluate.baselines.baseline import Baseline, popularity_below_zero
from pocketrec_training.evaluate.ranker import Histories
from pocketrec_training.factorisation import FactorisationConfig, Factors, fit_factors


@dataclass(frozen=True, slots=True)
class MatrixFactorisation(Baseline):
    """Implicit alternating least squares (Hu, Koren and Volinsky, 2008) with a factor for each history."""

    items: int
    factors: Factors
    below: NDArray[np.float32]

    @classmethod
    def fit(
        cls,
        histories: Sequence[NDArray[np.int32]],
        items: int,
        size: int = 64,
        config: FactorisationConfig | None = None,
        seed: int = 0,
    ) -> "MatrixFactorisation":
        """Factorise who took what.

        Args:
            histories: Item rows of each user.
            items: Size of the catalogue.
            size: Length of a factor.
            config: Regularisation, confidence and rounds; defaults without it.
            seed: Of the first factors.
        """
        popularity = np.bincount(np.concatenate([*histories, np.zeros(0, np.int32)]), minlength=items)
        factors = fit_factors(histories, items, size, config or FactorisationConfig(), seed)
        return cls(items, factors, popularity_below_zero(popularity))

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Inner products of the folded-in user factors; popularity for empty histories."""
        users = self.factors.fold_in([np.unique(rows) for rows in histories])
        scores: NDArray[np.float32] = (users @ self.factors.items.T).numpy()
        scores[[len(rows) == 0 for rows in histories]] = self.below
        return scores
