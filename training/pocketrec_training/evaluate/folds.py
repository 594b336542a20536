"""Several splits of one data set, each with a model of its own: by user, or by origins in time."""

import math

import numpy as np

from pocketrec_training.dataset import Dataset
from pocketrec_training.evaluate.query_split import QueryParts
from pocketrec_training.evaluate.splits import Split, cut_at, last_of, moments

WINDOW_SHARE = 0.1
"""Of the interactions: the length of a test window of `rolling_origins`, and of the validation window before it."""


def folds(dataset: Dataset, k: int, seed: int = 0, validation_share: float = 0.1) -> list[Split]:
    """k-fold cross-validation by user: each fold's users are strangers to the models that rank for them.

    A fold tests on the last interaction of its users and learns from the whole histories of the others; the
    last interaction of a `validation_share` of them is kept for validation. Users with fewer than two
    interactions are learnt from only.

    Raises:
        ValueError: Fewer than two folds, or more folds than users.
    """
    whole = dataset.histories()
    testable = np.array([u for u, rows in enumerate(whole) if len(rows) >= 2], dtype=np.int32)
    if not 2 <= k <= len(testable) // 2:
        raise ValueError(
            f"can't make {k} folds of {len(testable)} users with two interactions: choose 2 to {len(testable) // 2}"
        )
    random = np.random.default_rng(seed)
    splits = []
    for number, held in enumerate(np.array_split(random.permutation(testable), k), start=1):
        others = np.setdiff1d(testable, held)
        chosen = np.sort(random.choice(others, max(1, round(len(others) * validation_share)), replace=False))
        fit = list(whole)
        for user in held:
            fit[user] = whole[user][:0]
        before_test = list(fit)
        for user in chosen:
            fit[user] = whole[user][:-1]
        name, validation, test = f"fold {number} of {k}", last_of(whole, chosen), last_of(whole, np.sort(held))
        splits.append(Split(name, fit, validation, test, before_test, QueryParts.of(dataset.queries)))
    return splits


def rolling_origins(dataset: Dataset, count: int, share: float = WINDOW_SHARE) -> list[Split]:
    """Rolling-origin evaluation: stand at several moments in turn, learn from the past and foresee what is next.

    The newest interactions are cut into `count` windows of equally many. At the origin of each, where it begins,
    everything older may be learnt from, its newest `share` as validation. Targets are the items, new to the user,
    that users with a past took from there to the next origin (Tashman, International Journal of Forecasting 2000).

    Args:
        dataset: With times.
        count: Number of origins; with one, this is the split `global-time`.
        share: Of all interactions, length of each window.

    Raises:
        ValueError: More windows than leave something to learn from.
        DataError: The data set has no times, or a window is empty.
    """
    most = math.ceil(1 / share) - 2
    if not 1 <= count <= most:
        raise ValueError(f"can't stand at {count} origins: choose 1 to {most}")
    begins = moments(dataset, [share * place for place in range(count + 1, -1, -1)])
    days = np.array(begins, dtype="datetime64[s]").astype("datetime64[D]")
    return [
        cut_at(f"origin {number} of {count}, {days[number]}", dataset, *begins[number - 1 : number + 2])
        for number in range(1, count + 1)
    ]
