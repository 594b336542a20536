"""Maximal marginal relevance against its definition."""

import numpy as np
from fakes import random_vectors
from hypothesis import given
from hypothesis import strategies as st

from pocketrec.diversity import diversify


def by_definition(scores, vectors, k, strength):
    low, high = min(scores), max(scores)
    relevance = [(score - low) / (high - low) if high > low else 1.0 for score in scores]
    taken = []
    while len(taken) < min(k, len(scores)):
        rest = [place for place in range(len(scores)) if place not in taken]

        def value(place):
            near = max((float(vectors[place] @ vectors[other]) for other in taken), default=0.0)
            return (1 - strength) * relevance[place] - strength * max(near, 0.0)

        taken.append(max(rest, key=value))
    return taken


@given(seed=st.integers(0, 999), count=st.integers(1, 20), k=st.integers(1, 25), strength=st.floats(0.01, 0.99))
def test_each_step_takes_the_best_mixture(seed, count, k, strength):
    random = np.random.default_rng(seed)
    scores, vectors = random.normal(size=count).astype(np.float32), random_vectors(count, seed)
    assert diversify(scores, vectors, k, strength).tolist() == by_definition(scores, vectors, k, strength)


def test_strength_nought_keeps_the_order_of_scores():
    scores = np.array([0.3, 0.9, 0.1, 0.5], np.float32)
    assert diversify(scores, random_vectors(4), 4, 0.0).tolist() == [1, 3, 0, 2]


def test_equal_scores_are_told_apart_by_variety():
    alike = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    assert diversify(np.ones(3, np.float32), alike, 2, 0.5).tolist() == [0, 2]


def test_no_candidates_give_an_empty_answer():
    assert diversify(np.zeros(0, np.float32), np.zeros((0, 4), np.float32), 3, 0.5).tolist() == []


@given(seed=st.integers(0, 99), strength=st.floats(0.01, 0.99))
def test_how_long_vectors_are_changes_nothing(seed, strength):
    random = np.random.default_rng(seed)
    scores, vectors = random.normal(size=12).astype(np.float32), random_vectors(12, seed)
    longer = vectors * np.float32(2) ** random.integers(-3, 3, size=(12, 1)).astype(np.float32)  # exact
    assert diversify(scores, longer, 5, strength).tolist() == diversify(scores, vectors, 5, strength).tolist()
