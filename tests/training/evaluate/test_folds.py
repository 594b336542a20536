import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_data import dataset_of

from pocketrec.errors import DataError
from pocketrec_training.evaluate.folds import folds, rolling_origins
from pocketrec_training.evaluate.splits import global_time


def lists(arrays):
    return [array.tolist() for array in arrays]


@given(st.integers(2, 5), st.integers(0, 3))
def test_each_user_is_tested_in_one_fold_and_learnt_from_in_no_such_fold(k, seed):
    histories = [[user % 7, 8, 9] for user in range(12)] + [[1]]
    splits = folds(dataset_of(histories, 10), k, seed)
    tested = np.concatenate([split.test.users for split in splits])
    assert sorted(tested.tolist()) == list(range(12))
    for split in splits:
        assert all(len(split.fit[user]) == 0 for user in split.test.users)
        assert not set(split.test.users.tolist()) & set(split.validation.users.tolist())
        assert all(len(split.fit[user]) == 2 for user in split.validation.users)
        assert len(split.fit[12]) == 1


def test_folds_need_users():
    with pytest.raises(ValueError, match="choose 2 to 2"):
        folds(dataset_of([[1, 2]] * 4, 3), 3)


def a_stream(users=12, items=30, length=20, seed=0):
    """Users who come and go over a hundred days."""
    random = np.random.default_rng(seed)
    rows = [random.choice(items, length, replace=False).tolist() for _ in range(users)]
    days = [np.sort(random.integers(0, 100, length)) for _ in range(users)]
    return dataset_of(rows, items, [(86_400 * line).tolist() for line in days])


def test_two_origins_by_hand():
    times = [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]]
    first, second = rolling_origins(dataset_of([[0, 1, 2, 3, 4, 5, 6, 7, 8, 3]], 9, times), 2, share=0.2)
    assert lists(first.fit) == [[0, 1, 2, 3]]
    assert (lists(first.validation.histories), lists(first.validation.targets)) == ([[0, 1, 2, 3]], [[4, 5]])
    assert (lists(first.test.histories), lists(first.test.targets)) == ([[0, 1, 2, 3, 4, 5]], [[6, 7]])
    assert lists(second.fit) == [[0, 1, 2, 3, 4, 5]]
    assert lists(second.validation.targets) == [[6, 7]]
    assert lists(second.test.targets) == [[8]]  # 3 isn't new


@given(st.integers(1, 6), st.integers(0, 20))
def test_each_origin_learns_from_the_past_and_asks_for_what_is_next(count, seed):
    data = a_stream(seed=seed)
    times = np.split(data.times, data.offsets[1:-1])
    ends = []
    for split in rolling_origins(data, count):
        newest = max(times[user][len(rows) - 1] for user, rows in enumerate(split.fit) if len(rows))
        begins = []
        for held_out in (split.validation, split.test):
            asked = [
                times[user][len(history)] for user, history in zip(held_out.users, held_out.histories, strict=True)
            ]
            assert min(asked) > newest
            begins.append(min(asked))
        assert begins[0] < begins[1]
        ends.append(begins[1])
    assert ends == sorted(set(ends))


@given(st.integers(1, 6))
def test_nothing_is_asked_twice_and_nothing_new_is_forgotten(count):
    """Over all origins, a user's targets are all that is new to them after the first."""
    data = a_stream()
    splits = rolling_origins(data, count)
    asked = {user: [] for user in range(12)}
    for split in splits:
        for user, targets in zip(split.test.users, split.test.targets, strict=True):
            asked[int(user)] += targets.tolist()
    first = {int(user): history for user, history in zip(splits[0].test.users, splits[0].test.histories, strict=True)}
    whole = data.histories()
    for user, history in first.items():
        assert asked[user] == whole[user][len(history) :].tolist()


def test_the_last_origin_is_that_of_global_time():
    data = a_stream()
    (alone,), whole = rolling_origins(data, 1), global_time(data)
    last = rolling_origins(data, 4)[-1]
    for split in (alone, last):
        assert lists(split.fit) == lists(whole.fit)
        for ours, theirs in ((split.validation, whole.validation), (split.test, whole.test)):
            assert (lists(ours.histories), lists(ours.targets)) == (lists(theirs.histories), lists(theirs.targets))


def test_origins_say_their_day():
    first, *_ = rolling_origins(a_stream(), 3)
    assert first.name.startswith("origin 1 of 3, 1970-03-")


def test_origins_need_times_and_a_past():
    with pytest.raises(DataError, match="no timestamps to cut at"):
        rolling_origins(dataset_of([[1, 2, 3]], 4), 3)
    with pytest.raises(ValueError, match="can't stand at 9 origins: choose 1 to 8"):
        rolling_origins(a_stream(), 9)
    with pytest.raises(DataError, match=r"origin 1 of 2.* no user has events both before and in the test window"):
        rolling_origins(dataset_of([[1, 2, 3], [1, 2, 3]], 4, times=[[5, 5, 5], [5, 5, 5]]), 2)
