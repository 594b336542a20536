"""Fuse an encoder's operators with onnxruntime's transformer optimiser, and count what was fused."""

import logging
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from onnxruntime.transformers.fusion_options import FusionOptions
from onnxruntime.transformers.optimizer import optimize_model
from transformers import PretrainedConfig

from pocketrec.errors import ModelError
from pocketrec_export.graphs.encoder import Encoder
from pocketrec_export.shapes import Inputs, prove_shapes

_log = logging.getLogger(__name__)

FUSED = (
    "Attention",
    "BiasGelu",
    "FastGelu",
    "LayerNormalization",
    "SimplifiedLayerNormalization",
    "EmbedLayerNormalization",
)


@dataclass(frozen=True, slots=True)
class Proved:
    """An encoder's graph that gives what its module gives, on every shape."""

    fusions: dict[str, int]
    """How many of each fused operator it has."""
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
    try:
        fusions = fuse_encoder(source, target, encoder.text_model.config)
        return Proved(fusions, prove_shapes(encoder, target, inputs, shapes))
    except ModelError as error:
        _log.warning("the encoder ships without fused operators: %s", error)
    shutil.copyfile(source, target)
    return Proved(dict.fromkeys(FUSED, 0), prove_shapes(encoder, target, inputs, shapes))


def fuse_encoder(source: Path, target: Path, config: PretrainedConfig) -> dict[str, int]:
    """Write the graph with fused operators; what the optimiser doesn't know stays as it is, slower.

    Args:
        source: Float32 graph.
        target: File to write.
        config: Of the Hugging Face model inside.

    Returns:
        How many of each fused operator the graph now has.

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
    log = logging.getLogger("onnxruntime.transformers")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        optimised = optimize_model(
            str(source),
            model_type=family,
            num_heads=heads,
            hidden_size=config.hidden_size if heads else 0,
            opt_level=0,
            only_onnxruntime=False,
            optimization_options=options,
        )
        optimised.save_model_to_file(str(target))
    except Exception as error:  # the optimiser asserts, looks up and unpacks on graphs it doesn't expect
        raise ModelError(f"{source.name} can't be fused: {error!r}") from None
    finally:
        log.setLevel(level)
    counts = optimised.get_fused_operator_statistics()
    return {name: counts.get(name, 0) for name in FUSED}
