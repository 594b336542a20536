"""The proof that a graph's shapes are free."""

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from pocketrec.errors import ModelError
from pocketrec_export.full_graphs import FullGraphs, MadeInputs
from pocketrec_export.model import Model
from pocketrec_export.routes.torch_exporter import export_graph
from pocketrec_export.shapes import TOLERANCE, prove_shapes

AXES = {"x": ("batch", "length"), "y": ("batch", "length")}


class Double(nn.Module):
    def forward(self, x):
        return x * 2


class FrozenLength(nn.Module):
    """What tracing does to code that reads a length as a number."""

    def forward(self, x):
        return x.reshape(x.shape[0], int(x.shape[1])) * 2


def floats(batch, length):
    return {"x": np.random.default_rng(0).random((batch, length), dtype=np.float32)}


def test_a_free_graph_is_proved(tmp_path):
    export_graph(Double(), {"x": torch.ones(2, 7)}, "y", AXES, tmp_path / "double.onnx")
    assert prove_shapes(Double(), tmp_path / "double.onnx", floats) == 0


def test_a_frozen_length_is_found_and_named(tmp_path):
    export_graph(FrozenLength(), {"x": torch.ones(2, 7)}, "y", AXES, tmp_path / "frozen.onnx")
    with pytest.raises(ModelError, match=r"frozen.onnx .* batch 1, length 1"):
        prove_shapes(FrozenLength(), tmp_path / "frozen.onnx", floats)


def test_other_numbers_are_found_and_named(tmp_path):
    export_graph(Double(), {"x": torch.ones(2, 7)}, "y", AXES, tmp_path / "double.onnx")
    with pytest.raises(ModelError, match="differs from the model"):
        prove_shapes(nn.Identity(), tmp_path / "double.onnx", floats)


def test_tower_and_scorer_of_a_model_are_proved_at_large_batches_too(toy_model, tmp_path):
    model = Model.load(toy_model)
    full = FullGraphs.of(model, "torch", tmp_path)
    made = MadeInputs(model, np.random.default_rng(0))
    grid = ((1, 1), (64, 1), (64, 12), (64, 256))  # of histories no more than the tower reads
    assert prove_shapes(model.user, full.graphs["user"].path, made.history, grid) < TOLERANCE
    assert prove_shapes(model.scorer, full.graphs["scorer"].path, made.candidates, grid) < TOLERANCE


def test_graphs_are_single_files(toy_model, tmp_path):
    for graph in FullGraphs.of(Model.load(toy_model), "torch", tmp_path).graphs.values():
        tensors = onnx.load(str(graph.path), load_external_data=False).graph.initializer
        assert len(tensors)
        assert not any(tensor.external_data for tensor in tensors)
