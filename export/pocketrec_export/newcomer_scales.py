"""What a vote is worth for an item that is added after export."""

import numpy as np
from numpy.typing import NDArray

from pocketrec.likeness import TextLikeness
from pocketrec.newcomer_votes import NewcomerVotes, stand_ins
from pocketrec_export.item_texts import item_texts
from pocketrec_export.model import Model


def newcomer_scales(model: Model, read: NDArray[np.float16]) -> tuple[float, float]:
    """Scales by which an item to come gets as many votes, on average, as the model gives to items that nobody took.

    Some known items stand in for those to come: the votes of others for them are summed.

    Args:
        model: With its tables, and their levels for newcomers.
        read: What the encoder makes of its items' texts [items, dim].

    Returns:
        Of neighbours and of followers; 0 where there is nobody to vote.
    """
    known, card = model.popularity > 0, model.card
    texts = TextLikeness(read, lambda: item_texts(model))
    each = NewcomerVotes.among(texts, known, stand_ins(known)).mean
    tables = (model.neighbours, card.neighbour_level), (model.followers, card.follower_level)
    neighbours, followers = (level * table.mean_votes(known) / each if each else 0.0 for table, level in tables)
    return neighbours, followers
