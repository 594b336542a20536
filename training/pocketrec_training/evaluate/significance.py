"""Whether a ranking is better than others beyond chance, when it is compared with several."""

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pocketrec.rankings import bootstrap_means, sums_by_user

Name = TypeVar("Name")


def permutation_test(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    samples: int = 10_000,
    seed: int = 0,
    whose: NDArray[np.int32] | None = None,
) -> float:
    """Two-sided p-value of a paired randomisation test (Smucker et al., CIKM 2007).

    Were a and b swapped at random for each user, how often would their means lie as far apart as they do?

    Args:
        a: One value a case [n].
        b: The other ranking's values for the same cases [n].
        samples: Number of random swaps of all users.
        seed: Of the swaps.
        whose: User of each case [n], whose cases are swapped together; by default each is a user of its own.

    Returns:
        (1 + swaps at least as extreme) / (1 + samples).
    """
    differences = _differences(a, b, whose)
    differences = differences[differences != 0]
    if not len(differences):
        return 1.0
    random = np.random.default_rng(seed)
    step = max(1, 4_000_000 // len(differences))
    bound = abs(differences.sum()) - 1e-9
    extreme = 0
    for start in range(0, samples, step):
        heads = random.integers(2, size=(min(step, samples - start), len(differences)), dtype=np.int8)
        extreme += int((np.abs(2 * (heads @ differences) - differences.sum()) >= bound).sum())
    return (1 + extreme) / (1 + samples)


def bootstrap_test(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    samples: int = 2000,
    seed: int = 0,
    whose: NDArray[np.int32] | None = None,
) -> float:
    """Two-sided p-value of a paired, studentised bootstrap test (Sakai, SIGIR 2006).

    Were the mean difference nought, how often would users drawn with replacement show one of as many standard errors?

    Args:
        a: One value a case [n].
        b: The other ranking's values for the same cases [n].
        samples: Number of resamples of all users.
        seed: Of the draws.
        whose: User of each case [n], whose cases are drawn together; by default each is a user of its own.

    Returns:
        (1 + resamples at least as extreme) / (1 + samples).
    """
    differences = _differences(a, b, whose)
    if not differences.any():
        return 1.0
    mean, spread = abs(differences.mean()), differences.std()
    if spread < 1e-12:  # all users differ alike
        return 1 / (1 + samples)
    centred = differences - differences.mean()
    means, squares = bootstrap_means(np.stack([centred, centred**2], axis=1), samples, seed).T
    # |t*| >= |t|, both times both spreads: that of a resample may be nought.
    extreme = np.abs(means) * spread >= mean * np.sqrt(np.maximum(squares - means**2, 0)) - 1e-12
    return float((1 + extreme.sum()) / (1 + samples))


def holm(p_values: Mapping[Name, float]) -> dict[Name, float]:
    """Adjust p-values so that their level bounds the chance of any false one among them (Holm, 1979).

    Example:
        >>> holm({"ease": 0.01, "popularity": 0.02})
        {'ease': 0.02, 'popularity': 0.02}
    """
    adjusted: dict[Name, float] = {}
    largest = 0.0
    for done, name in enumerate(sorted(p_values, key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - done) * p_values[name]))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}


def _differences(
    a: NDArray[np.float64], b: NDArray[np.float64], whose: NDArray[np.int32] | None
) -> NDArray[np.float64]:
    """Of each user."""
    if a.shape != b.shape:
        raise ValueError(f"values of shapes {a.shape} and {b.shape}; pairs need the same users")
    return a - b if whose is None else sums_by_user((a - b)[:, None], whose)[:, 0]
