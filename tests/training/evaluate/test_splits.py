import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_data import dataset_of

from pocketrec.errors import DataError
from pocketrec_training.dataset import dataset_digest
from pocketrec_training.evaluate.splits import (
    COLD_SHARE,
    cold_items,
    global_time,
    last_basket,
    leave_last_out,
    make_split,
)

HISTORIES = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=8), min_size=1, max_size=8)
DATED = st.lists(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9)), min_size=1, max_size=8), min_size=2, max_size=8
)


def lists(arrays):
    return [array.tolist() for array in arrays]


def test_last_is_test_and_last_but_one_is_validation():
    split = leave_last_out(dataset_of([[1, 2, 3, 4], [5, 6]], items=7))
    assert lists(split.fit) == [[1, 2], [5, 6]]
    assert (lists(split.validation.histories), lists(split.validation.targets)) == ([[1, 2]], [[3]])
    assert (lists(split.test.histories), lists(split.test.targets)) == ([[1, 2, 3]], [[4]])
    assert split.test.users.tolist() == [0]
    assert lists(split.before_test) == [[1, 2, 3], [5, 6]]


@given(HISTORIES)
def test_leave_last_out_neither_loses_nor_repeats_an_interaction(histories):
    split = leave_last_out(dataset_of(histories, items=10))
    rebuilt = dict(enumerate(lists(split.fit)))
    for held_out in (split.validation, split.test):
        for user, history, target in zip(held_out.users, held_out.histories, held_out.targets, strict=True):
            assert history.tolist() == rebuilt[int(user)]
            rebuilt[int(user)] = rebuilt[int(user)] + target.tolist()
    assert [rebuilt[user] for user in range(len(histories))] == histories


def test_a_repeated_last_item_stays_a_target():
    split = leave_last_out(dataset_of([[1, 2, 3, 1]], items=4))
    assert lists(split.test.targets) == [[1]]


def test_global_time_cuts_all_users_at_the_same_moments():
    times = [[0, 1, 2, 8, 9], [3, 4, 5, 6, 7]]
    split = global_time(dataset_of([[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]], 10, times), 0.2, 0.2)
    assert lists(split.fit) == [[0, 1, 2], [5, 6, 7]]
    assert lists(split.validation.targets) == [[8, 9]]
    assert (lists(split.test.histories), lists(split.test.targets)) == ([[0, 1, 2]], [[3, 4]])


def test_global_time_asks_only_for_what_is_new_and_only_users_with_a_past():
    times = [[0, 1, 7, 8, 9, 9], [2, 3, 4, 5], [9]]
    split = global_time(dataset_of([[0, 1, 2, 1, 3, 3], [4, 5, 6, 7], [8]], 9, times), 0.3, 0.2)
    assert split.test.users.tolist() == [0]
    assert lists(split.test.targets) == [[3]]


@given(DATED)
def test_nothing_learnt_is_newer_than_anything_tested(events):
    ordered = [sorted(line) for line in events]
    times = [[time for time, _ in line] for line in ordered]
    data = dataset_of([[row for _, row in line] for line in ordered], 10, times)
    try:
        split = global_time(data, 0.3, 0.2)
    except DataError:
        return
    newest = max(line[len(rows) - 1] for line, rows in zip(times, split.before_test, strict=True) if len(rows))
    assert all(len(more) >= len(rows) for more, rows in zip(split.before_test, split.fit, strict=True))
    for user, history in zip(split.test.users, split.test.histories, strict=True):
        assert times[user][len(history)] > newest
    for history, targets in zip(split.test.histories, split.test.targets, strict=True):
        assert not set(targets.tolist()) & set(history.tolist())
        assert len(set(targets.tolist())) == len(targets)


def test_global_time_needs_times():
    with pytest.raises(DataError, match="no timestamps"):
        make_split(dataset_of([[1, 2, 3]], 4), "global-time")


def test_global_time_says_when_one_moment_holds_everything():
    with pytest.raises(DataError, match="no user has events both before and in"):
        global_time(dataset_of([[1, 2, 3], [1, 2, 3]], 4, times=[[5, 5, 5], [5, 5, 5]]))


@pytest.mark.parametrize(("test_share", "validation_share"), [(0, 0.1), (0.1, 0), (0.6, 0.4), (1.2, 0.1)])
def test_shares_that_leave_nothing_are_refused(test_share, validation_share):
    with pytest.raises(ValueError, match="leave something to fit"):
        global_time(dataset_of([[1, 2, 3]], 4, times=[[1, 2, 3]]), test_share, validation_share)


def test_the_last_basket_is_held_out_whole():
    times = [[1, 1, 2, 2, 3, 3, 3], [4, 4, 5], [6]]
    split = last_basket(dataset_of([[0, 1, 2, 3, 4, 1, 5], [6, 7, 8], [2]], 9, times))
    assert lists(split.fit) == [[0, 1], [6, 7, 8], [2]]
    assert (lists(split.validation.histories), lists(split.validation.targets)) == ([[0, 1]], [[2, 3]])
    assert (lists(split.test.histories), lists(split.test.targets)) == ([[0, 1, 2, 3]], [[4, 5]])  # 1 isn't new


@given(DATED)
def test_no_basket_is_torn_apart(events):
    histories = [[row for _, row in sorted(line)] for line in events]
    times = [sorted(moment for moment, _ in line) for line in events]
    split = last_basket(dataset_of(histories, 10, times))
    for held_out, place in ((split.validation, -2), (split.test, -1)):
        for user, history, targets in zip(held_out.users, held_out.histories, held_out.targets, strict=True):
            moment = sorted(set(times[user]))[place]
            expected = [row for row, time in zip(histories[user], times[user], strict=True) if time < moment]
            assert history.tolist() == expected
            basket = {row for row, time in zip(histories[user], times[user], strict=True) if time == moment}
            assert set(targets.tolist()) == basket - set(expected)
    for rows, user in zip(split.fit, range(len(histories)), strict=True):
        moments = sorted(set(times[user]))
        kept = moments if len(moments) < 3 else moments[:-2]
        assert len(rows) == sum(time in kept for time in times[user])


def test_baskets_need_times():
    with pytest.raises(DataError, match="timestamps"):
        make_split(dataset_of([[1, 2, 3]], 4), "last-basket")


def crowd(items=40, users=60, length=6, seed=0):
    random = np.random.default_rng(seed)
    return [random.choice(items, length, replace=False).tolist() for _ in range(users)]


@given(st.integers(20, 60), st.integers(0, 1000))
def test_cold_items_are_learnt_from_by_nobody_and_stay_everywhere_else(items, seed):
    data = dataset_of(crowd(items, seed=seed), items)
    try:
        split = cold_items(data)
    except DataError:
        return
    whole = leave_last_out(data)
    left_out = {row for rows, all_rows in zip(split.fit, whole.fit, strict=True) for row in set(all_rows) - set(rows)}
    for rows, all_rows in zip(split.fit, whole.fit, strict=True):
        assert rows.tolist() == [row for row in all_rows if row not in left_out]
    assert (lists(split.test.histories), lists(split.test.targets)) == (
        lists(whole.test.histories),
        lists(whole.test.targets),
    )
    pairs = zip(lists(whole.validation.histories), lists(whole.validation.targets), strict=True)
    cases = dict(zip(whole.validation.users, pairs, strict=True))
    kept = zip(split.validation.users, split.validation.histories, split.validation.targets, strict=True)
    assert all(cases[user] == (history.tolist(), targets.tolist()) for user, history, targets in kept)
    # Whoever is cold in test was never a target before; that, and nothing else, is missing from validation.
    cold = set(np.flatnonzero(split.cold(items)))
    missing = set(whole.validation.users) - set(split.validation.users)
    assert all(set(cases[user][1]) <= cold for user in missing)
    assert not cold & {row for rows in (*split.fit, *split.validation.targets, *split.before_test) for row in rows}
    assert np.array_equal(split.final().cold(items), split.cold(items))
    for rows, all_rows in zip(split.before_test, whole.before_test, strict=True):
        assert rows.tolist() == [row for row in all_rows if row not in cold]
    assert cold & {row for rows in split.test.targets for row in rows}


def test_a_twentieth_of_the_catalogue_is_cold_in_test_and_as_much_in_validation():
    data = dataset_of(crowd(items=100, users=400), 100)
    split = cold_items(data)
    popularity = split.popularity(100)
    asked = {row for rows in split.validation.targets for row in rows}
    cold_in_test = np.flatnonzero(split.cold(100))
    assert int((popularity == 0).sum()) == 2 * 100 * COLD_SHARE  # with 400 users each item is met
    assert len(cold_in_test) == 100 * COLD_SHARE
    assert len(asked & set(np.flatnonzero(popularity == 0))) == 100 * COLD_SHARE
    share = np.mean([rows[0] in cold_in_test for rows in split.test.targets])
    assert 0.02 < share < 0.09


def test_which_items_are_cold_depends_on_no_order_of_users():
    histories = crowd()
    one, other = (cold_items(dataset_of(order, 40)) for order in (histories, histories[::-1]))
    assert np.array_equal(one.popularity(40), other.popularity(40))
    assert np.array_equal(one.cold(40), other.cold(40))


def test_items_without_interactions_are_not_drawn():
    split = cold_items(dataset_of(crowd(items=30), 60))
    assert int((split.popularity(60)[:30] == 0).sum()) == 2 * 3


def test_too_little_for_cold_items_is_said():
    with pytest.raises(DataError, match="3 of 100 items have interactions, too few to hold out 10"):
        make_split(dataset_of([[0, 1, 2]], 100), "cold-items")
    with pytest.raises(DataError, match="no user's last interaction is with one of the 1 items"):
        make_split(dataset_of([[*np.roll(range(20), 1 - last)] for last in range(3)], 20), "cold-items")


def test_unknown_split_names_the_known_ones():
    with pytest.raises(
        ValueError, match=r"'by-luck' is unknown; choose one of leave-last-out, global-time, last-basket, cold-items"
    ):
        make_split(dataset_of([[1, 2, 3]], 4), "by-luck")


def test_users_too_short_for_the_split_are_an_error():
    with pytest.raises(DataError, match="no user has the three interactions"):
        make_split(dataset_of([[1, 2], [3]], 4), "leave-last-out")


def test_digest_names_content_whatever_the_order_of_files():
    data = dataset_of([[1, 2, 3]], 4)
    card = data.card
    assert dataset_digest(card) == dataset_digest(
        type(card)(**{**_fields(card), "files": dict(reversed(card.files.items()))})
    )
    assert dataset_digest(card) != dataset_digest(type(card)(**{**_fields(card), "files": {"items.parquet": "c"}}))


def _fields(card):
    return {name: getattr(card, name) for name in card.__struct_fields__}
