"""A model's three graphs in float32, each proved on a grid of shapes; the encoder with fused operators."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from pocketrec.features import FEATURES
from pocketrec_export.bundle_writer import Graph
from pocketrec_export.fusions import Proved, fuse_and_prove
from pocketrec_export.graphs.request_tower import RequestTower
from pocketrec_export.graphs.user import UserTower
from pocketrec_export.model import Model
from pocketrec_export.routes.route import Route, write_graph
from pocketrec_export.shapes import GRID, Inputs, prove_shapes


@dataclass(frozen=True, slots=True)
class FullGraphs:
    """What becomes a bundle's graphs, in int8 or as it is."""

    graphs: dict[str, Graph]
    """By role."""
    differences: dict[str, float]
    """Largest difference from PyTorch over the grid of shapes, by role."""
    encoder: Proved
    """What is fused in it."""

    @classmethod
    def of(cls, model: Model, route: Route, work: Path) -> "FullGraphs":
        """Write and prove them.

        Args:
            model: Its nets in eval mode.
            route: Exporter.
            work: Folder for the files.

        Raises:
            ModelError: A graph differs from its module on some shape.
        """
        made = MadeInputs(model, np.random.default_rng(0))
        path, unfused = work / "encoder.onnx", work / "unfused"
        unfused.mkdir()
        plain = _written(route, model.encoder, made.tokens(2, 7), "vector", unfused / path.name)
        longest = (1, model.card.max_tokens)
        encoder = fuse_and_prove(plain.path, path, model.encoder, made.tokens, (*GRID, longest))
        tower = RequestTower(model.user) if isinstance(model.user, UserTower) else model.user
        user = _written(route, tower.eval(), made.history(2, 7), "user", work / "user.onnx")
        scorer = _written(route, model.scorer, made.candidates(2, 7), "scores", work / "scorer.onnx")
        return cls(
            {"encoder": replace(plain, path=path), "user": user, "scorer": scorer},
            {
                "encoder": encoder.difference,
                "user": prove_shapes(model.user, user.path, made.history),
                "scorer": prove_shapes(model.scorer, scorer.path, made.candidates),
            },
            encoder,
        )


@dataclass(frozen=True, slots=True)
class MadeInputs:
    """Random inputs of a model's graphs, for a batch and length; no longer than the model reads."""

    model: Model
    random: np.random.Generator

    def tokens(self, batch: int, length: int) -> Inputs:
        """For the encoder: texts of several lengths, padded."""
        length = min(length, self.model.card.max_tokens)
        lengths = self.random.integers(1, length + 1, size=(batch, 1))
        vocabulary = int(self.model.encoder.text_model.config.vocab_size)
        return {
            "input_ids": self.random.integers(0, vocabulary, size=(batch, length)),
            "attention_mask": (np.arange(length)[None, :] < lengths).astype(np.int64),
        }

    def history(self, batch: int, length: int) -> Inputs:
        """For the user tower: histories of several lengths, and a query behind each."""
        length = min(length, self.model.card.tower.history + 2)
        vectors = self.random.standard_normal((batch, length, self.model.card.dim)).astype(np.float32)
        kinds = np.zeros((batch, length), np.int64)
        kinds[:, -1] = 1
        lengths = self.random.integers(1, length + 1, size=(batch, 1))
        return {
            "vectors": vectors / np.linalg.norm(vectors, axis=-1, keepdims=True),
            "kinds": kinds,
            "mask": (np.arange(length)[None, :] >= length - lengths).astype(np.float32),
        }

    def candidates(self, batch: int, length: int) -> Inputs:
        """For the scorer."""
        dim = self.model.card.dim
        return {
            "user": self.random.standard_normal((batch, dim)).astype(np.float32) * dim**-0.5,
            "candidates": self.random.standard_normal((batch, length, dim)).astype(np.float32) * dim**-0.5,
            "features": self.random.random((batch, length, len(FEATURES)), dtype=np.float32),
        }


def _written(route: Route, module: torch.nn.Module, example: Inputs, output: str, path: Path) -> Graph:
    axes = ("batch", "length")
    tensors = {name: torch.from_numpy(array) for name, array in example.items()}
    dynamic = {name: axes[: min(2, tensor.ndim)] if name != "user" else axes[:1] for name, tensor in tensors.items()}
    return write_graph(
        route, module, tensors, output, {**dynamic, output: axes if output == "scores" else axes[:1]}, path
    )
