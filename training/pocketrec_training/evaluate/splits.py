"""Cut a data set into what models may learn from and what they must foresee."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pocketrec.errors import DataError
from pocketrec_export.held_out import HeldOut
from pocketrec_training.dataset import Dataset
from pocketrec_training.evaluate.query_split import QueryParts

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
    before_test: list[Rows]
    """What models may learn from when every choice is made: `fit`, and what validation asked for after it."""
    queries: QueryParts = field(default_factory=QueryParts.none)
    """Those that may be learnt from do so beside `fit`, whatever the cases are."""

    def final(self) -> "Split":
        """The same test after a last lesson: all of `before_test` is learnt from, and nothing is left to choose by."""
        nobody = HeldOut(np.zeros(0, np.int32), [], [])
        return Split(self.name, self.before_test, nobody, self.test, self.before_test, self.queries.final())

    def popularity(self, items: int) -> NDArray[np.int64]:
        """Interactions with each item that models may learn from, [items]."""
        return _counts(self.fit, items)

    def cold(self, items: int) -> NDArray[np.bool_]:
        """Items that nothing was learnt or chosen by before test: neither taken nor the answer to a query, [items]."""
        unmet: NDArray[np.bool_] = _counts(self.before_test, items) == 0
        for part in (self.queries.fit, self.queries.validation):
            unmet[part.items()] = False
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
        validation=last_of([rows[:-1] for rows in whole], users),
        test=last_of(whole, users),
        before_test=[rows[:-1] if len(rows) >= 3 else rows for rows in whole],
        queries=QueryParts.of(dataset.queries),
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
    begins_validation, begins_test, end = moments(dataset, [test_share + validation_share, test_share, 0])
    return cut_at("global-time", dataset, begins_validation, begins_test, end)


def last_basket(dataset: Dataset) -> Split:
    """The items of each user's last moment for test, of the last but one for validation, the rest to learn from.

    For orders whose lines have one time: which of them is the last is chance, so all are targets, as far as they are
    new to the user. Users with fewer than three baskets, or nothing new in a basket, make no case of it.

    Raises:
        DataError: The data set has no times.
    """
    if not dataset.card.ties.timestamps:
        raise DataError(f"data set {dataset.card.name} has no timestamps to tell baskets by: use leave-last-out")

    def places(times: NDArray[np.int64]) -> Sequence[int]:
        begins = np.flatnonzero(np.diff(times)) + 1  # of every basket but the first
        return [*(begins[-2:].tolist() if len(begins) >= 2 else [len(times)] * 2), len(times)]

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
        before_test=[rows[~for_test[rows]] for rows in whole.before_test],
        queries=whole.queries,
    )


def queries(dataset: Dataset) -> Split:
    """Queries as cases, of the splits that the source names; all histories are for learning.

    Raises:
        DataError: The data set has no such queries.
    """
    parts = QueryParts.of(dataset.queries)
    if not (len(parts.test) and len(parts.fit)):
        raise DataError(
            f"data set {dataset.card.name} has {len(parts.fit)} queries to learn from and {len(parts.test)} to test, "
            "as column split of queries says, train or test"
            + (": use the split leave-last-out" if dataset.card.interactions else "")
        )
    whole = dataset.histories()
    return Split("queries", whole, parts.validation.held_out(), parts.test.held_out(), whole, parts)


SPLITS: dict[str, Callable[[Dataset], Split]] = {
    "leave-last-out": leave_last_out,
    "global-time": global_time,
    "last-basket": last_basket,
    "cold-items": cold_items,
    "queries": queries,
}


def make_split(dataset: Dataset, name: str) -> Split:
    """Cut by the name that models and bundles record; a data set of queries alone is always cut by them.

    Raises:
        ValueError: No such split.
        DataError: The data set can't be cut that way, or no user is left to test on.
    """
    if name not in SPLITS:
        raise ValueError(f"split {name!r} is unknown; choose one of {', '.join(SPLITS)}")
    alone = dataset.queries is not None and not len(dataset.rows)
    split = SPLITS["queries" if alone else name](dataset)
    if not len(split.test):
        raise DataError(
            f"data set {dataset.card.name}: no user has the three interactions or baskets that {name} needs"
        )
    return split


def moments(dataset: Dataset, shares: Sequence[float]) -> list[int]:
    """The moments from which on the newest `shares` of interactions lie, in seconds since 1970; of none, the end.

    Raises:
        DataError: The data set has no times.
    """
    if not dataset.card.ties.timestamps:
        raise DataError(f"data set {dataset.card.name} has no timestamps to cut at: use the split leave-last-out")
    ordered, last = np.sort(dataset.times), len(dataset.times) - 1
    return [
        int(ordered[min(last, round(len(ordered) * (1 - share)))]) if share else int(ordered[last]) + 1
        for share in shares
    ]


def cut_at(name: str, dataset: Dataset, begins_validation: int, begins_test: int, end: int) -> Split:
    """Cut all users at the same moments; what is newer than `end` plays no part.

    Raises:
        DataError: A part is empty.
    """
    bounds = [begins_validation, begins_test, end]
    split = _cut(dataset, name, lambda times: np.searchsorted(times, bounds).tolist())
    if not (sum(map(len, split.fit)) and len(split.validation) and len(split.test)):
        raise DataError(
            f"data set {dataset.card.name}, {name}: no user has events both before and in the test window, or the "
            "validation window before it: use the split leave-last-out"
        )
    return split


def last_of(histories: list[Rows], users: NDArray[np.int32]) -> HeldOut:
    """Cases that ask for the last item of some users' histories."""
    return HeldOut(users, [histories[u][:-1] for u in users], [histories[u][-1:] for u in users])


def _counts(histories: Sequence[Rows], items: int) -> NDArray[np.int64]:
    return np.bincount(np.concatenate([*histories, np.zeros(0, np.int32)]), minlength=items).astype(np.int64)


def _cut(dataset: Dataset, name: str, places: Callable[[NDArray[np.int64]], Sequence[int]]) -> Split:
    """Cut each history at the places that its times give: where validation begins, where test does, where it ends."""
    times = np.split(dataset.times, dataset.offsets[1:-1])
    fit, before_test, validation, test = [], [], _Cases(), _Cases()
    for user, (rows, when) in enumerate(zip(dataset.histories(), times, strict=True)):
        first, second, end = places(when)
        fit.append(rows[:first])
        before_test.append(rows[:second])
        validation.add(user, rows[:first], rows[first:second])
        test.add(user, rows[:second], rows[second:end])
    queries = QueryParts.of(dataset.queries)
    return Split(name, fit, validation.held_out(), test.held_out(), before_test, queries)


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
