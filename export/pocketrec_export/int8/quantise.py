"""Int8 forms of a graph.

Two kinds, chosen by what a request feeds the graph:

- dynamic int8, for encoder and user tower: int8 weights and int8 arithmetic; activations get one scale a run, so the
  runtime runs one text or one history at a time, always, and a vector never depends on its batch mates. Weights are
  unsigned, as activations are: without VNNI, products of unsigned by signed bytes overflow (docs/decisions/0025).
- stored int8, for the scorer, and for operators that lose rankings by int8 arithmetic (docs/decisions/0027): weights
  lie in the file as int8 with a scale for each output, and become float32 when the session opens. The scorer's
  input is a list of candidates; one scale for the list would let a candidate's score depend on the others.
"""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from pocketrec_export.quiet import quiet

_PRODUCTS = ["MatMul", "Attention"]
_Stored = tuple[list[TensorProto], list[NodeProto]]
"""What lies in the file, and what makes float32 weights of it."""
_TABLES = ["Gather", "EmbedLayerNormalization"]


def weights_by_operator(source: Path, tables: bool) -> dict[str, int]:
    """The operators that `dynamic_int8` quantises, by name, and how many weights each has.

    Args:
        source: Float32 graph; may hold onnxruntime's fused operators.
        tables: Whether embedding tables count.
    """
    graph = onnx.load(str(source)).graph
    matrices = {
        tensor.name: int(np.prod(tensor.dims))
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) == 2
    }
    kinds = _PRODUCTS + _TABLES * tables
    sizes = {node.name: [matrices.get(name, 0) for name in node.input] for node in graph.node if node.op_type in kinds}
    return {name: sum(found) for name, found in sizes.items() if any(found)}


def dynamic_int8(source: Path, target: Path, tables: bool, operators: Sequence[str] | None = None) -> None:
    """Quantise weights for each output channel and activations for each run.

    Args:
        source: Float32 graph; may hold onnxruntime's fused operators.
        target: File to write.
        tables: Whether to quantise embedding tables too: much smaller where there is a vocabulary, slower otherwise.
        operators: Names of those to quantise, at least one; all by default.
    """
    if operators is not None and not operators:
        raise ValueError(f"no operator of {source.name} is to become int8: at least one is needed")
    with quiet(""):  # the quantiser advises a preprocessing that fused graphs can't take
        quantize_dynamic(
            str(source),
            str(target),
            per_channel=True,
            weight_type=QuantType.QUInt8,
            op_types_to_quantize=_PRODUCTS + _TABLES * tables,
            nodes_to_quantize=None if operators is None else list(operators),
            # Shape inference doesn't know fused operators: untyped tensors are float32.
            extra_options={"DefaultTensorType": TensorProto.FLOAT},
        )


def stored_int8(source: Path, target: Path, operators: Collection[str] | None = None) -> None:
    """Store weight matrices as int8 with one scale an output column, tables one a row; arithmetic stays float32.

    Cast and multiply on constants are folded when a session opens, so they cost nothing at run time.

    Args:
        source: Graph with float32 weights.
        target: File to write.
        operators: Names of those whose weights are stored so; all by default.
    """

    def stored(name: str, values: NDArray[np.float32], axis: int) -> _Stored:
        small, scale = scaled_int8(values, axis)
        return (
            [numpy_helper.from_array(small, f"{name}_int8"), numpy_helper.from_array(scale, f"{name}_scale")],
            [
                helper.make_node("Cast", [f"{name}_int8"], [f"{name}_wide"], to=TensorProto.FLOAT),
                helper.make_node("Mul", [f"{name}_wide", f"{name}_scale"], [name]),
            ],
        )

    _store(source, target, operators, stored)


def stored_float16(source: Path, target: Path, operators: Collection[str]) -> None:
    """Store weight matrices in half the bytes, a thousand times nearer than int8; arithmetic stays float32.

    Args:
        source: Graph with float32 weights.
        target: File to write.
        operators: Names of those whose weights are stored so.
    """

    def stored(name: str, values: NDArray[np.float32], axis: int) -> _Stored:
        half = numpy_helper.from_array(values.astype(np.float16), f"{name}_half")
        return [half], [helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT)]

    _store(source, target, operators, stored)


def _store(
    source: Path,
    target: Path,
    operators: Collection[str] | None,
    stored: Callable[[str, NDArray[np.float32], int], _Stored],
) -> None:
    """Put other tensors, and what restores the weights from them, in the place of weight matrices.

    Args:
        source: Graph with float32 weights.
        target: File to write.
        operators: Names of those whose weights are stored so; all by default.
        stored: Gives both for a name, its values, and the axis along which what belongs together lies.
    """
    model = onnx.load(str(source))
    graph = model.graph
    chosen = [node for node in graph.node if operators is None or node.name in operators]
    read = {name for node in chosen for name in node.input}
    looked_up = {name for node in chosen if node.op_type in _TABLES for name in node.input}
    kept, restored = list[TensorProto](), list[NodeProto]()
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.name not in read or values.ndim != 2 or values.dtype != np.float32:
            kept.append(tensor)
            continue
        tensors, nodes = stored(tensor.name, values, 1 if tensor.name in looked_up else 0)
        kept += tensors
        restored += nodes
    rest = list(graph.node)
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend([*restored, *rest])
    onnx.save(model, str(target))


def scaled_int8(values: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Symmetric int8 with one scale for what lies along an axis, 0 for each column: values ~ small * scale.

    -128 stays unused, so that a value and its negative round alike.

    Example:
        >>> small, scale = scaled_int8(np.array([[1.0, 0.0], [-0.5, 0.0]], dtype=np.float32), axis=0)
        >>> small.tolist()
        [[127, 0], [-64, 0]]
    """
    scale = (np.abs(values).max(axis=axis, keepdims=True) / 127).astype(np.float32)
    scale[scale < np.finfo(np.float32).tiny] = 1  # what is that small has no scale to speak of, and becomes 0
    return np.rint(values / scale).astype(np.int8), scale
