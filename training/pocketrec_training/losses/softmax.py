"""Softmax over items, whole or sampled."""

import torch
import torch.nn.functional as F
from torch import Tensor


def full_softmax(
    users: Tensor, vectors: Tensor, targets: Tensor, temperature: float, dtype: torch.dtype | None = None
) -> Tensor:
    """Mean of -log softmax_i(u.v_i / temperature) at each user's target.

    Args:
        users: Float [cases, dim], unit rows.
        vectors: Float [items, dim], unit rows: the whole catalogue.
        targets: Int64 [cases]: row of the item that came next.
        temperature: Cosines lie in [-1, 1]; divided by this they can say "certain".
        dtype: Of the logits, by far the largest array of training; that of `users` by default.
    """
    kind = dtype or users.dtype
    return F.cross_entropy((users / temperature).to(kind) @ vectors.to(kind).T, targets).to(users.dtype)


def sampled_softmax(
    users: Tensor,
    target_vectors: Tensor,
    negative_vectors: Tensor,
    left_out: Tensor,
    log_expected: Tensor,
    temperature: float,
) -> Tensor:
    """Softmax over the target and a sample of the catalogue that all cases share, corrected for how it was drawn.

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
