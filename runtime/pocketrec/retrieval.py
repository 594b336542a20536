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
    if not len(rows):
        return near
    if len(rows) > count:
        # A few more than wanted, for those that are about to be left out.
        top = np.argpartition(-sums, min(count + len(without), len(sums) - 1))[: count + len(without)]
        rows, sums = rows[top], sums[top]
    keep = ~(np.isin(rows, without) | np.isin(rows, near)) & (sums > 0)
    if allowed is not None:
        keep &= allowed[rows]
    return np.concatenate([near, rows[keep]])
