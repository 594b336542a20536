"""Known items as if they arrived after export: how a bundle does by items that nobody took yet can be asked of it."""

from dataclasses import replace

import msgspec

from pocketrec.bundle import Bundle
from pocketrec.recommender import Recommender
from pocketrec.row_lists import Rows


def name(id: str) -> str:
    """What an item is called when it arrives anew, as no catalogue calls any."""
    return f"\x1f{id}"


def with_arrivals(bundle: Bundle, rows: Rows) -> Recommender:
    """A recommender that has some of a bundle's items as later ones.

    Nobody took them, their own places in the catalogue are empty, and they are added by their texts, as
    `Recommender.upsert` adds any item; what was taken before them still tells what a person likes.

    Args:
        bundle: With the items.
        rows: Those that arrive.
    """
    popularity, trend = bundle.popularity.copy(), bundle.trend.copy()
    popularity[rows] = trend[rows] = 0
    recommender = Recommender.of(replace(bundle, popularity=popularity, trend=trend))
    items = [bundle.catalogue.item(row) for row in rows.tolist()]
    recommender.remove([item.id for item in items])
    recommender.upsert([msgspec.structs.replace(item, id=name(item.id)) for item in items])
    return recommender
