"""The route through torch.export: newer than the usual one, and with it any model that only torch.export can trace."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from pocketrec_export.quiet import quiet

OPSET = 18
"""The oldest that this exporter writes by itself."""
ROUTE = f"torch {torch.__version__} torch.onnx.export(dynamo=True), onnxscript {version('onnxscript')}"
"""What a manifest says of graphs that came this way."""


def export_graph(
    module: nn.Module,
    example: Mapping[str, Tensor],
    output: str,
    dynamic: Mapping[str, Sequence[str]],
    path: Path,
) -> None:
    """Write a module as an ONNX file; the arguments are those of `torch_exporter.export_graph`."""
    with quiet("torch.onnx"), torch.inference_mode():
        program = torch.onnx.export(
            module,
            tuple(example.values()),
            input_names=list(example),
            output_names=[output],
            dynamic_shapes=tuple(dict(enumerate(dynamic[name])) for name in example),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # it is written by itself only where a path is given
    program.save(path, external_data=False)
    onnx.checker.check_model(str(path), full_check=True)
