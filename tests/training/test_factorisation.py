"""Matrix factorisation: its equations, and the graph form of folding in."""

import numpy as np
import torch

from pocketrec_export.graphs.factorisation import FactorisationTower
from pocketrec_training.factorisation import FactorisationConfig, fit_factors

CONFIG = FactorisationConfig(regularisation=0.5, confidence=5.0, rounds=8)


def two_tastes():
    """Even users take even items, odd users odd ones, one item left out in turn."""
    return [np.array([i for i in range(20) if i % 2 == u % 2 and i != u % 20], dtype=np.int32) for u in range(40)]


def test_folding_in_solves_the_normal_equations():
    factors = fit_factors(two_tastes(), items=20, size=6, config=CONFIG, seed=0)
    history = np.array([0, 4, 8], dtype=np.int32)
    v, seen = factors.items.double(), factors.items[[0, 4, 8]].double()
    left = v.T @ v + 5.0 * seen.T @ seen + 0.5 * torch.eye(6, dtype=torch.double)
    expected = torch.linalg.solve(left, 6.0 * seen.sum(dim=0))
    assert torch.allclose(factors.fold_in([history])[0].double(), expected, atol=1e-4)


def test_factors_put_a_taste_together():
    factors = fit_factors(two_tastes(), items=20, size=2, config=CONFIG, seed=0)
    user = factors.fold_in([np.array([0, 2, 4], dtype=np.int32)])[0]
    scores = factors.items @ user
    assert scores[::2].min() > scores[1::2].max()


def test_graph_form_ranks_as_the_exact_solution():
    factors = fit_factors(two_tastes(), items=20, size=6, config=CONFIG, seed=0)
    tower = FactorisationTower.of_factors(factors.items, CONFIG.regularisation, CONFIG.confidence)
    vectors = tower.unit_vectors(factors.items)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(20), atol=1e-5)
    histories = [[1, 3], [0, 2, 5], [7]]
    for history in histories:
        exact = factors.fold_in([np.array(history, dtype=np.int32)])[0]
        user = tower(
            vectors[history][None], torch.zeros(1, len(history), dtype=torch.long), torch.ones(1, len(history))
        )[0]
        cosine = (vectors @ user) @ (factors.items @ exact) / ((vectors @ user).norm() * (factors.items @ exact).norm())
        assert cosine > 1 - 1e-6
        assert torch.equal((vectors @ user).argsort()[-5:], (factors.items @ exact).argsort()[-5:])


def test_same_seed_same_factors():
    first, second = (fit_factors(two_tastes(), 20, 6, CONFIG, seed=3).items for _ in range(2))
    assert torch.equal(first, second)
