"""Choose how neighbours and followers are fitted, on validation users."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from pocketrec.config import Config
from pocketrec.neighbours import Neighbours
from pocketrec.progress import progress
from pocketrec.rankings import ndcg
from pocketrec_export.held_out import HeldOut
from pocketrec_training.evaluate.model_ranker import VoteRanker
from pocketrec_training.neighbours.fits import Fits
from pocketrec_training.neighbours.followers import FollowerConfig
from pocketrec_training.neighbours.text_ease import NeighbourConfig

Rows = NDArray[np.int32]


class NeighbourChoiceConfig(Config, frozen=True, kw_only=True):
    """Ways to fit neighbours and followers, of which validation chooses one each, and the neighbours' decay with it."""

    fits: tuple[NeighbourConfig, ...] = (
        NeighbourConfig(regularisation=100.0, text_weight=2.0),
        NeighbourConfig(regularisation=500.0, text_weight=2.0),
        NeighbourConfig(regularisation=1.0, text_weight=0.6, length_exponent=0.5),
    )
    """Long histories want the second, short ones the first, baskets of very different sizes the third; none, no
    neighbours.
    """
    decays: Annotated[tuple[float, ...], Meta(min_length=1)] = (1.0, 0.9, 0.8)
    """Of votes with each newer item, of which validation chooses."""
    followers: tuple[FollowerConfig, ...] = (
        FollowerConfig(decay=0.9, regularisation=300.0),
        FollowerConfig(decay=0.8, regularisation=100.0),
    )
    """Long histories want the first, short ones the second; none, no followers."""
    cases: Annotated[int, Meta(ge=1)] = 4000
    """Most validation users that choose."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Item-item weights, and how well they rank validation users by themselves."""

    weights: Neighbours
    ndcg: float
    """NDCG@10, history masked."""
    fit: Callable[[Sequence[Rows]], Neighbours]
    """The same way, on other histories."""
    newcomer_level: float
    """Of that way."""


def choose_neighbours(
    fit: Sequence[Rows], fits: Fits, validation: HeldOut, config: NeighbourChoiceConfig
) -> tuple[Chosen, Chosen]:
    """Fit each way and keep the one that ranks validation users best, of neighbours and of followers.

    Args:
        fit: Item rows of each user to learn from.
        fits: Of the items.
        validation: Cases that choose; with none, the first way and decay are taken.
        config: The ways.
    """
    voting = validation.chosen(np.flatnonzero([len(rows) > 0 for rows in validation.histories]))
    cases = voting.sample(config.cases, seed=0)
    ways = config.fits if len(cases) else config.fits[:1]
    follower_ways = config.followers if len(cases) else config.followers[:1]

    def neighbours() -> Iterator[Chosen]:
        for way in ways:
            fitted = fits.neighbours(fit, way)
            for decay in config.decays:
                again = partial(_neighbours, fits, way, decay)
                yield _judged(replace(fitted, decay=decay), cases, again, way.newcomer_level)
            shown.advance()

    def followers() -> Iterator[Chosen]:
        for way in follower_ways:
            again = partial(fits.followers, way=way)
            yield _judged(again(fit), cases, again, way.newcomer_level)
            shown.advance()

    with progress("Fitting neighbours", total=len(ways) + len(follower_ways)) as shown:
        items = len(fits.texts)
        none = Chosen(Neighbours.none(items), 0.0, lambda _: Neighbours.none(items), 0.0)
        return _best(neighbours(), none), _best(followers(), none)


def _neighbours(fits: Fits, way: NeighbourConfig, decay: float, histories: Sequence[Rows]) -> Neighbours:
    return replace(fits.neighbours(histories, way), decay=decay)


def _best(tried: Iterator[Chosen], none: Chosen) -> Chosen:
    return max(tried, key=lambda chosen: chosen.ndcg, default=none)  # the first of equals


def _judged(
    weights: Neighbours, cases: HeldOut, fit: Callable[[Sequence[Rows]], Neighbours], newcomer_level: float
) -> Chosen:
    ranked = VoteRanker(weights).rank(cases.histories, 10)
    return Chosen(weights, float(np.mean(ndcg(ranked, cases.targets))) if len(cases) else 0.0, fit, newcomer_level)
