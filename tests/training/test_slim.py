"""SLIM against an independent elastic net."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import ElasticNet

from pocketrec.config import load_config
from pocketrec_export.held_out import HeldOut
from pocketrec_training.neighbours.choice import choose_neighbours
from pocketrec_training.neighbours.fits import Fits
from pocketrec_training.neighbours.slim import slim
from pocketrec_training.neighbours.text_ease import NeighbourConfig, fit_neighbours
from pocketrec_training.train import TrainConfig


def log(users=200, items=25, seed=0):
    """Users of one taste each, with five items to a taste, and some noise."""
    random = np.random.default_rng(seed)
    taste = random.integers(0, items // 5, users)
    liked = np.arange(items)[None, :] // 5 == taste[:, None]
    return (random.random((users, items)) < np.where(liked, 0.6, 0.08)).astype(np.float64)


def gram(x):
    return torch.from_numpy((x.T @ x).astype(np.float32))


@pytest.mark.parametrize(("l1", "l2"), [(1.0, 10.0), (8.0, 1.0), (0.1, 100.0)])
def test_weights_are_those_of_scikit_learn(l1, l2):
    x = log(items=70)  # more than take their steps together
    ours = slim(gram(x), l1, l2)
    for j in range(x.shape[1]):
        others = np.delete(np.arange(x.shape[1]), j)
        share = (l1 + l2) / len(x)  # scikit-learn divides the squares by the number of rows
        penalty = {"alpha": share, "l1_ratio": l1 / (l1 + l2)}
        net = ElasticNet(**penalty, positive=True, fit_intercept=False, tol=1e-8, max_iter=5000)
        theirs = net.fit(x[:, others], x[:, j]).coef_
        np.testing.assert_allclose(ours[others, j], theirs, atol=2e-4)
        assert ours[j, j] == 0


def test_a_larger_l1_leaves_fewer_weights_and_none_is_negative():
    counts = [np.count_nonzero(slim(gram(log()), l1, 1.0)) for l1 in (0.1, 5.0, 20.0, 1000.0)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[2] > 0
    assert counts[3] == 0
    assert (slim(gram(log()), 0.1, 1.0) >= 0).all()


def test_few_candidates_are_the_strongest():
    whole, few = slim(gram(log()), 2.0, 1.0), slim(gram(log()), 2.0, 1.0, candidates=6)
    assert (np.count_nonzero(few, axis=0) <= 6).all()
    strongest = whole.argmax(axis=0)
    assert np.mean(few[strongest, np.arange(25)] > 0) > 0.9


def test_neighbours_by_slim_know_tastes_and_words():
    x = log()
    histories = [np.flatnonzero(row).astype(np.int32) for row in x]
    texts = [f"thing{row}" for row in range(25)] + ["red cup", "red plate"]
    config = NeighbourConfig(kind="slim", l1=1.0, regularisation=1.0, text_weight=2.0, per_item=4)
    vectors = np.eye(27, dtype=np.float32)
    vectors[26] = vectors[25]  # by texts: newcomers are voted for by what says the same
    neighbours = fit_neighbours(histories, texts, vectors, config)
    for item in range(25):
        rows, votes, _ = neighbours.votes(np.array([item], np.int32))
        assert rows[votes.argmax()] // 5 == item // 5
    rows, votes, _ = neighbours.votes(np.array([25], np.int32))
    assert rows[votes > 0].tolist() == [26]


def test_a_settings_file_chooses_slim_and_validation_chooses_among_its_ways(tmp_path):
    settings = tmp_path / "settings.toml"
    settings.write_text(
        """
        [[neighbours.fits]]
        kind = "slim"
        l1 = 1000.0
        text_weight = 0.0

        [[neighbours.fits]]
        kind = "slim"
        l1 = 1.0
        regularisation = 1.0
        text_weight = 0.0
        """
    )
    config = load_config(TrainConfig, settings).neighbours
    x = log()
    histories = [np.flatnonzero(row).astype(np.int32) for row in x if row.sum() >= 2]
    users = np.arange(len(histories), dtype=np.int32)
    cases = HeldOut(users, [rows[:-1] for rows in histories], [rows[-1:] for rows in histories])
    texts = [f"thing{row}" for row in range(25)]
    vectors = np.eye(len(texts), dtype=np.float32)
    fits = Fits(texts, vectors, past=10, kept=None)
    chosen, _ = choose_neighbours(histories, fits, cases, config)
    best = fit_neighbours(histories, texts, vectors, config.fits[1])
    assert np.array_equal(chosen.weights.weights, best.weights)  # the first way leaves no weight at all
    assert chosen.ndcg > 0.3
