"""What the texts of a history's items say about another item, as a loss."""

import torch
import torch.nn.functional as F
from torch import Tensor

from pocketrec.newcomer_votes import POWER

_SHARPNESS = 5.0


def votes(alike: Tensor) -> Tensor:
    """Votes of items for each other from the cosines of their texts: max(cos, 0)^3, any shape."""
    return alike.clamp(min=0) ** POWER


def vote_loss(vectors: Tensor, shown: Tensor, taken: Tensor, log_expected: Tensor, part: slice) -> Tensor:
    """Each item that a history shows is to be found by the votes of the others that it shows.

    With S_j = sum over i of the history's shown items but the target t of max(e_i.e_j, 0)^3, and c_j the times that j
    was to be expected in the batch,

        L = -log exp(a S_t) / (exp(a S_t) + sum_j exp(a S_j - log c_j)),

    where j runs over the batch's items that the history doesn't have: a sampled softmax with logQ (Bengio and
    Senecal 2008; Yi et al. 2019, "Sampling-bias-corrected neural modeling").

    Args:
        vectors: Float [items, width], unit rows: of the batch's items' texts, less their common part.
        shown: Bool [histories, items]: what each history shows, two at least.
        taken: Bool [histories, items]: all that it has.
        log_expected: Float [items].
        part: Cases, of all pairs of a history and a shown item, that are asked here.

    Returns:
        Sum over the cases of `part`.
    """
    each = votes(vectors @ vectors.T)
    history, target = (places[part] for places in shown.nonzero(as_tuple=True))
    cast = (shown.to(each.dtype) @ each)[history] - each[
        target
    ]  # none for itself by itself, nor for others by the target
    right = cast.gather(1, target[:, None])
    wrong = (_SHARPNESS * cast - log_expected).masked_fill(taken[history], -torch.inf)
    logits = torch.cat([_SHARPNESS * right, wrong], dim=1)
    return F.cross_entropy(logits, logits.new_zeros(len(target), dtype=torch.long), reduction="sum")
