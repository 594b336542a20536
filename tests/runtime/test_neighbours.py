"""Item-item weights against plain loops."""

import numpy as np
import pytest
from fakes import neighbours_of, ring
from hypothesis import given
from hypothesis import strategies as st

from pocketrec.neighbours import Neighbours

sparse = st.sampled_from([0.0, 0.0, 0.0, 0.25, 0.5, 1.0, -0.5, 3.0])
full = st.sampled_from([0.25, 0.5, 1.0, -0.5, 3.0])


@st.composite
def cases(draw):
    items, weights = draw(st.integers(1, 12)), draw(st.sampled_from([sparse, full]))
    dense = np.array(draw(st.lists(st.lists(weights, min_size=items, max_size=items), min_size=items, max_size=items)))
    history = draw(st.lists(st.integers(-1, items - 1), max_size=10))
    return dense, np.array(history, np.int32), draw(st.sampled_from([0.5, 0.75, 1.0]))


@given(cases())
def test_votes_are_the_weights_of_each_item_of_the_history(case):
    dense, history, decay = case
    rows, votes, newest = neighbours_of(dense, decay).votes(history)
    expected = [
        (row, decay ** (len(history) - 1 - at) * dense[item, row])
        for at, item in enumerate(history)
        if item >= 0
        for row in np.flatnonzero(dense[item])
    ]
    assert rows.tolist() == [row for row, _ in expected]
    assert np.allclose(votes, [vote for _, vote in expected], atol=1e-6)
    assert newest == (np.count_nonzero(dense[history[-1]]) if len(history) and history[-1] >= 0 else 0)


@given(cases())
def test_the_strongest_voter_is_the_one_with_the_largest_vote(case):
    dense, history, decay = case
    wanted = np.arange(-1, len(dense), dtype=np.int32)
    places, votes = neighbours_of(dense, decay).strongest(history, wanted)
    for row, place, vote in zip(wanted, places, votes, strict=True):
        each = [
            decay ** (len(history) - 1 - at) * dense[item][row] if item >= 0 and row >= 0 else 0.0
            for at, item in enumerate(history)
        ]
        assert vote == pytest.approx(max([0.0, *each]))
        assert place == (each.index(max(each)) if vote > 0 else 0)


@pytest.mark.parametrize(("decay", "voters"), [(1.0, 256), (0.99, 256), (0.9, 66), (0.5, 10)])
def test_votes_that_have_all_but_faded_are_not_cast(decay, voters):
    table = ring(400, decay=decay)
    assert table.voters == voters
    history = np.arange(300, dtype=np.int32)
    rows, votes, newest = table.votes(history)
    assert rows.tolist() == list(range(301 - voters, 301))
    assert votes[-1] == newest == 1
    assert np.all(votes >= 1e-3)
    places, largest = table.strongest(history, np.array([300, 301 - voters, 300 - voters], np.int32))
    assert places.tolist() == [299, 300 - voters, 0]
    assert largest == pytest.approx([1, decay ** (voters - 1), 0])


def test_items_with_equally_many_neighbours_are_read_as_a_table():
    assert neighbours_of(np.ones((3, 3)))._tables is not None
    assert neighbours_of(np.triu(np.ones((3, 3))))._tables is None
    assert neighbours_of(np.zeros((3, 3)))._tables is not None
    uneven = Neighbours.of_arrays(np.array([0, 3, 3, 6]), np.arange(6, dtype=np.int32), np.ones(6, np.float32), 0.5)
    assert uneven._tables is None


def test_saving_and_opening_gives_the_same_votes(tmp_path):
    dense = np.random.default_rng(0).random((9, 9)) * (np.random.default_rng(1).random((9, 9)) < 0.4)
    neighbours = neighbours_of(dense)
    neighbours.save(tmp_path / "neighbours")
    opened = Neighbours.open(tmp_path / "neighbours", neighbours.decay)
    history = np.array([3, 1, 4, 1, 5], np.int32)
    for left, right in zip(neighbours.votes(history), opened.votes(history), strict=True):
        assert np.array_equal(left, right)
    assert opened.per_item == neighbours.per_item == np.count_nonzero(dense, axis=1).max()


@given(cases())
def test_int8_is_off_by_half_a_step_of_each_item_at_most(case):
    dense, history, decay = case
    table = neighbours_of(dense, decay)
    small = table.quantised()
    assert (table.precision, small.precision) == ("fp32", "int8")
    step = np.abs(dense).max(axis=1, initial=0) / 127
    lengths = np.diff(table.indptr)
    assert np.all(np.abs(small.values - table.values) <= step.repeat(lengths) / 2 + 1e-6)
    (rows, votes, newest), (same, close, as_many) = table.votes(history), small.votes(history)
    assert rows.tolist() == same.tolist()
    assert newest == as_many
    said = [decay ** (len(history) - 1 - at) * step[item] for at, item in enumerate(history) if item >= 0]
    each = [share for share, item in zip(said, history[history >= 0], strict=True) for _ in range(lengths[item])]
    assert np.all(np.abs(votes - close) <= np.array(each) / 2 + 1e-6)


def test_rows_become_narrow_where_the_catalogue_is_small_enough():
    table, last = ring(65_536), np.array([65_534], np.int32)
    assert table.narrowed().rows.dtype == np.uint16
    assert table.narrowed().votes(last)[0].tolist() == table.votes(last)[0].tolist() == [65_535]
    assert ring(65_537).narrowed().rows.dtype == np.int32
    assert ring(65_537).quantised().votes(np.array([65_535], np.int32))[0].tolist() == [65_536]


def test_weights_too_small_for_float32_to_step_between_become_nothing():
    table = Neighbours.of_rows([(np.array([0, 1]), np.array([1e-44, -3e-39])), (np.array([0]), np.array([1e-30]))], 1.0)
    small = table.quantised()
    assert small.weights.tolist() == [0, 0, 127]
    assert small.values[2] == pytest.approx(1e-30)


def test_saving_and_opening_int8_gives_the_same_votes(tmp_path):
    small = neighbours_of(np.random.default_rng(0).random((9, 9))).quantised()
    small.save(tmp_path / "small")
    opened = Neighbours.open(tmp_path / "small", small.decay)
    assert opened.precision == "int8"
    assert np.array_equal(opened.values, small.values)


def test_without_any_neighbours_nothing_is_voted_for():
    none = neighbours_of(np.zeros((4, 4)))
    assert none.votes(np.array([0, 1], np.int32))[0].tolist() == []
    assert none.votes(np.zeros(0, np.int32))[0].tolist() == []
    assert none.per_item == 0
