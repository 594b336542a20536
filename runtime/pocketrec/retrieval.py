"""Candidates for the scorer: the best of index, neighbours, followers, and of what is taken of late.

Training makes its lists here too.
"""

import numpy as np

from pocketrec.index import Floats, Mask, Rows, VectorIndex
from pocketrec.votes import Votes


def retrieve(
    user: Floats,
    votes: Votes,
    index: VectorIndex,
    count: int,
    without: Rows,
    allowed: Mask | None = None,
    trending: Rows | None = None,
) -> Rows:
    """Rows that the scorer should rank, each once, the index's first.

    Args:
        user: User vector [dim].
        votes: Of the history.
        index: Of the catalogue.
        count: Items wanted from each source; the index gives as many as there are.
        without: A few rows to leave out, such as the history.
        allowed: Mask of the rows to choose from; all by default.
        trending: Rows that have a trend, the strongest first.
    """
    found = [index.search(user, count, without, allowed)]
    wanted = np.ones(len(index.vectors), np.bool_) if allowed is None else allowed.copy()
    wanted[without] = False
    new = wanted.copy()
    for table in range(votes.tables):
        new[found[-1]] = False
        best = votes.best(table, count, wanted)
        found.append(best[new[best]])
    if trending is not None and len(trending):
        new[found[-1]] = False
        best = trending[wanted[trending]][:count]
        found.append(best[new[best]])
    return np.concatenate(found)
