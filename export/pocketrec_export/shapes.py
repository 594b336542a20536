"""Proof that a graph's batch and length are free: run it over a grid of shapes and compare with torch."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pocketrec.errors import ModelError
from pocketrec.graphs import open_session

GRID = ((1, 1), (1, 2), (1, 16), (1, 50), (2, 1), (3, 7), (7, 33), (16, 50))
"""Batch and length."""
TOLERANCE = 1e-4
"""Largest difference of an output, all of which are near 1 in size, that float32 arithmetic explains."""

Inputs = dict[str, NDArray[np.generic]]


def prove_shapes(
    module: nn.Module,
    path: Path,
    inputs: Callable[[int, int], Inputs],
    grid: Iterable[tuple[int, int]] = GRID,
    tolerance: float = TOLERANCE,
) -> float:
    """Run a graph and its module on every shape.

    Args:
        module: What the graph was made from, in eval mode.
        path: The ONNX file, float32.
        inputs: Makes inputs by name for a batch and length.
        grid: Shapes to run.
        tolerance: Largest absolute difference allowed.

    Returns:
        The largest absolute difference met.

    Raises:
        ModelError: The graph fails on a shape or differs from the module; the message names the shape.
    """
    session = open_session(path, threads=1)
    worst = 0.0
    for batch, length in grid:
        feed = inputs(batch, length)
        with torch.inference_mode():
            expected = module(*(torch.from_numpy(array) for array in feed.values())).numpy()
        try:
            found = session.run(None, feed)[0]
        except Exception as error:  # onnxruntime raises its own kinds, all of them Exception
            raise ModelError(f"{path.name} fails at batch {batch}, length {length}: {error}") from None
        if found.shape != expected.shape:
            raise ModelError(
                f"{path.name} gives shape {found.shape} at batch {batch}, length {length}: {expected.shape} expected"
            )
        difference = float(np.abs(found - expected).max(initial=0.0))
        if not difference <= tolerance:
            raise ModelError(
                f"{path.name} differs from the model by {difference:.2g} at batch {batch}, length {length}; "
                f"at most {tolerance:.2g} is allowed"
            )
        worst = max(worst, difference)
    return worst
