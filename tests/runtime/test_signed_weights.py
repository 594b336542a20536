from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from pocketrec import signed_weights
from pocketrec.errors import BundleError
from pocketrec.graphs import open_session
from pocketrec.signed_weights import with_signed_weights

GOLDEN = Path(__file__).parents[1] / "golden"
WIDTHS = (24, 10)


def product(weights, zero_points, *others):
    """A graph of one dynamically quantised product, and of other nodes that read the same tensors."""
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["small", "scale", "zero"]),
        helper.make_node("MatMulInteger", ["small", "weights", "zero", "zeros"], ["whole"]),
        helper.make_node("Cast", ["whole"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["wide", "scale"], ["y"]),
    ]
    read, given = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", width])
        for name, width in zip("xy", WIDTHS, strict=True)
    )
    tensors = [numpy_helper.from_array(weights, "weights"), zero_points]
    graph = helper.make_graph([*nodes, *others], "product", [read], [given], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def packed(values):
    """As numbers of one byte, as onnx's own helper writes small tensors."""
    return helper.make_tensor("zeros", TensorProto.UINT8, [len(values)], values.tolist())


def raw(values):
    return numpy_helper.from_array(values, "zeros")


def some(seed):
    """Weights near their zero points: products of 60 or less by a byte don't overflow on any CPU."""
    random = np.random.default_rng(seed)
    zero_points = random.integers(60, 196, WIDTHS[1]).astype(np.uint8)
    return (zero_points + random.integers(-60, 61, WIDTHS)).astype(np.uint8), zero_points


def tensors(model):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 999), st.sampled_from([packed, raw]))
def test_each_weight_keeps_its_distance_from_its_zero_point(seed, form):
    weights, zero_points = some(seed)
    model = onnx.load_from_string(with_signed_weights(product(weights, form(zero_points)).SerializeToString()))
    onnx.checker.check_model(model)
    found = tensors(model)
    assert {values.dtype for values in found.values()} == {np.dtype(np.int8)}
    differences = found["weights"].astype(int) - found["zeros"]
    np.testing.assert_array_equal(differences, weights.astype(int) - zero_points)


@pytest.mark.parametrize("form", [packed, raw])
def test_a_cpu_with_vnni_and_one_without_give_the_same_to_the_bit(tmp_path, monkeypatch, form):
    path, rows = tmp_path / "product.onnx", np.random.default_rng(1).standard_normal((7, WIDTHS[0]))
    weights, zero_points = some(2)
    onnx.save(product(weights, form(zero_points)), str(path))
    given = {}
    for flags in ({"avx2"}, {"avx2", "avx_vnni"}, {"avx512f", "avx512_vnni"}, set()):
        monkeypatch.setattr(signed_weights, "cpu_flags", lambda flags=flags: frozenset(flags))
        given[frozenset(flags)] = open_session(path, 1).run(None, {"x": rows.astype(np.float32)})[0]
    first, *others = given.values()
    assert np.ptp(first) > 0
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_what_is_used_otherwise_too_stays_as_it_is():
    weights, zero_points = some(3)
    other = helper.make_node("Cast", ["weights"], ["floats"], to=TensorProto.FLOAT)
    model = product(weights, raw(zero_points), other).SerializeToString()
    assert with_signed_weights(model) == model


@pytest.mark.parametrize(
    "path", sorted(GOLDEN.glob("*/bundle/*.onnx")), ids=lambda path: f"{path.parts[-3]}-{path.stem}"
)
def test_graphs_of_bundles_change_in_their_products_alone(path):
    model = onnx.load(str(path))
    signed = onnx.load_from_string(with_signed_weights(path.read_bytes()))
    assert list(signed.graph.node) == list(model.graph.node)
    before, after = tensors(model), tensors(signed)
    places = {"MatMulInteger": (1, 3), "QAttention": (1, 7)}
    products = [
        [node.input[place] for place in places[node.op_type]] for node in model.graph.node if node.op_type in places
    ]
    assert bool(products) == (path.stem != "scorer")
    for weights, zeros in products:
        assert after[weights].dtype == after[zeros].dtype == np.int8
        was = before.pop(weights).astype(int) - before.pop(zeros)
        np.testing.assert_array_equal(after.pop(weights).astype(int) - after.pop(zeros), was)
    assert before.keys() == after.keys()
    for name, values in before.items():
        assert values.dtype == after[name].dtype
        np.testing.assert_array_equal(values, after[name])


@pytest.mark.parametrize("flags", [{"avx2"}, {"avx512_vnni"}])
def test_a_broken_file_is_one_clear_error_on_every_cpu(tmp_path, monkeypatch, flags):
    monkeypatch.setattr(signed_weights, "cpu_flags", lambda: frozenset(flags))
    weights, zero_points = some(4)
    model = product(weights, raw(zero_points)).SerializeToString()
    for name, content in {"cut": model[: len(model) // 2], "nothing": b"", "words": b"not a graph at all"}.items():
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(content)
        with pytest.raises(BundleError, match=f"{name}.onnx can't be opened"):
            open_session(path, 1)
