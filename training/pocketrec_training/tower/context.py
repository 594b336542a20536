"""What is known of the moment in which something was taken, or of the person: words that enter the tower first."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from pocketrec.config import Config
from pocketrec.errors import DataError
from pocketrec.text import time_words
from pocketrec_export.held_out import HeldOut
from pocketrec_training.dataset import Dataset
from pocketrec_training.evaluate.splits import Split

_QUARTER_DAY = 6 * 3600
"""Seconds in which `time_words` doesn't change."""

Places = NDArray[np.int64]


class ContextConfig(Config, frozen=True, kw_only=True):
    """Where contexts come from."""

    source: Annotated[
        str,
        Meta(
            pattern=r"^(none|categories|time|users|column:.+)$",
            description="none, categories, time, users, column:NAME",
        ),
    ] = "categories"
    """`categories` of the item that is asked for (its title where it has none), which every data set has, so that some
    context is always learnt; the `time` of the event in words; what is known of the `users`; `column:NAME` of the
    interactions; or `none`."""


@dataclass(frozen=True, slots=True)
class Contexts:
    """Which text goes with which event. There are few distinct ones, so each is read once."""

    texts: list[str]
    lessons: Places
    """Of each interaction that is learnt from, user after user: its place among the texts, -1 for none."""
    validation: Places
    """Of each validation case, when its first target was taken; -1 where that would give the target away."""

    @classmethod
    def of(cls, dataset: Dataset, split: Split, config: ContextConfig) -> "Contexts":
        """Say what is known of each event of a split.

        Raises:
            DataError: The data set has no times, users or column of that name.
        """
        learnt, cases = learnt_events(dataset, split), len(split.validation)
        if config.source == "none":
            return cls([], np.full(len(learnt), -1), np.full(cases, -1))
        if config.source == "categories":
            texts, by_item = _distinct(", ".join(item.categories) or item.title for item in dataset.items)
            return cls(texts, by_item[dataset.rows[learnt]], np.full(cases, -1))
        texts, by_event = _by_event(dataset, config.source)
        if split.validation.queries is not None:  # nobody's events
            return cls(texts, by_event[learnt], np.full(cases, -1))
        return cls(texts, by_event[learnt], by_event[_first_targets(dataset, split.validation)])


def _first_targets(dataset: Dataset, cases: HeldOut) -> Places:
    """Places in the data set of the interactions with each case's first target."""
    found = []
    for user, history, targets in zip(cases.users, cases.histories, cases.targets, strict=True):
        start = dataset.offsets[user] + len(history)
        later = dataset.rows[start : dataset.offsets[user + 1]]
        found.append(start + int(np.argmax(later == targets[0])))
    return np.array(found, dtype=np.int64)


def learnt_events(dataset: Dataset, split: Split) -> Places:
    """Places in the data set of all interactions of `split.fit`, user after user.

    A split learns from the beginning of a history, without some items perhaps, of which it keeps none.
    """
    events = [np.zeros(0, np.int64)]
    for start, whole, kept in zip(dataset.offsets[:-1], dataset.histories(), split.fit, strict=True):
        events.append(start + np.flatnonzero(np.isin(whole, kept))[: len(kept)])
    return np.concatenate(events)


def _by_event(dataset: Dataset, source: str) -> tuple[list[str], Places]:
    """Distinct texts, and which of them each interaction has."""
    name, column = dataset.card.name, source.partition(":")[2]
    if column:
        if column not in dataset.columns:
            raise DataError(
                f"data set {name}: interactions have no column {column!r} to take contexts from; "
                f"prepare it with --column interactions.{column}=NAME"
            )
        return _distinct(dataset.columns[column])
    if source == "users":
        if not dataset.user_texts:
            raise DataError(f"data set {name} has no table of users to take contexts from: choose another source")
        texts, by_user = _distinct(dataset.user_texts)
        return texts, np.repeat(by_user, np.diff(dataset.offsets))
    if not dataset.card.ties.timestamps:
        raise DataError(f"data set {name} has no timestamps to take contexts from: choose another source")
    quarters, which = np.unique(dataset.times // _QUARTER_DAY, return_inverse=True)
    words = (time_words(datetime.fromtimestamp(quarter * _QUARTER_DAY, UTC)) for quarter in quarters.tolist())
    texts, by_quarter = _distinct(words)
    return texts, np.where(dataset.times == 0, -1, by_quarter[which])


def _distinct(texts: Iterable[str]) -> tuple[list[str], Places]:
    """Texts without repetition, and the place of each among them; -1 for empty ones."""
    place = {"": -1}
    places = [place.setdefault(text, len(place) - 1) for text in texts]
    return list(place)[1:], np.array(places, dtype=np.int64)
