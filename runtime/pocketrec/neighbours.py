"""Sparse item-item weights: what the items of a history say about others, by a gather and a sum."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int32]
Sums = NDArray[np.float32]

_DENSE_ITEMS = 65_536
"""Up to this many items a dense sum over the catalogue is faster than sorting the votes."""


@dataclass(frozen=True, slots=True)
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
    def open(cls, folder: Path, decay: float) -> "Neighbours":
        """Map the arrays that `save` wrote."""
        names = ("indptr", "rows", "weights")
        # Plain views of the mapped files: numpy's memmap class itself is slow to index.
        arrays = (np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in names)
        return cls(*arrays, decay)

    def save(self, folder: Path) -> None:
        """Write the arrays as `.npy` files."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("indptr", "rows", "weights"):
            np.save(folder / f"{name}.npy", getattr(self, name))

    @property
    def per_item(self) -> int:
        """Most weights that an item has."""
        return int(np.diff(self.indptr).max(initial=0))

    def votes(self, history: Rows) -> tuple[Rows, Sums]:
        """Sum the votes of a history, newer items counting more.

        Args:
            history: Item rows, oldest first.

        Returns:
            Rows that got a vote, ascending, and the sum for each: sum over items of decay^age * weight, age 0 the
            newest.

        Example:
            >>> likes = [(np.array([1, 2]), np.array([0.5, 0.25])), (np.array([2]), np.array([1.0]))]
            >>> neighbours = Neighbours.of_rows([*likes, (np.zeros(0), np.zeros(0))], decay=0.5)
            >>> rows, sums = neighbours.votes(np.array([0, 1]))
            >>> rows.tolist(), sums.tolist()
            ([1, 2], [0.25, 1.125])
        """
        starts = self.indptr[history]
        lengths = self.indptr[history + 1] - starts
        ends = np.cumsum(lengths)
        if not len(ends) or not ends[-1]:
            return np.zeros(0, np.int32), np.zeros(0, np.float32)
        places = np.repeat(starts - ends + lengths, lengths) + np.arange(ends[-1])
        weights = self.weights[places] * np.repeat(self.decay ** np.arange(len(history) - 1, -1, -1), lengths)
        rows = self.rows[places]
        if len(self.indptr) <= _DENSE_ITEMS:
            sums = np.bincount(rows, weights)
            voted = np.flatnonzero(sums)
            return voted.astype(np.int32), sums[voted].astype(np.float32)
        voted, inverse = np.unique(rows, return_inverse=True)
        return voted, np.bincount(inverse, weights).astype(np.float32)


def votes_at(wanted: Rows, voted: tuple[Rows, Sums]) -> Sums:
    """Sums of some rows, 0 for those without a vote.

    Args:
        wanted: Any rows.
        voted: What `Neighbours.votes` returned.
    """
    rows, sums = voted
    if not len(rows):
        return np.zeros(len(wanted), np.float32)
    places = np.minimum(np.searchsorted(rows, wanted), len(rows) - 1)
    return np.where(rows[places] == wanted, sums[places], np.float32(0))
