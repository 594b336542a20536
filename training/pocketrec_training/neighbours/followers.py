"""Followers that read: item-item weights from what somebody took to what he takes next.

Each place t of a history gives a row of P, its past with weight decay^age, and a row of Y, the `ahead` items that
come next. The weights are a ridge regression from one to the other, W = (P'P + a^2 T'T + lambda I)^-1 (P'Y + a^2 S),
with the words x items matrix T of `text_ease`, and S = T'T without its diagonal: an item without interactions is
followed by those that share its words, not by itself. Unlike neighbours, followers know that the second part comes
after the first.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated

import numpy as np
import torch
from msgspec import Meta
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, csr_matrix, diags_array

from pocketrec.config import Config
from pocketrec.likeness import TextLikeness
from pocketrec.neighbours import Neighbours
from pocketrec_training.neighbours.text_ease import word_matrix
from pocketrec_training.neighbours.truncation import strongest
from pocketrec_training.newcomers.votes import truncated_with_newcomers, with_votes_by_text

Rows = NDArray[np.int32]
Places = Iterator[tuple[csr_matrix, csr_matrix]]
"""P and Y, some histories at a time."""

_CHUNK = 200_000
"""Places of histories that are counted at a time."""
_BLOCK = 1024
"""Items whose followers are found at a time in a large catalogue."""


class FollowerConfig(Config, frozen=True, kw_only=True):
    """How followers are fitted."""

    decay: Annotated[float, Meta(gt=0, le=1)] = 0.9
    """An item of the past counts less by this factor with each newer one."""
    ahead: Annotated[int, Meta(ge=1)] = 3
    """Next items that are predicted, all alike."""
    regularisation: Annotated[float, Meta(gt=0)] = 300.0
    """lambda: larger trusts single successions less."""
    text_weight: Annotated[float, Meta(ge=0)] = 2.0
    """a: how much a shared word counts against a place of a history; 0 leaves text out."""
    per_item: Annotated[int, Meta(ge=1)] = 64
    """Strongest weights kept for each item."""
    newcomer_level: Annotated[float, Meta(ge=0)] = 0.5
    """As for neighbours."""
    max_items: Annotated[int, Meta(ge=1)] = 20_000
    """The closed form solves a dense items x items system; beyond this, P'P counts by its diagonal alone."""


def fit_followers(
    histories: Sequence[Rows],
    texts: Sequence[str],
    vectors: NDArray[np.float32],
    past: int,
    config: FollowerConfig,
) -> Neighbours:
    """Fit the weights and keep the strongest of each item; votes for what nobody took come from texts alone.

    Args:
        histories: Item rows of each user, oldest first.
        texts: Text of each item of the catalogue, by row.
        vectors: The encoder's, of the same texts [items, width].
        past: Newest items of a history that count.
        config: Of the regression.

    Returns:
        Weights whose votes fall with the very decay that they were fitted for.
    """
    items = len(texts)
    new = np.bincount(np.concatenate([*histories, np.zeros(0, np.int32)]), minlength=items) == 0
    words, alike = config.text_weight * word_matrix(texts), TextLikeness(vectors, lambda: texts)
    places = _places(histories, items, past, config)
    if items <= config.max_items:
        weights = _regression(places, (words.T @ words).tocsr(), config.regularisation)
        return truncated_with_newcomers(weights, alike, new, config.newcomer_level, config.per_item, config.decay)
    kept = _without_others(places, words.tocsc(), config.regularisation, config.per_item)
    return with_votes_by_text(Neighbours.of_rows(kept, config.decay), alike, new, config.newcomer_level)


def _regression(places: Places, shared: csr_matrix, regularisation: float) -> NDArray[np.float32]:
    """W off its diagonal, dense float32 [items, items].

    With G = P'P + a^2 T'T + lambda I the right side is G + S, where S = P'Y - P'P - lambda I - diag(a^2 T'T) has none
    of the words' many entries. So W = I + G^-1 S, and a sparse product stands for a dense one of thrice the cost.
    """
    together = successions = csr_matrix(shared.shape, dtype=np.float32)
    for before, after in places:
        together, successions = together + before.T @ before, successions + before.T @ after
    gram = torch.from_numpy((together + shared).toarray())
    gram.diagonal().add_(regularisation)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram)).numpy()
    rest = successions - together - diags_array(shared.diagonal() + np.float32(regularisation))
    weights: NDArray[np.float32] = np.ascontiguousarray((rest.T.tocsr() @ inverse).T)
    np.fill_diagonal(weights, 0.0)
    return weights


def _without_others(
    places: Places, words: csc_matrix, regularisation: float, per_item: int
) -> list[tuple[Rows, NDArray[np.float32]]]:
    """The strongest of W with nothing but the diagonal of P'P + a^2 T'T: each item by itself, block by block."""
    sizes = np.asarray(words.power(2).sum(axis=0)).ravel() + regularisation
    successions = csr_matrix((words.shape[1], words.shape[1]), dtype=np.float32)
    for before, after in places:
        sizes += np.asarray(before.power(2).sum(axis=0)).ravel()
        successions = successions + before.T @ after
    rows: list[tuple[Rows, NDArray[np.float32]]] = []
    for start in range(0, words.shape[1], _BLOCK):
        part = slice(start, start + _BLOCK)
        block = (successions[part] + words[:, part].T @ words).tocsr()
        block.setdiag(0, k=start)  # no item follows itself
        block.eliminate_zeros()
        rows += strongest((diags_array(1 / sizes[part]) @ block).tocsr(), per_item)
    return rows


def _places(histories: Sequence[Rows], items: int, past: int, config: FollowerConfig) -> Places:
    """P and Y, some histories at a time."""
    ends = np.cumsum([len(rows) for rows in histories], dtype=np.int64)
    cuts = np.searchsorted(ends, np.arange(_CHUNK, ends[-1] if len(ends) else 0, _CHUNK))
    for part in np.split(np.arange(len(histories)), np.unique(cuts)):
        rows = np.concatenate([*(histories[i] for i in part), np.zeros(0, np.int32)])
        lengths = np.array([len(histories[i]) for i in part], dtype=np.int64)
        place = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        left = np.repeat(lengths, lengths) - place - 1
        earlier = [(-lag, config.decay**lag, (place >= lag) & (left > 0)) for lag in range(past)]
        later = [(step, 1.0, left >= step) for step in range(1, config.ahead + 1)]
        yield _table(rows, earlier, items), _table(rows, later, items)


def _table(rows: Rows, shifts: Sequence[tuple[int, float, NDArray[np.bool_]]], items: int) -> csr_matrix:
    """A line for each place, with the weight of each shift at the item that stands so far from it."""
    at = [np.flatnonzero(counts) for _, _, counts in shifts]
    columns = [rows[here + shift] for here, (shift, _, _) in zip(at, shifts, strict=True)]
    values = [np.full(len(here), weight, np.float32) for here, (_, weight, _) in zip(at, shifts, strict=True)]
    where = (np.concatenate(at), np.concatenate(columns))
    return csr_matrix((np.concatenate(values), where), shape=(len(rows), items))
