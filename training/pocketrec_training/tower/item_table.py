"""Item vectors while they are trained: what the text says, plus what behaviour adds."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pocketrec_training.tower.unit_rows import unit_rows


class ItemTable(nn.Module):
    """All items' unit vectors: normalise(normalise(P t + c) + r).

    t is an item's text vector, P and c the projection that becomes part of the encoder, r the item's learned residual.
    A cold item has no residual and still stands at its text's place.

    Args:
        text_vectors: Float32 [items, width], from the frozen language model.
        dim: Length of item vectors.
        residual: Whether items have residuals; without them they all stand at their text's place.
    """

    text_vectors: Tensor

    def __init__(self, text_vectors: NDArray[np.float32], dim: int, residual: bool = True) -> None:
        super().__init__()
        self.register_buffer("text_vectors", torch.from_numpy(text_vectors), persistent=False)
        self.projection = whitening(self.text_vectors, dim)
        # Drawn in either case, so that what is drawn next doesn't depend on it.
        start = torch.randn(len(text_vectors), dim) * 0.02
        self.residual = nn.Parameter(start * residual, requires_grad=residual)

    @classmethod
    def learnt(cls, text_vectors: Tensor, projection: nn.Linear, residual: Tensor) -> "ItemTable":
        """A table that goes on from where training left off."""
        table = cls(text_vectors.numpy(), projection.out_features)
        table.projection.load_state_dict(projection.state_dict())
        table.residual.data.copy_(residual)
        return table

    def forward(self, warm: Tensor | None = None, text_vectors: Tensor | None = None) -> Tensor:
        """Unit vectors of all items, float [items, dim].

        Args:
            warm: Bool [items]: those that keep their residual; the text alone of the others must do, and so stays good
                for ranking. All keep it by default.
            text_vectors: Vectors to stand in for the table's own.
        """
        residual: Tensor = self.residual
        if warm is not None:
            residual = residual * warm[:, None]
        read = self.read(self.text_vectors if text_vectors is None else text_vectors)
        return unit_rows(read + residual)

    def read(self, text_vectors: Tensor) -> Tensor:
        """Unit vectors of texts alone, float [texts, dim]."""
        return unit_rows(self.projection(text_vectors))


def whitening(text_vectors: Tensor, dim: int) -> nn.Linear:
    """Projection to the first `dim` principal components, each at unit variance.

    Vectors of one domain's texts lie in a narrow cone; whitening spreads them before training starts
    (Su et al. 2021, "Whitening sentence representations").
    """
    mean = text_vectors.mean(dim=0)
    _, sizes, axes = torch.linalg.svd(text_vectors - mean, full_matrices=False)
    rank = min(dim, len(axes))
    deviations = sizes[:rank] / len(text_vectors) ** 0.5
    projection = nn.Linear(text_vectors.shape[1], dim)
    with torch.no_grad():
        # A little of the original scale keeps directions of hardly any variance from being blown up.
        projection.weight.zero_()[:rank] = axes[:rank] / (deviations + 0.01)[:, None]
        projection.bias.copy_(-projection.weight @ mean)
    return projection
