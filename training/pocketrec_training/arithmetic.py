"""Which arithmetic training takes: bfloat16 where it was asked for and this CPU multiplies it faster."""

from functools import cache
from statistics import median
from time import perf_counter
from typing import Literal

import torch

Arithmetic = Literal["float32", "bfloat16"]
"""What may be asked for."""

_CASES, _DIM, _ITEMS = 256, 128, 4096
"""A product as the softmax has it."""
_TIMES = 9


def computed_in(asked: Arithmetic) -> torch.dtype:
    """The type to compute in.

    Args:
        asked: By the settings.
    """
    return torch.bfloat16 if asked == "bfloat16" and _bfloat16_is_faster() else torch.float32


@cache
def _bfloat16_is_faster() -> bool:
    """What flags don't tell: of two CPUs with AVX512-BF16 one takes a third of float32's time, the other double."""
    seconds: dict[torch.dtype, list[float]] = {torch.bfloat16: [], torch.float32: []}
    for _ in range(_TIMES):  # in turns, so that what else the machine does falls on both
        for dtype, taken in seconds.items():
            taken.append(_seconds_of_a_product(dtype))
    return median(seconds[torch.bfloat16]) < median(seconds[torch.float32])


def _seconds_of_a_product(dtype: torch.dtype) -> float:
    users, items = torch.ones(_CASES, _DIM, dtype=dtype), torch.ones(_ITEMS, _DIM, dtype=dtype)
    begun = perf_counter()
    _ = users @ items.T
    return perf_counter() - begun
