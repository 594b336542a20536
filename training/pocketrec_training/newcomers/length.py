"""How long the vectors of newcomers are: so long that people meet as many of them as there are."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from pocketrec.newcomers import settled
from pocketrec_training.tower.sequences import Rows

Floats = NDArray[np.float32]

_PRETENDING = 0.1
"""Share of the known items that play newcomers."""
_MOST = 2000
"""Of them: what others say about each is a column as long as the catalogue."""
_SEEN = 10
_STEPS = 12
"""Halvings: the length is found to a thousandth."""


def playing_newcomers(known: NDArray[np.bool_], seed: int) -> NDArray[np.bool_]:
    """A tenth of the known items, of a large catalogue fewer, drawn to play newcomers: mask [items]."""
    rows, playing = np.flatnonzero(known), np.zeros_like(known)
    playing[np.random.default_rng(seed).permutation(rows)[: min(round(_PRETENDING * len(rows)), _MOST)]] = True
    return playing


def fair_length(
    users: Floats, histories: Sequence[Rows], vectors: Floats, read: Floats, known: NDArray[np.bool_], seed: int
) -> float:
    """Length at which newcomers' share of people's best ten is their share of the items.

    Some known items play newcomers: they are placed by their texts among the others, as `settled` does. The longer
    their vectors, the more of them are met.

    Args:
        users: User vectors [users, dim].
        histories: Of the same users, which are not met again.
        vectors: All items' vectors [items, dim].
        read: Vectors of their texts alone [items, dim].
        known: Items that somebody took [items].
        seed: Of who plays.

    Returns:
        0 < length <= 1; 1 if there is nothing to measure by.
    """
    playing = playing_newcomers(known, seed)
    count, others = int(playing.sum()), known & ~playing
    if not count or not len(users):
        return 1.0
    theirs = users @ settled(read[playing], vectors, others).T
    rest = users @ vectors[others].T
    place, new = np.full(len(known), -1), np.full(len(known), -1)
    place[others], new[playing] = np.arange(rest.shape[1]), np.arange(count)
    for line, history in enumerate(histories):
        for scores, at in ((rest, place), (theirs, new)):
            met = at[history]
            scores[line, met[met >= 0]] = -np.inf
    seen = min(_SEEN, rest.shape[1])
    best = torch.from_numpy(rest).topk(seen, dim=1).values
    fair = count / np.count_nonzero(known)
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        mine = torch.from_numpy(middle * theirs).topk(min(seen, count), dim=1).values
        least = torch.cat([best, mine], dim=1).topk(seen, dim=1).values[:, -1:]
        share = float((mine >= least).sum() / (seen * len(users)))
        low, high = (low, middle) if share > fair else (middle, high)
    return max(round(high, 3), 0.001)
