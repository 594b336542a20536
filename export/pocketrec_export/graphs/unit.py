"""Unit vectors, in as few operators of a graph as it takes."""

import torch
from torch import Tensor


def unit(vectors: Tensor) -> Tensor:
    """`torch.nn.functional.normalize` along the last axis: float, same shape; a zero stays zero.

    Example:
        >>> unit(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    lengths: Tensor = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return vectors / lengths.clamp(min=1e-12)
