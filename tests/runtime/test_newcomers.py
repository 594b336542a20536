"""Newcomers stand between their text and the known items that are like it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pocketrec.newcomers import NEAR, settled


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


RANDOM = np.random.default_rng(0)
ITEMS = unit(RANDOM.standard_normal((40, 6)))


@given(read=arrays(np.float32, (3, 6), elements=st.floats(0.125, 1, width=32)), known=arrays(np.bool_, 40))
def test_newcomers_are_unit_vectors_and_each_stands_alone(read, known):
    read = unit(read)
    placed = settled(read, ITEMS, known)
    assert np.allclose(np.linalg.norm(placed, axis=1), 1, atol=1e-5)
    assert np.allclose(settled(read, ITEMS, known, 0.5), placed * (0.5 if known.any() else 1), atol=1e-6)
    assert np.allclose(placed[1:2], settled(read[1:2], ITEMS, known), atol=1e-5)


def test_nobody_draws_himself():
    known = np.ones(40, np.bool_)
    others = known.copy()
    others[7] = False
    alone = settled(ITEMS[7:8], ITEMS, others)
    assert np.allclose(settled(ITEMS[6:9], ITEMS, known, rows=np.array([6, 7, 8]))[1:2], alone, atol=1e-6)
    assert not np.allclose(settled(ITEMS[7:8], ITEMS, known), alone, atol=1e-3)


def test_with_nobody_known_a_newcomer_is_its_text():
    assert settled(ITEMS[:3], ITEMS, np.zeros(40, np.bool_)) is not None
    assert np.array_equal(settled(ITEMS[:3], ITEMS, np.zeros(40, np.bool_)), ITEMS[:3])


def test_the_unknown_draw_nobody_and_the_far_don_t_count():
    read = unit(RANDOM.standard_normal((1, 6)))
    order = np.argsort(-(ITEMS @ read[0]))
    known = np.ones(40, np.bool_)
    near_only = np.zeros(40, np.bool_)
    near_only[order[:NEAR]] = True
    assert np.allclose(settled(read, ITEMS, known), settled(read, ITEMS, near_only), atol=1e-6)
    moved = ITEMS.copy()
    moved[order[0]] = -ITEMS[order[0]]
    known[order[0]] = False
    assert np.allclose(settled(read, ITEMS, known), settled(read, moved, known), atol=1e-6)


def test_a_newcomer_meets_the_fans_of_what_is_like_it():
    """Texts say two things alike, behaviour has moved one of them to its fans; the newcomer follows."""
    text = unit(np.array([[1.0, 0.0, 0.0]]))
    behaviour = unit(np.array([[0.7, 0.7, 0.0], [0.0, 0.0, 1.0]]))
    placed = settled(text, behaviour, np.ones(2, np.bool_))
    fan = unit(np.array([[0.0, 1.0, 0.0]]))
    assert (placed @ fan.T).item() > (text @ fan.T).item() + 0.3
    assert settled(np.zeros((0, 3), np.float32), behaviour, np.ones(2, np.bool_)).shape == (0, 3)
