"""The route through optimum-onnx, for those whose tool chain stands on it.

Optimum exports the language model alone; pooling, projection and normalisation follow as a small graph of our own,
joined behind it, so that both routes end in the same inputs, output and vectors.
"""

import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import compose, helper, numpy_helper
from optimum.exporters.onnx import onnx_export_from_model
from torch import Tensor, nn

from pocketrec_export.graphs.encoder import Encoder
from pocketrec_export.graphs.unit import unit
from pocketrec_export.quiet import quiet
from pocketrec_export.routes.torch_exporter import OPSET, export_graph

ROUTE = f"optimum {version('optimum')}, optimum-onnx {version('optimum-onnx')}, torch {torch.__version__}"
"""What a manifest says of graphs that came this way."""


class _Head(nn.Module):
    """Token states to unit vectors: what `Encoder` does after the transformer."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.text_model = encoder.text_model
        self.projection = encoder.projection

    def forward(self, states: Tensor, attention_mask: Tensor) -> Tensor:
        return unit(self.projection(self.text_model.pool(states, attention_mask)))


def export_encoder(encoder: Encoder, path: Path) -> None:
    """Write the encoder as one ONNX file with the inputs and output of the other route.

    Args:
        encoder: In eval mode.
        path: File to write.
    """
    with tempfile.TemporaryDirectory(prefix="pocketrec-optimum-") as name:
        work = Path(name)
        with quiet("optimum"):  # of the exporter's age, and of constants that `prove_shapes` shows harmless
            onnx_export_from_model(
                encoder.text_model.transformer,
                work,
                opset=OPSET,
                task="feature-extraction",
                do_validation=False,  # `prove_shapes` compares the whole graph with torch
                preprocessors=[],
            )
        example = {
            "states": torch.randn(2, 7, encoder.text_model.width),
            "attention_mask": torch.ones(2, 7, dtype=torch.long),
        }
        axes = ("batch", "length")
        dynamic = {"states": axes, "attention_mask": axes, "vector": axes[:1]}
        export_graph(_Head(encoder).eval(), example, "vector", dynamic, work / "head.onnx")
        joined = _joined(onnx.load(str(work / "model.onnx")), onnx.load(str(work / "head.onnx")))
    onnx.checker.check_model(joined)
    onnx.save(joined, str(path))


def _joined(body: onnx.ModelProto, head: onnx.ModelProto) -> onnx.ModelProto:
    """One graph: the body's token states feed the head, and both read the one attention mask."""
    head = compose.add_prefix(head, "head/")
    links = [
        helper.make_node("Identity", ["last_hidden_state"], ["head/states"]),
        helper.make_node("Identity", ["attention_mask"], ["head/attention_mask"]),
    ]
    inputs = {value.name: value for value in body.graph.input}
    made = []
    if "token_type_ids" in inputs:
        # One segment: all zeros, in the shape of the ids.
        made.append(helper.make_node("Sub", ["input_ids", "input_ids"], ["token_type_ids"]))
    if "position_ids" in inputs:
        # Counted from 0, over the texts' own tokens.
        body.graph.initializer.extend([numpy_helper.from_array(np.array(1), "one")])
        made.append(helper.make_node("CumSum", ["attention_mask", "one"], ["places"]))
        made.append(helper.make_node("Sub", ["places", "one"], ["position_ids"]))
    output = head.graph.output[0]
    tail = helper.make_node("Identity", [output.name], ["vector"])
    output.name = "vector"
    graph = helper.make_graph(
        [*made, *body.graph.node, *links, *head.graph.node, tail],
        "encoder",
        [inputs["input_ids"], inputs["attention_mask"]],
        [output],
        [*body.graph.initializer, *head.graph.initializer],
    )
    return helper.make_model(graph, opset_imports=body.opset_import, ir_version=body.ir_version)
