"""Histories that somebody might as well have had."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np
import torch
from msgspec import Meta
from numpy.typing import NDArray

from pocketrec.config import Config
from pocketrec_training.tower.sequences import Batch, Rows

Share = Annotated[float, Meta(ge=0, lt=1)]


class HistoryAugmentation(Config, frozen=True, kw_only=True):
    """How much is varied, anew in every epoch.

    Crop and mask are those of CL4SRec (Xie et al. 2022), substitute that of CoSeRec (Liu et al. 2021).
    """

    crop: Share = 0.0
    """Share of histories of which a run of half their length or more is kept."""
    drop: Share = 0.0
    """Share of items left out, as inputs and as targets."""
    mask: Share = 0.0
    """Share of items that aren't shown, but must be foreseen."""
    substitute: Share = 0.0
    """Share of items in whose place a near one is shown; foreseen is the true one."""


def shortened(pieces: Sequence[Rows], config: HistoryAugmentation, random: np.random.Generator) -> list[Rows]:
    """Pieces of histories after crop and drop; two items are left at least, of those that have two.

    Example:
        >>> piece = np.arange(10, dtype=np.int32)
        >>> len(shortened([piece], HistoryAugmentation(drop=0.5), np.random.default_rng(0))[0]) < 10
        True
    """
    if config.crop == 0 and config.drop == 0:
        return list(pieces)
    return [_dropped(_cropped(piece, config.crop, random), config.drop, random) for piece in pieces]


def disguised(batch: Batch, config: HistoryAugmentation, near: NDArray[np.int64], random: np.random.Generator) -> Batch:
    """A batch after mask and substitute: other inputs, the same targets.

    Args:
        batch: Histories.
        config: How much.
        near: Rows of each item's near ones [items, n]; read for `substitute` alone.
        random: Draws.
    """
    shown, inputs = batch.shown, batch.inputs
    if config.mask > 0:
        shown = shown * torch.from_numpy(random.random(shown.shape) >= config.mask)
    if config.substitute > 0:
        others = near[inputs.numpy(), random.integers(0, near.shape[1], inputs.shape)]
        chosen = torch.from_numpy(random.random(inputs.shape) < config.substitute)
        inputs = torch.where(chosen, torch.from_numpy(others), inputs)
    return replace(batch, inputs=inputs, shown=shown)


def _cropped(piece: Rows, share: float, random: np.random.Generator) -> Rows:
    if random.random() >= share or len(piece) < 2:
        return piece
    length = int(random.integers(max(2, len(piece) // 2), len(piece) + 1))
    start = int(random.integers(0, len(piece) - length + 1))
    return piece[start : start + length]


def _dropped(piece: Rows, share: float, random: np.random.Generator) -> Rows:
    kept = piece[random.random(len(piece)) >= share]
    return kept if len(kept) >= 2 else piece
