"""The route that needs torch and onnx alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from pocketrec_export.quiet import quiet

OPSET = 17
"""The oldest that has LayerNormalization as one operator; older runtimes read it too."""
ROUTE = f"torch {torch.__version__} torch.onnx.export(dynamo=False)"
"""What a manifest says of graphs that came this way."""


def export_graph(
    module: nn.Module,
    example: Mapping[str, Tensor],
    output: str,
    dynamic: Mapping[str, Sequence[str]],
    path: Path,
) -> None:
    """Write a module as an ONNX file.

    This is TorchScript's exporter; `prove_shapes` then shows that batch and length are free.

    Args:
        module: In eval mode; takes the example's tensors as keywords, in their order.
        example: Inputs by name. Every dynamic axis is at least 2: exporters freeze axes of 0 and 1.
        output: Name of the one output.
        dynamic: Names of the leading axes, by input and output: `{"input_ids": ["batch", "length"]}`.
        path: File to write, weights inside.
    """
    axes = {name: dict(enumerate(names)) for name, names in dynamic.items()}
    with quiet("torch.onnx"), torch.inference_mode():  # it warns of its own age and of harmless constants
        torch.onnx.export(
            module,
            tuple(example.values()),
            str(path),
            input_names=list(example),
            output_names=[output],
            dynamic_axes=axes,
            opset_version=OPSET,
            do_constant_folding=True,
            dynamo=False,
        )
    onnx.checker.check_model(str(path), full_check=True)
