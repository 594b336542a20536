"""Candidates: the best of index, neighbours and followers, each once, nothing that is left out."""

import numpy as np
from fakes import random_vectors
from hypothesis import given
from hypothesis import strategies as st

from pocketrec.index import VectorIndex
from pocketrec.retrieval import retrieve
from pocketrec.votes import Votes


@given(seed=st.integers(0, 999), count=st.integers(1, 30), share=st.none() | st.floats(0, 1), with_trend=st.booleans())
def test_candidates_are_the_union_of_all_sources(seed, count, share, with_trend):
    random = np.random.default_rng(seed)
    vectors, user = random_vectors(40, seed), random_vectors(1, seed + 1)[0]
    without = random.choice(40, 6, replace=False).astype(np.int32)
    allowed = None if share is None else random.random(40) < share
    sums = (random.normal(size=(4, 41)) * (random.random((4, 41)) < 0.6)).astype(np.float32)
    votes = Votes(None, sums)
    trending = random.permutation(40)[:30].astype(np.int32) if with_trend else None
    found = retrieve(user, votes, VectorIndex.exact_only(vectors), count, without, allowed, trending)

    def may(row):
        return row not in without and (allowed is None or allowed[row])

    near = sorted(filter(may, range(40)), key=lambda row: -float(vectors[row] @ user))[:count]

    def best(votes):
        return sorted((row for row in range(40) if votes[row] > 0 and may(row)), key=lambda row: -votes[row])[:count]

    assert found.tolist()[: len(near)] == near
    assert len(found) == len(set(found.tolist()))
    fashion = [] if trending is None else list(filter(may, trending.tolist()))[:count]
    assert set(found.tolist()) == {*near, *best(sums[0]), *best(sums[2]), *fashion}
    assert found.dtype == np.int32
