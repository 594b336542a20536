"""Export a model: graphs, proof of their shapes, int8 forms, index, the gate's choice, bundle."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from pocketrec.config import Config
from pocketrec.features import FEATURES
from pocketrec.manifest import NAME, GraphFacts, Manifest
from pocketrec.progress import progress
from pocketrec.proof import Answers, Probe, compare
from pocketrec.results import Machine, installed_versions
from pocketrec.staging import check_replaceable, staged_folder
from pocketrec.text import clean_text
from pocketrec_export.bundle_writer import Graph
from pocketrec_export.distil.distillation import DistilConfig
from pocketrec_export.fusions import fuse_and_prove
from pocketrec_export.gate import GateConfig, first_half, probe_of
from pocketrec_export.index_builder import IndexConfig
from pocketrec_export.int8_forms import Int8Forms
from pocketrec_export.item_indexes import ItemIndexes
from pocketrec_export.model import Model
from pocketrec_export.newcomer_scales import newcomer_scales
from pocketrec_export.precision import Choice, Gate, Variants, choose_precision
from pocketrec_export.routes.torch_exporter import OPSET, ROUTE, export_graph
from pocketrec_export.shapes import GRID, Inputs, prove_shapes
from pocketrec_export.sizes import BundleSize, model_of_size
from pocketrec_export.tokenizer import read_tokenizer, token_ids


class ExportConfig(Config, frozen=True, kw_only=True):
    """Everything that export can be told."""

    route: Literal["torch", "optimum"] = "torch"
    """Exporter of the language model; projection and small graphs always take torch."""
    size: BundleSize = "base"
    """Of the encoder: as it was trained, or a student of it (`pocketrec_export.sizes`)."""
    student: DistilConfig = DistilConfig(prune_vocabulary=True)
    """How a student is made, where the size asks for one."""
    index: IndexConfig = IndexConfig()
    gate: GateConfig = GateConfig()


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and why in this form."""

    manifest: Manifest
    choice: Choice
    differences: dict[str, float]
    """Largest difference between PyTorch and float32 ONNX over the grid of shapes, by role."""
    fusions: dict[str, int]
    """Fused operators in the encoder."""


def export(model_folder: Path, out: Path, config: ExportConfig, seed: int = 0) -> Exported:
    """Export a model to a bundle; an older bundle at `out` stays until the new one is whole.

    Args:
        model_folder: What `train` wrote.
        out: Folder of the bundle.
        config: Route, index, gate.
        seed: Of the gate's samples.

    Raises:
        DataError: Something else lies at `out`.
        ModelError: The model is incomplete, or a graph differs from its module on some shape.
    """
    check_replaceable(out, NAME, "a bundle")
    base = Model.load(model_folder)
    probe = probe_of(base.held_out, base.items, config.gate, seed)
    with (
        tempfile.TemporaryDirectory(prefix="pocketrec-export-") as name,
        progress("Exporting", total=4) as shown,
    ):
        work = Path(name)
        model = model_of_size(base, model_folder, config.size, config.student, work, seed)
        shown.advance()
        before = None if model is base else _float32_answers(base, probe, config, work / "base")
        graphs, differences, fusions = _full_graphs(model, config.route, work)
        forms = {role: _int8_forms(role, graph, model) for role, graph in graphs.items()}
        shown.advance()
        variants = _variants(model, graphs, forms, config, work)
        shown.advance()
        choice = choose_precision(variants, probe, config.gate, work)
        shown.advance()
        quality = choice.quality
        if before is not None:
            quality |= compare(before, choice.answers, probe, config.gate.bound).against_base
        with staged_folder(out) as folder:
            proof = choice.proof if config.gate.proof else None
            facts = {"size": config.size, **_provenance(model)}
            manifest = variants.write(folder, choice.graphs, choice.index, quality, facts, proof)
    return Exported(manifest, choice, differences, fusions)


def _float32_answers(model: Model, probe: Probe, config: ExportConfig, work: Path) -> Answers:
    """What a model answers with its own encoder, in float32."""
    work.mkdir()
    graphs, _, _ = _full_graphs(model, config.route, work)
    return Gate(_variants(model, graphs, {}, config, work), probe, config.gate.bound, work).before


def _variants(
    model: Model, graphs: dict[str, Graph], forms: dict[str, Int8Forms], config: ExportConfig, work: Path
) -> Variants:
    encoder = graphs["encoder"]
    indexes = ItemIndexes.of(model, encoder, config.index, work)
    return Variants(model, graphs, forms, indexes, newcomer_scales(model, encoder.path))


def _full_graphs(model: Model, route: str, work: Path) -> tuple[dict[str, Graph], dict[str, float], dict[str, int]]:
    """Float32 graphs, each proved on a grid of shapes; the encoder with fused operators."""
    random = np.random.default_rng(0)
    dim, vocabulary = model.card.dim, int(model.encoder.text_model.config.vocab_size)

    def tokens(batch: int, length: int) -> Inputs:
        length = min(length, model.card.max_tokens)
        lengths = random.integers(1, length + 1, size=(batch, 1))
        return {
            "input_ids": random.integers(0, vocabulary, size=(batch, length)),
            "attention_mask": (np.arange(length)[None, :] < lengths).astype(np.int64),
        }

    def history(batch: int, length: int) -> Inputs:
        length = min(length, model.card.tower.history + 2)
        vectors = random.standard_normal((batch, length, dim)).astype(np.float32)
        kinds = np.zeros((batch, length), np.int64)
        kinds[:, -1] = 1
        lengths = random.integers(1, length + 1, size=(batch, 1))
        return {
            "vectors": vectors / np.linalg.norm(vectors, axis=-1, keepdims=True),
            "kinds": kinds,
            "mask": (np.arange(length)[None, :] >= length - lengths).astype(np.float32),
        }

    def candidates(batch: int, length: int) -> Inputs:
        return {
            "user": random.standard_normal((batch, dim)).astype(np.float32) * dim**-0.5,
            "candidates": random.standard_normal((batch, length, dim)).astype(np.float32) * dim**-0.5,
            "features": random.random((batch, length, len(FEATURES)), dtype=np.float32),
        }

    plain = work / "encoder.plain.onnx"
    how = ROUTE
    if route == "optimum":
        from pocketrec_export.routes import optimum_exporter

        how = optimum_exporter.ROUTE
        optimum_exporter.export_encoder(model.encoder, plain)
    else:
        _export(model.encoder, tokens(2, 7), "vector", ("batch", "length"), plain)
    longest = (1, model.card.max_tokens)
    proved = fuse_and_prove(plain, work / "encoder.onnx", model.encoder, tokens, (*GRID, longest))
    _export(model.user, history(2, 7), "user", ("batch", "length"), work / "user.onnx")
    _export(model.scorer, candidates(2, 7), "scores", ("batch", "length"), work / "scorer.onnx")
    differences = {
        "encoder": proved.difference,
        "user": prove_shapes(model.user, work / "user.onnx", history),
        "scorer": prove_shapes(model.scorer, work / "scorer.onnx", candidates),
    }
    graphs = {
        role: Graph(
            work / f"{role}.onnx",
            GraphFacts(
                file=f"{role}.onnx",
                precision="fp32",
                route=how if role == "encoder" else ROUTE,
                opset=OPSET,
                reason="",
            ),
        )
        for role in differences
    }
    return graphs, differences, proved.fusions


def _export(module: torch.nn.Module, example: Inputs, output: str, axes: tuple[str, str], path: Path) -> None:
    tensors = {name: torch.from_numpy(array) for name, array in example.items()}
    dynamic = {name: axes[: min(2, tensor.ndim)] if name != "user" else axes[:1] for name, tensor in tensors.items()}
    export_graph(module, tensors, output, {**dynamic, output: axes if output == "scores" else axes[:1]}, path)


def _int8_forms(role: str, full: Graph, model: Model) -> Int8Forms:
    """How a graph becomes int8; see `pocketrec_export.quantise` for which kind suits which."""
    if role == "scorer":
        return Int8Forms.stored(full)
    if role == "user":
        return Int8Forms.dynamic(full, tables=False)
    return Int8Forms.dynamic(full, tables=True, examples=_example_texts(model))


def _example_texts(model: Model, most: int = 200) -> Iterator[Inputs]:
    """Tokens of what the encoder will read here: some items' texts, and as many halves of titles."""
    chosen = [model.items[row] for row in np.random.default_rng(0).permutation(len(model.items))[:most]]
    said = [model.card.template.render(item) for item in chosen] + [first_half(item.title) for item in chosen]
    tokenizer = read_tokenizer(model.encoder_folder)
    for tokens in token_ids(tokenizer, [clean_text(text) for text in said], model.card.max_tokens):
        ids = np.array([tokens], np.int64)
        yield {"input_ids": ids, "attention_mask": np.ones_like(ids)}


def _provenance(model: Model) -> dict[str, str]:
    card = model.card
    versions = ", ".join(f"{name} {version}" for name, version in installed_versions().items())
    return {
        "dataset": card.dataset,
        "dataset_digest": card.dataset_digest,
        "split": card.split,
        "kind": card.kind,
        "seed": str(card.seed),
        "cpu": Machine.here().cpu,
        "versions": versions,
    }
