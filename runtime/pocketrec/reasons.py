"""Why items were recommended, in terms of what the person did and asked for."""

import numpy as np
from numpy.typing import NDArray

from pocketrec.items import Reason, ReasonKind
from pocketrec.live import LiveCatalogue

Floats = NDArray[np.float32]
Rows = NDArray[np.int32]


def reasons_for(live: LiveCatalogue, rows: Rows, history: Rows, query: Floats | None) -> list[tuple[Reason, ...]]:
    """The strongest reason of each kind that there is, for each item.

    Args:
        live: The catalogue.
        rows: Of the recommended items.
        history: Rows of the history that was read, oldest first.
        query: Vector of the query, if there was one.
    """
    vectors, origins = live.vectors(rows), live.origin(rows)
    popularity = live.bundle.popularity[origins]
    found: list[list[Reason]] = [[] for _ in rows]
    if query is not None:
        for reasons, likeness in zip(found, vectors @ query, strict=True):
            reasons.append(_reason("query", None, likeness))
    if len(history):
        voters, votes = live.bundle.neighbours.strongest(live.origin(history), origins)
        likenesses = vectors @ live.vectors(history).T
        likenesses[rows[:, None] == history] = -np.inf  # that an item is like itself explains nothing
        nearest = likenesses.argmax(axis=1)
        for place, reasons in enumerate(found):
            if votes[place] > 0 and popularity[place] > 0:  # what nobody took is voted for by its text
                reasons.append(_reason("bought_together", live.id(int(history[voters[place]])), votes[place]))
            likeness = likenesses[place, nearest[place]]
            if likeness > 0:
                reasons.append(_reason("similar", live.id(int(history[nearest[place]])), likeness))
    return [
        tuple(reasons) or (_reason("popular", None, popular),)
        for reasons, popular in zip(found, popularity, strict=True)
    ]


def _reason(kind: ReasonKind, item_id: str | None, weight: np.float32) -> Reason:
    return Reason(kind=kind, item_id=item_id, weight=round(float(weight), 4))
