"""Softmax over items, whole or sampled."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def full_softmax(users: Tensor, vectors: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """Mean of -log softmax_i(u.v_i / temperature) at each user's target.

    Args:
        users: Float [cases, dim], unit rows.
        vectors: Float [items, dim], unit rows: the whole catalogue.
        targets: Int64 [cases]: row of the item that came next.
        temperature: Cosines lie in [-1, 1]; divided by this they can say "certain".
    """
    return F.cross_entropy(users @ vectors.T / temperature, targets)


def sampled_softmax(
    users: Tensor,
    target_vectors: Tensor,
    negative_vectors: Tensor,
    is_target: Tensor,
    items: int,
    temperature: float,
) -> Tensor:
    """Softmax over the target and a uniform sample of the catalogue, shared by all cases.

    A negative drawn with probability q stands for 1/q items, so log q is taken off its logit (Bengio and Senecal
    2008); with `sample` of `items` rows drawn uniformly that is log(sample / items).

    Args:
        users: Float [cases, dim].
        target_vectors: Float [cases, dim].
        negative_vectors: Float [sample, dim].
        is_target: Bool [cases, sample]: where a negative is the case's own target, and is left out.
        items: Size of the catalogue.
        temperature: As in `full_softmax`.
    """
    positive = (users * target_vectors).sum(dim=-1, keepdim=True) / temperature
    correction = math.log(items / len(negative_vectors))
    negative = users @ negative_vectors.T / temperature + correction
    logits = torch.cat([positive, negative.masked_fill(is_target, -torch.inf)], dim=1)
    return F.cross_entropy(logits, logits.new_zeros(len(users), dtype=torch.long))
