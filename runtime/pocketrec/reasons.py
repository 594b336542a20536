"""Why an item stands in the answer, in terms of what the person did and asked for."""

import numpy as np
from numpy.typing import NDArray

from pocketrec.items import Reason
from pocketrec.live import LiveCatalogue
from pocketrec.neighbours import votes_at

Floats = NDArray[np.float32]
Rows = NDArray[np.int32]


def reasons_for(
    live: LiveCatalogue, row: int, vector: Floats, history: Rows, query: Floats | None, most: int = 3
) -> tuple[Reason, ...]:
    """The strongest reasons for one item, at most one a kind.

    Args:
        live: The catalogue.
        row: Of the recommended item.
        vector: Its vector [dim].
        history: Rows of the history that was read, oldest first.
        query: Vector of the query, if there was one.
        most: Reasons to give.
    """
    found = []
    if query is not None:
        found.append(Reason(kind="query", weight=round(float(vector @ query), 4)))
    if len(history):
        votes = _votes_of_each(live, row, history)
        if votes.max() > 0:
            best = int(votes.argmax())
            weight = round(float(votes[best]), 4)
            found.append(Reason(kind="bought_together", item_id=live.id(int(history[best])), weight=weight))
        cosines = live.vectors(history) @ vector
        best = int(cosines.argmax())
        weight = round(float(cosines[best]), 4)
        found.append(Reason(kind="similar", item_id=live.id(int(history[best])), weight=weight))
    if not found:
        origin = live.origin(np.array([row], np.int32))
        found.append(Reason(kind="popular", weight=round(float(live.bundle.popularity[origin[0]]), 4)))
    return tuple(found[:most])


def _votes_of_each(live: LiveCatalogue, row: int, history: Rows) -> Floats:
    """What each item of the history alone says of the item, weighted by its age."""
    neighbours = live.bundle.neighbours
    wanted, sources = live.origin(np.array([row], np.int32)), live.origin(history)
    votes = np.zeros(len(history), np.float32)
    if wanted[0] >= 0:
        for place, source in enumerate(sources):
            if source >= 0:
                age = len(history) - 1 - place
                alone = votes_at(wanted, neighbours.votes(sources[place : place + 1]))[0]
                votes[place] = alone * neighbours.decay**age
    return votes
