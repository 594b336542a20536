"""Item-kNN: items that the same users took."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pocketrec_training.evaluate.baselines.baseline import (
    Baseline,
    backed_off,
    history_matrix,
    popularity_below_zero,
)
from pocketrec_training.evaluate.ranker import Histories

_BLOCK = 1024
"""Items whose similarities are held at a time."""


@dataclass(frozen=True, slots=True)
class ItemKnn(Baseline):
    """Sum of the cosine similarities of an item to those of the history (Sarwar et al., WWW 2001).

    s(i, j) = users of both / (sqrt(users of i * users of j) + shrinkage)
    """

    items: int
    similarities: sparse.csr_array
    """[items, items]; row i holds the items most similar to i."""
    below: NDArray[np.float32]

    @classmethod
    def fit(
        cls,
        histories: Sequence[NDArray[np.int32]],
        items: int,
        neighbours: int = 100,
        shrinkage: float = 10.0,
    ) -> "ItemKnn":
        """Count users in common.

        Args:
            histories: Item rows of each user.
            items: Size of the catalogue.
            neighbours: Similarities kept for each item, the largest.
            shrinkage: Takes weight from pairs that few users took.
        """
        taken = history_matrix(histories, items)
        users = np.asarray(taken.sum(axis=0)).ravel()
        by_item = taken.T.tocsr()
        blocks = []
        for start in range(0, items, _BLOCK):
            shared = (by_item[start : start + _BLOCK] @ taken).tocoo()
            rows, columns = shared.coords
            apart = columns != rows + start
            rows, columns, counts = rows[apart], columns[apart], shared.data[apart]
            values = counts / (np.sqrt(users[rows + start] * users[columns]) + shrinkage)
            shape = (shared.shape[0], items)
            blocks.append(_largest(sparse.csr_array((values, (rows, columns)), shape=shape), neighbours))
        below = popularity_below_zero(users.astype(np.int64))
        return cls(items, sparse.vstack(blocks, format="csr"), below)

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Summed similarities; items similar to none by popularity."""
        return backed_off(history_matrix(histories, self.items) @ self.similarities, self.below)


def _largest(matrix: sparse.csr_array, count: int) -> sparse.csr_array:
    """Keep the largest `count` values of each row, of equal ones those further left."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((matrix.indices, -matrix.data, rows))
    rank = np.arange(len(order)) - matrix.indptr[rows]
    kept = order[rank < count]
    coordinates = (rows[kept], matrix.indices[kept])
    return sparse.csr_array((matrix.data[kept].astype(np.float32), coordinates), shape=matrix.shape)
