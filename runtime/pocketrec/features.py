"""What the scorer reads of each candidate beside the vectors: one definition for training and runtime."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

FEATURES = (
    "tower",
    "neighbours",
    "last_neighbours",
    "followers",
    "last_followers",
    "last_similarity",
    "mean_similarity",
    "query_similarity",
    "popularity",
    "cold",
    "query_given",
    "seen_allowed",
    "trend",
)
"""Names of the features, in the order in which the scorer's graph takes them."""
BEFORE_TREND = FEATURES[:-1]
"""Those of bundles up to format 2, upgraded or not."""
KINDS = ("query_given", "seen_allowed")
"""What kind of request it is, alike for all candidates."""

_RECENT = 10
"""Newest items of a history whose mean is compared."""


def features(
    *,
    user: Floats,
    vectors: Floats,
    votes: Floats,
    popularity: Floats,
    trend: Floats,
    history: Floats,
    query: Floats | None,
    allow_seen: bool,
) -> Floats:
    """Features of a request's candidates.

    Args:
        user: User vector [dim].
        vectors: Candidates' vectors [count, dim].
        votes: From `Votes.at` [4, count].
        popularity: From `scaled_popularity`, [count]; 0 marks a cold item.
        trend: How much they are taken of late, [count]; 0 where that says no more than popularity.
        history: Vectors of the history, oldest first [length, dim]; length may be 0.
        query: Vector of the query [dim], if there is one.
        allow_seen: Whether items of the history may be recommended.

    Returns:
        Float32 [count, len(FEATURES)]; what has no source in the request is 0.
    """
    table = np.zeros((len(vectors), len(FEATURES)), np.float32)
    # One product for all similarities: rows of `probes` are the user, the newest item, the recent mean, the query.
    probes = np.zeros((4, vectors.shape[1]), np.float32)
    probes[0] = user
    if len(history):
        probes[1] = history[-1]
        recent = history[-_RECENT:]
        probes[2] = recent.sum(axis=0) / len(recent)
    if query is not None:
        probes[3] = query
    similarities = vectors @ probes.T
    table[:, 0] = similarities[:, 0]
    table[:, 1:5] = damped(votes).T
    table[:, 5:8] = similarities[:, 1:]
    table[:, 8] = popularity
    table[:, 9] = popularity == 0
    table[:, 10] = query is not None
    table[:, 11] = allow_seen
    table[:, 12] = trend
    return table


def appeal(popularity: Floats, trend: Floats) -> Floats:
    """What a stranger is told, as far as scores go: what is taken of late, where that is known, then what ever was."""
    return trend + popularity * np.float32(1e-3 if trend.any() else 1)


def damped(sums: Floats) -> Floats:
    """sign(x) sqrt|x|: votes are heavy-tailed, and the scorer is nearly linear."""
    return np.copysign(np.sqrt(np.abs(sums)), sums, dtype=np.float32)


def scaled_popularity(counts: NDArray[np.int32]) -> Floats:
    """log(1 + count) as a share of the largest; 0 only for items without interactions.

    Example:
        >>> scaled_popularity(np.array([0, 1, 3])).tolist()
        [0.0, 0.5, 1.0]
    """
    logs = np.log1p(counts.astype(np.float32))
    return (logs / max(float(logs.max(initial=0.0)), 1e-12)).astype(np.float32)
