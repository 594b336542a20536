"""Newcomers are voted for by what says nearly the same."""

import numpy as np
import pytest
from fakes import random_vectors
from sklearn.feature_extraction.text import TfidfVectorizer

from pocketrec.likeness import TextLikeness
from pocketrec_training.neighbours.followers import FollowerConfig, fit_followers
from pocketrec_training.neighbours.text_ease import NeighbourConfig, fit_neighbours
from pocketrec_training.newcomers.votes import votes_by_text, with_votes_by_text

ITEMS = 40
NEW = np.arange(ITEMS) >= 36
TEXTS = [f"thing{i}" for i in range(ITEMS)]


@pytest.fixture
def vectors():
    """Each newcomer is nearly one of the first four items; all share a large common part."""
    made = random_vectors(ITEMS, 0, dim=16)
    made[36:] = made[:4] + 0.1 * random_vectors(4, 1, dim=16)
    return made + 2


def dense(weights):
    table = np.zeros((len(weights), len(weights)))
    for item in range(len(weights)):
        rows, votes, _ = weights.votes(np.array([item], np.int32))
        table[item, rows] = votes
    return table


def fitted(kind, vectors, max_items):
    random = np.random.default_rng(0)
    histories = [random.permutation(36)[:8].astype(np.int32) for _ in range(90)]
    if kind == "neighbours":
        return fit_neighbours(
            histories, TEXTS, vectors, NeighbourConfig(per_item=12, newcomer_level=1.0, max_items=max_items)
        )
    config = FollowerConfig(per_item=12, newcomer_level=1.0, max_items=max_items)
    return fit_followers(histories, TEXTS, vectors, 5, config)


@pytest.mark.parametrize("max_items", [1000, 1])
@pytest.mark.parametrize("kind", ["neighbours", "followers"])
def test_a_twin_votes_for_a_newcomer_and_newcomers_get_about_as_much_as_others(kind, vectors, max_items):
    weights = fitted(kind, vectors, max_items)
    table = dense(weights)
    assert table[:36, 36:].argmax(axis=0).tolist() == [0, 1, 2, 3]
    assert not np.diagonal(table).any()
    theirs, others = table[:, 36:].sum() / 4, np.maximum(table[:, :36], 0).sum() / 36
    assert 0.3 * others < theirs < 1.5 * others


def test_no_row_grows_longer(vectors):
    weights = fitted("neighbours", vectors, 1000)
    assert np.diff(weights.indptr)[:36].tolist() == [12] * 36
    assert weights.per_item == 12


def test_votes_are_cubes_of_likeness_over_the_root_of_their_sum(vectors):
    alike = TextLikeness(vectors, lambda: TEXTS).among(np.flatnonzero(NEW)).T
    votes = votes_by_text(alike, NEW, level=2.0)
    expected = alike.astype(np.float64) ** 3
    expected[np.arange(36, 40), np.arange(4)] = 0
    expected /= np.sqrt(expected.sum(axis=0))
    assert votes.sum() == pytest.approx(2.0 * 4, rel=1e-5)
    assert np.allclose(votes, expected * (8 / expected.sum()), atol=1e-6)


def test_half_of_the_likeness_is_the_encoders_and_half_that_of_words(vectors):
    texts = [*TEXTS[:36], "thing0 thing0", "thing1 big", "nothing", ""]
    alike = TextLikeness(vectors, lambda: texts).among(np.flatnonzero(NEW)).T
    centred = vectors - vectors.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    by_words = TfidfVectorizer(sublinear_tf=True, token_pattern=r"\w+").fit_transform(texts)
    expected = np.maximum(centred @ centred[36:].T, 0) + (by_words @ by_words[36:].T).toarray()
    assert np.allclose(alike, expected / 2, atol=1e-5)
    assert alike[0, 0] > alike[1, 1]  # the same words; a twin that says more


def test_a_rare_word_finds_whom_the_encoder_misses():
    """To the encoder newcomers are like nothing in particular; only a word tells whom each is like."""
    vectors = random_vectors(ITEMS, 0, dim=16)
    vectors[36:] = vectors[:36].mean(axis=0)
    texts = [*TEXTS[:36], "thing3 new", "thing7 new", "other", "another"]
    votes = votes_by_text(TextLikeness(vectors, lambda: texts).among(np.flatnonzero(NEW)).T, NEW, 1.0)[:36]
    assert votes[:, 0].argmax() == 3
    assert votes[:, 1].argmax() == 7


def test_votes_for_others_stay_as_they_are(vectors):
    weights = fitted("neighbours", vectors, 1000)
    new = np.zeros(ITEMS, np.bool_)
    new[[5, 20]] = True
    texts = TextLikeness(vectors, lambda: TEXTS)
    before, after = dense(weights), dense(with_votes_by_text(weights, texts, new, level=0.7))
    assert np.allclose(before[:, ~new], after[:, ~new])
    assert not np.allclose(before[:, new], after[:, new])
    assert after[:, new].sum() / 2 == pytest.approx(0.7 * weights.mean_votes(~new), rel=1e-4)


def test_newcomers_of_a_large_catalogue_get_the_same_however_many_are_taken_at_a_time(vectors, monkeypatch):
    weights, texts = fitted("neighbours", vectors, 1), TextLikeness(vectors, lambda: TEXTS)
    whole = dense(with_votes_by_text(weights, texts, NEW, level=0.7))
    expected = votes_by_text(texts.among(np.flatnonzero(NEW)).T, NEW, 0.7 * weights.mean_votes(~NEW))
    assert np.allclose(whole[:, NEW], expected, atol=1e-6)
    monkeypatch.setattr("pocketrec_training.newcomers.votes._BLOCK", 3)
    assert np.allclose(dense(with_votes_by_text(weights, texts, NEW, level=0.7)), whole, atol=1e-6)
