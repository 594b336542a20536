import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_data import rows_of

from pocketrec.rankings import (
    bootstrap_interval,
    bootstrap_means,
    hits,
    ndcg,
    overlap,
    paired_bootstrap,
)


def test_ndcg_of_a_target_in_each_place():
    ranked = np.tile(rows_of(0, 1, 2, 3), (5, 1))
    values = ndcg(ranked, [rows_of(place) for place in range(5)])
    np.testing.assert_allclose(values, [1, 1 / math.log2(3), 1 / 2, 1 / math.log2(5), 0])


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8, unique=True), st.randoms())
def test_ndcg_is_one_only_with_all_targets_in_front(targets, random):
    others = list(range(100, 110))
    ranked = targets + others
    assert ndcg(np.array([ranked], np.int32), [np.array(targets, np.int32)])[0] == pytest.approx(1)
    assert ndcg(np.array([others[:1] + ranked], np.int32), [np.array(targets, np.int32)])[0] < 1


def test_more_targets_than_places_still_reach_one():
    assert ndcg(np.array([[1, 2]], np.int32), [rows_of(1, 2, 3, 4)])[0] == pytest.approx(1)


def test_hits_of_one_case_do_not_leak_into_another():
    ranked = np.array([[1, 2], [1, 2]], np.int32)
    assert hits(ranked, [rows_of(1), rows_of(2)]).tolist() == [[True, False], [False, True]]


def test_cases_without_targets_and_uneven_lengths_are_refused():
    with pytest.raises(ValueError, match="case 1 has no target"):
        hits(np.zeros((2, 1), np.int32), [rows_of(1), rows_of()])
    with pytest.raises(ValueError, match="1 rankings for 2 cases"):
        ndcg(np.zeros((1, 1), np.int32), [rows_of(1), rows_of(1)])


@given(st.integers(0, 1000), st.integers(0, 5), st.integers(0, 5))
def test_overlap_is_the_share_of_a_set_intersection(seed, drop_a, drop_b):
    random = np.random.default_rng(seed)
    a, b = (random.permutation(12)[:6].astype(np.int32) for _ in range(2))
    a[6 - drop_a :], b[6 - drop_b :] = -1, -1
    x, y = set(a[a >= 0].tolist()), set(b[b >= 0].tolist())
    assert overlap(a[None], b[None])[0] == pytest.approx(len(x & y) / max(len(x), len(y)))


def test_overlap_of_nothing_with_nothing_is_whole_and_order_plays_no_part():
    assert overlap(np.array([[-1, -1]]), np.array([[-1, -1]])).tolist() == [1.0]
    assert overlap(np.array([[1, 2]]), np.array([[2, 1]])).tolist() == [1.0]


def test_bootstrap_interval_has_the_width_of_the_normal_one():
    values = np.random.default_rng(0).normal(0.3, 0.5, 4000)
    low, high = bootstrap_interval(values, seed=1)
    error = 1.96 * values.std() / math.sqrt(len(values))
    assert (low, high) == pytest.approx((values.mean() - error, values.mean() + error), abs=error / 10)


def test_bootstrap_interval_holds_the_truth_about_as_often_as_it_says():
    random = np.random.default_rng(3)
    held = [
        low <= 0.2 <= high
        for low, high in (
            bootstrap_interval(random.binomial(1, 0.2, 300).astype(float), samples=400, seed=i) for i in range(200)
        )
    ]
    assert 0.90 <= np.mean(held) <= 0.99


def test_bootstrap_is_the_same_for_one_seed_and_shares_draws_between_columns():
    values = np.random.default_rng(0).random((500, 1))
    means = bootstrap_means(np.hstack([values, 2 * values]), samples=50, seed=4)
    np.testing.assert_allclose(means[:, 1], 2 * means[:, 0])
    np.testing.assert_allclose(means[:, :1], bootstrap_means(values, samples=50, seed=4))
    assert not np.allclose(means[:, :1], bootstrap_means(values, samples=50, seed=5))


def test_bootstrap_in_blocks_is_still_a_mean_over_as_many_users(monkeypatch):
    monkeypatch.setattr("pocketrec.rankings._CELLS", 700)
    assert np.all(bootstrap_means(np.ones((100, 1)), samples=23) == 1)


def test_paired_bootstrap_sees_what_unpaired_intervals_hide():
    random = np.random.default_rng(0)
    base = random.random(400)
    better = base + 0.01 + random.normal(0, 0.01, 400)
    found = paired_bootstrap(better, base)
    assert found.interval[0] > 0
    assert found.mean == pytest.approx(0.01, abs=0.002)
    assert found.relative == pytest.approx(found.mean / base.mean())
    assert found.relative_interval[0] < found.relative < found.relative_interval[1]
    a, b = bootstrap_interval(better), bootstrap_interval(base)
    assert a[0] < b[1]


def test_paired_bootstrap_of_a_ranking_with_itself_is_nothing():
    values = np.random.default_rng(0).random(50)
    found = paired_bootstrap(values, values)
    assert (found.mean, found.interval, found.relative_interval) == (0, (0, 0), (0, 0))


def test_pairs_of_different_users_are_refused():
    with pytest.raises(ValueError, match="same users"):
        paired_bootstrap(np.zeros(3), np.zeros(4))


def test_cases_of_a_user_are_drawn_together():
    """Ten copies of each case are no ten cases: the interval stays as wide, and the mean what it is."""
    values = np.random.default_rng(1).random((80, 2))
    copies, whose = np.repeat(values, 10, axis=0), np.repeat(np.arange(80, dtype=np.int32), 10)
    np.testing.assert_allclose(bootstrap_means(copies, 50, whose=whose), bootstrap_means(values, 50))
    wrong = np.ptp(bootstrap_means(copies, 50), axis=0)
    assert np.all(wrong < 0.6 * np.ptp(bootstrap_means(values, 50), axis=0))


def test_users_with_more_cases_weigh_more():
    values, whose = np.array([[1.0], [1.0], [1.0], [0.0]]), np.array([5, 5, 5, 2], dtype=np.int32)
    means = bootstrap_means(values, 400, whose=whose)
    assert set(np.unique(means)) == {0.0, 0.75, 1.0}
