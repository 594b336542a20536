"""Batches for the user tower: windows of histories, padded."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Rows = NDArray[np.int32]
_SHELF = 32
"""Batches' worth of pieces that are sorted by length together: few enough that each epoch mixes them anew."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Histories, padded at the left."""

    rows: Tensor
    """Int64 [batch, length], items."""
    mask: Tensor
    """Float [batch, length]: 1 for an item, 0 for padding."""
    inputs: Tensor
    """Int64 [batch, length], what the tower reads in place of `rows`: usually the same."""
    shown: Tensor
    """Float [batch, length]: which inputs the tower sees."""
    contexts: Tensor
    """Int64 [batch], which context the last item was taken in; -1 for none."""
    queries: Tensor
    """Int64 [queries], what others typed."""
    answers: Tensor
    """Int64 [queries], an item for each."""

    @classmethod
    def of(cls, histories: Sequence[Rows]) -> "Batch":
        """Pad histories to the longest of them; no context is known, and nobody typed anything."""
        length = max((len(rows) for rows in histories), default=0)
        padded = np.zeros((len(histories), length), dtype=np.int64)
        mask = np.zeros((len(histories), length), dtype=np.float32)
        for i, rows in enumerate(histories):
            padded[i, length - len(rows) :] = rows
            mask[i, length - len(rows) :] = 1
        items, real = torch.from_numpy(padded), torch.from_numpy(mask)
        nothing = torch.zeros(0, dtype=torch.long)
        return cls(items, real, items, real, torch.full((len(histories),), -1), nothing, nothing)


def windows(histories: Sequence[Rows], length: int, random: np.random.Generator, shuffled: bool = False) -> list[Rows]:
    """Cut histories into pieces of `length` inputs and the item that follows.

    Long histories are cut at a new random phase each time, so that every item is met with different pasts.

    Args:
        histories: Item rows of each user, oldest first.
        length: Most inputs of a piece.
        random: Of phases and orders.
        shuffled: Whether histories have no order: each is put into a new one every time.
    """
    pieces = []
    for rows in histories:
        if len(rows) < 2:
            continue
        if shuffled:
            rows = random.permutation(rows)
        ends = [len(rows)]
        if len(rows) > length + 1:
            ends += range(len(rows) - int(random.integers(1, length + 1)), 1, -length)
        pieces += [rows[max(0, end - length - 1) : end] for end in ends]
    return pieces


def batches(pieces: Sequence[Rows], size: int, random: np.random.Generator) -> list[list[Rows]]:
    """Pieces of each batch, in random order, those of like length together: padding costs as much as items do.

    A batch holds as many items as `size` pieces of mean length, so that every item counts alike.
    """
    order = random.permutation(len(pieces))
    lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)
    most = size * lengths.mean() if len(pieces) else 1.0
    parts: list[NDArray[np.int64]] = []
    for start in range(0, len(order), _SHELF * size):
        shelf = order[start : start + _SHELF * size]
        shelf = shelf[np.argsort(lengths[shelf], kind="stable")]
        full = np.ceil(lengths[shelf].sum() / most)  # batches of this shelf
        place = (np.cumsum(lengths[shelf]) - lengths[shelf]) * full / lengths[shelf].sum()
        parts += np.split(shelf, np.flatnonzero(np.diff(place.astype(np.int64))) + 1)
    return [[pieces[i] for i in parts[at]] for at in random.permutation(len(parts))]


def pushed_right(tokens: Tensor, kinds: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Move the real tokens of each row to the right end, keeping their order: padding stands at the left."""
    order = mask.argsort(dim=1, stable=True)
    moved = tokens.gather(1, order[:, :, None].expand_as(tokens))
    return moved, kinds.gather(1, order), mask.gather(1, order)
