"""What a bundle knows for items that are added after export: its own texts as read, and what a vote is worth."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pocketrec.likeness import TextLikeness, read_texts
from pocketrec.newcomer_votes import NewcomerVotes, stand_ins
from pocketrec_export.item_texts import item_texts, reader
from pocketrec_export.model import Model


@dataclass(frozen=True, slots=True)
class LaterItems:
    """By which later items get their votes."""

    read: NDArray[np.float16]
    """What the encoder makes of the texts of the model's items [items, dim]."""
    scales: tuple[float, float]
    """What a vote is worth, by neighbours and by followers."""

    @classmethod
    def unasked(cls, model: Model) -> "LaterItems":
        """For a bundle on trial, which is asked of no later item."""
        return cls(np.zeros((len(model.items), model.card.dim), np.float16), (0.0, 0.0))

    @classmethod
    def of(cls, model: Model, encoder: Path) -> "LaterItems":
        """Read the texts; scale votes so that a later item gets as many, on average, as an item that nobody took.

        Some known items stand in for those to come: the votes of others for them are summed.

        Args:
            model: With its tables, and their levels for newcomers.
            encoder: The graph that ships.
        """
        known, card, texts = model.popularity > 0, model.card, item_texts(model)
        read = read_texts(reader(model, encoder), texts, card.dim)
        each = NewcomerVotes.among(TextLikeness(read, lambda: texts), known, stand_ins(known)).mean
        tables = (model.neighbours, card.neighbour_level), (model.followers, card.follower_level)
        neighbours, followers = (level * table.mean_votes(known) / each if each else 0.0 for table, level in tables)
        return cls(read, (neighbours, followers))
