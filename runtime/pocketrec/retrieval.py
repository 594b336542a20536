"""Candidates for the scorer: the index's best joined with the neighbours' best. Training makes its lists here too."""

import numpy as np
from numpy.typing import NDArray

from pocketrec.index import Floats, Mask, Rows, VectorIndex


def retrieve(
    user: Floats,
    voted: tuple[Rows, NDArray[np.float32]],
    index: VectorIndex,
    count: int,
    without: Rows,
    allowed: Mask | None = None,
) -> Rows:
    """Rows that the scorer should rank, each once, the index's first.

    Args:
        user: User vector [dim].
        voted: What `Neighbours.votes` said of the history.
        index: Of the catalogue.
        count: Items wanted from each source; the index gives as many as there are.
        without: A few rows to leave out, such as the history.
        allowed: Mask of the rows to choose from; all by default.
    """
    near = index.search(user, count, without, allowed)
    rows, sums = voted
    wanted = np.ones(len(index.vectors), np.bool_) if allowed is None else allowed.copy()
    wanted[without] = False
    keep = wanted[rows] & (sums > 0)
    rows, sums = rows[keep], sums[keep]
    if len(rows) > count:
        rows = rows[sums.argpartition(len(sums) - count)[-count:]]
    wanted[near] = False
    return np.concatenate([near, rows[wanted[rows]]])
