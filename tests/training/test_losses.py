"""Softmax losses against sums written out, and against each other."""

import math

import pytest
import torch

from pocketrec_training.losses.softmax import full_softmax, sampled_softmax


def unit(*shape, seed=0):
    return torch.nn.functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_full_softmax_is_the_written_out_sum():
    users, vectors = unit(2, 4), unit(3, 4, seed=1)
    expected = 0.0
    for user, target in zip(users, [2, 0], strict=True):
        scores = [float(user @ vector) / 0.1 for vector in vectors]
        expected -= math.log(math.exp(scores[target]) / sum(math.exp(score) for score in scores)) / 2
    assert full_softmax(users, vectors, torch.tensor([2, 0]), 0.1).item() == pytest.approx(expected, rel=1e-5)


def test_sampled_softmax_over_every_item_is_the_full_softmax():
    users, vectors, targets = unit(5, 4), unit(7, 4, seed=1), torch.tensor([0, 6, 3, 3, 1])
    is_target = targets[:, None] == torch.arange(7)[None, :]
    sampled = sampled_softmax(users, vectors[targets], vectors, is_target, 7, 0.2)
    assert sampled.item() == pytest.approx(full_softmax(users, vectors, targets, 0.2).item(), rel=1e-5)


def test_sampled_softmax_estimates_the_full_loss_without_bias_towards_the_sample_size():
    users, vectors, targets = unit(20, 8), unit(2000, 8, seed=1), torch.arange(20)
    full = full_softmax(users, vectors, targets, 0.5).item()
    for size in (50, 500):
        draws = []
        for seed in range(40):
            sample = torch.randint(2000, (size,), generator=torch.Generator().manual_seed(seed))
            is_target = targets[:, None] == sample[None, :]
            draws.append(sampled_softmax(users, vectors[targets], vectors[sample], is_target, 2000, 0.5).item())
        assert sum(draws) / len(draws) == pytest.approx(full, rel=0.03)


def test_own_target_among_the_negatives_changes_nothing():
    users, vectors = unit(1, 4), unit(3, 4, seed=1)
    target = vectors[:1]
    without = sampled_softmax(users, target, vectors[1:], torch.zeros(1, 2, dtype=torch.bool), 2, 1.0)
    with_own = sampled_softmax(users, target, vectors, torch.tensor([[True, False, False]]), 3, 1.0)
    assert with_own.item() == pytest.approx(without.item(), rel=1e-6)
