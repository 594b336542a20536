"""The scorer's features, number by number."""

import numpy as np
import pytest
from fakes import random_vectors
from hypothesis import given
from hypothesis import strategies as st

from pocketrec.features import FEATURES, features, scaled_popularity


def plain(user, vectors, votes, popularity, trend, history, query, allow_seen):
    """One number after another, by the definitions."""

    def damped(x):
        return np.sign(x) * abs(x) ** 0.5

    rows = []
    for at, vector in enumerate(vectors):
        recent = [float(vector @ each) for each in history[-10:]]
        rows.append(
            {
                "tower": vector @ user,
                "neighbours": damped(votes[0, at]),
                "last_neighbours": damped(votes[1, at]),
                "followers": damped(votes[2, at]),
                "last_followers": damped(votes[3, at]),
                "last_similarity": recent[-1] if recent else 0,
                "mean_similarity": sum(recent) / len(recent) if recent else 0,
                "query_similarity": vector @ query if query is not None else 0,
                "query_given": 0 if query is None else 1,
                "popularity": popularity[at],
                "trend": trend[at],
                "cold": 1 if popularity[at] == 0 else 0,
                "seen_allowed": 1 if allow_seen else 0,
            }
        )
    return np.array([[row[name] for name in FEATURES] for row in rows], np.float32).reshape(-1, len(FEATURES))


@given(st.integers(0, 999), st.integers(0, 9), st.integers(0, 13), st.booleans(), st.booleans())
def test_features_are_what_their_names_say(seed, count, length, asked, again):
    random = np.random.default_rng(seed)
    given = {
        "user": random_vectors(1, seed)[0],
        "vectors": random_vectors(count, seed + 1) if count else np.zeros((0, 8), np.float32),
        "votes": random.normal(size=(4, count)).astype(np.float32),
        "popularity": np.maximum(random.normal(size=count), 0).astype(np.float32),
        "trend": random.random(count, dtype=np.float32),
        "history": random_vectors(length, seed + 2) if length else np.zeros((0, 8), np.float32),
        "query": random_vectors(1, seed + 3)[0] if asked else None,
        "allow_seen": again,
    }
    table = features(**given)
    assert table.dtype == np.float32
    assert np.allclose(table, plain(**given), atol=1e-6)


@pytest.mark.parametrize("counts", [[0, 0], [5], [0, 1, 3, 7], []])
def test_popularity_is_a_share_of_the_largest_logarithm(counts):
    scaled = scaled_popularity(np.array(counts, np.int32))
    most = max([np.log1p(count) for count in counts], default=0) or 1
    assert np.allclose(scaled, [np.log1p(count) / most for count in counts])
    assert scaled.dtype == np.float32
