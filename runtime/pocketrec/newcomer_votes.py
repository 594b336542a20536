"""Votes for items added since export: by the known items whose texts are most like theirs.

The bundle's tables know nothing of them. An item that has only text is voted for by those it is most like, as those
are that were new at export (docs/decisions/0024, 0041).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pocketrec.likeness import TextLikeness, unit
from pocketrec.neighbours import Neighbours, Rows, Sums
from pocketrec.newcomers import parts

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

VOTERS = 64
"""Known items that vote for a newcomer."""
POWER = 3
"""Of likeness: one twin counts for more than a hundred distant cousins."""
_POWER_OF_COSINE = 6
"""Of the cosine, in bundles up to format 2."""
_STAND_INS = 500


@dataclass(frozen=True, slots=True)
class NewcomerVotes:
    """Who votes for each newcomer, and how much, before a table's scale."""

    voters: Rows
    """Rows of known items [newcomers, voters]."""
    votes: Floats
    """Float32 [newcomers, voters]."""

    @classmethod
    def of(
        cls,
        read: Floats,
        texts: Sequence[str],
        items: TextLikeness,
        known: Mask,
        rows: Rows | None = None,
    ) -> "NewcomerVotes":
        """Find the voters by text.

        Votes are the cube of likeness, divided by the root of their sum: a newcomer that is like little gets its say,
        and one that is like everything doesn't crowd out the others.

        Args:
            read: The encoder's vectors of the newcomers' texts [newcomers, dim].
            texts: What it read.
            items: Texts of all items.
            known: Which of those somebody took [items].
            rows: The newcomers' own among them [newcomers], if they stand there: nobody votes for himself.

        Example:
            >>> axes = np.eye(3, dtype=np.float32)
            >>> items = TextLikeness(axes, lambda: ["red mug", "blue rug", "green lamp"])
            >>> votes = NewcomerVotes.of(axes[:1], ["red mug"], items, np.array([True, True, True]))
            >>> votes.voters.tolist(), votes.votes.round(3).tolist()
            ([[0, 1, 2]], [[1.0, 0.0, 0.0]])
        """
        voters, votes = _empty(len(texts), known, rows)
        for part in parts(len(texts), len(items)):
            alike = items.to(read[part], texts[part])
            voters[part], best = _strongest(alike, known, None if rows is None else rows[part], voters.shape[1])
            cast = np.maximum(best, 0) ** POWER
            votes[part] = cast / np.sqrt(np.maximum(cast.sum(axis=1, keepdims=True), 1e-12))
        return cls(voters, votes)

    @classmethod
    def by_place(cls, placed: Floats, vectors: Floats, known: Mask, rows: Rows | None = None) -> "NewcomerVotes":
        """Find the voters by where newcomers stand, as bundles up to format 2 do: max(cosine, 0)^6.

        Args:
            placed: Vectors of the newcomers, of any length but 0 [newcomers, dim].
            vectors: All items' [items, dim].
            known: Which of those somebody took [items].
            rows: As for `of`.

        Example:
            >>> known_items = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
            >>> new = np.array([[2.0, 0.0]], dtype=np.float32)
            >>> votes = NewcomerVotes.by_place(new, known_items, np.array([True, True]))
            >>> votes.voters.tolist(), votes.votes.tolist()
            ([[0, 1]], [[1.0, 0.0]])
        """
        voters, votes = _empty(len(placed), known, rows)
        for part in parts(len(placed), len(vectors)):
            cosines = unit(placed[part]) @ vectors.T
            voters[part], best = _strongest(cosines, known, None if rows is None else rows[part], voters.shape[1])
            votes[part] = np.maximum(best, 0) ** _POWER_OF_COSINE
        return cls(voters, votes)

    @classmethod
    def among(cls, items: TextLikeness, known: Mask, rows: Rows) -> "NewcomerVotes":
        """As if some items were new among the others: as `of`, by the texts of those rows."""
        texts = items.texts()
        return cls.of(items.read[rows].astype(np.float32), [texts[row] for row in rows.tolist()], items, known, rows)

    def __len__(self) -> int:
        """Number of newcomers."""
        return len(self.voters)

    @property
    def mean(self) -> float:
        """All votes for a newcomer, on average."""
        return float(self.votes.sum(axis=1).mean()) if self.votes.size else 0.0

    def sums(self, history: Rows, tables: Sequence[Neighbours], scales: Sequence[float]) -> Sums:
        """What a history says of each newcomer, in the order of `Votes.sums`: float32 [2 * tables, newcomers].

        Args:
            history: Item rows, oldest first; -1 stands for an item that doesn't vote.
            tables: Whose votes fall with age.
            scales: Of each table, what a vote of 1 is worth there.
        """
        sums = np.zeros((2 * len(tables), len(self)), np.float32)
        if not len(history) or not len(self):
            return sums
        last = np.where(self.voters == history[-1], self.votes, 0).sum(axis=1)
        for place, (table, scale) in enumerate(zip(tables, scales, strict=True)):
            recent = history[-table.voters :]
            ages = table.decay ** np.arange(len(recent) - 1, -1, -1)
            heard = np.bincount(recent[recent >= 0], ages[recent >= 0], minlength=len(table))
            sums[2 * place] = scale * (heard[self.voters] * self.votes).sum(axis=1)
            sums[2 * place + 1] = scale * last
        return sums


def stand_ins(known: Mask) -> Rows:
    """Rows of known items by which it is measured how many votes newcomers get: always the same [at most 500]."""
    return np.random.default_rng(0).permutation(np.flatnonzero(known))[:_STAND_INS].astype(np.int32)


def _empty(newcomers: int, known: Mask, rows: Rows | None) -> tuple[Rows, Floats]:
    """Room for as many voters as there can be."""
    count = max(0, min(VOTERS, int(np.count_nonzero(known)) - (rows is not None)))
    return np.zeros((newcomers, count), np.int32), np.zeros((newcomers, count), np.float32)


def _strongest(alike: Floats, known: Mask, rows: Rows | None, count: int) -> tuple[Rows, Floats]:
    """Rows of the `count` known items that are most like each newcomer, in their order, and how much."""
    alike = np.where(known, alike, -np.inf)
    if rows is not None:
        alike[np.arange(len(alike)), rows] = -np.inf
    best = np.sort(np.argpartition(-alike, max(count - 1, 0), axis=1)[:, :count], axis=1).astype(np.int32)
    return best, np.take_along_axis(alike, best, axis=1)
