"""Where negatives come from, and how often each is to be expected."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Source = Literal["uniform", "popular", "in-batch"]


@dataclass(frozen=True, slots=True)
class Negatives:
    """Items that stand against the targets of a batch."""

    rows: Tensor
    """Int64 [sample]."""
    log_expected: Tensor
    """Float [sample]: log of how many times each is to be expected in such a sample."""

    @classmethod
    def draw(cls, source: Source, count: int, popularity: Tensor, targets: Tensor) -> "Negatives":
        """Draw for one batch.

        Args:
            source: `uniform`: all items alike; `popular`: as often as people took them, to the power 3/4, with a little
                for those that nobody took; `in-batch`: the other cases' targets, each once.
            count: Size of the sample; the batch itself decides for `in-batch`.
            popularity: Float [items], interactions with each item.
            targets: Int64 [cases], the batch's targets.
        """
        if source == "in-batch":
            rows = torch.unique(targets)
            shares = popularity / popularity.sum()
            # That an item is among n targets at all: 1 - (1 - p)^n.
            expected = -torch.expm1(len(targets) * torch.log1p(-shares[rows].clamp(max=1 - 1e-6)))
        elif source == "popular":
            weights = (popularity + 1) ** 0.75
            rows = torch.multinomial(weights, count, replacement=True)
            expected = count * weights[rows] / weights.sum()
        else:
            rows = torch.randint(len(popularity), (count,))
            expected = torch.full((count,), count / len(popularity))
        return cls(rows, expected.clamp(min=1e-12).log())
