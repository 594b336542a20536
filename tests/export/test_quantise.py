"""Int8 forms of graphs."""

from functools import partial

import numpy as np
import onnx
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from pocketrec.graphs import open_session
from pocketrec_export.int8.quantise import dynamic_int8, scaled_int8, stored_int8
from pocketrec_export.routes.torch_exporter import export_graph


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(32, 64), nn.Linear(64, 8)

    def forward(self, x):
        return self.second(torch.relu(self.first(x)))


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    path = tmp_path_factory.mktemp("net") / "net.onnx"
    axes = {"x": ("batch", "length"), "y": ("batch", "length")}
    export_graph(Net().eval(), {"x": torch.randn(2, 3, 32)}, "y", axes, path)
    return path


@example(np.full((7, 3), 1.484e-42, np.float32), 0)  # a 127th of it is no float32
@given(arrays(np.float32, (7, 3), elements=st.floats(-1e3, 1e3, width=32)), st.sampled_from([0, 1]))
def test_scaled_int8_is_within_half_a_step(values, axis):
    small, scale = scaled_int8(values, axis)
    assert (np.abs(small * scale - values) <= scale / 2 * 1.001).all()
    assert small.min(initial=0) >= -127


@pytest.mark.parametrize(("quantise", "tolerance"), [(partial(dynamic_int8, tables=True), 0.03), (stored_int8, 0.01)])
def test_int8_graph_is_smaller_and_close(net, tmp_path, quantise, tolerance):
    quantise(net, tmp_path / "int8.onnx")
    x = np.random.default_rng(0).standard_normal((2, 5, 32)).astype(np.float32)
    full, small = (open_session(path, threads=1).run(None, {"x": x})[0] for path in (net, tmp_path / "int8.onnx"))
    assert np.abs(full - small).max() < tolerance * np.abs(full).max()
    weights = [tensor.data_type for tensor in onnx.load(str(tmp_path / "int8.onnx")).graph.initializer]
    assert {onnx.TensorProto.INT8, onnx.TensorProto.UINT8} & set(weights)


def test_stored_int8_answers_each_row_alone_and_in_company_alike(net, tmp_path):
    stored_int8(net, tmp_path / "int8.onnx")
    session = open_session(tmp_path / "int8.onnx", threads=1)
    x = np.random.default_rng(0).standard_normal((1, 50, 32)).astype(np.float32)
    x[0, 0] *= 100  # a companion that would stretch a shared scale
    together = session.run(None, {"x": x})[0][0, 1:]
    alone = np.concatenate([session.run(None, {"x": x[:, i : i + 1]})[0][0] for i in range(1, 50)])
    assert np.abs(together - alone).max() < 1e-5
