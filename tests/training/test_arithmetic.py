"""bfloat16 is taken where the CPU multiplies it faster."""

import pytest
import torch

from pocketrec_training import arithmetic


@pytest.fixture
def product(monkeypatch):
    """Sets how long a product takes in float32, where in bfloat16 it takes a second, now and then ten."""

    def set_seconds(float32):
        bfloat16 = iter([10.0, *[1.0] * 5, *[10.0] * 3])
        monkeypatch.setattr(
            arithmetic,
            "_seconds_of_a_product",
            lambda dtype: float32 if dtype is torch.float32 else next(bfloat16),
        )
        arithmetic._bfloat16_is_faster.cache_clear()

    yield set_seconds
    arithmetic._bfloat16_is_faster.cache_clear()


@pytest.mark.parametrize(("float32", "taken"), [(1.1, torch.bfloat16), (0.9, torch.float32)])
def test_bfloat16_is_taken_where_the_cpu_multiplies_it_faster(product, float32, taken):
    product(float32)
    assert arithmetic.computed_in("bfloat16") is taken
    assert arithmetic.computed_in("float32") is torch.float32


def test_this_cpu_is_asked_in_earnest():
    for dtype in (torch.float32, torch.bfloat16):
        assert 0 < arithmetic._seconds_of_a_product(dtype) < 10
    assert arithmetic.computed_in("bfloat16") in (torch.float32, torch.bfloat16)
