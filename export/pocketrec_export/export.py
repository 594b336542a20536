"""Export a model: graphs, proof of their shapes, int8 forms, index, the gate's choice, bundle."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from pocketrec.config import Config
from pocketrec.manifest import Manifest, contents
from pocketrec.progress import progress
from pocketrec.proof import Answers, Probe
from pocketrec.results import Machine, installed_versions
from pocketrec.staging import check_replaceable, staged_folder
from pocketrec.text import clean_text
from pocketrec.verdict import compare
from pocketrec_export.bundle_writer import Form, Graph, Tables, write_bundle
from pocketrec_export.distil.distillation import DistilConfig
from pocketrec_export.full_graphs import FullGraphs
from pocketrec_export.index_builder import IndexConfig
from pocketrec_export.int8.forms import Int8Forms
from pocketrec_export.int8.gate import GateConfig, first_half, probe_of
from pocketrec_export.int8.precision import Choice, Gate, Variants, choose_precision, keep_float32
from pocketrec_export.item_indexes import ItemIndexes
from pocketrec_export.model import Model
from pocketrec_export.routes.route import Route
from pocketrec_export.shapes import Inputs
from pocketrec_export.sizes import BundleSize, model_of_size
from pocketrec_export.tokenizer import read_tokenizer, token_ids


class ExportConfig(Config, frozen=True, kw_only=True):
    """Everything that export can be told."""

    route: Route = "torch"
    """Exporter of the graphs."""
    size: BundleSize = "base"
    """Of the encoder: as it was trained, or a student of it (`pocketrec_export.sizes`)."""
    student: DistilConfig = DistilConfig(prune_vocabulary=("tiny", "nano"))
    """How a student is made, where the size asks for one."""
    precision: Literal["int8", "float32"] = "int8"
    """int8 where the gate lets it through, or all in float32."""
    index: IndexConfig = IndexConfig()
    gate: GateConfig = GateConfig()


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and why in this form."""

    manifest: Manifest
    choice: Choice
    full: FullGraphs
    """The float32 graphs that it was made from."""


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
    check_replaceable(out, "a bundle", contents(out))
    base = Model.load(model_folder)
    probe = probe_of(base.held_out, base.items, base.popularity, config.gate, seed)
    with (
        tempfile.TemporaryDirectory(prefix="pocketrec-export-") as name,
        progress("Exporting", total=4) as shown,
    ):
        work = Path(name)
        model = model_of_size(base, model_folder, config.size, config.student, work, seed)
        shown.advance()
        before = None if model is base else _float32_answers(base, probe, config, work / "base")
        full = FullGraphs.of(model, config.route, work)
        small = full.graphs if config.precision == "int8" else {}
        forms = {role: _int8_forms(role, graph, model) for role, graph in small.items()}
        shown.advance()
        variants = _variants(model, full.graphs, forms, config, work)
        shown.advance()
        choose = choose_precision if forms else keep_float32
        choice = choose(variants, probe, config.gate, work)
        shown.advance()
        quality = choice.verdicts["all"].quality
        if before is not None:
            quality |= compare(before, choice.answers, probe, config.gate.bound).against_base
        with staged_folder(out) as folder:
            proof = choice.proof if config.gate.proof else None
            fused = ", ".join(f"{name} {count}" for name, count in full.encoder.fusions.items())
            facts = {"size": config.size, "fused": fused, **_provenance(model)}
            manifest = write_bundle(folder, model, choice.form, quality, facts, choice.later, proof)
    return Exported(manifest, choice, full)


def _float32_answers(model: Model, probe: Probe, config: ExportConfig, work: Path) -> Answers:
    """What a model answers with its own encoder, in float32."""
    work.mkdir()
    graphs = FullGraphs.of(model, config.route, work).graphs
    return Gate(_variants(model, graphs, {}, config, work), probe, config.gate.bound, work).before


def _variants(
    model: Model, graphs: dict[str, Graph], forms: dict[str, Int8Forms], config: ExportConfig, work: Path
) -> Variants:
    encoder = graphs["encoder"]
    indexes = ItemIndexes.of(model, encoder, config.index, work)
    full = Form(graphs, indexes.full, Tables.full(model))
    return Variants(model, full, forms, indexes)


def _int8_forms(role: str, full: Graph, model: Model) -> Int8Forms:
    """How a graph becomes int8; see `pocketrec_export.int8.quantise` for which kind suits which."""
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
