"""Fuse an encoder's operators with onnxruntime's transformer optimiser, and tell what was fused of what it has."""

import logging
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnxruntime.transformers.fusion_options import FusionOptions
from onnxruntime.transformers.optimizer import optimize_model
from torch import nn
from transformers import PretrainedConfig

from pocketrec.errors import ModelError
from pocketrec_export.graphs.encoder import Encoder
from pocketrec_export.quiet import quiet
from pocketrec_export.shapes import Inputs, prove_shapes

_log = logging.getLogger(__name__)

_OPERATORS = {
    "attention": ("Attention",),
    "layer norms": ("LayerNormalization", "SimplifiedLayerNormalization", "EmbedLayerNormalization"),
    "GELUs": ("Gelu", "BiasGelu", "FastGelu"),
}
"""Fused operators by what each does for a language model; some of onnx's own do as well."""


@dataclass(frozen=True, slots=True)
class Fused:
    """How much of one thing that a language model does is one operator each in its graph."""

    operators: int
    of: int
    """As often the model does it."""

    def __str__(self) -> str:
        return f"{self.operators} of {self.of}"


@dataclass(frozen=True, slots=True)
class Proved:
    """An encoder's graph that gives what its module gives, on every shape."""

    fusions: dict[str, Fused]
    """By what is fused, where the model has it: attention, layer norms, GELUs."""
    difference: float
    """The largest from the module."""


def fuse_and_prove(
    source: Path,
    target: Path,
    encoder: Encoder,
    inputs: Callable[[int, int], Inputs],
    grid: Iterable[tuple[int, int]],
) -> Proved:
    """Write the graph with fused operators, or as it is where fusing fails or changes what it gives.

    Args:
        source: Float32 graph.
        target: File to write.
        encoder: What the graph was made from.
        inputs: Makes inputs for a batch and length.
        grid: Shapes to prove.

    Raises:
        ModelError: The unfused graph differs from its module too.
    """
    shapes = tuple(grid)
    transformer = encoder.text_model.transformer
    try:
        fuse_encoder(source, target, encoder.text_model.config)
        return Proved(count_fusions(target, transformer), prove_shapes(encoder, target, inputs, shapes))
    except ModelError as error:
        _log.warning("the encoder ships without fused operators: %s", error)
    shutil.copyfile(source, target)
    return Proved(count_fusions(target, transformer), prove_shapes(encoder, target, inputs, shapes))


def fuse_encoder(source: Path, target: Path, config: PretrainedConfig) -> None:
    """Write the graph with fused operators; what the optimiser doesn't know stays as it is, slower.

    Args:
        source: Float32 graph.
        target: File to write.
        config: Of the Hugging Face model inside.

    Raises:
        ModelError: The optimiser fails.
    """
    # Only GPT-2 has a family of its own that suits it better: docs/decisions/0010.
    family = "gpt2" if config.model_type == "gpt2" else "bert"
    options = FusionOptions(family)
    # onnxruntime computes it row by row without vector instructions: docs/decisions/0007.
    options.enable_skip_layer_norm = options.enable_bias_skip_layer_norm = False
    # Its tables of angles have a row for each of 131,072 positions, and it takes one text alone: docs/decisions/0010.
    options.enable_rotary_embeddings = False
    heads = getattr(config, "num_attention_heads", 0)  # a static encoder has none
    try:
        with quiet(""):  # its parts log under names of their own
            optimize_model(
                str(source),
                model_type=family,
                num_heads=heads,
                hidden_size=config.hidden_size if heads else 0,
                opt_level=0,
                only_onnxruntime=False,
                optimization_options=options,
            ).save_model_to_file(str(target))
    except Exception as error:  # the optimiser asserts, looks up and unpacks on graphs it doesn't expect
        raise ModelError(f"{source.name} can't be fused: {error!r}") from None


def count_fusions(graph: Path, transformer: nn.Module) -> dict[str, Fused]:
    """What is fused in a graph, of what its language model has.

    Args:
        graph: ONNX file.
        transformer: Hugging Face model inside.
    """
    kinds = [type(module).__name__ for module in transformer.modules()]
    has = {
        "attention": getattr(transformer.config, "num_hidden_layers", 0),
        "layer norms": sum(kind.endswith(("LayerNorm", "RMSNorm")) for kind in kinds),
        "GELUs": sum("GELU" in kind for kind in kinds),
    }
    counts = Counter(node.op_type for node in onnx.load(str(graph)).graph.node)
    return {name: Fused(sum(counts[kind] for kind in _OPERATORS[name]), of) for name, of in has.items() if of}
