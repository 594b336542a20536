"""Check an hnswlib file before its native reader, which trusts every number, sees it.

hnswlib 0.8 writes a header; then a block for each element: the links of level 0, the vector and the label; then for
each element the size of its upper links, and these: a block for each level above 0 that the element reaches. A block of
links is their number in two bytes, two bytes of flags, and room for as many links as its level may have.
"""

import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from pocketrec.errors import BundleError

_HEADER = struct.Struct("<QQQQQQiIQQQdQ")
"""Offset of level 0, capacity, count, bytes an element, offsets of label and vector, top level, entry point, links in
upper levels, links in level 0, M, the factor that draws levels, breadth of construction."""
_CHUNK = 4096


def check_hnsw_file(path: Path, items: int, dim: int, m: int) -> None:
    """Check every number by which hnswlib addresses memory.

    Args:
        path: The file.
        items: Vectors that it must hold, labelled from 0 to `items` - 1.
        dim: Their length.
        m: Links that it must have been built with.

    Raises:
        BundleError: A number isn't what it must be, a link points to an item that isn't there or doesn't reach its
            level, or the file is shorter or longer than its own numbers say.
    """
    with path.open("rb") as file:
        top, entry = _check_header(path, file.read(_HEADER.size), items, dim, m)
        _check_elements(path, file, items, dim, m)
        levels = _check_upper_links(path, file.read(), items, m)
    if items and levels[entry] != top:
        raise _unfit(path, f"its entry point {entry} reaches level {levels[entry]}, not {top}")


def _check_header(path: Path, head: bytes, items: int, dim: int, m: int) -> tuple[int, int]:
    """Top level and entry point."""
    if len(head) < _HEADER.size:
        raise _unfit(path, "it is cut off in its header")
    start, capacity, count, element, label, vector, top, entry, upper, lowest, links, _, _ = _HEADER.unpack(head)
    for what, found, expected in (
        ("offset of level 0", start, 0),
        ("number of items", count, items),
        ("M", links, m),
        ("links in upper levels", upper, m),
        ("links in level 0", lowest, 2 * m),
        ("offset of vectors", vector, 8 * m + 4),
        ("offset of labels", label, 8 * m + 4 + 4 * dim),
        ("bytes an item", element, 8 * m + 4 + 4 * dim + 8),
    ):
        if found != expected:
            raise _unfit(path, f"{what} is {found}, not {expected}")
    if capacity < count:
        raise _unfit(path, f"capacity is {capacity}, less than its {count} items")
    if items and entry >= items:
        raise _unfit(path, f"its entry point is {entry}, beyond its {items} items")
    return top, entry


def _check_elements(path: Path, file: BinaryIO, items: int, dim: int, m: int) -> None:
    """Every link of level 0 must point to an item, and the labels be the rows, each once."""
    kind = np.dtype(
        [("number", "<u2"), ("flags", "<u2"), ("links", "<u4", 2 * m), ("vector", "<f4", dim), ("label", "<u8")]
    )
    labelled = np.zeros(items, np.bool_)
    for start in range(0, items, _CHUNK):
        wanted = min(_CHUNK, items - start)
        content = file.read(wanted * kind.itemsize)
        if len(content) < wanted * kind.itemsize:
            raise _unfit(path, "it is cut off in its items")
        elements = np.frombuffer(content, kind)
        _check_links(path, elements["number"], elements["links"], items)
        if (elements["label"] >= items).any():
            raise _unfit(path, f"it labels an item {elements['label'].max()}, beyond its {items} items")
        labelled[elements["label"].astype(np.int64)] = True
    if not labelled.all():
        raise _unfit(path, f"it has no item labelled {labelled.argmin()}")


def _check_upper_links(path: Path, content: bytes, items: int, m: int) -> NDArray[np.int64]:
    """Every link of an upper level must point to an item that reaches this level. Returns each item's top level."""
    kind = np.dtype([("number", "<u2"), ("flags", "<u2"), ("links", "<u4", m)])
    levels = np.zeros(items, np.int64)
    blocks, place = [], 0
    for item in range(items):
        size = int.from_bytes(content[place : place + 4], "little")
        end = place + 4 + size
        if end > len(content) or place + 4 > len(content):
            raise _unfit(path, "it is cut off in its upper levels")
        if size % kind.itemsize:
            raise _unfit(path, f"the upper links of item {item} take {size} bytes, no multiple of {kind.itemsize}")
        if size:
            levels[item] = size // kind.itemsize
            blocks.append(content[place + 4 : end])
        place = end
    if place != len(content):
        raise _unfit(path, f"it has {len(content) - place} bytes too many")
    linked = np.frombuffer(b"".join(blocks), kind)
    real = _check_links(path, linked["number"], linked["links"], items)
    level = np.concatenate([np.arange(1, top + 1) for top in levels[levels > 0]] or [np.zeros(0, np.int64)])
    if (levels[linked["links"][real]] < np.repeat(level, real.sum(axis=1))).any():
        raise _unfit(path, "it links an item on a level that this item doesn't reach")
    return levels


def _check_links(path: Path, numbers: NDArray[np.uint16], links: NDArray[np.uint32], items: int) -> NDArray[np.bool_]:
    """Mask of the links that count; each must point to an item."""
    if (numbers > links.shape[1]).any():
        raise _unfit(path, f"an item has {numbers.max()} links where {links.shape[1]} have room")
    real = np.arange(links.shape[1]) < numbers[:, None]
    if (links[real] >= items).any():
        raise _unfit(path, f"it links an item {links[real].max()}, beyond its {items} items")
    return real


def _unfit(path: Path, why: str) -> BundleError:
    return BundleError(f"{path} doesn't fit the bundle: {why}; export the bundle again")
