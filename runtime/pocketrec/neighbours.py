"""Sparse item-item weights: what each item of a history says about others.

A bundle has two such tables. `neighbours` are taken by the same people and say alike things; `followers` are taken
soon after.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int32]
Sums = NDArray[np.float32]

_LEAST_SHARE = 1e-3
"""Of its first weight that a vote must keep to be heard."""
_MOST_VOTERS = 256
"""Items of a history that vote at most, for speed; where votes don't fall, few histories are longer."""


@dataclass(frozen=True)
class Neighbours:
    """Weights in compressed rows: an item `i` of a history votes for `rows[indptr[i]:indptr[i + 1]]`."""

    indptr: NDArray[np.int64]
    rows: Rows
    weights: Sums
    decay: float
    """A vote falls by this factor with each newer item of the history."""

    @classmethod
    def of_rows(cls, lists: Sequence[tuple[Rows, Sums]], decay: float) -> "Neighbours":
        """Build from each item's neighbours and weights."""
        lengths = [len(rows) for rows, _ in lists]
        return cls(
            indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            rows=np.concatenate([*(rows for rows, _ in lists), np.zeros(0, np.int32)]).astype(np.int32),
            weights=np.concatenate([*(weights for _, weights in lists), np.zeros(0, np.float32)]).astype(np.float32),
            decay=decay,
        )

    @classmethod
    def none(cls, items: int) -> "Neighbours":
        """Of items that say nothing about each other."""
        return cls.of_rows([(np.zeros(0, np.int32), np.zeros(0, np.float32))] * items, decay=1.0)

    @classmethod
    def open(cls, folder: Path, decay: float) -> "Neighbours":
        """Map the arrays that `save` wrote."""
        names = ("indptr", "rows", "weights")
        # Plain views of the mapped files: numpy's memmap class itself is slow to index.
        indptr, rows, weights = (np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in names)
        return cls(indptr, rows, weights, decay)

    def save(self, folder: Path) -> None:
        """Write the arrays as `.npy` files."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("indptr", "rows", "weights"):
            np.save(folder / f"{name}.npy", getattr(self, name))

    def __len__(self) -> int:
        """Number of items."""
        return len(self.indptr) - 1

    @property
    def per_item(self) -> int:
        """Most weights that an item has."""
        return int(np.diff(self.indptr).max(initial=0))

    def mean_votes(self, items: NDArray[np.bool_]) -> float:
        """Sum of all votes above 0 for an item, on average over some.

        Args:
            items: Mask of those [items].
        """
        counted = self.weights[items[self.rows]]
        return float(np.maximum(counted, 0).sum() / max(np.count_nonzero(items), 1))

    @cached_property
    def voters(self) -> int:
        """Newest items of a history whose votes count.

        Example:
            >>> Neighbours.of_rows([], decay=0.8).voters, Neighbours.of_rows([], decay=1.0).voters
            (31, 256)
        """
        fall = -math.log(max(self.decay, 1e-9))
        return min(_MOST_VOTERS, math.ceil(-math.log(_LEAST_SHARE) / max(fall, 1e-9)))

    @cached_property
    def _tables(self) -> tuple[Rows, Sums] | None:
        """Rows and weights with a line an item, where all items have equally many: lines are gathered faster."""
        items = len(self)
        width = len(self.rows) // max(items, 1)
        if not np.array_equal(self.indptr, np.arange(items + 1) * width):
            return None
        return self.rows.reshape(items, width), self.weights.reshape(items, width)

    def votes(self, history: Rows) -> tuple[Rows, NDArray[np.floating]]:
        """Every single vote of a history, in its order: for whom, and decay^age * weight, age 0 the newest.

        Args:
            history: Item rows, oldest first, of which the newest `voters` count; -1 stands for an item without
                neighbours.
        """
        if len(history) == 1 and history[0] >= 0:  # nothing to weigh by age
            line = slice(*self.indptr[history[0] : history[0] + 2])
            return self.rows[line], self.weights[line]
        rows, votes, _ = self._cast(history[-self.voters :])
        return rows, votes

    def strongest(self, history: Rows, wanted: Rows) -> tuple[NDArray[np.int64], Sums]:
        """Find whose vote counts most for each of some items.

        Args:
            history: As for `votes`.
            wanted: Rows that were voted for.

        Returns:
            For each wanted row the place in the history of the item with the largest vote, and that vote; 0 and 0
            where no vote is above 0.
        """
        recent = history[-self.voters :]
        rows, votes, lengths = self._cast(recent)
        voters = np.repeat(np.arange(len(recent)) + len(history) - len(recent), lengths)
        places, largest = np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.float32)
        for at, row in enumerate(wanted):
            cast = np.flatnonzero((rows == row) & (votes > 0))
            if len(cast):
                best = cast[votes[cast].argmax()]
                places[at], largest[at] = voters[best], votes[best]
        return places, largest

    def _cast(self, history: Rows) -> tuple[Rows, NDArray[np.float64], NDArray[np.int64]]:
        """Every single vote of a history: for whom and how much; and how many votes each item of it has."""
        ages = self.decay ** np.arange(len(history) - 1, -1, -1)
        if self._tables is not None:
            rows, weights = self._tables
            known = history >= 0
            lengths = known * np.int64(rows.shape[1])
            if not known.all():
                history, ages = history[known], ages[known]
            votes = weights.take(history, axis=0) * ages[:, None]
            return rows.take(history, axis=0).ravel(), votes.ravel(), lengths
        starts = self.indptr[history]
        lengths = np.maximum(self.indptr[history + 1] - starts, 0)  # of -1 the difference is below 0
        ends = lengths.cumsum()
        total = ends[-1] if len(ends) else 0
        places = (starts - ends + lengths).repeat(lengths) + np.arange(total)
        return self.rows[places], self.weights[places] * ages.repeat(lengths), lengths
