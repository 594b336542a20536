"""Pairwise ranking."""

import torch
import torch.nn.functional as F
from torch import Tensor


def bpr(
    users: Tensor, target_vectors: Tensor, negative_vectors: Tensor, left_out: Tensor, temperature: float
) -> Tensor:
    """Mean of -log sigmoid((u.v+ - u.v-) / temperature), over cases and within each over its negatives.

    Rendle et al. 2009, "BPR", equation for BPR-Opt without its regulariser.

    Args:
        users: Float [cases, dim].
        target_vectors: Float [cases, dim].
        negative_vectors: Float [sample, dim], shared by all cases.
        left_out: Bool [cases, sample]: negatives that are none for a case.
        temperature: As in `full_softmax`.
    """
    positive = (users * target_vectors).sum(dim=-1, keepdim=True)
    losses = F.softplus((users @ negative_vectors.T - positive) / temperature)
    kept = ~left_out
    return ((losses * kept).sum(dim=1) / torch.clamp(kept.sum(dim=1), min=1)).mean()
