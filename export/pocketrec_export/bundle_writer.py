"""Write a bundle's folder from its parts."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pocketrec.catalogue import write_catalogue
from pocketrec.features import FEATURES
from pocketrec.manifest import (
    FORMAT,
    EncoderFacts,
    GraphFacts,
    IndexFacts,
    Manifest,
    NeighbourFacts,
    describe_files,
)
from pocketrec.neighbours import Neighbours
from pocketrec.proof import FILE as PROOF
from pocketrec.proof import Proof
from pocketrec_export.later_items import LaterItems
from pocketrec_export.model import Model

ROLES = ("encoder", "user", "scorer")


@dataclass(frozen=True, slots=True)
class Graph:
    """An ONNX file and what the manifest says of it."""

    path: Path
    facts: GraphFacts


@dataclass(frozen=True, slots=True)
class Index:
    """An HNSW file, what the manifest says of it, and the vectors it was built from."""

    path: Path
    facts: IndexFacts
    vectors: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tables:
    """Neighbours and followers in one precision, and why in this one."""

    neighbours: Neighbours
    followers: Neighbours
    reason: str

    @classmethod
    def full(cls, model: Model) -> "Tables":
        """As they were fitted."""
        return cls(model.neighbours.narrowed(), model.followers.narrowed(), "float32")

    def quantised(self) -> "Tables":
        """In int8."""
        return Tables(self.neighbours.quantised(), self.followers.quantised(), "int8")


@dataclass(frozen=True, slots=True)
class Form:
    """One form of all that quantisation changes."""

    graphs: Mapping[str, Graph]
    """By role."""
    index: Index
    tables: Tables

    @property
    def bytes(self) -> int:
        """Size of graphs and tables."""
        tables = (self.tables.neighbours.bytes, self.tables.followers.bytes)
        return sum(graph.path.stat().st_size for graph in self.graphs.values()) + sum(tables)

    def with_graph(self, role: str, graph: Graph, index: Index | None = None) -> "Form":
        """Another graph in that role; of the encoder with the index that it leads to."""
        return replace(self, graphs={**self.graphs, role: graph}, index=index or self.index)


def write_bundle(
    folder: Path,
    model: Model,
    form: Form,
    quality: dict[str, float],
    provenance: dict[str, str],
    later: LaterItems,
    proof: Proof | None,
) -> Manifest:
    """Fill an empty folder.

    Args:
        folder: Empty; `pocketrec.staging.staged_folder` gives one that can't be met half full.
        model: Source of catalogue, tokenizer and popularity.
        form: Graphs, index with the item vectors, neighbours and followers.
        quality: Figures of the gate.
        provenance: Where it comes from.
        later: What it knows for items that are added later.
        proof: To carry along, if any.
    """
    tables, index = form.tables, form.index
    for role, graph in form.graphs.items():
        shutil.copyfile(graph.path, folder / f"{role}.onnx")
    shutil.copyfile(model.encoder_folder / "tokenizer.json", folder / "tokenizer.json")
    shutil.copyfile(index.path, folder / "index.hnsw")
    write_catalogue(folder / "items.sqlite", model.items)
    np.save(folder / "vectors.npy", index.vectors)
    np.save(folder / "popularity.npy", model.popularity)
    np.save(folder / "trend.npy", model.trend)
    np.save(folder / "texts.npy", later.read)
    tables.neighbours.save(folder / "neighbours")
    tables.followers.save(folder / "followers")
    if proof is not None:
        proof.save(folder / PROOF)
    card = model.card
    manifest = Manifest(
        format=FORMAT,
        name=card.name,
        items=len(model.items),
        dim=card.dim,
        history=card.tower.history,
        newcomer_length=card.newcomer_length,
        candidates=card.candidates,
        encoder=EncoderFacts(
            name=card.encoder,
            max_tokens=card.max_tokens,
            template=card.template,
            template_digest=card.template.digest,
        ),
        graphs={role: graph.facts for role, graph in form.graphs.items()},
        scorer=card.scorer.kind,
        features=FEATURES,
        index=index.facts,
        neighbours=_facts(tables.neighbours, later.scales[0], tables.reason),
        followers=_facts(tables.followers, later.scales[1], tables.reason),
        quality=quality,
        provenance=provenance,
        files=describe_files(folder),
    )
    manifest.write(folder)
    return manifest


def _facts(table: Neighbours, newcomer_scale: float, reason: str) -> NeighbourFacts:
    return NeighbourFacts(
        per_item=table.per_item,
        decay=table.decay,
        newcomer_scale=newcomer_scale,
        precision=table.precision,
        reason=reason,
    )
