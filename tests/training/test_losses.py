"""Losses against sums written out, against each other, and on samples whose bias is known."""

import math

import pytest
import torch

from pocketrec_training.losses.bpr import bpr
from pocketrec_training.losses.negatives import Negatives, nearest
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


@pytest.mark.parametrize("cases", [1, 256, 600])
def test_full_softmax_is_torchs_in_value_and_gradient_however_many_cases(cases):
    targets, found = torch.arange(cases) * 7 % 50, []
    for loss in (
        lambda u, v: full_softmax(u, v, targets, 0.05),
        lambda u, v: torch.nn.functional.cross_entropy(u @ v.T / 0.05, targets),
    ):
        users, vectors = unit(cases, 16).requires_grad_(), unit(50, 16, seed=1).requires_grad_()
        value = 3 * loss(users, vectors)
        value.backward()
        found.append((value.detach(), users.grad, vectors.grad))
    for mine, torchs in zip(*found, strict=True):
        assert torch.allclose(mine, torchs, rtol=1e-4, atol=1e-6)


def test_the_side_that_learns_nothing_gets_no_gradient():
    users, vectors = unit(5, 4).requires_grad_(), unit(7, 4, seed=1)
    full_softmax(users, vectors, torch.arange(5), 0.2).backward()
    assert users.grad is not None
    assert vectors.grad is None


def test_sampled_softmax_over_every_item_is_the_full_softmax():
    users, vectors, targets = unit(5, 4), unit(7, 4, seed=1), torch.tensor([0, 6, 3, 3, 1])
    is_target = targets[:, None] == torch.arange(7)[None, :]
    sampled = sampled_softmax(users, vectors[targets], vectors, is_target, torch.zeros(7), 0.2)
    assert sampled.item() == pytest.approx(full_softmax(users, vectors, targets, 0.2).item(), rel=1e-5)


def test_sampled_softmax_estimates_the_full_loss_without_bias_towards_the_sample_size():
    users, vectors, targets = unit(20, 8), unit(2000, 8, seed=1), torch.arange(20)
    full = full_softmax(users, vectors, targets, 0.5).item()
    for size in (50, 500):
        draws = []
        for seed in range(40):
            sample = torch.randint(2000, (size,), generator=torch.Generator().manual_seed(seed))
            is_target = targets[:, None] == sample[None, :]
            expected = torch.full((size,), math.log(size / 2000))
            draws.append(sampled_softmax(users, vectors[targets], vectors[sample], is_target, expected, 0.5).item())
        assert sum(draws) / len(draws) == pytest.approx(full, rel=0.03)


def test_own_target_among_the_negatives_changes_nothing():
    users, vectors = unit(1, 4), unit(3, 4, seed=1)
    target = vectors[:1]
    without = sampled_softmax(users, target, vectors[1:], torch.zeros(1, 2, dtype=torch.bool), torch.zeros(2), 1.0)
    with_own = sampled_softmax(users, target, vectors, torch.tensor([[True, False, False]]), torch.zeros(3), 1.0)
    assert with_own.item() == pytest.approx(without.item(), rel=1e-6)


NO_NEAR = torch.zeros(0, 0, dtype=torch.long)
POPULARITY = torch.tensor([1000.0, 100.0, 10.0, 1.0, 1.0, 0.0] * 20)


@pytest.mark.parametrize("source", ["uniform", "popular", "in-batch"])
def test_each_negative_comes_as_often_as_is_expected(source):
    torch.manual_seed(0)
    found, said = torch.zeros(len(POPULARITY)), torch.zeros(len(POPULARITY))
    for _ in range(400):
        targets = torch.multinomial(POPULARITY, 64, replacement=True)
        drawn = Negatives.draw(source, 64, POPULARITY, targets, NO_NEAR)
        found.index_add_(0, drawn.rows, torch.ones(len(drawn.rows)))
        said[drawn.rows] = drawn.log_expected.exp()
    often = found > 200
    assert often.any()
    assert found[often] / 400 == pytest.approx(said[often], rel=0.25)


@pytest.mark.parametrize("source", ["popular", "in-batch"])
def test_without_the_correction_popular_items_are_pushed_away(source):
    """Scores that equal the log of the true probabilities are where the full softmax rests; the corrected loss rests
    there too, on average over samples, and the uncorrected one pushes popular items down by far."""
    torch.manual_seed(0)
    shares = (POPULARITY + 1) / (POPULARITY + 1).sum()
    pushes = {}
    for corrected in (True, False):
        # One user of one dimension; an item's "vector" is its score.
        scores = shares.log()[:, None].clone().requires_grad_()
        user = torch.ones(64, 1)
        for _ in range(300):
            targets = torch.multinomial(shares, 64, replacement=True)
            drawn = Negatives.draw(source, 64, POPULARITY + 1, targets, NO_NEAR)
            left_out = targets[:, None] == drawn.rows[None, :]
            expected = drawn.log_expected * corrected
            loss = sampled_softmax(user, scores[targets], scores[drawn.rows], left_out, expected, 1.0) / 300
            loss.backward()
        popular = POPULARITY >= 1000
        pushes[corrected] = float(scores.grad[popular].sum())
    assert abs(pushes[True]) < 0.12
    assert abs(pushes[False]) > 2 * abs(pushes[True])


def test_bpr_is_the_written_out_sum_and_its_gradient_that_of_differences():
    users, vectors = unit(2, 3).double().requires_grad_(), unit(5, 3, seed=1).double()
    targets, left_out = torch.tensor([0, 1]), torch.tensor([[False, False, False], [True, False, False]])
    expected = 0.0
    for place, (user, target) in enumerate(zip(users, targets, strict=True)):
        kept = [negative for negative in range(2, 5) if not left_out[place, negative - 2]]
        for negative in kept:
            lead = float((user @ (vectors[target] - vectors[negative])).detach())
            expected += math.log(1 + math.exp(-lead / 0.3)) / len(kept) / 2

    def loss(given):
        return bpr(given, vectors[targets], vectors[2:], left_out, 0.3)

    assert loss(users).item() == pytest.approx(expected)
    assert torch.autograd.gradcheck(loss, (users,))


def test_gradients_of_the_softmaxes_are_those_of_differences():
    users, vectors = unit(3, 4).double().requires_grad_(), unit(6, 4, seed=1).double().requires_grad_()
    targets, drawn = torch.tensor([0, 5, 2]), torch.tensor([1, 2, 3])
    left_out = targets[:, None] == drawn[None, :]
    expected = torch.tensor([0.1, -1.0, 0.5]).double()
    assert torch.autograd.gradcheck(lambda u, v: full_softmax(u, v, targets, 0.2), (users, vectors))
    assert torch.autograd.gradcheck(
        lambda u, v: sampled_softmax(u, v[targets], v[drawn], left_out, expected, 0.2), (users, vectors)
    )


def test_hard_negatives_are_half_near_the_targets_and_half_any():
    vectors = unit(50, 6)
    near = nearest(vectors, 5)
    scores = vectors @ vectors.T - 2 * torch.eye(50)
    assert torch.equal(near.sort(dim=1).values, scores.topk(5, dim=1).indices.sort(dim=1).values)
    targets = torch.tensor([3, 3, 8])
    drawn = Negatives.draw("hard", 20, torch.ones(50), targets, near, torch.Generator().manual_seed(0))
    mined = set(near[3].tolist()) | set(near[8].tolist())
    certain = drawn.log_expected == 0
    assert 3 <= certain.sum() <= 10
    assert set(drawn.rows[certain].tolist()) <= mined
    assert not set(drawn.rows[~certain].tolist()) & set(drawn.rows[certain].tolist())


def test_the_softmax_in_bfloat16_and_its_gradient_are_nearly_those_in_float32():
    users, vectors, targets = unit(40, 32).requires_grad_(), unit(300, 32, seed=1), torch.arange(40)
    gradients = []
    for dtype in (torch.float32, torch.bfloat16):
        users.grad = None
        loss = full_softmax(users, vectors, targets, 0.05, dtype)
        loss.backward()
        gradients.append((loss.item(), users.grad))
    assert gradients[1][0] == pytest.approx(gradients[0][0], rel=0.01)
    cosine = torch.nn.functional.cosine_similarity(gradients[0][1], gradients[1][1], dim=1)
    assert cosine.min() > 0.99


@pytest.mark.parametrize("popularity", [torch.zeros(6), torch.tensor([5.0, 3, 2, 1, 0, 0])], ids=["queries", "both"])
def test_what_only_queries_ask_for_is_expected_as_often_as_what_came_once(popularity):
    near = torch.zeros((6, 1), dtype=torch.long)
    drawn = Negatives.draw("in-batch", 3, popularity, torch.tensor([0, 4, 5]), near)
    assert drawn.rows.tolist() == [0, 4, 5]
    counts = popularity.clamp(min=1)
    share = float(counts[4] / counts.sum())
    assert drawn.log_expected[1].item() == pytest.approx(math.log(1 - (1 - share) ** 3), abs=1e-5)
