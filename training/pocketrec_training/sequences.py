"""Batches for the user tower: windows of histories, and short requests with a query or context."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pocketrec.items import Item
from pocketrec.text import clean_text

Rows = NDArray[np.int32]
_WORD = re.compile(r"\S+")
FRAGMENTS = 2
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

    @classmethod
    def of(cls, histories: Sequence[Rows]) -> "Batch":
        """Pad histories to the longest of them."""
        length = max((len(rows) for rows in histories), default=0)
        padded = np.zeros((len(histories), length), dtype=np.int64)
        mask = np.zeros((len(histories), length), dtype=np.float32)
        for i, rows in enumerate(histories):
            padded[i, length - len(rows) :] = rows
            mask[i, length - len(rows) :] = 1
        items, real = torch.from_numpy(padded), torch.from_numpy(mask)
        return cls(items, real, items, real)


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


def batches(pieces: Sequence[Rows], size: int, random: np.random.Generator) -> list[Batch]:
    """Pieces in random order, those of like length together: padding costs as much as items do.

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
    return [Batch.of([pieces[i] for i in parts[at]]) for at in random.permutation(len(parts))]


def request_texts(items: Sequence[Item], seed: int) -> list[tuple[str, ...]]:
    """What a person might type to find each item, or say of the moment: pieces of its title, and its categories.

    Returns:
        For each item `FRAGMENTS` runs of words of its title, then its categories (its title where it has none).
    """
    random = np.random.default_rng(seed)
    texts = []
    for item in items:
        words = _WORD.findall(clean_text(item.title))
        pieces = []
        for _ in range(FRAGMENTS):
            length = int(random.integers(1, len(words) + 1))
            start = int(random.integers(0, len(words) - length + 1))
            pieces.append(" ".join(words[start : start + length]))
        texts.append((*pieces, ", ".join(item.categories) or item.title))
    return texts
