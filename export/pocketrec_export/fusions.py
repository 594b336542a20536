"""Fuse an encoder's operators with onnxruntime's transformer optimiser, and count what was fused."""

import logging
from pathlib import Path

from onnxruntime.transformers.fusion_options import FusionOptions
from onnxruntime.transformers.optimizer import optimize_model
from transformers import PretrainedConfig

FUSED = ("Attention", "BiasGelu", "LayerNormalization", "EmbedLayerNormalization")


def fuse_encoder(source: Path, target: Path, config: PretrainedConfig) -> dict[str, int]:
    """Write the graph with fused operators; models that the optimiser doesn't know stay as they are, slower.

    Args:
        source: Float32 graph.
        target: File to write.
        config: Of the Hugging Face model inside.

    Returns:
        How many of each fused operator the graph now has.
    """
    log = logging.getLogger("onnxruntime.transformers")
    level = log.level
    log.setLevel(logging.ERROR)
    options = FusionOptions("bert")
    # onnxruntime computes it row by row without vector instructions: docs/decisions/0007.
    options.enable_skip_layer_norm = options.enable_bias_skip_layer_norm = False
    try:
        optimised = optimize_model(
            str(source),
            model_type="bert",
            num_heads=config.num_attention_heads,
            hidden_size=config.hidden_size,
            opt_level=0,
            only_onnxruntime=False,
            optimization_options=options,
        )
    finally:
        log.setLevel(level)
    optimised.save_model_to_file(str(target))
    counts = optimised.get_fused_operator_statistics()
    return {name: counts.get(name, 0) for name in FUSED}
