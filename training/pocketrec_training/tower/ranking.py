"""Rank the catalogue by the tower alone, on what PyTorch holds."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pocketrec_export.graphs.user import CONTEXT, ITEM, QUERY
from pocketrec_training.tower.sequences import Batch, Rows, pushed_right


@torch.inference_mode()
def user_vectors(
    tower: torch.nn.Module,
    vectors: Tensor,
    histories: Sequence[Rows],
    history: int,
    queries: Tensor | None = None,
    contexts: Tensor | None = None,
) -> Tensor:
    """User vectors of histories, cut to their newest items: float [histories, dim]; zero where there is no token.

    Args:
        tower: The user tower.
        vectors: All items' vectors [items, dim].
        histories: Item rows of each user, oldest first.
        history: Newest items that are read.
        queries: Vector of a query for each user [histories, dim], if there is one.
        contexts: Vector of a context for each user [histories, dim], zeros for those without, if there is one.
    """
    users = torch.zeros(len(histories), vectors.shape[1])
    said = torch.zeros(len(histories), dtype=torch.bool) if contexts is None else contexts.any(dim=1)
    some = [i for i in range(len(histories)) if len(histories[i]) or queries is not None or said[i]]
    order = sorted(some, key=lambda i: len(histories[i]))
    for start in range(0, len(order), 256):
        chosen = order[start : start + 256]
        batch = Batch.of([histories[i][-history:] for i in chosen])
        tokens, kinds, mask = vectors[batch.rows], torch.full_like(batch.rows, ITEM), batch.mask
        if queries is not None:
            tokens = torch.cat([tokens, queries[chosen][:, None]], dim=1)
            kinds = torch.cat([kinds, torch.full((len(chosen), 1), QUERY)], dim=1)
            mask = torch.cat([mask, torch.ones(len(chosen), 1)], dim=1)
        if contexts is not None:
            tokens = torch.cat([contexts[chosen][:, None], tokens], dim=1)
            kinds = torch.cat([torch.full((len(chosen), 1), CONTEXT), kinds], dim=1)
            mask = torch.cat([said[chosen].float()[:, None], mask], dim=1)
            tokens, kinds, mask = pushed_right(tokens, kinds, mask)
        users[chosen] = tower(tokens, kinds, mask)
    return users


def rank_by_tower(
    tower: torch.nn.Module,
    vectors: Tensor,
    histories: Sequence[Rows],
    history: int,
    k: int,
    *,
    allow_seen: bool = False,
    among: NDArray[np.bool_] | None = None,
    width: int | None = None,
    queries: Tensor | None = None,
    contexts: Tensor | None = None,
    ranked: Tensor | None = None,
) -> NDArray[np.int32]:
    """Best k items of the whole catalogue by inner product: int32 [histories, k]; -1 where there are fewer.

    Args:
        tower: The user tower.
        vectors: All items' vectors [items, dim].
        histories: Item rows of each user, oldest first.
        history: Newest items that are read.
        k: Items wanted.
        allow_seen: Whether items of the history may appear.
        among: Mask of the items that may appear; all by default.
        width: Leading components of user and item vectors that count; all by default.
        queries: As for `user_vectors`.
        contexts: As for `user_vectors`.
        ranked: Vectors that stand in for `vectors` where items are ranked, not read [items, dim].
    """
    users = user_vectors(tower, vectors, histories, history, queries, contexts)
    vectors = vectors if ranked is None else ranked
    if width is not None:
        users, vectors = users[:, :width], vectors[:, :width]
    rankings = np.zeros((len(histories), min(k, len(vectors))), np.int32)
    for start in range(0, len(histories), 512):
        scores = users[start : start + 512] @ vectors.T
        if not allow_seen:
            for i, rows in enumerate(histories[start : start + 512]):
                scores[i, rows.astype(np.int64)] = -torch.inf
        if among is not None:
            scores[:, torch.from_numpy(~among)] = -torch.inf
        best = scores.topk(rankings.shape[1], dim=1)
        rankings[start : start + 512] = best.indices.masked_fill(best.values == -torch.inf, -1).numpy()
    return rankings
