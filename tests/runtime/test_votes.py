"""Sums of votes, looked up for any items, on both paths against plain sums."""

import numpy as np
import pytest
from fakes import neighbours_of
from hypothesis import given
from hypothesis import strategies as st

from pocketrec import votes as module
from pocketrec.neighbours import Neighbours
from pocketrec.votes import Votes

ITEMS, DECAYS = 12, (0.5, 0.8)


@st.composite
def cases(draw):
    random = np.random.default_rng(draw(st.integers(0, 999)))
    share = draw(st.sampled_from([0.0, 0.4, 1.0]))
    tables = [random.normal(size=(ITEMS, ITEMS)) * (random.random((ITEMS, ITEMS)) < share) for _ in DECAYS]
    history = random.integers(-1, ITEMS, draw(st.integers(0, 6))).astype(np.int32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_DENSE_ITEMS", draw(st.sampled_from([0, ITEMS])))
        votes = Votes.of(history, [neighbours_of(table, decay) for table, decay in zip(tables, DECAYS, strict=True)])
    return random, tables, history, votes


def summed(tables, history):
    """By the definition, float [2 * tables, ITEMS]."""
    sums = np.zeros((2 * len(tables), ITEMS))
    for place, (table, decay) in enumerate(zip(tables, DECAYS, strict=True)):
        for age, item in enumerate(reversed(history)):
            if item >= 0:
                sums[2 * place] += decay**age * table[item]
                sums[2 * place + 1] += table[item] if age == 0 else 0
    return sums


@given(cases())
def test_votes_are_summed_by_history_and_by_its_newest_item(case):
    random, tables, history, votes = case
    wanted = np.append(random.permutation(ITEMS)[:7], -1).astype(np.int32)
    found = votes.at(wanted)
    np.testing.assert_allclose(found[:, :-1], summed(tables, history)[:, wanted[:-1]], atol=1e-5)
    assert not found[:, -1].any()  # -1 is no item
    assert found.dtype == np.float32


@given(cases(), st.integers(1, ITEMS))
def test_the_best_are_the_allowed_ones_with_the_largest_sums_above_zero(case, count):
    random, tables, history, votes = case
    allowed = random.random(ITEMS) < 0.7
    for table in range(len(tables)):
        sums = summed(tables, history)[2 * table]
        expected = [row for row in np.argsort(-sums, kind="stable") if allowed[row] and sums[row] > 0][:count]
        found = votes.best(table, count, allowed)
        assert sorted(found.tolist()) == sorted(expected)
        assert found.dtype == np.int32


def test_a_row_need_not_list_its_neighbours_in_order():
    unordered = [(np.array([2, 0, 1]), np.array([0.2, 0.5, 0.1]))] * 3
    votes = Votes.of(np.array([0], np.int32), [Neighbours.of_rows(unordered, decay=1.0)])
    np.testing.assert_allclose(votes.at(np.arange(3)), [[0.5, 0.1, 0.2]] * 2)
