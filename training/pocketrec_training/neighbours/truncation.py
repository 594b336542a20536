"""Keep the strongest weights of each item: a table of all of them would fill the bundle, and add little."""

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from pocketrec.neighbours import Neighbours


def truncated(weights: NDArray[np.float32], per_item: int, decay: float = 1.0) -> Neighbours:
    """Keep the `per_item` weights of largest size in each row of a dense table."""
    count = min(per_item, weights.shape[1] - 1)
    if count < 1:
        return Neighbours.none(len(weights))
    # Half the time of numpy's argpartition.
    largest = torch.from_numpy(weights).abs().topk(count, dim=1, sorted=False).indices
    strongest = np.sort(largest.numpy(), axis=1)
    kept = np.take_along_axis(weights, strongest, axis=1)
    rows = [(at[w != 0].astype(np.int32), w[w != 0]) for at, w in zip(strongest, kept, strict=True)]
    return Neighbours.of_rows(rows, decay)


def strongest(weights: csr_matrix, per_item: int) -> list[tuple[NDArray[np.int32], NDArray[np.float32]]]:
    """The `per_item` largest weights in each row of a sparse table: rows ascending, and their weights."""
    lists = []
    for start, end in pairwise(weights.indptr.tolist()):
        at, value = weights.indices[start:end], weights.data[start:end]
        top = np.argsort(-value, kind="stable")[:per_item]
        top = top[np.argsort(at[top])]
        lists.append((at[top].astype(np.int32), value[top].astype(np.float32)))
    return lists
