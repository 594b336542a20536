"""A canary item that only test users' last step has: whoever finds it by ids alone has seen the future."""

import numpy as np
import pytest
from made_data import dataset_of

from pocketrec_training.evaluate.baselines import fit_baselines
from pocketrec_training.evaluate.splits import make_split
from pocketrec_training.train import fit_model

ITEMS, CANARY, K = 60, 59, 5


@pytest.fixture(scope="module")
def data():
    """Three users in four end with the canary; nobody meets it before, and no text tells anything."""
    random = np.random.default_rng(0)
    histories = [random.permutation(CANARY)[:12].astype(np.int32) for _ in range(120)]
    for rows in histories[30:]:
        rows[-1] = CANARY
    dataset = dataset_of(histories, ITEMS)
    items = [type(item)(id=item.id, title="thing") for item in dataset.items]
    return type(dataset)(**{field: getattr(dataset, field) for field in dataset.__slots__} | {"items": items})


def found(ranker, cases):
    """Share of cases whose canary stands among the best K."""
    ranked = ranker.rank(cases.histories, K)
    asked = [line for line, target in zip(ranked, cases.targets, strict=True) if CANARY in target]
    assert len(asked) == 90
    return np.mean([CANARY in line for line in asked])


def test_no_baseline_finds_the_canary(data):
    split = make_split(data, "leave-last-out")
    assert not any(CANARY in rows for rows in (*split.fit, *split.validation.histories, *split.validation.targets))
    for name, ranker in fit_baselines(split, ["thing"] * ITEMS):
        assert found(ranker, split.test) <= 2 * K / ITEMS, name  # chance is K of ITEMS


def test_no_model_finds_the_canary(data, toy_config):
    from msgspec.structs import replace

    from pocketrec_training.evaluate.model_ranker import ModelRanker

    split = make_split(data, "leave-last-out")
    for kind in ("tower", "factorisation"):
        ranker = ModelRanker(fit_model(data, split, replace(toy_config, kind=kind), seed=0))
        assert found(ranker, split.test) <= 2 * K / ITEMS, kind


def test_no_model_learns_an_item_that_is_to_be_cold(data, toy_config):
    """What is held out has no residual and no popularity: its vector is what its text says."""
    split = make_split(data, "cold-items")
    cold = split.final().popularity(ITEMS) == 0
    model = fit_model(data, split, toy_config, seed=0)
    assert cold.sum() >= 3
    assert np.array_equal(cold, split.cold(ITEMS))
    assert not model.residual[cold].any()
    assert not model.popularity[cold].any()
    assert not any(cold[rows].any() for rows in split.fit)


def test_a_leak_would_be_seen(data):
    """The same baselines, fitted on whole histories, give themselves away."""
    split = make_split(data, "leave-last-out")
    leaking = type(split)(split.name, list(data.histories()), split.validation, split.test, list(data.histories()))
    shares = {name: found(ranker, split.test) for name, ranker in fit_baselines(leaking, ["thing"] * ITEMS)}
    assert shares["popularity"] == 1
    assert shares["ease"] > 0.5
    assert shares["markov"] > 0.5
