"""What the items of a history say about others: those taken beside them, and those taken next."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pocketrec.neighbours import Neighbours, Rows, Sums, Voted


@dataclass(frozen=True, slots=True)
class Votes:
    """Sums of a history's votes, from both kinds of item-item weights."""

    neighbours: Voted
    """Of the whole history, for what is taken together."""
    last_neighbours: Voted
    """Of its newest item alone."""
    followers: Voted
    """Of the whole history, for what is taken next."""
    last_followers: Voted
    """Of its newest item alone."""

    @classmethod
    def of(cls, history: Rows, neighbours: Neighbours, followers: Neighbours) -> "Votes":
        """Ask both tables about a history, oldest first; -1 stands for an item that they don't know."""
        newest = history[-1:]
        return cls(
            neighbours=neighbours.votes(history),
            last_neighbours=neighbours.votes(newest),
            followers=followers.votes(history),
            last_followers=followers.votes(newest),
        )

    def at(self, rows: Rows) -> Sums:
        """Votes for some items, 0 where there is none: float32 [4, rows], in the order of the fields."""
        return np.stack(
            [
                _at(rows, self.neighbours),
                _at(rows, self.last_neighbours),
                _at(rows, self.followers),
                _at(rows, self.last_followers),
            ]
        )


def _at(wanted: Rows, voted: Voted) -> NDArray[np.float32]:
    rows, sums = voted
    if not len(rows):
        return np.zeros(len(wanted), np.float32)
    places = rows[:-1].searchsorted(wanted)  # without the last row no place lies beyond the end
    votes: Sums = sums[places] * (rows[places] == wanted)
    return votes
