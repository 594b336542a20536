"""Choose how neighbours are fitted, on validation users."""

import dataclasses
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from pocketrec.config import Config
from pocketrec.neighbours import Neighbours
from pocketrec.progress import progress
from pocketrec_export.held_out import HeldOut
from pocketrec_export.rankings import ndcg
from pocketrec_training.text_ease import NeighbourConfig, fit_neighbours

Rows = NDArray[np.int32]


class NeighbourChoiceConfig(Config, frozen=True, kw_only=True):
    """Ways to fit neighbours, of which validation chooses one, and the decay with it."""

    fits: Annotated[tuple[NeighbourConfig, ...], Meta(min_length=1)] = (
        NeighbourConfig(regularisation=100.0, text_weight=2.0),
        NeighbourConfig(regularisation=500.0, text_weight=2.0),
        NeighbourConfig(regularisation=1.0, text_weight=0.6, length_exponent=0.5),
    )
    """Long histories want the second, short ones the first, baskets of very different sizes the third."""
    decays: Annotated[tuple[float, ...], Meta(min_length=1)] = (1.0, 0.9, 0.8)
    cases: Annotated[int, Meta(ge=1)] = 4000
    """Most validation users that choose."""


def choose_neighbours(
    fit: Sequence[Rows],
    texts: Sequence[str],
    validation: HeldOut,
    config: NeighbourChoiceConfig,
    history: int,
) -> tuple[Neighbours, float]:
    """Fit each way and keep the one that ranks validation users best.

    Args:
        fit: Item rows of each user to learn from.
        texts: Text of each item.
        validation: Cases that choose; with none, the first way and decay are taken.
        config: The ways.
        history: Newest items of a history that vote.

    Returns:
        The neighbours and their NDCG@10 on the cases, history masked.
    """
    cases = validation.sample(config.cases, seed=0)
    tried: list[tuple[Neighbours, float]] = []
    with progress("Fitting neighbours", total=len(config.fits)) as shown:
        for way in config.fits:
            neighbours = fit_neighbours(fit, texts, way)
            for decay in config.decays:
                trial = dataclasses.replace(neighbours, decay=decay)
                tried.append((trial, _quality(trial, cases, history)))
            shown.advance()
    return max(tried, key=lambda pair: pair[1])  # the first of equals


def _quality(neighbours: Neighbours, cases: HeldOut, history: int) -> float:
    if not len(cases):
        return 0.0
    ranked = np.full((len(cases), 10), -1, np.int32)
    for i, rows in enumerate(cases.histories):
        voted, sums = neighbours.votes(rows[-history:])
        new = ~np.isin(voted, rows)
        voted, sums = voted[new], sums[new]
        top = np.argsort(-sums, kind="stable")[:10]
        ranked[i, : len(top)] = voted[top]
    return float(np.mean(ndcg(ranked, cases.targets)))
