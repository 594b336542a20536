"""Softmax over items, whole or sampled.

With the other cases' targets for negatives the sampled one is InfoNCE (van den Oord et al. 2018, "Representation
learning with contrastive predictive coding") with logQ.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_BLOCK = 256
"""Cases whose logits are held at a time: few enough for the CPU's caches, enough for a product at full speed."""


def full_softmax(
    users: Tensor, vectors: Tensor, targets: Tensor, temperature: float, dtype: torch.dtype | None = None
) -> Tensor:
    """Mean of -log exp(u.v+ / t) / sum_i exp(u.v_i / t) over the cases; t is the temperature, i runs over all items.

    The logits, by far the largest array of training, are never there as a whole: each block of cases gives its part of
    the gradient while its own are at hand (Hsu et al. 2024, "Liger Kernel"). That takes 0.6 of the time.

    Args:
        users: Float [cases, dim], unit rows.
        vectors: Float [items, dim], unit rows: the whole catalogue.
        targets: Int64 [cases]: row of the item that came next.
        temperature: Cosines lie in [-1, 1]; divided by this they can say "certain".
        dtype: Of the products; that of `users` by default.
    """
    loss: Tensor = _FullSoftmax.apply(users, vectors, targets, temperature, dtype or users.dtype)  # type: ignore[no-untyped-call]
    return loss


class _FullSoftmax(torch.autograd.Function):
    """Loss and gradient in one pass over the catalogue."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        users: Tensor,
        vectors: Tensor,
        targets: Tensor,
        temperature: float,
        dtype: torch.dtype,
    ) -> Tensor:
        asked, kinds = ctx.needs_input_grad, vectors.to(dtype)
        for_users = torch.empty_like(users) if asked[0] else None
        for_vectors = torch.zeros_like(vectors) if asked[1] else None
        loss, share = users.new_zeros(()), 1 / (temperature * max(len(users), 1))
        for start in range(0, len(users), _BLOCK):
            block, wanted = users[start : start + _BLOCK].to(dtype), targets[start : start + _BLOCK, None]
            logits = ((block / temperature) @ kinds.T).to(users.dtype)
            highest = logits.amax(dim=1, keepdim=True)
            right = logits.gather(1, wanted)
            chances = logits.sub_(highest).exp_()
            total = chances.sum(dim=1, keepdim=True)
            loss += (total.log() + highest - right).sum() / len(users)
            if for_users is None and for_vectors is None:
                continue
            errors = chances.mul_(share / total).scatter_add_(1, wanted, torch.full_like(right, -share)).to(dtype)
            if for_users is not None:
                for_users[start : start + _BLOCK] = errors @ kinds
            if for_vectors is not None:
                for_vectors += errors.T @ block
        ctx.save_for_backward(for_users, for_vectors)
        return loss

    @staticmethod
    def backward(ctx: Any, loss: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:  # noqa: ANN401
        for_users, for_vectors = (None if each is None else each * loss for each in ctx.saved_tensors)
        return for_users, for_vectors, None, None, None


def sampled_softmax(
    users: Tensor,
    target_vectors: Tensor,
    negative_vectors: Tensor,
    left_out: Tensor,
    log_expected: Tensor,
    temperature: float,
) -> Tensor:
    """Softmax over the target and a sample of the catalogue that all cases share, corrected for how it was drawn.

        L = -log exp(u.v+ / t) / (exp(u.v+ / t) + sum_j exp(u.v_j / t - log c_j))

    A negative that is expected c times in the sample stands for 1 / c items, so log c is taken off its logit (Bengio
    and Senecal 2008; "logQ"). The target is always there and stands for itself, so nothing is taken off its own
    (Khrylchenko et al. 2025, "Correcting the LogQ correction").

    Args:
        users: Float [cases, dim].
        target_vectors: Float [cases, dim].
        negative_vectors: Float [sample, dim].
        left_out: Bool [cases, sample]: negatives that are none for a case: its target, or what its user took too.
        log_expected: Float [sample]: log c of each negative; zeros leave the correction out.
        temperature: As in `full_softmax`.
    """
    positive = (users * target_vectors).sum(dim=-1, keepdim=True) / temperature
    negative = users @ negative_vectors.T / temperature - log_expected
    logits = torch.cat([positive, negative.masked_fill(left_out, -torch.inf)], dim=1)
    return F.cross_entropy(logits, logits.new_zeros(len(users), dtype=torch.long))
