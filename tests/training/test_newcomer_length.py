"""Newcomers' vectors are so long that people meet as many of them as there are."""

import numpy as np
import pytest
from fakes import random_vectors

from pocketrec.newcomers import settled
from pocketrec_training.newcomers.length import fair_length

ITEMS, USERS = 600, 400
KNOWN = np.ones(ITEMS, np.bool_)


def world(seed):
    """Items in loose clusters, whose texts tell the cluster; users who like what they took."""
    random = np.random.default_rng(seed)
    centres = random_vectors(30, seed, dim=16)[np.arange(ITEMS) % 30]
    items = centres + 0.8 * random_vectors(ITEMS, seed + 1, dim=16)
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    histories = [random.integers(0, ITEMS, 3).astype(np.int32) for _ in range(USERS)]
    users = np.stack([items[rows].mean(axis=0) for rows in histories])
    return items.astype(np.float32), centres, users.astype(np.float32), histories


@pytest.mark.parametrize("seed", [0, 1])
def test_newcomers_are_met_as_often_as_there_are_newcomers(seed):
    items, read, users, histories = world(seed)
    length = fair_length(users, histories, items, read, KNOWN, seed)
    assert 0.5 < length < 1

    def share(length):
        """Of the best ten, when one tenth of the items after the other is new indeed."""
        shares = []
        for new in np.array_split(np.random.default_rng(seed + 9).permutation(ITEMS), 10):
            known, vectors = KNOWN.copy(), items.copy()
            known[new] = False
            vectors[new] = settled(read[new], items, known, length)
            shares.append(np.mean(~known[np.argsort(-(users @ vectors.T), axis=1)[:, :10]]))
        return np.mean(shares)

    assert share(length) == pytest.approx(0.1, abs=0.03)
    assert share(1.0) > 0.12


def test_with_nobody_to_measure_by_newcomers_are_as_long_as_others():
    items, read, users, histories = world(0)
    assert fair_length(users[:0], [], items, read, KNOWN, 0) == 1.0
    assert fair_length(users, histories, items, read, np.zeros(ITEMS, np.bool_), 0) == 1.0


@pytest.mark.parametrize("items", [5, 6, 8, 12, 15])
def test_a_handful_of_items_has_a_length_too(items):
    vectors = random_vectors(items, 0, dim=4)
    histories = [np.array([row % items], np.int32) for row in range(20)]
    length = fair_length(random_vectors(20, 1, dim=4), histories, vectors, vectors, np.ones(items, np.bool_), 0)
    assert 0 < length <= 1


def test_newcomers_whom_everybody_meets_anyway_still_have_a_length():
    """Users like one thing alone, the newcomers' twin: no length is short enough, but none is no vector."""
    vectors = np.zeros((30, 4), np.float32)
    vectors[:, 0], vectors[:, 1] = -1, 1e-3
    users = np.tile(np.array([[1, 0, 0, 0]], np.float32), (20, 1))
    length = fair_length(users, [np.zeros(0, np.int32)] * 20, vectors, vectors, np.ones(30, np.bool_), 0)
    assert 0 < length <= 1
