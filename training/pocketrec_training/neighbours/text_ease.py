"""Neighbours that read: item-item weights from what people took and what items say.

EASE (Steck 2019) regresses each item on all others: with the Gram matrix G = X'X of the users x items matrix X and
P = (G + lambda I)^-1, the weights are B_ij = -P_ij / P_jj, B_ii = 0. Here X is stacked with a * T, where T is the
words x items matrix: each word is one more user, who "took" the items whose text has it. Items that share words
become neighbours without a single interaction, so new items have neighbours too. SLIM (`slim.py`) is the alternative,
on the same stacked matrix.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import torch
from msgspec import Meta
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags_array, vstack
from torch import Tensor

from pocketrec.config import Config
from pocketrec.likeness import TextLikeness
from pocketrec.neighbours import Neighbours
from pocketrec_training.neighbours.slim import slim
from pocketrec_training.neighbours.truncation import strongest
from pocketrec_training.newcomers.votes import truncated_with_newcomers, with_votes_by_text

_WORD = re.compile(r"\w+")


class NeighbourConfig(Config, frozen=True, kw_only=True):
    """How neighbours are fitted."""

    kind: Literal["ease", "slim"] = "ease"
    """`ease` in closed form, or `slim`: an elastic net, sparse and never negative."""
    regularisation: Annotated[float, Meta(gt=0)] = 100.0
    """EASE's lambda, SLIM's l2: larger trusts single co-occurrences less."""
    l1: Annotated[float, Meta(gt=0)] = 1.0
    """Of `slim` alone: larger leaves fewer weights."""
    text_weight: Annotated[float, Meta(ge=0)] = 2.0
    """a: how much a shared word counts against a shared user; 0 leaves words out."""
    vector_weight: Annotated[float, Meta(ge=0)] = 0.0
    """b: how much the encoder's view of likeness counts; 0 leaves it out."""
    length_exponent: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """A user's row is scaled by its length to minus this power; 0.5 suits baskets of very different sizes."""
    per_item: Annotated[int, Meta(ge=1)] = 64
    """Strongest weights kept for each item."""
    newcomer_level: Annotated[float, Meta(ge=0)] = 0.5
    """Votes for an item that nobody took, all by text, against those for another item: with more, more are met."""
    max_items: Annotated[int, Meta(ge=1)] = 20_000
    """Both kinds work on a dense items x items matrix; beyond this, weights are plain cosines."""


def word_matrix(texts: Sequence[str], max_share: float = 0.2) -> csr_matrix:
    """Which item's text has which word: float32 [words, items], ones.

    Words of one item alone tie nothing together and are left out, and so are those of more than `max_share` of the
    items, which tie everything.
    """
    words = [sorted(set(_WORD.findall(text.lower()))) for text in texts]
    counts = Counter(word for line in words for word in line)
    kept = {word: i for i, word in enumerate(sorted(w for w, c in counts.items() if 2 <= c <= max_share * len(texts)))}
    rows = [kept[word] for line in words for word in line if word in kept]
    columns = [item for item, line in enumerate(words) for word in line if word in kept]
    return csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=(len(kept), len(texts)))


def fit_neighbours(
    histories: Sequence[NDArray[np.int32]],
    texts: Sequence[str],
    vectors: NDArray[np.float32],
    config: NeighbourConfig,
) -> Neighbours:
    """Fit the weights and keep the strongest of each item; votes for what nobody took come from texts alone.

    Args:
        histories: Item rows of each user.
        texts: Text of each item of the catalogue, by row.
        vectors: The encoder's, of the same texts [items, width].
        config: Regularisation, weight of text, truncation.

    Returns:
        Neighbours without decay, which is chosen after the fit and costs none.
    """
    taken = _taken(histories, len(texts), config.length_exponent)
    stacked, new = vstack([taken, config.text_weight * word_matrix(texts)]), taken.sum(axis=0) == 0
    alike = TextLikeness(vectors, lambda: texts)
    if len(texts) > config.max_items:
        return with_votes_by_text(_cosine_neighbours(stacked.tocsc(), config), alike, new, config.newcomer_level)
    counts = gram(stacked)
    if config.vector_weight:
        # Every dimension of the vectors is one more user, who "took" each item by so much.
        counts += config.vector_weight**2 * torch.from_numpy(alike.centred @ alike.centred.T)
    if config.kind == "slim":
        weights = slim(counts, config.l1, config.regularisation)
    else:
        weights = ease(counts, config.regularisation)
    return truncated_with_newcomers(weights, alike, new, config.newcomer_level, config.per_item)


def gram(matrix: csr_matrix) -> Tensor:
    """X'X of a users x items matrix, dense float [items, items]."""
    return torch.from_numpy((matrix.T @ matrix).toarray().astype(np.float32))


def ease(gram: Tensor, regularisation: float) -> NDArray[np.float32]:
    """EASE weights, dense float32 [items, items]; row i holds what an i in the history says about every item.

    Args:
        gram: G, float [items, items]; overwritten.
        regularisation: lambda.
    """
    gram.diagonal().add_(regularisation)
    precision = torch.cholesky_inverse(torch.linalg.cholesky(gram))
    weights = precision.div_(-precision.diagonal().clone()[None, :])
    weights.fill_diagonal_(0.0)
    return weights.numpy()


def _taken(histories: Sequence[NDArray[np.int32]], items: int, length_exponent: float) -> csr_matrix:
    unique = [np.unique(rows) for rows in histories]
    lengths = np.array([len(rows) for rows in unique], dtype=np.int64)
    users = np.repeat(np.arange(len(unique)), lengths)
    columns = np.concatenate([*unique, np.zeros(0, np.int32)])
    ones = csr_matrix((np.ones(len(columns), np.float32), (users, columns)), shape=(len(unique), items))
    scale = np.maximum(lengths, 1).astype(np.float32) ** -length_exponent
    return diags_array(scale) @ ones


def _cosine_neighbours(matrix: csr_matrix, config: NeighbourConfig) -> Neighbours:
    """Cosines between items' columns, block by block, for catalogues too large to invert."""
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=0)).ravel())
    unit = (matrix @ diags_array(1 / np.maximum(norms, 1e-12))).tocsc()
    rows: list[tuple[NDArray[np.int32], NDArray[np.float32]]] = []
    for start in range(0, matrix.shape[1], 1024):
        block = (unit[:, start : start + 1024].T @ unit).tocsr()
        block.setdiag(0, k=start)  # no item is its own neighbour
        block.eliminate_zeros()
        rows += strongest(block, config.per_item)
    return Neighbours.of_rows(rows, decay=1.0)
