"""What the items of a history say about others, summed: by whole history and by its newest item."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pocketrec.neighbours import Neighbours, Rows, Sums

_DENSE_ITEMS = 65_536
"""Up to this many items a column for each costs less than finding those that were voted for."""


@dataclass(frozen=True, slots=True)
class Votes:
    """Sums of votes from some tables of item-item weights."""

    rows: Rows | None
    """Items that the columns of `sums` stand for, ascending; None where column r is item r, with one more for none."""
    sums: Sums
    """[2 * tables, columns]: for each table the votes of the whole history, then those of its newest item alone."""

    @classmethod
    def of(cls, history: Rows, tables: Sequence[Neighbours]) -> "Votes":
        """Sum over a history's items decay^age * weight, age 0 the newest.

        Args:
            history: Item rows, oldest first; -1 stands for an item without neighbours.
            tables: Weights between the same items.

        Example:
            >>> likes = [(np.array([1, 2]), np.array([0.5, 0.25])), (np.array([2]), np.array([1.0]))]
            >>> table = Neighbours.of_rows([*likes, (np.zeros(0), np.zeros(0))], decay=0.5)
            >>> Votes.of(np.array([0, 1]), [table]).at(np.array([1, 2])).tolist()
            [[0.25, 1.125], [0.0, 1.0]]
        """
        if not len(history):
            return cls(np.zeros(0, np.int32), np.zeros((2 * len(tables), 0), np.float32))
        cast = []
        for table in tables:
            rows, votes, newest = table.votes(history)
            cast += [(rows, votes), (rows[len(rows) - newest :], votes[len(rows) - newest :])]
        if len(tables[0]) <= _DENSE_ITEMS:
            return cls(None, _summed(cast, len(tables[0]) + 1))
        voted = np.unique(np.concatenate([rows for rows, _ in cast]))
        return cls(voted, _summed([(voted.searchsorted(rows), votes) for rows, votes in cast], len(voted)))

    @property
    def tables(self) -> int:
        """Number of tables that voted."""
        return len(self.sums) // 2

    def at(self, wanted: Rows) -> Sums:
        """Sums for some items, 0 for those without a vote and for -1: float32 [2 * tables, wanted]."""
        if self.rows is None:
            sums: Sums = self.sums.take(wanted, axis=1)
            return sums
        if not len(self.rows):
            return np.zeros((len(self.sums), len(wanted)), np.float32)
        places = self.rows[:-1].searchsorted(wanted)  # without the last row no place lies beyond the end
        return np.where(self.rows[places] == wanted, self.sums.take(places, axis=1), np.float32(0))

    def best(self, table: int, count: int, allowed: NDArray[np.bool_]) -> Rows:
        """The allowed items that the whole history votes for most, in any order; only those with a vote above 0.

        Args:
            table: Place of the table whose votes count.
            count: Items wanted.
            allowed: Mask over all items.
        """
        sums = self.sums[2 * table]
        if self.rows is None:
            rows: Rows = ((sums[:-1] > 0) & allowed).nonzero()[0].astype(np.int32)
            sums = sums[rows]
        else:
            keep = (sums > 0) & allowed[self.rows]
            rows, sums = self.rows[keep], sums[keep]
        if len(rows) > count:
            rows = rows[sums.argpartition(len(sums) - count)[-count:]]
        return rows


def _summed(cast: Sequence[tuple[NDArray[np.integer], NDArray[np.floating]]], columns: int) -> Sums:
    """Single votes by column, whole histories and newest items in turn."""
    sums = np.zeros((len(cast), columns), np.float32)
    for place, (at, votes) in enumerate(cast):
        if place % 2:
            sums[place, at] = votes  # one item votes for another once at most
        else:
            sums[place] = np.bincount(at, votes, minlength=columns)
    return sums
