"""Newcomers get as many places as somebody said."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pocketrec.features import FEATURES
from pocketrec_export.graphs.scorer import ScorerConfig
from pocketrec_training.evaluate.model_ranker import ModelRanker
from pocketrec_training.evaluate.splits import make_split
from pocketrec_training.newcomers.exposure import reserve_for
from pocketrec_training.train import fit_model


@given(share=st.floats(0.02, 0.98), level=st.floats(-50, 50), seed=st.integers(0, 99))
def test_the_reserve_gives_newcomers_their_share_wherever_they_stood(share, level, seed):
    random = np.random.default_rng(seed)
    known, cold = (random.standard_normal((300, 10)).astype(np.float32) for _ in range(2))
    reserve = reserve_for(known, cold + np.float32(level), share)
    left = cold + level - reserve
    best = np.sort(np.concatenate([known, left], axis=1), axis=1)[:, -10:]
    assert np.mean(np.isin(best, left)) == pytest.approx(share, abs=0.02)


def test_where_one_kind_is_missing_nothing_is_taken_off():
    some, none = np.ones((3, 10), np.float32), np.full((3, 10), -np.inf, np.float32)
    assert reserve_for(some, none, 0.5) == reserve_for(none, some, 0.5) == 0


@pytest.fixture(scope="module")
def half_known(shop):
    """A split in which the second half of each colour was never taken, but is wanted."""
    split = make_split(shop, "leave-last-out")
    known = np.array([int(item.id.split("-")[1]) < 5 for item in shop.items])
    fit = [rows[known[rows]] for rows in split.fit]
    return dataclasses.replace(split, fit=fit, before_test=fit)


def with_exposure(config, exposure):
    return replace(config, refit=0, scorer_training=replace(config.scorer_training, newcomer_exposure=exposure))


@pytest.mark.parametrize(("exposure", "kind"), [(0.2, "mlp"), (0.7, "mlp"), (0.5, "bilinear")])
def test_newcomers_get_that_many_places(shop, toy_config, half_known, exposure, kind):
    config = replace(with_exposure(toy_config, exposure), scorer=ScorerConfig(kind=kind))
    model = fit_model(shop, half_known, config, seed=0)
    new = model.popularity == 0
    assert new.mean() == 0.5
    cases = half_known.validation
    requests = [np.concatenate(pair) for pair in zip(cases.histories, cases.targets, strict=True)]
    ranked = ModelRanker(model).rank(requests, 10)
    assert new[ranked].mean() == pytest.approx(exposure * 0.5, abs=0.03)


def test_where_nothing_is_new_known_items_say_how_newcomers_will_be_met(shop, toy_config):
    split = make_split(shop, "leave-last-out")
    rare, often = (fit_model(shop, split, with_exposure(toy_config, exposure), seed=0) for exposure in (0.5, 3))
    assert (rare.popularity > 0).all()
    cold = FEATURES.index("cold")
    weights = [model.scorer.features.linear.weight[0].detach().numpy() for model in (rare, often)]
    assert weights[0][cold] < weights[1][cold]
    np.testing.assert_array_equal(*(np.delete(each, cold) for each in weights))
