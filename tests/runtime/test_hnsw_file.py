"""hnswlib trusts every number of a file; whatever was crafted or cut is refused before it reads it."""

import struct

import numpy as np
import pytest
from fakes import DIM, M, build_index, random_vectors
from hypothesis import given
from hypothesis import strategies as st

from pocketrec import BundleError
from pocketrec.hnsw_file import check_hnsw_file
from pocketrec.index import HnswGraph
from pocketrec.manifest import IndexFacts

ITEMS = 200
HEADER = 96
ELEMENT = 8 * M + 4 + 4 * DIM + 8
ITEM_BLOCKS = ITEMS * ELEMENT
FACTS = IndexFacts(m=M, ef_construction=50, ef=20, recall=1.0, step_rows=1.0)


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("index") / "index.hnsw"
    build_index(random_vectors(ITEMS)).save_index(str(path))
    return path.read_bytes()


def check(folder, content, items=ITEMS, dim=DIM, m=M):
    path = folder / "index.hnsw"
    path.write_bytes(content)
    check_hnsw_file(path, items, dim, m)


def put(content, place, form, value):
    changed = bytearray(content)
    struct.pack_into(form, changed, place, value)
    return bytes(changed)


@pytest.mark.parametrize(("items", "m", "dim"), [(1, 4, 8), (2, 16, 3), (50, 2, 8), (500, 5, 16)])
def test_what_hnswlib_writes_is_accepted(tmp_path, items, m, dim):
    path = tmp_path / "index.hnsw"
    build_index(random_vectors(items, dim=dim), m).save_index(str(path))
    check_hnsw_file(path, items, dim, m)


def test_another_size_than_the_bundle_says_is_refused(tmp_path, content):
    for name, other in (("items", ITEMS + 1), ("dim", DIM + 1), ("m", M + 1)):
        with pytest.raises(BundleError, match=r"index\.hnsw doesn't fit"):
            check(tmp_path, content, **{name: other})


@pytest.mark.parametrize("place", range(0, 80, 8))
def test_a_crafted_number_in_the_header_is_refused(tmp_path, content, place):
    if place == 8:
        crafted = put(content, place, "<Q", ITEMS - 1)  # capacity
    elif place == 48:
        crafted = put(content, 48, "<i", 99)  # top level
    elif place == 56:
        crafted = put(content, 52, "<I", 2**31)  # entry point
    else:
        crafted = put(content, place, "<Q", 2**40)
    with pytest.raises(BundleError, match=r"index\.hnsw doesn't fit"):
        check(tmp_path, crafted)


def test_an_entry_point_that_does_not_reach_the_top_is_refused(tmp_path, content):
    top, entry = struct.unpack_from("<iI", content, 48)
    assert top > 0
    with pytest.raises(BundleError, match="entry point"):
        check(tmp_path, put(content, 48, "<i", top + 1))
    with pytest.raises(BundleError, match="entry point"):
        check(tmp_path, put(content, 52, "<I", (entry + 1) % ITEMS))


@pytest.mark.parametrize(
    ("offset", "form", "value", "says"),
    [
        (0, "<H", 2 * M + 1, "links where"),
        (4, "<I", ITEMS, "links an item"),
        (4, "<I", 2**32 - 1, "links an item"),
        (ELEMENT - 8, "<Q", ITEMS, "labels an item"),
        (ELEMENT - 8, "<Q", 2**63, "labels an item"),
    ],
)
@pytest.mark.parametrize("item", [0, 77, ITEMS - 1])
def test_a_crafted_number_of_an_item_is_refused(tmp_path, content, item, offset, form, value, says):
    with pytest.raises(BundleError, match=says):
        check(tmp_path, put(content, HEADER + item * ELEMENT + offset, form, value))


def test_a_label_that_stands_twice_is_refused(tmp_path, content):
    other = struct.unpack_from("<Q", content, HEADER + 2 * ELEMENT - 8)[0]
    with pytest.raises(BundleError, match="no item labelled"):
        check(tmp_path, put(content, HEADER + ELEMENT - 8, "<Q", other))


def upper_places(content):
    """Where each item's upper levels begin, and how many bytes they have."""
    place, found = HEADER + ITEM_BLOCKS, []
    for _ in range(ITEMS):
        size = struct.unpack_from("<I", content, place)[0]
        found.append((place, size))
        place += 4 + size
    return found


def test_crafted_upper_levels_are_refused(tmp_path, content):
    places = upper_places(content)
    place, _ = next((place, size) for place, size in places if size)
    low = next(item for item, (_, size) in enumerate(places) if not size)
    for at, form, value, says in (
        (place, "<I", 2**31, "cut off"),
        (place, "<I", 7, "no multiple"),
        (place + 4, "<H", M + 1, "links where"),
        (place + 8, "<I", ITEMS, "links an item"),
        (place + 8, "<I", low, "doesn't reach"),
    ):
        crafted = put(content, at, form, value)
        if at == place + 8 and struct.unpack_from("<H", content, place + 4)[0] == 0:
            crafted = put(crafted, place + 4, "<H", 1)
        with pytest.raises(BundleError, match=says):
            check(tmp_path, crafted)


@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_anywhere_is_refused(content, tmp_path_factory, share):
    with pytest.raises(BundleError, match=r"index\.hnsw doesn't fit"):
        check(tmp_path_factory.mktemp("cut"), content[: int(share * len(content))])


def test_bytes_at_the_end_are_refused(tmp_path, content):
    with pytest.raises(BundleError, match="4 bytes too many"):
        check(tmp_path, content + b"\0\0\0\0")


@given(place=st.integers(0, HEADER + ITEM_BLOCKS - 1), byte=st.integers(0, 255))
def test_a_file_that_passes_the_check_can_be_searched(content, tmp_path_factory, place, byte):
    """Any byte may change: either the file is refused, or hnswlib answers within its bounds."""
    path = tmp_path_factory.mktemp("byte") / "index.hnsw"
    crafted = bytearray(content)
    crafted[place] = byte
    path.write_bytes(crafted)
    try:
        graph = HnswGraph.open(path, ITEMS, DIM, FACTS)
    except BundleError:
        return
    try:
        rows = graph.index.knn_query(random_vectors(1, seed=3)[0], k=10, num_threads=1)[0][0]
    except RuntimeError:  # some links are gone: fewer than ten were reached
        return
    assert (rows < ITEMS).all()


def test_ef_is_set_again_after_loading(tmp_path, content):
    (tmp_path / "index.hnsw").write_bytes(content)
    assert HnswGraph.open(tmp_path / "index.hnsw", ITEMS, DIM, FACTS).index.ef == 20


def test_labels_in_another_order_are_still_rows(tmp_path, content):
    vectors = random_vectors(ITEMS)
    (tmp_path / "index.hnsw").write_bytes(content)
    graph = HnswGraph.open(tmp_path / "index.hnsw", ITEMS, DIM, FACTS)
    nearest = graph.index.knn_query(vectors, k=1, num_threads=1)[0].ravel()
    assert np.array_equal(nearest, np.arange(ITEMS))
