"""bfloat16 is taken where the CPU multiplies it."""

import pytest
import torch

from pocketrec.results import Machine
from pocketrec_training import arithmetic


@pytest.mark.parametrize(
    ("flags", "taken"),
    [
        (("avx2", "avx512f", "avx512_vnni", "avx512_bf16"), torch.bfloat16),
        (("asimd", "bf16"), torch.bfloat16),
        (("avx2", "avx512f", "avx512_vnni"), torch.float32),
        (("avx2",), torch.float32),
    ],
)
def test_bfloat16_is_taken_where_the_cpu_multiplies_it(monkeypatch, flags, taken):
    machine = Machine(cpu="some", cores=2, flags=flags, system="Linux", python="3.11")
    monkeypatch.setattr(Machine, "here", lambda: machine)
    arithmetic._multiplies_bfloat16.cache_clear()
    try:
        assert arithmetic.computed_in("bfloat16") is taken
        assert arithmetic.computed_in("float32") is torch.float32
    finally:
        arithmetic._multiplies_bfloat16.cache_clear()
