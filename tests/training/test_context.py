"""Contexts say the truth about the event that is to be foreseen, and the tower learns from them."""

import dataclasses
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_data import dataset_of, two_worlds

from pocketrec import Item
from pocketrec.config import load_config
from pocketrec.errors import ConfigError, DataError
from pocketrec.text import time_words
from pocketrec_export.held_out import HeldOut
from pocketrec_training.augment.histories import HistoryAugmentation, shortened
from pocketrec_training.evaluate.folds import folds, rolling_origins
from pocketrec_training.evaluate.splits import SPLITS, Split, make_split
from pocketrec_training.tower.context import ContextConfig, Contexts, learnt_events
from pocketrec_training.tower.lessons import Lessons
from pocketrec_training.tower.request_texts import RequestVectors
from pocketrec_training.tower.sequences import windows
from pocketrec_training.train import TrainConfig, fit_model

COLOURS = ("red", "green", "blue", "grey")
HOUR = 3600


def of(dataset, split, source):
    return Contexts.of(dataset, split, ContextConfig(source=source))


def said(contexts):
    """The text of each learnt event and of each validation case; None for none."""
    texts = [*contexts.texts, None]
    return [texts[place] for place in contexts.lessons], [texts[place] for place in contexts.validation]


HISTORIES = st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=9), min_size=1, max_size=6)


@given(HISTORIES, st.sets(st.integers(0, 5)))
def test_learnt_events_are_those_of_the_split_even_where_items_are_held_out(histories, held):
    dataset = dataset_of(histories, 6)
    split = SPLITS["leave-last-out"](dataset)
    split = dataclasses.replace(split, fit=[rows[~np.isin(rows, list(held))] for rows in split.fit])
    events = learnt_events(dataset, split)
    assert np.array_equal(dataset.rows[events], np.concatenate(split.fit))
    assert (np.diff(events) > 0).all()  # each once, in order


def test_learnt_events_of_every_split_have_its_items():
    times = [[10 * step + user % 10 for step in range(12)] for user in range(60)]
    dataset = dataset_of(two_worlds(users=60, items=40, length=12), 40, times)
    by_events = [make_split(dataset, name) for name in SPLITS if name != "queries"]
    for split in (*by_events, *folds(dataset, 3), *rolling_origins(dataset, 2)):
        assert np.array_equal(dataset.rows[learnt_events(dataset, split)], np.concatenate(split.fit)), split.name


def test_times_are_those_of_the_event_that_is_to_be_foreseen():
    times = [[1, 5 * HOUR, 7 * HOUR, 13 * HOUR], [24 * HOUR, 0, 50 * HOUR, 80 * HOUR]]
    dataset = dataset_of([[0, 1, 2, 3], [3, 2, 1, 0]], 4, times)
    contexts = of(dataset, make_split(dataset, "leave-last-out"), "time")
    first, second = "january, thursday, night", "january, friday, night"
    assert said(contexts) == ([first, first, second, None], ["january, thursday, morning", "january, saturday, night"])
    assert len(set(contexts.texts)) == len(contexts.texts)


def test_what_comes_again_before_a_target_is_not_what_was_asked_for():
    days = [[24 * HOUR * day for day in range(8)], [24 * HOUR * day for day in range(8)]]
    dataset = dataset_of([[0, 1, 2, 3, 4, 0, 5, 6], [6, 5, 4, 3, 2, 1, 0, 7]], 8, days)
    split = make_split(dataset, "leave-last-out")
    cases = HeldOut(np.array([0], np.int32), [dataset.rows[:5]], [np.array([5], np.int32)])
    contexts = of(dataset, dataclasses.replace(split, validation=cases), "time")
    assert said(contexts)[1] == ["january, wednesday, night"]  # day 6; day 5 brought 0 again


@given(st.integers(0, 999), st.booleans())
def test_each_piece_of_a_history_has_the_context_of_its_last_item(seed, shuffled):
    random = np.random.default_rng(seed)
    lengths = random.integers(3, 40, 5)
    histories = np.split(random.permutation(int(lengths.sum())), np.cumsum(lengths)[:-1])
    times = [np.sort(random.integers(1, 10**9, length)) for length in lengths]
    taken = dict(zip(np.concatenate(histories), np.concatenate(times), strict=True))
    dataset = dataset_of(histories, int(lengths.sum()), times)
    split = make_split(dataset, "leave-last-out")
    contexts = of(dataset, split, "time")
    lessons = Lessons.of(split, contexts, RequestVectors(*[torch.zeros(0)] * 4))
    pieces = windows(lessons.histories, 5, random, shuffled)
    batch = lessons.batch(shortened(pieces, HistoryAugmentation(crop=0.5, drop=0.3), random), lessons.answers)
    for row, context in zip(batch.rows[:, -1].tolist(), batch.contexts.tolist(), strict=True):
        assert contexts.texts[context] == time_words(datetime.fromtimestamp(int(taken[row]), UTC))


def test_categories_stand_for_what_is_asked_and_none_for_nothing(shop):
    split = make_split(shop, "leave-last-out")
    events, cases = said(of(shop, split, "categories"))
    assert events == [shop.items[row].categories[0] for row in np.concatenate(split.fit)]
    assert set(cases) == {None}  # it would give the target away
    nothing = of(shop, split, "none")
    assert (nothing.texts, set(nothing.lessons), set(nothing.validation)) == ([], {-1}, {-1})


@pytest.mark.parametrize(
    ("source", "words"),
    [("time", "no timestamps"), ("users", "no table of users"), ("column:device", "no column 'device'")],
)
def test_a_source_that_is_not_there_is_one_clear_error(source, words):
    dataset = dataset_of([[0, 1, 2]], 3)
    with pytest.raises(DataError, match=words):
        of(dataset, make_split(dataset, "leave-last-out"), source)
    with pytest.raises(ConfigError, match="source"):
        load_config(TrainConfig, overrides=["context.source=colum:device"])


@pytest.mark.parametrize("source", ["users", "column:likes"])
def test_a_taste_that_only_words_tell_is_learnt(toy_config, source):
    """Everybody begins with the same item and goes on with those of one colour, which a text names."""
    random = np.random.default_rng(0)
    histories = [[40, *(random.permutation(10)[:4] + 10 * (user % 4))] for user in range(120)]
    likes = [f"{COLOURS[user % 4]}" for user in range(120)]
    dataset = dataclasses.replace(
        dataset_of(histories, 41),
        items=[Item(id=str(row), title=COLOURS[row // 10] if row < 40 else "kitchen") for row in range(41)],
        user_texts=likes,
        columns={"likes": [text for text in likes for _ in range(5)]},
    )
    whole = dataset.histories()
    strangers = np.arange(80, 120, dtype=np.int32)
    split = Split(
        name="strangers",
        fit=[rows if user < 80 else rows[:0] for user, rows in enumerate(whole)],
        validation=HeldOut(strangers, [whole[user][:1] for user in strangers], [whole[user][1:] for user in strangers]),
        test=HeldOut(strangers[:0], [], []),
        before_test=whole,
    )
    training = msgspec.structs.replace(toy_config.training, request_weight=3.0, epochs=30)
    config = msgspec.structs.replace(toy_config, training=training, context=ContextConfig(source=source))
    figures = fit_model(dataset, split, config, seed=0).card.validation
    deaf = fit_model(dataset, split, msgspec.structs.replace(config, context=ContextConfig(source="none")), seed=0)
    assert "tower/context/ndcg@10" not in deaf.card.validation
    without = max(figures["tower/ndcg@10"], deaf.card.validation["tower/ndcg@10"])
    assert figures["tower/context/ndcg@10"] > 2 * without
