"""Where negatives come from, and how often each is to be expected."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Source = Literal["uniform", "popular", "in-batch", "hard"]

NEAR = 32
"""Nearest items of each that count as hard."""


@dataclass(frozen=True, slots=True)
class Negatives:
    """Items that stand against the targets of a batch."""

    rows: Tensor
    """Int64 [sample]."""
    log_expected: Tensor
    """Float [sample]: log of how many times each is to be expected in such a sample."""
    chosen: bool
    """Whether they were chosen for the batch, so that many of them are what its users took."""

    @classmethod
    def draw(
        cls,
        source: Source,
        count: int,
        popularity: Tensor,
        targets: Tensor,
        near: Tensor,
        drawing: torch.Generator | None = None,
    ) -> "Negatives":
        """Draw for one batch.

        Args:
            source: `uniform`: all items alike; `popular`: as often as people took them, to the power 3/4, with a little
                for those that nobody took; `in-batch`: the other cases' targets, each once (InfoNCE); `hard`: half of
                them near the targets, each counted as one, and half uniform (Xiong et al. 2021, "ANCE").
            count: Size of the sample; the batch itself decides for `in-batch`.
            popularity: Float [items], interactions with each item.
            targets: Int64 [cases], the batch's targets.
            near: Int64 [items, n], each item's nearest others; read for `hard` alone.
            drawing: Source of randomness.
        """
        if source == "in-batch":
            rows = torch.unique(targets)
            expected = in_batch_share(shares_of(popularity)[rows], len(targets))
        elif source == "popular":
            weights = (popularity + 1) ** 0.75
            rows = torch.multinomial(weights, count, replacement=True, generator=drawing)
            expected = count * weights[rows] / weights.sum()
        elif source == "hard":
            whose = targets[torch.randint(len(targets), (count // 2,), generator=drawing)]
            mined = torch.unique(near[whose, torch.randint(near.shape[1], (len(whose),), generator=drawing)])
            uniform = cls.draw("uniform", count - count // 2, popularity, targets, near, drawing)
            uniform_only = ~torch.isin(uniform.rows, mined)
            rows = torch.cat([mined, uniform.rows[uniform_only]])
            expected = torch.cat([torch.ones(len(mined)), uniform.log_expected.exp()[uniform_only]])
        else:
            rows = torch.randint(len(popularity), (count,), generator=drawing)
            expected = torch.full((count,), count / len(popularity))
        return cls(rows, expected.clamp(min=1e-12).log(), chosen=source in ("in-batch", "hard"))


def shares_of(popularity: Tensor) -> Tensor:
    """How often each item is a target: float [items]. What nobody took may still be what a query asks for, once."""
    counts = popularity.clamp(min=1)
    return counts / counts.sum()


def in_batch_share(shares: Tensor, count: int) -> Tensor:
    """That items of these shares are among `count` targets at all: 1 - (1 - p)^count."""
    return -torch.expm1(count * torch.log1p(-shares.clamp(max=1 - 1e-6)))


@torch.no_grad()
def nearest(vectors: Tensor, count: int = NEAR) -> Tensor:
    """Rows of each item's nearest others by inner product, int64 [items, at most count].

    Exact, as all items are asked at once: an index that had to be built anew each epoch would take longer.
    """
    count = min(count, len(vectors) - 1)
    found = []
    for start in range(0, len(vectors), 1024):
        scores = vectors[start : start + 1024] @ vectors.T
        scores[torch.arange(len(scores)), torch.arange(start, start + len(scores))] = -torch.inf
        found.append(scores.topk(count, dim=1).indices)
    return torch.cat(found)
