"""Neighbours against the equations they come from."""

import numpy as np
import pytest
import torch

from pocketrec_training.neighbours.text_ease import NeighbourConfig, ease, fit_neighbours, word_matrix
from pocketrec_training.neighbours.truncation import truncated


def test_ease_solves_its_own_problem():
    """Steck 2019: B minimises |X - XB|^2 + lambda |B|^2 with a zero diagonal; so each column is a ridge regression."""
    random = np.random.default_rng(0)
    x = (random.random((30, 6)) < 0.4).astype(np.float64)
    weights = ease(torch.from_numpy((x.T @ x).astype(np.float32)), regularisation=2.0)
    for j in range(6):
        others = [i for i in range(6) if i != j]
        left = x[:, others].T @ x[:, others] + 2.0 * np.eye(5)
        assert np.allclose(weights[others, j], np.linalg.solve(left, x[:, others].T @ x[:, j]), atol=1e-4)
        assert weights[j, j] == 0


def test_items_that_share_words_are_neighbours_without_any_interaction():
    texts = ["red cup", "red plate", *(f"thing{i // 2} other{i}" for i in range(10))]
    nothing = [np.zeros(0, np.int32)] * 3
    config = NeighbourConfig(regularisation=1.0, text_weight=1.0, per_item=3)
    rows, sums, _ = fit_neighbours(nothing, texts, np.eye(len(texts), dtype=np.float32), config).votes(
        np.array([0], np.int32)
    )
    assert rows[sums > 0.1].tolist() == [1]


def test_items_that_the_encoder_finds_alike_are_neighbours_without_any_interaction_or_word():
    texts = [f"word{i}" for i in range(8)]
    vectors = np.eye(8, dtype=np.float32) + 3  # a large common part, which says nothing
    vectors[1] = vectors[0] + 0.1 * np.eye(8, dtype=np.float32)[5]
    nothing = [np.zeros(0, np.int32)] * 3
    config = NeighbourConfig(regularisation=1.0, text_weight=0.0, vector_weight=1.0, per_item=7)
    rows, sums, _ = fit_neighbours(nothing, texts, vectors, config).votes(np.array([0], np.int32))
    assert rows[sums > 0.1].tolist() == [1]


def test_words_of_one_item_and_words_of_most_items_are_left_out():
    texts = [f"the {word} unique{i}" for i, word in enumerate(["a", "a", "b", "b", "c", "c", "d", "d", "e", "e"])]
    matrix = word_matrix(texts)
    assert matrix.shape == (5, 10)
    assert (matrix.sum(axis=1) == 2).all()


def test_truncation_keeps_the_largest_weights_of_each_item():
    weights = np.array([[0, 3, -5, 1], [1, 0, 2, 4], [0, 0, 0, 9], [1, 2, 3, 0]], dtype=np.float32)
    kept = truncated(weights, per_item=2)
    assert kept.rows[: kept.indptr[1]].tolist() == [1, 2]
    assert kept.weights[: kept.indptr[1]].tolist() == [3, -5]
    assert np.diff(kept.indptr).tolist() == [2, 2, 1, 2]


@pytest.mark.parametrize("max_items", [2, 100])
def test_large_catalogues_take_cosines_with_the_same_meaning(max_items):
    texts = ["red cup", "red plate", "blue lamp", "blue chair"]
    taken = [np.array([0, 1], np.int32)] * 5 + [np.array([2, 3], np.int32)] * 5
    config = NeighbourConfig(regularisation=1.0, per_item=3, max_items=max_items)
    rows, sums, _ = fit_neighbours(taken, texts, np.eye(len(texts), dtype=np.float32), config).votes(
        np.array([2], np.int32)
    )
    assert rows[sums.argmax()] == 3
