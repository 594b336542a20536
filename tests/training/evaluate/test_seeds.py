"""Intervals over seeds and users hold the truth about as often as they say."""

import numpy as np
import pytest

from pocketrec.rankings import bootstrap_interval
from pocketrec_training.evaluate.seeds import interval_over_seeds


def runs(random, users=200, seeds=8, of_users=0.3, of_seeds=0.02, of_both=0.2):
    """Values whose truth is 0.5: users differ, seeds differ, and each user fares differently with each seed."""
    return (
        0.5
        + random.normal(0, of_users, (users, 1))
        + random.normal(0, of_seeds, (1, seeds))
        + random.normal(0, of_both, (users, seeds))
    )


@pytest.mark.parametrize("of_seeds", [0.0, 0.02, 0.04])
def test_the_truth_is_held_whether_users_or_seeds_matter_more(of_seeds):
    random = np.random.default_rng(1)
    held = 0
    for trial in range(300):
        low, high = interval_over_seeds(runs(random, of_seeds=of_seeds), samples=500, seed=trial)
        held += low <= 0.5 <= high
    assert 0.90 <= held / 300 <= 0.99


def test_an_interval_over_users_alone_would_be_too_narrow():
    random = np.random.default_rng(2)
    held = 0
    for trial in range(200):
        low, high = bootstrap_interval(runs(random, seeds=3, of_seeds=0.04).mean(axis=1), samples=500, seed=trial)
        held += low <= 0.5 <= high
    assert held / 200 < 0.85


def test_one_seed_covers_users_alone():
    values = np.random.default_rng(3).random((100, 1))
    assert interval_over_seeds(values) == pytest.approx(bootstrap_interval(values[:, 0]))
    assert interval_over_seeds(np.repeat(values, 3, axis=1)) == pytest.approx(bootstrap_interval(values[:, 0]))
