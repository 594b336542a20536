"""The tower as requests run it: the same vectors as training's, from fewer operators."""

import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pocketrec_export.graphs.request_tower import RequestTower
from pocketrec_export.graphs.user import TowerConfig, UserTower
from pocketrec_export.routes.torch_exporter import export_graph


def trained(layers, heads, seed=0):
    """A tower whose every weight says something."""
    torch.manual_seed(seed)
    tower = UserTower(8, TowerConfig(layers=layers, heads=heads, hidden=16, history=10)).eval()
    with torch.no_grad():
        for weight in tower.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)
    return tower


def request_of(batch, length, padded):
    mask = torch.ones(batch, length)
    mask[0, : min(padded, length - 1)] = 0
    return torch.randn(batch, length, 8), torch.randint(0, 3, (batch, length)), mask


@given(
    layers=st.integers(1, 3),
    heads=st.sampled_from([1, 2, 4]),
    batch=st.integers(1, 3),
    length=st.integers(1, 12),
    padded=st.integers(0, 11),
    seed=st.integers(0, 99),
)
def test_it_gives_what_the_trained_tower_gives(layers, heads, batch, length, padded, seed):
    tower = trained(layers, heads, seed)
    request = request_of(batch, length, padded)
    with torch.inference_mode():
        assert torch.allclose(RequestTower(tower)(*request), tower(*request), atol=2e-5)


@pytest.mark.parametrize("layers", [1, 2])
def test_it_takes_fewer_operators(layers, tmp_path):
    axes = dict.fromkeys(("vectors", "kinds", "mask"), ("batch", "length")) | {"user": ("batch",)}
    counts = {}
    for name, module in (("trained", trained(layers, 2)), ("request", RequestTower(trained(layers, 2)).eval())):
        example = dict(zip(("vectors", "kinds", "mask"), request_of(2, 7, 0), strict=True))
        export_graph(module, example, "user", axes, tmp_path / name)
        counts[name] = len([node for node in onnx.load(tmp_path / name).graph.node if node.op_type != "Constant"])
    assert counts["request"] < 0.8 * counts["trained"]
