"""Even out activations before they become int8: what is hard to round moves into the weights.

In a language model a few channels of the activations are ten times larger than the others, and all of them share one
scale of 256 steps. Each channel is divided by a number of its own and the weights that it meets are multiplied by it,
which changes nothing but what there is to round (Xiao et al. 2023, "SmoothQuant", equation 4):

    X W = (X / s) (s W),   s_j = max |X_j| ^ a / max |W_j| ^ (1 - a)

There it is folded into the layer before. BERT adds what a layer norm gives to the next sum as well, so here a product
of a few microseconds stands before each matrix (docs/decisions/0022). Weights that are only stored as int8 are nearer
to what they were without it (0027).
"""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from pocketrec_export.shapes import Inputs

PRODUCTS = ("MatMul", "Attention")
_STRENGTH = 0.8
"""How far activations are evened out at the cost of weights, `a` above."""
_UNEVEN = 3.5
"""How many times the middle channel the largest must be for a product to be worth its microseconds."""
_LEAST = 1e-5
"""Channels are taken to be at least this large."""

Channels = NDArray[np.float32]


def smooth(
    source: Path, target: Path, largest: Mapping[str, Channels], operators: Collection[str] | None = None
) -> int:
    """Write a graph that computes the same with more even activations.

    Args:
        source: Float32 graph.
        target: File to write.
        largest: What `largest_channels` found in it.
        operators: Names of the products that are to become int8; all by default. Others gain nothing by it.

    Returns:
        Number of products that were smoothed.
    """
    model = onnx.load(str(source))
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    uneven = {
        node.output[0]
        for node in _products(graph)
        if (operators is None or node.name in operators) and _unevenness(largest[node.input[0]]) > _UNEVEN
    }
    nodes: list[NodeProto] = []
    for node in graph.node:
        if node.output[0] in uneven:
            name = f"{node.output[0]}_smoothed"
            weight = numpy_helper.to_array(weights[node.input[1]])
            scale = _scale(largest[node.input[0]], np.abs(weight).max(axis=1))
            graph.initializer.append(numpy_helper.from_array(weight * scale[:, None], f"{name}_weight"))
            graph.initializer.append(numpy_helper.from_array(1 / scale, f"{name}_divisor"))
            nodes.append(helper.make_node("Mul", [node.input[0], f"{name}_divisor"], [name], name=name))
            node.input[0], node.input[1] = name, f"{name}_weight"
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    read = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    onnx.save(model, str(target))
    return len(uneven)


def largest_channels(source: Path, examples: Iterable[Inputs]) -> dict[str, Channels]:
    """The largest absolute value of each channel of what products read, by tensor.

    Args:
        source: Float32 graph.
        examples: Inputs that show how large each channel gets.
    """
    model = onnx.load(str(source))
    names = list(dict.fromkeys(node.input[0] for node in _products(model.graph)))
    given = {value.name for value in model.graph.output}
    model.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names if name not in given
    )
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    largest: dict[str, Channels] = {}
    for example in examples if names else ():  # asked for no tensor, a session gives all of them
        for name, values in zip(names, session.run(names, example), strict=True):
            found = np.abs(values).reshape(-1, values.shape[-1]).max(axis=0)
            largest[name] = np.maximum(largest[name], found) if name in largest else found
    return largest


def _products(graph: GraphProto) -> list[NodeProto]:
    """Products by a matrix of weights."""
    matrices = {tensor.name for tensor in graph.initializer if len(tensor.dims) == 2}
    return [node for node in graph.node if node.op_type in PRODUCTS and node.input[1] in matrices]


def _unevenness(largest: Channels) -> float:
    return float(largest.max() / max(float(np.median(largest)), _LEAST))


def _scale(activations: Channels, weights: Channels) -> Channels:
    """What each channel is divided by, 1 in the geometric mean: float32 [channels]."""
    scale = np.maximum(activations, _LEAST) ** _STRENGTH / np.maximum(weights, _LEAST) ** (1 - _STRENGTH)
    even: Channels = (scale / np.exp(np.log(scale).mean())).astype(np.float32)
    return even
