"""Which arithmetic training takes: bfloat16 where it was asked for and the CPU multiplies it."""

from functools import cache
from typing import Literal

import torch

from pocketrec.results import Machine

Arithmetic = Literal["float32", "bfloat16"]
"""What may be asked for."""

_MULTIPLIED_BY = ("avx512_bf16", "amx_bf16", "bf16")
"""Flags of CPUs that multiply bfloat16. Others emulate it, at an eighth of float32's speed (docs/decisions/0013)."""


def computed_in(asked: Arithmetic) -> torch.dtype:
    """The type to compute in.

    Args:
        asked: By the settings.
    """
    return torch.bfloat16 if asked == "bfloat16" and _multiplies_bfloat16() else torch.float32


@cache
def _multiplies_bfloat16() -> bool:
    return not set(_MULTIPLIED_BY).isdisjoint(Machine.here().flags)
