"""What likeness is worth as a vote for an item that is added after export."""

from pathlib import Path

import numpy as np

from pocketrec.encoder import TextEncoder
from pocketrec.newcomer_votes import NewcomerVotes
from pocketrec.newcomers import settled
from pocketrec_export.model import Model

_SAMPLE = 500
"""Known items that stand in for those to come."""


def newcomer_scales(model: Model, encoder: Path) -> tuple[float, float]:
    """Scales by which an item to come gets as many votes, on average, as the model gives to items that nobody took.

    Some known items are placed by their texts among the others, and their voters' likeness is summed.

    Args:
        model: With its tables, and their levels for newcomers.
        encoder: Its float32 graph.

    Returns:
        Of neighbours and of followers; 0 where there is nobody to vote.
    """
    known, card = model.popularity > 0, model.card
    sample = np.random.default_rng(0).permutation(np.flatnonzero(known))[:_SAMPLE]
    reader = TextEncoder.open(encoder, model.encoder_folder / "tokenizer.json", card.max_tokens)
    read = reader.encode([card.template.render(model.items[row]) for row in sample], card.dim)
    placed = settled(read, model.vectors, known, rows=sample)
    likeness = NewcomerVotes.of(placed, model.vectors, known, sample).likeness
    each = float(likeness.sum(axis=1).mean()) if likeness.size else 0.0
    tables = (model.neighbours, card.neighbour_level), (model.followers, card.follower_level)
    neighbours, followers = (level * table.mean_votes(known) / each if each else 0.0 for table, level in tables)
    return neighbours, followers
