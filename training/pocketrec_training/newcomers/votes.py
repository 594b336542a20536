"""Votes for newcomers: by items that say nearly the same.

An item that nobody took has no place in what people took together. So those vote for it whose texts are most like its
own (`pocketrec.likeness`), by the cube of the likeness: one twin counts for more than a hundred distant cousins
(docs/decisions/0018, 0036).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_matrix, hstack

from pocketrec.likeness import TextLikeness
from pocketrec.neighbours import Neighbours
from pocketrec.newcomer_votes import POWER, VOTERS
from pocketrec_training.neighbours.truncation import truncated

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

_BLOCK = 1024
"""Newcomers of a large catalogue that are compared with all items at a time."""


def votes_by_text(alike: Floats, new: Mask, level: float) -> Floats:
    """What each item says about each newcomer, nothing of itself: float32 [items, newcomers].

    A newcomer's votes are divided by the root of their sum: one that is like nothing gets its say, and one that is like
    everything doesn't crowd out the others.

    Args:
        alike: How alike the texts of all items and of newcomers are [items, newcomers].
        new: Mask of the newcomers [items].
        level: Sum of all votes for a newcomer, on average.
    """
    votes = _cast(alike, np.flatnonzero(new))
    return votes * _scale(float(votes.sum()), votes.shape[1], level)


def _cast(alike: Floats, newcomers: NDArray[np.intp]) -> Floats:
    """Before they are scaled: float32 [items, newcomers]."""
    votes: Floats = np.maximum(alike, 0) ** POWER
    votes[newcomers, np.arange(votes.shape[1])] = 0
    if len(votes) > VOTERS:
        votes[votes < np.partition(votes, -VOTERS, axis=0)[-VOTERS]] = 0
    votes /= np.sqrt(np.maximum(votes.sum(axis=0), 1e-12))
    return votes


def _scale(total: float, newcomers: int, level: float) -> np.float32:
    return np.float32(level * newcomers / max(total, 1e-12))


def truncated_with_newcomers(
    weights: Floats, texts: TextLikeness, new: Mask, level: float, per_item: int, decay: float = 1.0
) -> Neighbours:
    """The strongest of each row of a dense table, in which newcomers get votes by text.

    Where all are new, the table stays as it is.

    Args:
        weights: Of each item for each other [items, items]; changed in place.
        texts: Of all items.
        new: Mask of the newcomers [items].
        level: Votes for a newcomer in all, against those for another item on average.
        per_item: Weights kept in a row.
        decay: Of votes with age.
    """
    kept = truncated(weights, per_item, decay)
    if not new.any() or new.all():
        return kept
    weights[:, new] = votes_by_text(texts.among(np.flatnonzero(new)).T, new, level * kept.mean_votes(~new))
    return truncated(weights, per_item, decay)


def with_votes_by_text(weights: Neighbours, texts: TextLikeness, new: Mask, level: float) -> Neighbours:
    """`truncated_with_newcomers` of a sparse table, whose rows may become longer.

    Args:
        weights: Between items.
        texts: Of all items.
        new: Mask of the newcomers [items].
        level: Votes for a newcomer in all, against those for another item on average.
    """
    if not new.any() or new.all():
        return weights
    items, old = len(weights), ~new[weights.rows]
    voters, newcomers = np.repeat(np.arange(items), np.diff(weights.indptr)), np.flatnonzero(new)
    blocks = np.split(newcomers, np.arange(_BLOCK, len(newcomers), _BLOCK))
    votes = hstack([csc_array(_cast(texts.among(block).T, block)) for block in blocks]).tocoo()
    by_text, for_whom = votes.coords
    cast = votes.data * _scale(float(votes.sum()), len(newcomers), level * weights.mean_votes(~new))
    rows = np.concatenate([weights.rows[old], newcomers[for_whom]])
    values = np.concatenate([weights.values[old], cast])
    table = csr_matrix((values, (np.concatenate([voters[old], by_text]), rows)), shape=(items, items))
    table.sort_indices()
    return Neighbours.of_arrays(
        table.indptr.astype(np.int64), table.indices.astype(np.int32), table.data.astype(np.float32), weights.decay
    )
