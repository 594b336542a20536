"""Compare rankings: hits, NDCG, overlap, and bootstrap intervals over users."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Interval = tuple[float, float]

_CELLS = 2_000_000
"""Draws held in memory at a time."""


def hits(ranked: NDArray[np.int32], targets: Sequence[NDArray[np.int32]]) -> NDArray[np.bool_]:
    """Which of the ranked items are targets.

    Args:
        ranked: Item rows [n, k], best first; -1 where a ranking is shorter.
        targets: Rows that should have come first, at least one a case; repeats count once.

    Returns:
        Booleans [n, k].

    Raises:
        ValueError: The two differ in length, or a case has no target.

    Example:
        >>> hits(np.array([[7, 3, -1]]), [np.array([3, 4])])
        array([[False,  True, False]])
    """
    if len(ranked) != len(targets):
        raise ValueError(f"{len(ranked)} rankings for {len(targets)} cases; they must be as many")
    if not len(ranked):
        return np.zeros(ranked.shape, dtype=np.bool_)
    lengths = np.array([len(rows) for rows in targets])
    if not lengths.all():
        raise ValueError(f"case {int(lengths.argmin())} has no target; leave such cases out")
    rows = np.concatenate(targets).astype(np.int64)
    width = int(max(ranked.max(initial=0), rows.max())) + 2
    wanted = np.repeat(np.arange(len(targets)), lengths) * width + rows + 1
    found: NDArray[np.bool_] = np.isin(np.arange(len(ranked))[:, None] * width + ranked + 1, wanted)
    return found & (ranked >= 0)


def ndcg(ranked: NDArray[np.int32], targets: Sequence[NDArray[np.int32]]) -> NDArray[np.float64]:
    """Normalised discounted cumulative gain of each case, with gains 0 and 1 (Järvelin and Kekäläinen, 2002).

        DCG = sum over positions j = 1..k of hit_j / log2(j + 1)
        NDCG = DCG / (DCG of a ranking with all targets in front)

    Args:
        ranked: Item rows [n, k], best first; -1 where a ranking is shorter.
        targets: Rows that should have come first.

    Returns:
        Values [n] in 0..1.

    Example:
        The only target stands second, so NDCG = 1 / log2(3).

        >>> ndcg(np.array([[7, 3, 5]]), [np.array([3])]).round(4)
        array([0.6309])
    """
    discounts = 1.0 / np.log2(np.arange(ranked.shape[1]) + 2)
    ideal = np.concatenate([[0.0], np.cumsum(discounts)])
    counts = np.array([len(np.unique(rows)) for rows in targets], dtype=np.int64)
    gains: NDArray[np.float64] = hits(ranked, targets) @ discounts
    best: NDArray[np.float64] = ideal[np.minimum(counts, ranked.shape[1])]
    return gains / best


def overlap(a: NDArray[np.int32], b: NDArray[np.int32]) -> NDArray[np.float64]:
    """Share of items that two rankings of each case have in common, in any order.

    Args:
        a: Item rows [n, k]; -1 where a ranking is shorter.
        b: The same shape.

    Returns:
        |a and b| / max(|a|, |b|) [n]; 1 where both are empty.

    Example:
        >>> overlap(np.array([[1, 2, 3, 4]]), np.array([[4, 3, 8, 9]]))
        array([0.5])
    """
    if a.shape != b.shape:
        raise ValueError(f"rankings of shapes {a.shape} and {b.shape}; they must be the same")
    longest = np.maximum((a >= 0).sum(axis=1), (b >= 0).sum(axis=1))
    shared = ((a[:, :, None] == b[:, None, :]) & (a >= 0)[:, :, None]).any(axis=2).sum(axis=1)
    return np.where(longest > 0, shared / np.maximum(longest, 1), 1.0)


def bootstrap_means(
    values: NDArray[np.float64], samples: int = 2000, seed: int = 0, whose: NDArray[np.int32] | None = None
) -> NDArray[np.float64]:
    """Means of columns over users drawn with replacement (Efron, 1979); all columns share the draws.

    Args:
        values: One row a case, one column a measure: [n, m], n >= 1.
        samples: Number of resamples.
        seed: Of the draws.
        whose: User of each case [n], whose cases are drawn together; by default each case is a user of its own.

    Returns:
        Means [samples, m].
    """
    sums, counts = values, np.ones(len(values))
    if whose is not None:
        sums, counts = sums_by_user(values, whose), sums_by_user(counts[:, None], whose)[:, 0]
    users = len(sums)
    if users == 0:
        raise ValueError("no users to resample")
    random = np.random.default_rng(seed)
    means = np.empty((samples, sums.shape[1]))
    step = max(1, _CELLS // users)
    for start in range(0, samples, step):
        size = min(step, samples - start)
        drawn = random.integers(users, size=(size, users)) + users * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * users).reshape(size, users)
        means[start : start + size] = times @ sums / (times @ counts)[:, None]
    return means


def sums_by_user(values: NDArray[np.float64], whose: NDArray[np.int32]) -> NDArray[np.float64]:
    """Sums of the rows of each user, in the order of their numbers, [users, m].

    Example:
        >>> sums_by_user(np.array([[1.0], [2.0], [4.0]]), np.array([7, 3, 7])).tolist()
        [[2.0], [5.0]]
    """
    users, place = np.unique(whose, return_inverse=True)
    sums = np.zeros((len(users), values.shape[1]))
    np.add.at(sums, place, values)
    return sums


def bootstrap_intervals(
    values: NDArray[np.float64],
    samples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    whose: NDArray[np.int32] | None = None,
) -> list[Interval]:
    """Percentile interval of the mean of each column of `values` [n, m]; `whose` as in `bootstrap_means`."""
    tail = (1 - level) / 2
    low, high = np.quantile(bootstrap_means(values, samples, seed, whose), [tail, 1 - tail], axis=0)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def bootstrap_interval(
    values: NDArray[np.float64], samples: int = 2000, seed: int = 0, level: float = 0.95
) -> Interval:
    """Percentile interval of the mean of `values` [n], one value a user.

    Example:
        >>> bootstrap_interval(np.full(10, 0.25))
        (0.25, 0.25)
    """
    return bootstrap_intervals(values[:, None], samples, seed, level)[0]


@dataclass(frozen=True, slots=True)
class Difference:
    """How much the mean of one ranking's values lies above another's, over the same users."""

    mean: float
    interval: Interval
    """95 % interval of `mean`."""
    relative: float
    """`mean` as a share of the other ranking's mean; 0 where that is 0."""
    relative_interval: Interval


def paired_bootstrap(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    samples: int = 2000,
    seed: int = 0,
    whose: NDArray[np.int32] | None = None,
) -> Difference:
    """Difference mean(a) - mean(b) with 95 % intervals from a paired bootstrap over users.

    Args:
        a: One value a case [n].
        b: The other ranking's values for the same cases [n].
        samples: Number of resamples.
        seed: Of the draws.
        whose: User of each case [n]; by default each is a user of its own.

    Example:
        >>> paired_bootstrap(np.array([0.5, 1.0]), np.array([0.4, 0.8])).relative
        0.25
    """
    if a.shape != b.shape:
        raise ValueError(f"values of shapes {a.shape} and {b.shape}; pairs need the same users")
    means = bootstrap_means(np.stack([a - b, b], axis=1), samples, seed, whose)
    ratios = np.divide(means[:, 0], means[:, 1], out=np.zeros(samples), where=means[:, 1] != 0)
    low, high = np.quantile(np.stack([means[:, 0], ratios], axis=1), [0.025, 0.975], axis=0)
    mean, base = float(np.mean(a) - np.mean(b)), float(np.mean(b))
    return Difference(
        mean=mean,
        interval=(float(low[0]), float(high[0])),
        relative=float(round(mean / base, 12)) if base else 0.0,
        relative_interval=(float(low[1]), float(high[1])),
    )
