"""Metrics of rankings. Accuracy, novelty and diversity have a value per case; coverage and Gini one for all.

Below, R is the ranking cut at k, T the case's targets, hit_j is 1 where position j of R holds a target.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pocketrec.rankings import hits, ndcg

Ranked = NDArray[np.int32]
"""Item rows [n, k], best first; -1 where a ranking is shorter."""
Values = NDArray[np.float64]


def accuracy(ranked: Ranked, targets: Sequence[NDArray[np.int32]], cutoffs: Sequence[int]) -> dict[str, Values]:
    """All accuracy metrics at all cutoffs, each with a value per case.

        ndcg       DCG / best possible DCG, as in `pocketrec.rankings.ndcg`
        recall     sum_j hit_j / |T|
        precision  sum_j hit_j / k
        f1         2 * precision * recall / (precision + recall), 0 where both are 0
        mrr        1 / position of the first hit, 0 without one
        map        sum_j hit_j * precision@j / |T| (trec_eval's map_cut)
        hit        1 where any hit

    Args:
        ranked: Item rows [n, K].
        targets: Rows that should have come first; repeats count once.
        cutoffs: Values of k, each at most K.

    Returns:
        Values [n] by key: `ndcg@10`, `recall@10`, ...

    Example:
        Of two targets one stands second, the other is missing.

        >>> values = accuracy(np.array([[4, 3, 8]]), [np.array([3, 5])], cutoffs=[3])
        >>> for key, value in values.items():
        ...     print(key, value[0].round(4))
        ndcg@3 0.3869
        recall@3 0.5
        precision@3 0.3333
        f1@3 0.4
        mrr@3 0.5
        map@3 0.25
        hit@3 1.0
    """
    if max(cutoffs) > ranked.shape[1]:
        raise ValueError(f"cutoff {max(cutoffs)} is beyond the {ranked.shape[1]} ranked items")
    hit = hits(ranked, targets)
    wanted = np.array([len(np.unique(rows)) for rows in targets], dtype=np.float64)
    places = np.arange(1, ranked.shape[1] + 1)
    found = np.cumsum(hit, axis=1)
    summed = np.cumsum(hit * found / places, axis=1)
    reciprocal = np.maximum.accumulate(hit / places, axis=1)
    values: dict[str, Values] = {}
    for k in cutoffs:
        count = found[:, k - 1].astype(np.float64)
        values[f"ndcg@{k}"] = ndcg(ranked[:, :k], targets)
        values[f"recall@{k}"] = count / wanted
        values[f"precision@{k}"] = count / k
        values[f"f1@{k}"] = 2 * count / (k + wanted)
        values[f"mrr@{k}"] = reciprocal[:, k - 1]
        values[f"map@{k}"] = summed[:, k - 1] / wanted
        values[f"hit@{k}"] = (count > 0).astype(np.float64)
    return values


def coverage(ranked: Ranked, items: int) -> float:
    """Share of the catalogue that is recommended to anybody.

    Example:
        >>> coverage(np.array([[0, 1], [1, -1]]), items=4)
        0.5
    """
    return len(np.unique(ranked[ranked >= 0])) / items


def gini(ranked: Ranked, items: int) -> float:
    """How unequally recommendations fall on the catalogue: 0 all items alike, towards 1 always the same few.

        G = sum_i (2 i - n - 1) x_i / (n sum_i x_i), with x the n items' counts in ascending order

    Example:
        >>> gini(np.array([[0], [1], [2], [3]]), items=4), gini(np.array([[0], [0]]), items=4)
        (0.0, 0.75)
    """
    counts = np.sort(np.bincount(ranked[ranked >= 0], minlength=items))
    if not counts.any():
        return 0.0
    return float(((2 * np.arange(1, items + 1) - items - 1) * counts).sum() / (items * counts.sum()))


def novelty(ranked: Ranked, takers: NDArray[np.int64], users: int) -> Values:
    """Mean self-information of the recommended items, in bits: high where few users took them.

        mean over R of -log2(users who took i / users); an item nobody took counts as taken by one
        (Zhou et al., PNAS 2010)

    Args:
        ranked: Item rows [n, k].
        takers: Users who took each item in the data that models learn from, [items].
        users: Number of those users.

    Example:
        >>> novelty(np.array([[0, 1]]), takers=np.array([4, 1]), users=4)
        array([1.])
    """
    bits = -np.log2(np.maximum(takers, 1) / max(users, 1))
    real = ranked >= 0
    means: Values = (bits[ranked] * real).sum(axis=1) / np.maximum(real.sum(axis=1), 1)
    return means


def diversity(ranked: Ranked, vectors: NDArray[np.float32]) -> Values:
    """Intra-list diversity: 1 - mean cosine of all pairs in a ranking (Ziegler et al., WWW 2005).

    For unit vectors v of m items the pairs' sum is (|sum v|^2 - sum |v|^2) / 2, so no pair is formed.

    Args:
        ranked: Item rows [n, k].
        vectors: A vector for each item, [items, d]; scaled to unit length here.

    Returns:
        Values [n] in 0..2; 0 for rankings of fewer than two items.

    Example:
        >>> diversity(np.array([[0, 1], [0, 2]]), np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32))
        array([1., 0.])
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(lengths > 0, lengths, 1)
    squares = (unit.astype(np.float64) ** 2).sum(axis=1)
    values = np.zeros(len(ranked))
    for case, rows in enumerate(ranked):
        rows = rows[rows >= 0]
        if len(rows) > 1:
            total = unit[rows].sum(axis=0, dtype=np.float64)
            values[case] = 1 - (total @ total - squares[rows].sum()) / (len(rows) * (len(rows) - 1))
    return values
