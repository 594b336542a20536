"""Weights of int8 products, signed, as CPUs with VNNI multiply them fastest.

Files hold unsigned weights, whose products are exact on every CPU (docs/decisions/0025); of signed ones they are only
where there is VNNI, and there they are three times as fast (0039). 128 less for each weight and for its zero point
leaves their difference, and so every result, as it was to the bit.

Read and written are the few fields of ONNX's protobuf messages that this takes; all others are passed on as they are.
"""

from collections.abc import Callable, Collection, Iterator

import numpy as np
from numpy.typing import NDArray

from pocketrec.cpu import cpu_flags

Parts = list[bytes | memoryview]
"""A message in pieces, which are copied once, at the end."""

_VNNI = frozenset({"avx512_vnni", "avx_vnni"})
_INPUTS = {b"MatMulInteger": (1, 3), b"QAttention": (1, 7)}
"""Places of weights and of their zero points, by operator."""

# Numbers of fields: of a model, of its graph, of a node, and of a tensor.
_GRAPH = 7
_NODE, _INITIALIZER = 1, 5
_INPUT, _OPERATOR = 1, 4
_TYPE, _INT32_DATA, _NAME, _RAW_DATA = 2, 5, 8, 9
_UNSIGNED, _SIGNED = b"\x02", b"\x03"
_KINDS = {1: 8, 5: 4}
"""Kinds of fields that have a fixed length, in bytes; 0 is a number of any length, 2 is preceded by its length."""


def signed_is_faster() -> bool:
    """Whether this CPU has VNNI."""
    return not _VNNI.isdisjoint(cpu_flags())


def with_signed_weights(model: bytes) -> bytes:
    """An ONNX model whose int8 products have signed weights; one that uses such a weight otherwise stays as it is.

    Args:
        model: As it lies in the file.
    """
    return b"".join(_changed(memoryview(model), _GRAPH, _signed_graph))


def _signed_graph(graph: memoryview) -> Parts:
    nodes = [content for number, _, content in _fields(graph) if number == _NODE]
    tensors = [content for number, _, content in _fields(graph) if number == _INITIALIZER]
    chosen = _weights(nodes, {_first(tensor, _NAME) for tensor in tensors if _first(tensor, _TYPE) == _UNSIGNED})
    return _changed(
        graph, _INITIALIZER, lambda tensor: _signed_tensor(tensor) if _first(tensor, _NAME) in chosen else [tensor]
    )


def _weights(nodes: Collection[memoryview], unsigned: Collection[bytes]) -> set[bytes]:
    """Names of weights and zero points of int8 products; none if one of them is used otherwise too."""
    chosen, others = set[bytes](), set[bytes]()
    for node in nodes:
        inputs = [bytes(content) for number, _, content in _fields(node) if number == _INPUT]
        pair = {inputs[place] for place in _INPUTS.get(_first(node, _OPERATOR), ()) if place < len(inputs)}
        if len(pair) == 2 and pair.issubset(unsigned):
            chosen |= pair
            others |= set(inputs) - pair
        else:
            others |= set(inputs)
    return chosen if chosen.isdisjoint(others) else set()


def _signed_tensor(tensor: memoryview) -> Parts:
    parts, values = _field(_TYPE, 0, [_SIGNED]), list[NDArray[np.uint8]]()
    for number, whole, content in _fields(tensor):
        if number == _RAW_DATA:
            values.append(np.frombuffer(content, np.uint8))
        elif number == _INT32_DATA:
            values.append(np.array(list(_varints(content)), np.uint8))
        elif number != _TYPE:
            parts.append(whole)
    return parts + _field(_RAW_DATA, 2, [(each ^ 0x80).data for each in values])


def _changed(message: memoryview, changes: int, change: Callable[[memoryview], Parts]) -> Parts:
    """A message with the fields of one number changed."""
    parts = Parts()
    for number, whole, content in _fields(message):
        parts += _field(number, 2, change(content)) if number == changes else [whole]
    return parts


def _first(message: memoryview, wanted: int) -> bytes:
    return next((bytes(content) for number, _, content in _fields(message) if number == wanted), b"")


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview, memoryview]]:
    """Of each field its number, all its bytes, and those of its content."""
    place = 0
    while place < len(message):
        tag, start = _varint(message, place)
        kind = tag & 7
        if kind == 2:
            length, start = _varint(message, start)
            end = start + length
        elif kind == 0:
            _, end = _varint(message, start)
        else:
            end = start + _KINDS[kind]
        yield tag >> 3, message[place:end], message[start:end]
        place = end


def _field(number: int, kind: int, content: Parts) -> Parts:
    length = _as_varint(sum(map(len, content))) if kind == 2 else b""
    return [_as_varint(number << 3 | kind), length, *content]


def _varints(message: memoryview) -> Iterator[int]:
    place = 0
    while place < len(message):
        value, place = _varint(message, place)
        yield value


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def _as_varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])
