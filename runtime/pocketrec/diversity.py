"""Diverse lists: trade a little score for items unlike those already chosen."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def diversify(scores: Floats, vectors: Floats, k: int, strength: float) -> NDArray[np.intp]:
    """Maximal marginal relevance (Carbonell and Goldstein 1998).

    Each step takes the candidate with the largest (1 - strength) * relevance - strength * (largest cosine to one that
    was taken), relevance being the score scaled to 0..1 over the candidates.

    Args:
        scores: Of the candidates [count].
        vectors: Of any length, as those of newcomers are shorter [count, dim].
        k: Candidates to take.
        strength: 0 keeps the order of scores, 1 looks at variety alone.

    Returns:
        Places of the taken candidates, in order.

    Example:
        >>> alike = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
        >>> diversify(np.array([3.0, 2.9, 1.0], dtype=np.float32), alike, k=2, strength=0.6).tolist()
        [0, 2]
    """
    spread = float(scores.max() - scores.min()) if len(scores) else 0.0
    relevance = (scores - scores.min()) / spread if spread > 0 else np.ones_like(scores)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    nearest = np.zeros(len(scores), np.float32)
    open_ = np.ones(len(scores), np.bool_)
    taken: list[int] = []
    for _ in range(min(k, len(scores))):
        value = np.where(open_, (1 - strength) * relevance - strength * nearest, -np.inf)
        best = int(value.argmax())
        taken.append(best)
        open_[best] = False
        nearest = np.maximum(nearest, unit @ unit[best])
    return np.array(taken, dtype=np.intp)
