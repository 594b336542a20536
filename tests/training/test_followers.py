"""Followers: what comes next is told from what came before, in closed form, from words where nobody has been."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pocketrec_training.neighbours.followers import FollowerConfig, fit_followers

NO_TEXT = {"text_weight": 0.0}


def spread(neighbours, items):
    """The weights as a dense table."""
    table = np.zeros((items, items))
    for row in range(items):
        line = slice(neighbours.indptr[row], neighbours.indptr[row + 1])
        table[row, neighbours.rows[line]] = neighbours.weights[line]
    return table


def regression(histories, items, past, config):
    """The same, place by place."""
    before, after = [], []
    for rows in histories:
        for place in range(len(rows) - 1):
            p, y = np.zeros(items), np.zeros(items)
            for lag in range(min(past, place + 1)):
                p[rows[place - lag]] += config.decay**lag
            for row in rows[place + 1 : place + 1 + config.ahead]:
                y[row] += 1
            before.append(p)
            after.append(y)
    p, y = np.array(before).reshape(-1, items), np.array(after).reshape(-1, items)
    weights = np.linalg.solve(p.T @ p + config.regularisation * np.eye(items), p.T @ y)
    np.fill_diagonal(weights, 0)
    return weights


@settings(max_examples=25)
@given(seed=st.integers(0, 999), past=st.integers(1, 6), ahead=st.integers(1, 3), chunk=st.sampled_from([3, 200_000]))
def test_weights_are_those_of_the_regression(seed, past, ahead, chunk):
    random = np.random.default_rng(seed)
    histories = [random.permutation(8)[: random.integers(0, 8)].astype(np.int32) for _ in range(6)]
    config = FollowerConfig(decay=0.7, ahead=ahead, regularisation=2.0, per_item=7, **NO_TEXT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pocketrec_training.neighbours.followers._CHUNK", chunk)
        found = fit_followers(histories, list("abcdefgh"), np.eye(8, dtype=np.float32), past, config)
    assert found.decay == 0.7
    np.testing.assert_allclose(spread(found, 8), regression(histories, 8, past, config), atol=1e-5)


@pytest.mark.parametrize("max_items", [20_000, 1])
def test_a_second_part_follows_the_first_and_not_the_other_way(max_items):
    random = np.random.default_rng(0)
    noise = [random.permutation(np.arange(2, 10)) for _ in range(200)]
    histories = [np.insert(rows, 4, [0, 1]).astype(np.int32) for rows in noise]  # 1 comes right after 0, always
    config = FollowerConfig(ahead=1, regularisation=10.0, per_item=9, max_items=max_items, **NO_TEXT)
    weights = spread(fit_followers(histories, ["x"] * 10, np.eye(10, dtype=np.float32), 5, config), 10)
    assert weights[0].argmax() == 1
    assert weights[0, 1] > 5 * weights[1, 0]


@pytest.mark.parametrize("max_items", [20_000, 1])
def test_items_that_share_words_follow_each_other_without_any_interaction(max_items):
    texts = ["red rug", "red lamp", "red cup", *(f"plain thing{i}" for i in range(12))]
    histories, vectors = [np.array([5, 4], np.int32)] * 3, np.eye(15, dtype=np.float32)
    vectors[:3, :3] += 1
    config = FollowerConfig(regularisation=1.0, max_items=max_items)
    weights = spread(fit_followers(histories, texts, vectors, 5, config), 15)
    assert weights[0, [1, 2]].min() > 0
    assert weights[5, 4] > 0
    assert weights[0, 3:].max() < 1e-6


def test_each_item_keeps_its_strongest_followers():
    random = np.random.default_rng(0)
    histories = [random.permutation(30).astype(np.int32) for _ in range(20)]
    for max_items in (30, 29):
        config = FollowerConfig(per_item=4, max_items=max_items, **NO_TEXT)
        found = fit_followers(histories, ["x"] * 30, np.eye(30, dtype=np.float32), 5, config)
        assert found.per_item == 4


@pytest.mark.parametrize("max_items", [20_000, 1])
def test_no_item_follows_itself(max_items):
    config = FollowerConfig(ahead=2, regularisation=1.0, per_item=3, max_items=max_items, **NO_TEXT)
    histories = [np.array([0, 0, 0, 1], np.int32)] * 5
    weights = spread(fit_followers(histories, list("abcd"), np.eye(4, dtype=np.float32), 5, config), 4)
    assert not np.diagonal(weights).any()
    assert weights[0, 1] > 0


def test_a_large_catalogue_is_the_same_however_many_items_are_taken_at_a_time(monkeypatch):
    random = np.random.default_rng(0)
    histories = [random.permutation(30)[:6].astype(np.int32) for _ in range(40)]
    texts, vectors = [f"word{row % 7} thing{row % 4}" for row in range(30)], np.eye(30, dtype=np.float32)
    config = FollowerConfig(regularisation=3.0, per_item=8, max_items=1)
    whole = spread(fit_followers(histories, texts, vectors, 5, config), 30)
    monkeypatch.setattr("pocketrec_training.neighbours.followers._BLOCK", 7)
    assert np.allclose(spread(fit_followers(histories, texts, vectors, 5, config), 30), whole, atol=1e-6)
