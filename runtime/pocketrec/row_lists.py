"""Lists of item rows, each of its own length, as plain arrays of an `.npz`."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int32]


def packed(lists: Mapping[str, Sequence[Rows]]) -> dict[str, NDArray[np.generic]]:
    """Two arrays for each list: all rows one after the other, and how many belong together.

    Example:
        >>> sorted(packed({"users": [np.array([7, 3], np.int32)]}))
        ['users_lengths', 'users_rows']
    """
    arrays: dict[str, NDArray[np.generic]] = {}
    for name, rows in lists.items():
        arrays[f"{name}_lengths"] = np.array([len(one) for one in rows], dtype=np.int64)
        arrays[f"{name}_rows"] = np.concatenate([*rows, np.zeros(0, np.int32)])
    return arrays


def unpacked(arrays: Mapping[str, NDArray[np.generic]], name: str) -> list[Rows]:
    """The list of that name.

    Raises:
        KeyError: There is none.

    Example:
        >>> rows = unpacked(packed({"users": [np.array([7, 3], np.int32), np.array([5], np.int32)]}), "users")
        >>> [one.tolist() for one in rows]
        [[7, 3], [5]]
    """
    lengths, rows = arrays[f"{name}_lengths"], arrays[f"{name}_rows"].astype(np.int32, copy=False)
    return np.split(rows, np.cumsum(lengths)[:-1]) if len(lengths) else []
