"""Where an item stands that nobody has taken yet: at its text, drawn towards the known items that are most like it.

Text says what an item is; whom it pleases, behaviour taught of others. A newcomer is met by those who take
what is like it, until it has a history of its own (docs/decisions/0015).
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

NEAR = 10
"""Known items that draw a newcomer."""
_PULL = 2.0
"""How much they weigh against its text."""
_TEMPERATURE = 0.2
"""Of the softmax over their cosines: the nearest counts most."""
_CELLS = 4_000_000
"""Cosines held in memory at a time."""


def parts(newcomers: int, items: int) -> Iterator[slice]:
    """Slices of newcomers, each of as many as may be compared with all items at once."""
    step = max(1, _CELLS // max(1, items))
    return (slice(start, start + step) for start in range(0, newcomers, step))


def settled(
    read: Floats,
    vectors: Floats,
    known: NDArray[np.bool_],
    length: float = 1.0,
    rows: NDArray[np.integer] | None = None,
) -> Floats:
    """Vectors of newcomers, float32 [newcomers, dim].

    Args:
        read: Vectors of their texts [newcomers, dim].
        vectors: All items' vectors [items, dim].
        known: Which of those somebody took [items]; with none, newcomers stay at their texts.
        length: Of the vectors. A mean of others lies nearer to everybody than one of them: at unit length newcomers
            would crowd out what is known.
        rows: Their own among `vectors` [newcomers], if they stand there: nobody draws himself.

    Example:
        >>> known_items = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
        >>> placed = settled(np.array([[0.8, 0.6]], dtype=np.float32), known_items, np.array([True, False]))
        >>> bool(np.allclose(placed, [[0.978, 0.210]], atol=1e-3))
        True
    """
    near = min(NEAR, int(np.count_nonzero(known)) - (rows is not None))
    if near < 1:
        return read
    settled_parts = [
        length * _settled(read[part], vectors, known, None if rows is None else rows[part], near)
        for part in parts(len(read), len(vectors))
    ]
    return np.concatenate([*settled_parts, read[:0]]).astype(np.float32)


def _settled(
    read: Floats, vectors: Floats, known: NDArray[np.bool_], rows: NDArray[np.integer] | None, near: int
) -> Floats:
    cosines = np.where(known, read @ vectors.T, -np.inf)
    if rows is not None:
        cosines[np.arange(len(read)), rows] = -np.inf
    at = np.argpartition(-cosines, near - 1, axis=1)[:, :near]
    weights = np.exp(np.take_along_axis(cosines, at, axis=1) / _TEMPERATURE)
    weights /= weights.sum(axis=1, keepdims=True)
    drawn = read + _PULL * (weights[:, :, None] * vectors[at]).sum(axis=1)
    unit: Floats = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    return unit
