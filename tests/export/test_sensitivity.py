"""Which operators int8 hurts, and what the gate lets through without them."""

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, numpy_helper

from pocketrec import Recommender
from pocketrec.config import load_config
from pocketrec_export.bundle_writer import Form, Tables
from pocketrec_export.export import ExportConfig, export
from pocketrec_export.full_graphs import FullGraphs
from pocketrec_export.index_builder import IndexConfig
from pocketrec_export.int8 import forms as int8_forms
from pocketrec_export.int8.forms import Int8Forms
from pocketrec_export.int8.gate import GateConfig, probe_of
from pocketrec_export.int8.precision import Gate, Variants
from pocketrec_export.int8.quantise import dynamic_int8
from pocketrec_export.int8.sensitivity import Sensitivity, fewest_spared, scan
from pocketrec_export.item_indexes import ItemIndexes
from pocketrec_export.model import Model

SPOILT = "EmbedLayerNormalization_0"


def spoiling(operator):
    """A quantiser of which one operator comes out wrong: what it stores counts for nothing."""

    def spoil(source, target, *options):
        dynamic_int8(source, target, *options)
        weights = {name for node in onnx.load(str(source)).graph.node if node.name == operator for name in node.input}
        model = onnx.load(str(target))
        for tensor in model.graph.initializer:
            if tensor.name.endswith("_scale") and tensor.name.removesuffix("_scale") in weights:
                tensor.CopyFrom(numpy_helper.from_array(np.zeros_like(numpy_helper.to_array(tensor)), tensor.name))
        onnx.save(model, str(target))

    return spoil


def test_a_spoilt_operator_is_found_and_its_arithmetic_stays_float32(toy_model, tmp_path, monkeypatch):
    monkeypatch.setattr(int8_forms, "dynamic_int8", spoiling(SPOILT))
    config = load_config(ExportConfig, overrides=["gate.bound=0.1"])
    exported = export(toy_model, tmp_path / "bundle", config)
    facts = exported.manifest.graphs["encoder"]
    assert not exported.choice.verdicts["encoder"].passed
    assert facts.spared == (SPOILT,)
    assert facts.precision == "int8"
    assert "float32 in the arithmetic of 1 of 9 operators, passed the gate alone" in facts.reason
    graph = onnx.load(str(tmp_path / "bundle" / "encoder.onnx")).graph
    kinds = [node.op_type for node in graph.node]
    assert "EmbedLayerNormalization" in kinds
    assert kinds.count("MatMulInteger") + kinds.count("QAttention") == 8
    table = "text_model.transformer.embeddings.word_embeddings.weight_int8"  # in the file
    assert table in {tensor.name for tensor in graph.initializer if tensor.data_type == TensorProto.INT8}
    assert exported.choice.verdicts["all"].upper <= 0.1
    Recommender.load(tmp_path / "bundle").recommend(query="red cup")


@pytest.mark.parametrize("operator", ["Attention_1", "intermediate/dense/MatMul"])
def test_a_spoilt_layer_is_found_by_rankings(model_of_shape, tmp_path, monkeypatch, operator):
    """In a model all of whose layers matter."""
    model = Model.load(model_of_shape("bert", max_position_embeddings=80))
    graphs = FullGraphs.of(model, "torch", tmp_path).graphs
    full = graphs["encoder"]
    forms = Int8Forms.dynamic(full, tables=True)
    spoilt = next(name for name in forms.operators if name.endswith(operator))
    monkeypatch.setattr(int8_forms, "dynamic_int8", spoiling(spoilt))
    probe = probe_of(model.held_out, model.items, model.popularity, GateConfig(), 0)
    indexes = ItemIndexes.of(model, full, IndexConfig(), tmp_path)
    gate = Gate(
        Variants(model, Form(graphs, indexes.full, Tables.full(model)), {"encoder": forms}, indexes),
        probe, 0.01, tmp_path,
    )  # fmt: skip
    found = gate.sparing("encoder", {})
    assert gate.scanned["encoder"][0].operator == spoilt
    assert gate.scanned["encoder"][0].loss > 3 * max(one.loss for one in gate.scanned["encoder"][1:])
    assert found is None or spoilt in found.spared


def test_the_scan_puts_first_what_float32_buys_most_for():
    losses = {"wide": 0.02, "narrow": 0.01, "harmless": -0.001}
    found = scan({"wide": 400, "narrow": 100, "harmless": 1}, losses.__getitem__)
    assert [one.operator for one in found] == ["narrow", "wide", "harmless"]


@given(st.data())
def test_no_shorter_beginning_would_pass(data):
    weights = data.draw(st.lists(st.integers(1, 100), min_size=1, max_size=12))
    scanned = [Sensitivity(str(place), size, 1.0) for place, size in enumerate(weights)]
    needed = data.draw(st.integers(1, len(weights) + 1))  # so many must be spared; one more than all: it never passes
    asked = []

    def passes(spared):
        asked.append(len(spared))
        return len(spared) >= needed

    spared = fewest_spared(scanned, passes)
    assert spared == (tuple(map(str, range(needed))) if needed <= len(weights) else None)
    assert len(asked) <= 2 + np.log2(len(weights))


def test_an_empty_choice_of_operators_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one"):
        dynamic_int8(tmp_path / "encoder.onnx", tmp_path / "int8.onnx", True, [])
