import itertools

import numpy as np
import pytest
from scipy import stats

from pocketrec_training.evaluate.significance import bootstrap_test, holm, permutation_test


def test_permutation_test_agrees_with_all_permutations_of_a_small_case():
    a, b = np.array([0.9, 0.7, 0.8, 0.4, 0.9, 0.6]), np.array([0.5, 0.6, 0.9, 0.1, 0.3, 0.2])
    differences = a - b
    sums = [abs(np.dot(signs, differences)) for signs in itertools.product([-1, 1], repeat=6)]
    exact = np.mean(np.array(sums) >= abs(differences.sum()) - 1e-9)
    assert permutation_test(a, b, samples=50_000) == pytest.approx(exact, abs=0.01)


def test_permutation_test_agrees_with_scipy():
    random = np.random.default_rng(0)
    a = random.random(60)
    b = a + random.normal(0.03, 0.1, 60)
    theirs = stats.permutation_test(
        (a, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=20_000, rng=1
    ).pvalue
    assert permutation_test(a, b, samples=20_000) == pytest.approx(theirs, abs=0.01)


def test_p_values_are_uniform_where_nothing_differs():
    random = np.random.default_rng(5)
    found = [permutation_test(*random.random((2, 80)), samples=300, seed=i) for i in range(200)]
    assert 0.01 <= np.mean(np.array(found) <= 0.05) <= 0.10


def test_bootstrap_test_agrees_with_the_t_test_on_normal_differences():
    random = np.random.default_rng(2)
    b = random.random(400)
    for shift in (0.0, 0.01, 0.02):
        a = b + random.normal(shift, 0.15, 400)
        theirs = stats.ttest_rel(a, b).pvalue
        assert bootstrap_test(a, b) == pytest.approx(theirs, abs=0.02)


def test_bootstrap_p_values_are_uniform_where_nothing_differs():
    """Of values as NDCG has them: mostly 0."""
    random = np.random.default_rng(7)
    values = lambda: (random.random(150) < 0.2) * random.random(150)  # noqa: E731
    found = np.array([bootstrap_test(values(), values(), samples=300, seed=i) for i in range(300)])
    assert 0.02 <= np.mean(found <= 0.05) <= 0.085
    assert 0.43 <= np.mean(found <= 0.5) <= 0.57


def test_differences_without_spread_are_sure_or_none():
    assert bootstrap_test(np.ones(9), np.ones(9)) == 1.0
    assert bootstrap_test(np.ones(9), np.zeros(9)) == pytest.approx(1 / 2001)
    assert bootstrap_test(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == 1.0


def test_bootstrap_draws_cases_of_a_user_together():
    random = np.random.default_rng(6)
    a = random.random(40)
    b = a + random.normal(0.05, 0.2, 40)
    whose = np.repeat(np.arange(40, dtype=np.int32), 8)
    assert bootstrap_test(np.repeat(a, 8), np.repeat(b, 8), whose=whose) == bootstrap_test(a, b)


def test_cases_of_a_user_are_swapped_together():
    """Copies of the same cases make no difference more certain."""
    random = np.random.default_rng(6)
    a = random.random(40)
    b = a + random.normal(0.05, 0.2, 40)
    alone = permutation_test(a, b)
    whose = np.repeat(np.arange(40, dtype=np.int32), 8)
    assert permutation_test(np.repeat(a, 8), np.repeat(b, 8), whose=whose) == pytest.approx(alone, abs=1e-9)
    assert permutation_test(np.repeat(a, 8), np.repeat(b, 8)) < alone / 4


def test_equal_rankings_do_not_differ():
    assert permutation_test(np.ones(9), np.ones(9)) == 1.0


def test_holm_agrees_with_a_worked_example_and_never_falls():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}) == pytest.approx(
        {"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02}
    )
    assert holm({"a": 0.6, "b": 0.9}) == {"a": 1.0, "b": 1.0}
