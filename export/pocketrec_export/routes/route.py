"""One door to the exporters: whichever is asked for, inputs, output and vectors are the same."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import onnx
from torch import Tensor, nn

from pocketrec.manifest import GraphFacts
from pocketrec_export.bundle_writer import Graph
from pocketrec_export.graphs.encoder import Encoder
from pocketrec_export.routes import torch_exporter

Route = Literal["torch", "dynamo", "optimum"]
"""TorchScript's exporter, which needs no more than torch; torch.export's; optimum's for encoders, and TorchScript's for
the small graphs, which optimum doesn't know."""


def write_graph(
    route: Route,
    module: nn.Module,
    example: Mapping[str, Tensor],
    output: str,
    dynamic: Mapping[str, Sequence[str]],
    path: Path,
) -> Graph:
    """Write a module as an ONNX file in float32.

    Args:
        route: Exporter.
        module: In eval mode; takes the example's tensors as keywords, in their order.
        example: Inputs by name. Every dynamic axis is at least 2: exporters freeze axes of 0 and 1.
        output: Name of the one output.
        dynamic: Names of the leading axes, by input and output: `{"input_ids": ["batch", "length"]}`.
        path: File to write, weights inside.

    Returns:
        The file, and what made it.
    """
    if route == "optimum" and isinstance(module, Encoder):
        from pocketrec_export.routes import optimum_exporter

        optimum_exporter.export_encoder(module, path)
        made_by = optimum_exporter.ROUTE
    elif route == "dynamo":
        from pocketrec_export.routes import dynamo_exporter

        dynamo_exporter.export_graph(module, example, output, dynamic, path)
        made_by = dynamo_exporter.ROUTE
    else:
        torch_exporter.export_graph(module, example, output, dynamic, path)
        made_by = torch_exporter.ROUTE
    (opset,) = (part.version for part in onnx.load(str(path)).opset_import if part.domain in ("", "ai.onnx"))
    return Graph(path, GraphFacts(file=path.name, precision="fp32", route=made_by, opset=opset, reason=""))
