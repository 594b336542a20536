"""Votes for items added since export: by the known items nearest to where they stand.

The bundle's tables know nothing of them. An item that has only text is voted for by those it is most like, as those
are that were new at export (docs/decisions/0024).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pocketrec.neighbours import Neighbours, Rows, Sums
from pocketrec.newcomers import parts

Floats = NDArray[np.float32]

_VOTERS = 64
"""Known items that vote for a newcomer."""
_POWER = 6
"""Of the cosine: one twin counts for more than a hundred distant cousins."""


@dataclass(frozen=True, slots=True)
class NewcomerVotes:
    """Who votes for each newcomer, and how much, before a table's scale."""

    voters: Rows
    """Rows of known items [newcomers, voters]."""
    likeness: Floats
    """max(cosine, 0)^6, float32 [newcomers, voters]."""

    @classmethod
    def of(
        cls,
        placed: Floats,
        vectors: Floats,
        known: NDArray[np.bool_],
        rows: NDArray[np.integer] | None = None,
    ) -> "NewcomerVotes":
        """Find the voters.

        Args:
            placed: Vectors of the newcomers, of any length but 0 [newcomers, dim].
            vectors: All items' [items, dim].
            known: Which of those somebody took [items].
            rows: Their own among `vectors` [newcomers], if they stand there: nobody votes for himself.

        Example:
            >>> known_items = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
            >>> votes = NewcomerVotes.of(np.array([[2.0, 0.0]], dtype=np.float32), known_items, np.array([True, True]))
            >>> votes.voters.tolist(), votes.likeness.tolist()
            ([[0, 1]], [[1.0, 0.0]])
        """
        count = min(_VOTERS, int(np.count_nonzero(known)) - (rows is not None))
        if count < 1:
            return cls(np.zeros((len(placed), 0), np.int32), np.zeros((len(placed), 0), np.float32))
        unit = placed / np.maximum(np.linalg.norm(placed, axis=1, keepdims=True), 1e-12)
        voters = np.zeros((len(placed), count), np.int32)
        likeness = np.zeros((len(placed), count), np.float32)
        for part in parts(len(placed), len(vectors)):
            cosines = np.where(known, unit[part] @ vectors.T, -np.inf)
            if rows is not None:
                cosines[np.arange(len(cosines)), rows[part]] = -np.inf
            best = np.sort(np.argpartition(-cosines, count - 1, axis=1)[:, :count], axis=1)
            voters[part] = best
            likeness[part] = np.maximum(np.take_along_axis(cosines, best, axis=1), 0) ** _POWER
        return cls(voters, likeness)

    def __len__(self) -> int:
        """Number of newcomers."""
        return len(self.voters)

    def sums(self, history: Rows, tables: Sequence[Neighbours], scales: Sequence[float]) -> Sums:
        """What a history says of each newcomer, in the order of `Votes.sums`: float32 [2 * tables, newcomers].

        Args:
            history: Item rows, oldest first; -1 stands for an item that doesn't vote.
            tables: Whose votes fall with age.
            scales: Of each table, what a likeness of 1 is worth there.
        """
        sums = np.zeros((2 * len(tables), len(self)), np.float32)
        if not len(history) or not len(self):
            return sums
        last = np.where(self.voters == history[-1], self.likeness, 0).sum(axis=1)
        for place, (table, scale) in enumerate(zip(tables, scales, strict=True)):
            recent = history[-table.voters :]
            ages = table.decay ** np.arange(len(recent) - 1, -1, -1)
            heard = np.bincount(recent[recent >= 0], ages[recent >= 0], minlength=len(table))
            sums[2 * place] = scale * (heard[self.voters] * self.likeness).sum(axis=1)
            sums[2 * place + 1] = scale * last
        return sums
