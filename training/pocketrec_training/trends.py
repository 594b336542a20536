"""What is taken of late: where fashions pass, as with new films, it says more than what ever was taken."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pocketrec.rankings import ndcg, paired_bootstrap
from pocketrec_training.dataset import Dataset
from pocketrec_training.evaluate.baselines.popularity import Popularity
from pocketrec_training.evaluate.splits import Split

Rows = NDArray[np.int32]
Floats = NDArray[np.float32]

SHARES = tuple(0.5**halvings for halvings in range(1, 9))
"""Shares of all interactions with which trends may pass."""
_FEWEST = 50
"""Validation cases without which there is nothing to choose by."""
_K = 10


def choose_share(dataset: Dataset, split: Split) -> float:
    """How fast trends pass; 0 if the share that ranks validation cases best isn't certainly better than popularity.

    Certain: the lower end of the 95 % interval of the difference in NDCG@10, from a paired bootstrap, is above zero. Of
    shares that are, the largest that isn't certainly worse than the best: what passes slowly stays right for longer.

    Args:
        dataset: With times, or there is no trend.
        split: Its `fit` is counted, its validation judges.
    """
    cases, items = split.validation, len(dataset.items)
    if not dataset.card.ties.timestamps or len(cases) < _FEWEST or cases.queries is not None:
        return 0.0
    events = newest_first(dataset, split.fit)

    def gains(counts: Floats) -> NDArray[np.float64]:
        return ndcg(Popularity(items, counts).rank(cases.histories, _K), cases.targets)

    usual = gains(np.bincount(events, minlength=items).astype(np.float32))
    tried = {share: gains(late_counts(events, share, items)) for share in SHARES}
    best = tried[max(tried, key=lambda share: float(tried[share].mean()))]
    if paired_bootstrap(best, usual).interval[0] <= 0:
        return 0.0
    return next(
        share
        for share, reached in tried.items()
        if paired_bootstrap(reached, usual).interval[0] > 0 and paired_bootstrap(reached, best).interval[1] >= 0
    )


def trend_of(dataset: Dataset, split: Split, share: float) -> Floats:
    """log(1 + late count) of each item as a share of the largest, float32 [items]; all 0 without a share."""
    items = len(dataset.items)
    if not share:
        return np.zeros(items, np.float32)
    logs: Floats = np.log1p(late_counts(newest_first(dataset, split.fit), share, items))
    return logs / np.float32(max(float(logs.max(initial=0.0)), 1e-12))


def recent_popularity(dataset: Dataset, split: Split) -> Floats | None:
    """Late counts in all that may be learnt from at last, if validation finds them better; else None."""
    share = choose_share(dataset, split)
    return late_counts(newest_first(dataset, split.before_test), share, len(dataset.items)) if share else None


def late_counts(events: Rows, share: float, items: int) -> Floats:
    """Sum of exp(-n / (share N)) over the interactions with each item; n of all N came after it: float32 [items].

    Args:
        events: Items of all interactions, the newest first.
        share: Of all interactions: when so many came after one, it counts for a third.
        items: In the catalogue.

    Example:
        >>> counts = late_counts(np.array([2, 0, 2, 1], dtype=np.int32), share=0.25, items=4)
        >>> [round(float(count), 2) for count in counts]
        [0.37, 0.05, 1.14, 0.0]
    """
    weights = np.exp(-np.arange(len(events)) / max(share * len(events), 1e-12))
    return np.bincount(events, weights=weights, minlength=items).astype(np.float32)


def newest_first(dataset: Dataset, histories: Sequence[Rows]) -> Rows:
    """Items of all interactions that may be learnt from, the newest first; of one moment, as they stand.

    Args:
        dataset: Says when each was.
        histories: Parts of its users' histories, each in order.
    """
    times = []
    for user, rows in enumerate(histories):
        own = slice(int(dataset.offsets[user]), int(dataset.offsets[user + 1]))
        times.append(_times_of(rows, dataset.rows[own], dataset.times[own]))
    when = np.concatenate([*times, np.zeros(0, np.int64)])
    items = np.concatenate([*histories, np.zeros(0, np.int32)])
    newest: Rows = items[np.argsort(-when, kind="stable")]
    return newest


def _times_of(part: Rows, whole: Rows, times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Times of a part of a history: its beginning, or what is left without some items."""
    if np.array_equal(part, whole[: len(part)]):
        return times[: len(part)]
    kept, place = [], 0
    for row in part.tolist():
        while whole[place] != row:
            place += 1
        kept.append(place)
        place += 1
    return times[kept]
