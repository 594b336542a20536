"""How many newcomers people meet: as many as the seller says, against their share of the items.

A scorer that learns by likelihood leaves the level of items that nobody took to luck: of two seeds, or of two language
models, one shows twice as many as the other, at the cost of what is known. Which trade is right no target tells. So
who cares says it, as an exposure, and the scorer's weight of `cold` is set by it once all else is learnt
(docs/decisions/0026).
"""

import numpy as np
import torch
from numpy.typing import NDArray

from pocketrec.features import FEATURES
from pocketrec_export.graphs.scorer import BilinearScorer, MlpScorer
from pocketrec_export.held_out import HeldOut
from pocketrec_training.item_fitting import Fitted
from pocketrec_training.scorer.candidate_lists import Cases, Retriever
from pocketrec_training.scorer.cases import with_newcomers
from pocketrec_training.tower.ranking import user_vectors

Scores = NDArray[np.float32]

_COLD = FEATURES.index("cold")
_MEASURED = 2000
"""Users by whom exposure is measured."""
_SEEN = 10
_ENOUGH = 20
"""Newcomers of the catalogue itself; with fewer, some known items play newcomers."""
_MOST = 0.5
"""Share of the places that newcomers get at most, however many they are."""
_STEPS = 30


@torch.inference_mode()
def set_exposure(
    scorer: BilinearScorer | MlpScorer,
    fitted: Fitted,
    retriever: Retriever,
    levels: tuple[float, float],
    cases: HeldOut,
    exposure: float,
    seed: int,
) -> None:
    """Give newcomers so many places in people's best ten, by the scorer's weight of `cold`; no target is looked at.

    Args:
        scorer: Trained; changed in place.
        fitted: Items and user side as they will be used.
        retriever: Source of candidates and features as it will be used.
        levels: Of votes for newcomers, by neighbours and by followers.
        cases: Users whose histories, with the targets learnt since, are the requests.
        exposure: Share of the places over share of the items.
        seed: Of who plays.
    """
    if np.count_nonzero(retriever.popularity == 0) < _ENOUGH:
        retriever = with_newcomers(fitted, retriever, levels, seed)
    new, asked = retriever.popularity == 0, cases.sample(_MEASURED, seed)
    histories = [np.concatenate(pair) for pair in zip(asked.histories, asked.targets, strict=True)]
    users = user_vectors(fitted.user, torch.from_numpy(retriever.vectors), histories, retriever.history).numpy()
    known, cold = (np.full((len(users), _SEEN), -np.inf, np.float32) for _ in range(2))
    for line, (rows, table) in enumerate(retriever.lists(Cases(users, histories, []), at_least=_SEEN)):
        inputs = (torch.from_numpy(array)[None] for array in (users[line], retriever.vectors[rows], table))
        scores = (scorer.logits if isinstance(scorer, BilinearScorer) else scorer)(*inputs)[0].numpy()
        for best, kind in ((known, scores[~new[rows]]), (cold, scores[new[rows]])):
            kept = np.sort(kind)[::-1][:_SEEN]
            best[line, : len(kept)] = kept
    reserve = reserve_for(known, cold, min(exposure * float(new.mean()), _MOST))
    scorer.features.linear.weight[0, _COLD] -= reserve / scorer.features.scaled.scale[_COLD]


def reserve_for(known: Scores, cold: Scores, share: float) -> float:
    """What to take off newcomers' scores so that they get a share of the places.

    Args:
        known: Scores of each user's best known items [users, places]; -inf where there are fewer.
        cold: The same of newcomers [users, places].
        share: Of the places that newcomers get, where so many are among the candidates.

    Example:
        >>> known, cold = np.array([[5, 4, 3, 2]], np.float32), np.array([[9, 8, 7, 6]], np.float32)
        >>> 4 < reserve_for(known, cold, 0.25) < 6  # 9 - r stands above 2, 8 - r below 3
        True
    """
    both = np.concatenate([known, cold], axis=1)
    finite = both[np.isfinite(both)]
    if not np.isfinite(cold).any() or not np.isfinite(known).any():
        return 0.0
    places, low, high = known.shape[1], -float(np.ptp(finite)) - 1, float(np.ptp(finite)) + 1
    for _ in range(_STEPS):
        middle = (low + high) / 2
        both[:, places:] = cold - middle
        best = np.argsort(-both, axis=1, kind="stable")[:, :places]
        met = (best >= places) & np.isfinite(np.take_along_axis(both, best, axis=1))
        low, high = (middle, high) if met.mean() > share else (low, middle)
    return (low + high) / 2
