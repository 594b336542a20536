"""int8 gone bad in the ways that it goes bad in the field: the gate keeps each from shipping."""

import dataclasses

import numpy as np
import onnx
import pytest
import torch
from fakes import turned_round
from msgspec.structs import replace
from onnx import numpy_helper
from torch import nn

from pocketrec.bundle import Bundle
from pocketrec.encoder import TextEncoder
from pocketrec.neighbours import Neighbours
from pocketrec.text import clean_text
from pocketrec.verdict import COMPANY
from pocketrec_export.export import ExportConfig, export
from pocketrec_export.graphs.encoder import Encoder, TextModel
from pocketrec_export.int8 import forms as int8_forms
from pocketrec_export.int8.gate import GateConfig
from pocketrec_export.int8.precision import Gate
from pocketrec_export.int8.quantise import dynamic_int8
from pocketrec_export.model import Model

CONFIG = replace(ExportConfig(), gate=GateConfig(bound=0.05))
TABLE = "EmbedLayerNormalization_0"


def saturating(source, target, *options):
    """The real quantiser, with scales for a sixteenth of the range: large weights are cut off."""
    dynamic_int8(source, target, *options)
    model = onnx.load(str(target))
    found = {tensor.name: tensor for tensor in model.graph.initializer}
    for name, tensor in found.items():
        if name.endswith("_quantized") and numpy_helper.to_array(tensor).ndim == 2:
            kept = {part: found[name.replace("_quantized", part)] for part in ("_scale", "_zero_point")}
            middle = numpy_helper.to_array(kept["_zero_point"]).astype(np.int32)
            cut = np.clip((numpy_helper.to_array(tensor).astype(np.int32) - middle) * 16 + 128, 0, 255).astype(np.uint8)
            scale = numpy_helper.to_array(kept["_scale"]) / np.float32(16)
            tensor.CopyFrom(numpy_helper.from_array(cut, name))
            kept["_scale"].CopyFrom(numpy_helper.from_array(scale, kept["_scale"].name))
            centre = np.full(middle.shape, 128, np.uint8)
            kept["_zero_point"].CopyFrom(numpy_helper.from_array(centre, kept["_zero_point"].name))
    onnx.save(model, str(target))


def judged(model, folder):
    """The gate's word on the encoder in int8, and what shipped in its place."""
    exported = export(model, folder / "bundle", CONFIG)
    assert exported.choice.verdicts["all"].upper <= CONFIG.gate.bound
    return exported.choice.verdicts["encoder"], exported.manifest.graphs["encoder"]


@pytest.fixture
def readable(toy_model, tmp_path):
    """Folder of the toy model with an encoder whose words are told apart by its table."""
    model = Model.load(toy_model)

    def write(change):
        text_model = TextModel.open(model.encoder_folder)
        with torch.no_grad():
            change(text_model.transformer)
        encoder = Encoder(text_model, nn.Linear(text_model.width, model.card.dim))
        encoder.projection.load_state_dict(model.encoder.projection.state_dict())
        card = replace(model.card, tuned="all")  # so that its weights are written
        dataclasses.replace(model, card=card, encoder=encoder).save(tmp_path / "model")
        return tmp_path / "model"

    return write


def test_good_int8_passes(toy_model, tmp_path):
    verdict, facts = judged(toy_model, tmp_path)
    assert verdict.passed
    assert (facts.precision, facts.spared) == ("int8", ())


def test_saturated_weights_are_blocked(toy_model, tmp_path, monkeypatch):
    monkeypatch.setattr(int8_forms, "dynamic_int8", saturating)
    verdict, facts = judged(toy_model, tmp_path)
    assert not verdict.passed
    assert facts.precision == "fp32" or facts.spared


def test_a_poisoned_calibration_set_is_blocked(toy_model, tmp_path, monkeypatch):
    """Examples that make quiet channels seem loud, and loud ones quiet: float32 stays right, int8 does not."""
    real = int8_forms.largest_channels

    def poisoned(*given):
        random = np.random.default_rng(0)
        return {
            name: (10.0 ** random.uniform(-4, 4, len(largest))).astype(np.float32)
            for name, largest in real(*given).items()
        }

    monkeypatch.setattr(int8_forms, "largest_channels", poisoned)
    verdict, facts = judged(toy_model, tmp_path)
    assert not verdict.passed
    assert facts.precision == "fp32" or facts.spared


def giant(transformer):
    """One row, of the unknown token, which the shop's titles don't have."""
    transformer.get_input_embeddings().weight[1] = 1000.0


def multilingual(transformer):
    """Five hundred words of other languages, which nobody trained."""
    known = transformer.config.vocab_size
    transformer.resize_token_embeddings(known + 500)
    torch.nn.init.normal_(transformer.get_input_embeddings().weight[known:], std=300)


@pytest.mark.parametrize("change", [giant, multilingual])
def test_a_table_of_which_some_rows_are_huge_is_blocked_and_gets_a_scale_for_each_row(readable, tmp_path, change):
    """One scale for the table rounds the others away."""
    verdict, facts = judged(readable(change), tmp_path)
    assert not verdict.passed
    assert facts.precision == "int8"
    assert facts.spared[0] == TABLE


def test_int8_that_reads_a_text_otherwise_beside_others_is_blocked(toy_model, tmp_path, monkeypatch):
    """As it does where texts are read in batches: activations have one scale for all of a run."""

    def in_batches(self, texts, dim):
        tokens = [self.reader.ids(clean_text(text)) for text in texts]
        ids = np.zeros((len(texts), max(map(len, tokens), default=1)), np.int64)
        mask = np.zeros_like(ids)
        for row, own in enumerate(tokens):
            ids[row, : len(own)], mask[row, : len(own)] = own, 1
        return self._graph.run({"input_ids": ids, "attention_mask": mask})

    monkeypatch.setattr(TextEncoder, "encode", in_batches)
    verdict, facts = judged(toy_model, tmp_path)
    assert not verdict.passed
    assert verdict.company > COMPANY
    assert facts.precision == "fp32"  # which padding changes by less
    assert "with its company" in facts.reason


def test_an_encoder_that_passes_alone_and_not_beside_the_others_spares_operators(toy_model, tmp_path, monkeypatch):
    real = Gate.mixture

    def strict(gate, chosen):
        form, answers, verdict = real(gate, chosen)
        refused = "encoder" in chosen and not chosen["encoder"].spared
        return form, answers, dataclasses.replace(verdict, passed=verdict.passed and not refused)

    monkeypatch.setattr(Gate, "mixture", strict)
    verdict, facts = judged(toy_model, tmp_path)
    assert verdict.passed
    assert len(facts.spared) == 1
    assert "passed the gate together with the others" in facts.reason
    assert {graph.precision for graph in Bundle.open(tmp_path / "bundle").manifest.graphs.values()} == {"int8"}


def test_item_weights_in_int8_pass_where_they_keep_rankings(toy_model, tmp_path):
    exported = export(toy_model, tmp_path / "bundle", CONFIG)
    tables = (exported.manifest.neighbours, exported.manifest.followers)
    assert [table.precision for table in tables] == ["int8", "int8"]
    assert exported.choice.verdicts["item weights"].passed
    assert "int8 passed the gate" in tables[0].reason
    kept, full = Bundle.open(tmp_path / "bundle").neighbours, Model.load(toy_model).neighbours
    assert (kept.weights.dtype, kept.rows.dtype) == (np.int8, np.uint16)
    assert np.array_equal(kept.rows, full.rows)
    assert np.abs(kept.values - full.values).max() <= np.abs(full.values).max() / 127 / 2 + 1e-6


def test_item_weights_that_int8_spoils_are_blocked_and_kept_in_float32(toy_model, tmp_path, monkeypatch):
    monkeypatch.setattr(Neighbours, "quantised", turned_round)
    exported = export(toy_model, tmp_path / "bundle", CONFIG)
    assert not exported.choice.verdicts["item weights"].passed
    assert exported.manifest.followers.precision == "fp32"
    assert exported.manifest.followers.reason.startswith("float32: int8 failed the gate")
    assert {graph.precision for graph in exported.manifest.graphs.values()} == {"int8"}
    kept, full = Bundle.open(tmp_path / "bundle").followers, Model.load(toy_model).followers
    assert np.array_equal(kept.values, full.values)
