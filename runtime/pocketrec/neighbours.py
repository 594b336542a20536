"""Sparse item-item weights: what each item of a history says about others.

A bundle has two such tables. `neighbours` are taken by the same people and say alike things; `followers` are taken
soon after.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int32]
Sums = NDArray[np.float32]
Precision = Literal["fp32", "int8"]

_SHORT_ROWS = 65_536
"""Up to this many items a row fits in 16 bits."""
_LEAST_SHARE = 1e-3
"""Of its first weight that a vote must keep to be heard."""
_MOST_VOTERS = 256
"""Items of a history that vote at most, for speed; where votes don't fall, few histories are longer."""
_STEPS = 127
"""Between 0 and an item's largest weight in int8."""
_LEAST = float(np.finfo(np.float32).tiny) * _STEPS
"""An item's weights below this are nothing: a step would be smaller than float32 tells exactly."""


@dataclass(frozen=True)
class Neighbours:
    """Weights in compressed rows: an item `i` of a history votes for `rows[indptr[i]:indptr[i + 1]]`.

    An item's weights are `scales[i]` times what stands in `weights`: float32 as fitted, or int8 in steps of their own.
    """

    indptr: NDArray[np.int64]
    rows: NDArray[np.int32 | np.uint16]
    weights: NDArray[np.float32 | np.int8]
    scales: Sums
    """Of each item; all 1 where weights are float32."""
    decay: float
    """A vote falls by this factor with each newer item of the history."""

    @classmethod
    def of_arrays(cls, indptr: NDArray[np.int64], rows: Rows, weights: Sums, decay: float) -> "Neighbours":
        """Build from weights as they were fitted."""
        return cls(indptr, rows, weights, np.ones(len(indptr) - 1, np.float32), decay)

    @classmethod
    def of_rows(cls, lists: Sequence[tuple[Rows, Sums]], decay: float) -> "Neighbours":
        """Build from each item's neighbours and weights."""
        lengths = [len(rows) for rows, _ in lists]
        return cls.of_arrays(
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
        # Plain views of the mapped files: numpy's memmap class itself is slow to index.
        arrays = {path.stem: np.asarray(np.load(path, mmap_mode="r")) for path in folder.glob("*.npy")}
        scales = arrays.get("scales", np.ones(len(arrays["indptr"]) - 1, np.float32))
        return cls(arrays["indptr"], arrays["rows"], arrays["weights"], scales, decay)

    def save(self, folder: Path) -> None:
        """Write the arrays as `.npy` files; no scales where they say nothing."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("indptr", "rows", "weights", *(["scales"] if self.precision == "int8" else [])):
            np.save(folder / f"{name}.npy", getattr(self, name))

    def narrowed(self) -> "Neighbours":
        """The same votes with rows in 16 bits, where the catalogue is small enough."""
        return replace(self, rows=self.rows.astype(np.uint16)) if len(self) <= _SHORT_ROWS else self

    def quantised(self) -> "Neighbours":
        """Nearly the same votes: int8 in steps of 1/127 of each item's largest weight.

        A vote takes 3 bytes in place of 8, in a catalogue too large for narrow rows 5.

        Example:
            >>> table = Neighbours.of_rows([(np.array([0, 1]), np.array([0.5, -0.126]))], decay=1.0).quantised()
            >>> table.weights.tolist(), table.rows.dtype.name
            ([127, -32], 'uint16')
        """
        lengths = np.diff(self.indptr)
        largest = np.zeros(len(self), np.float32)
        largest[lengths > 0] = np.maximum.reduceat(np.abs(self.values), self.indptr[:-1][lengths > 0])
        scales = np.where(largest > _LEAST, largest / np.float32(_STEPS), np.float32(1))
        steps = np.rint(self.values / scales.repeat(lengths)).astype(np.int8)
        return replace(self.narrowed(), weights=steps, scales=scales)

    @property
    def precision(self) -> Precision:
        """In which the weights are kept."""
        return "int8" if self.weights.dtype == np.int8 else "fp32"

    @property
    def bytes(self) -> int:
        """Size of the arrays."""
        return self.indptr.nbytes + self.rows.nbytes + self.weights.nbytes + self.scales.nbytes

    @property
    def values(self) -> Sums:
        """Every weight, scaled: float32."""
        return (self.weights * self.scales.repeat(np.diff(self.indptr))).astype(np.float32, copy=False)

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
        counted = self.values[items[self.rows]]
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
    def _tables(self) -> tuple[NDArray[np.integer], NDArray[np.float32 | np.int8]] | None:
        """Rows and weights with a line an item, where all items have equally many: lines are gathered faster."""
        items = len(self)
        width = len(self.rows) // max(items, 1)
        if not np.array_equal(self.indptr, np.arange(items + 1) * width):
            return None
        return self.rows.reshape(items, width), self.weights.reshape(items, width)

    def votes(self, history: Rows) -> tuple[NDArray[np.integer], NDArray[np.floating], int]:
        """Every single vote of a history, in its order: for whom, and decay^age * weight, age 0 the newest.

        Args:
            history: Item rows, oldest first, of which the newest `voters` count; -1 stands for an item without
                neighbours.

        Returns:
            For whom, how much, and how many of them, the last ones, its newest item cast.
        """
        if len(history) == 1 and history[0] >= 0:  # nothing to weigh by age
            item = history[0]
            line = slice(*self.indptr[item : item + 2])
            votes = self.weights[line] * self.scales[item : item + 1]
            return self.rows[line], votes, len(votes)
        rows, votes, lengths = self._cast(history[-self.voters :])
        return rows, votes, int(lengths[-1]) if len(lengths) else 0

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

    def _cast(self, history: Rows) -> tuple[NDArray[np.integer], NDArray[np.floating], NDArray[np.int64]]:
        """Every single vote of a history: for whom and how much; and how many votes each item of it has."""
        shares = self.decay ** np.arange(len(history) - 1, -1, -1) * self.scales.take(history)
        if self._tables is not None:
            rows, weights = self._tables
            known = history >= 0
            lengths = known * np.int64(rows.shape[1])
            if not known.all():
                history, shares = history[known], shares[known]
            votes = weights.take(history, axis=0) * shares[:, None]
            return rows.take(history, axis=0).ravel(), votes.ravel(), lengths
        starts = self.indptr[history]
        lengths = np.maximum(self.indptr[history + 1] - starts, 0)  # of -1 the difference is below 0
        ends = lengths.cumsum()
        total = ends[-1] if len(ends) else 0
        places = (starts - ends + lengths).repeat(lengths) + np.arange(total)
        return self.rows[places], self.weights[places] * shares.repeat(lengths), lengths
