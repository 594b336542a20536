"""Cut a data set into what models may learn from and what they must foresee."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pocketrec.errors import DataError
from pocketrec_export.held_out import HeldOut
from pocketrec_training.dataset import Dataset

Rows = NDArray[np.int32]

COLD_SHARE = 0.05
"""Of the catalogue, rounded up: items that `cold-items` holds out for validation, and as many others for test."""
_COLD_SEED = 0


@dataclass(frozen=True, slots=True)
class Split:
    """One way to cut; validation is for choices, test for the last word."""

    name: str
    fit: list[Rows]
    """What models may learn from: item rows of each user of the data set, oldest first; may be empty."""
    validation: HeldOut
    test: HeldOut

    def popularity(self, items: int) -> NDArray[np.int64]:
        """Interactions with each item that models may learn from, [items]."""
        rows = np.concatenate([*self.fit, np.zeros(0, np.int32)])
        return np.bincount(rows, minlength=items).astype(np.int64)

    def cold(self, items: int) -> NDArray[np.bool_]:
        """Items that nothing was learnt or chosen by: neither in `fit` nor a validation target, [items]."""
        unmet: NDArray[np.bool_] = self.popularity(items) == 0
        unmet[np.concatenate([*self.validation.targets, np.zeros(0, np.int32)])] = False
        return unmet


def leave_last_out(dataset: Dataset) -> Split:
    """Last interaction of each user for test, last but one for validation, the rest to learn from.

    The history of a test case holds the validation item. Users with fewer than three interactions are learnt
    from only. A target may be an item that the user had before: it is kept, and is a miss where histories are
    masked.
    """
    whole = dataset.histories()
    users = np.array([u for u, rows in enumerate(whole) if len(rows) >= 3], dtype=np.int32)
    return Split(
        name="leave-last-out",
        fit=[rows[:-2] if len(rows) >= 3 else rows for rows in whole],
        validation=_last_of([rows[:-1] for rows in whole], users),
        test=_last_of(whole, users),
    )


def global_time(dataset: Dataset, test_share: float = 0.1, validation_share: float = 0.1) -> Split:
    """Cut all users at the same two moments: nothing is learnt from the future (Ji et al., TOIS 2023).

    The newest `test_share` of interactions are the test window; the `validation_share` before it is for
    validation. Targets are a user's items in the window that are new to them; users with no history before
    the window, or nothing new in it, make no case.

    Raises:
        DataError: The data set has no times, or the shares leave a part empty.
    """
    if not (0 < test_share < 1 and 0 < validation_share < 1 and test_share + validation_share < 1):
        raise ValueError(f"shares {test_share} and {validation_share} must be above 0 and leave something to fit")
    if not dataset.card.ties.timestamps:
        raise DataError(f"data set {dataset.card.name} has no timestamps to cut at: use the split leave-last-out")
    ordered = np.sort(dataset.times)
    count = len(ordered)
    begins_test = ordered[min(count - 1, round(count * (1 - test_share)))]
    begins_validation = ordered[min(count - 1, round(count * (1 - test_share - validation_share)))]
    bounds = [begins_validation, begins_test]
    split = _cut(dataset, "global-time", lambda moments: np.searchsorted(moments, bounds).tolist())
    if not (sum(map(len, split.fit)) and len(split.validation) and len(split.test)):
        raise DataError(
            f"data set {dataset.card.name}: no user has events both before and in the last {test_share:.0%} "
            "of time: use the split leave-last-out"
        )
    return split


def last_basket(dataset: Dataset) -> Split:
    """The items of each user's last moment for test, of the last but one for validation, the rest to learn from.

    For orders whose lines have one time: which of them is the last is chance, so all are targets, as far as they are
    new to the user. Users with fewer than three baskets, or nothing new in a basket, make no case of it.

    Raises:
        DataError: The data set has no times.
    """
    if not dataset.card.ties.timestamps:
        raise DataError(f"data set {dataset.card.name} has no timestamps to tell baskets by: use leave-last-out")

    def places(moments: NDArray[np.int64]) -> Sequence[int]:
        begins = np.flatnonzero(np.diff(moments)) + 1  # of every basket but the first
        return begins[-2:].tolist() if len(begins) >= 2 else (len(moments), len(moments))

    return _cut(dataset, "last-basket", places)


def cold_items(dataset: Dataset) -> Split:
    """Leave-last-out in which some items are new: nobody's interaction with them is learnt from.

    Two sets of items, drawn alike for everyone, are taken out of what models learn from. They stay in the catalogue
    with their text, and in histories and targets as users had them. One set may be asked for in validation, so that a
    scorer meets cold items before test; cases that ask for the other are left out of validation. Test keeps all
    cases: cold items are ranked among warm ones, and the slice `cold` tells how well.

    Raises:
        DataError: Too few items have interactions, or no test case asks for a cold item.
    """
    whole = leave_last_out(dataset)
    known = np.unique(dataset.rows)
    count = math.ceil(COLD_SHARE * len(dataset.items))
    if 4 * count > len(known):
        raise DataError(
            f"data set {dataset.card.name}: {len(known)} of {len(dataset.items)} items have interactions, too few to "
            f"hold out {2 * count}: use the split leave-last-out"
        )
    drawn = np.random.default_rng(_COLD_SEED).permutation(known)
    held = np.zeros(len(dataset.items), dtype=np.bool_)
    held[drawn[: 2 * count]] = True
    for_test = np.zeros_like(held)
    for_test[drawn[:count]] = True
    if not any(for_test[rows].any() for rows in whole.test.targets):
        raise DataError(
            f"data set {dataset.card.name}: no user's last interaction is with one of the {count} items held out: "
            "use the split leave-last-out"
        )
    kept = [case for case, rows in enumerate(whole.validation.targets) if not for_test[rows].any()]
    return Split(
        name="cold-items",
        fit=[rows[~held[rows]] for rows in whole.fit],
        validation=whole.validation.chosen(np.array(kept, dtype=np.int64)),
        test=whole.test,
    )


SPLITS: dict[str, Callable[[Dataset], Split]] = {
    "leave-last-out": leave_last_out,
    "global-time": global_time,
    "last-basket": last_basket,
    "cold-items": cold_items,
}


def make_split(dataset: Dataset, name: str) -> Split:
    """Cut by the name that models and bundles record.

    Raises:
        ValueError: No such split.
        DataError: The data set can't be cut that way, or no user is left to test on.
    """
    if name not in SPLITS:
        raise ValueError(f"split {name!r} is unknown; choose one of {', '.join(SPLITS)}")
    split = SPLITS[name](dataset)
    if not len(split.test):
        raise DataError(
            f"data set {dataset.card.name}: no user has the three interactions or baskets that {name} needs"
        )
    return split


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
        for user in chosen:
            fit[user] = whole[user][:-1]
        splits.append(Split(f"fold {number} of {k}", fit, _last_of(whole, chosen), _last_of(whole, np.sort(held))))
    return splits


def _cut(dataset: Dataset, name: str, places: Callable[[NDArray[np.int64]], Sequence[int]]) -> Split:
    """Cut each history at the two places that its times give: where validation begins, and where test does."""
    times = np.split(dataset.times, dataset.offsets[1:-1])
    fit, validation, test = [], _Cases(), _Cases()
    for user, (rows, moments) in enumerate(zip(dataset.histories(), times, strict=True)):
        first, second = places(moments)
        fit.append(rows[:first])
        validation.add(user, rows[:first], rows[first:second])
        test.add(user, rows[:second], rows[second:])
    return Split(name, fit, validation.held_out(), test.held_out())


class _Cases:
    """Collects cases whose targets are new to the user."""

    def __init__(self) -> None:
        self.users: list[int] = []
        self.histories: list[Rows] = []
        self.targets: list[Rows] = []

    def add(self, user: int, history: Rows, window: Rows) -> None:
        new = window[np.sort(np.unique(window, return_index=True)[1])]
        new = new[~np.isin(new, history)]
        if len(history) and len(new):
            self.users.append(user)
            self.histories.append(history)
            self.targets.append(new)

    def held_out(self) -> HeldOut:
        return HeldOut(np.array(self.users, dtype=np.int32), self.histories, self.targets)


def _last_of(histories: list[Rows], users: NDArray[np.int32]) -> HeldOut:
    return HeldOut(users, [histories[u][:-1] for u in users], [histories[u][-1:] for u in users])
