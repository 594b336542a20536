"""The exact scan is brute force; the graph finds the same at full breadth; neither ever falls short."""

import numpy as np
import pytest
from fakes import build_index, random_vectors
from hypothesis import given
from hypothesis import strategies as st

from pocketrec.index import HnswGraph, VectorIndex

NONE = np.zeros(0, np.int32)


def brute_force(vectors, user, count, without=(), allowed=None):
    rows = [row for row in range(len(vectors)) if row not in set(without) and (allowed is None or allowed[row])]
    return sorted(rows, key=lambda row: (-float(vectors[row] @ user), row))[:count]


def with_graph(vectors, ef, step_rows=0.0):
    """An index that walks the graph whenever that can give enough."""
    index = build_index(vectors)
    index.set_ef(ef)
    return VectorIndex(vectors, HnswGraph(index, ef, step_rows))


@st.composite
def questions(draw, most=60):
    """Vectors on a coarse grid, so that scores are exact and often equal; and what to leave out."""
    items = draw(st.integers(1, most))
    whole = st.integers(-3, 3)
    vectors = np.array(draw(st.lists(st.lists(whole, min_size=4, max_size=4), min_size=items, max_size=items)))
    user = np.array(draw(st.lists(whole, min_size=4, max_size=4)), np.float32)
    without = np.array(draw(st.lists(st.integers(0, items - 1), max_size=8)), np.int32)
    allowed = draw(st.none() | st.lists(st.booleans(), min_size=items, max_size=items).map(np.array))
    return vectors.astype(np.float32), user, draw(st.integers(1, 12)), without, allowed


@given(questions())
def test_the_scan_is_brute_force(question):
    vectors, user, count, without, allowed = question
    found = VectorIndex.exact_only(vectors).search(user, count, without, allowed)
    assert found.tolist() == brute_force(vectors, user, count, without, allowed)
    assert found.dtype == np.int32


@given(seed=st.integers(0, 1000), count=st.integers(1, 40), left_out=st.integers(0, 20))
def test_the_graph_at_full_breadth_finds_what_the_scan_finds(seed, count, left_out):
    vectors = random_vectors(100, seed)
    user, random = random_vectors(1, seed + 1)[0], np.random.default_rng(seed)
    without = random.choice(100, left_out, replace=False).astype(np.int32)
    index = with_graph(vectors, ef=100)
    assert index.search(user, count, without).tolist() == brute_force(vectors, user, count, without)


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1, 0.02])
def test_the_graph_under_a_mask_finds_what_the_scan_finds(share):
    vectors, random = random_vectors(500), np.random.default_rng(0)
    index = with_graph(vectors, ef=500)
    for user in random_vectors(20, seed=1):
        allowed = random.random(500) < share
        assert index.search(user, 10, NONE, allowed).tolist() == brute_force(vectors, user, 10, (), allowed)


@given(seed=st.integers(0, 1000), share=st.floats(0, 1), count=st.integers(1, 300), ef=st.integers(1, 20))
def test_there_are_never_fewer_than_exist(seed, share, count, ef):
    vectors, random = random_vectors(200), np.random.default_rng(seed)
    allowed = random.random(200) < share
    without = random.choice(200, 15, replace=False).astype(np.int32)
    left = allowed.copy()
    left[without] = False
    found = with_graph(vectors, ef).search(random_vectors(1, seed)[0], count, without, allowed)
    assert len(found) == len(set(found.tolist())) == min(count, left.sum())
    assert left[found].all()


def walks(index):
    """Whether a search asks the graph."""
    asked = []

    class Watched:
        def knn_query(self, *arguments, **options):
            asked.append(options["k"])
            return index.graph.index.knn_query(*arguments, **options)

    graph = index.graph
    watched = VectorIndex(index.vectors, HnswGraph(Watched(), graph.ef, graph.step_rows))

    def search(*arguments):
        asked.clear()
        watched.search(*arguments)
        return bool(asked)

    return search


def test_a_search_under_a_mask_fetches_enough_to_need_no_scan(monkeypatch):
    monkeypatch.setattr(VectorIndex, "_scan", lambda *arguments: pytest.fail("scanned"))
    random = np.random.default_rng(0)
    index, allowed = with_graph(random_vectors(1000), ef=200), np.arange(1000) % 2 == 0
    for user in random_vectors(20, seed=1):
        without = random.choice(1000, 50, replace=False).astype(np.int32)
        found = index.search(user, 100, without, allowed)
        assert len(found) == 100
        assert allowed[found].all()


def test_the_cheaper_way_is_taken():
    vectors, user = random_vectors(1000), random_vectors(1, seed=1)[0]
    cheap_graph = walks(with_graph(vectors, ef=50, step_rows=2.0))
    cheap_scan = walks(with_graph(vectors, ef=50, step_rows=200.0))
    most, few = np.arange(1000) < 900, np.arange(1000) < 20
    assert cheap_graph(user, 10, NONE, None)
    assert cheap_graph(user, 10, NONE, most)
    assert not cheap_graph(user, 10, NONE, few)  # gathering twenty vectors costs next to nothing
    assert not cheap_graph(user, 1000, NONE, None)  # all are wanted: nothing to search for
    assert not cheap_graph(user, 10, NONE, np.zeros(1000, np.bool_))
    assert not cheap_scan(user, 10, NONE, None)


def test_a_graph_that_reaches_too_few_gives_way_to_the_scan():
    vectors = random_vectors(300)
    index = build_index(vectors)
    for row in range(0, 300, 2):
        index.mark_deleted(row)  # hnswlib now raises when it is asked for most of the catalogue
    index.set_ef(10)
    found = VectorIndex(vectors, HnswGraph(index, 10, 0.0)).search(vectors[0], 200)
    assert found.tolist() == brute_force(vectors, vectors[0], 200)
