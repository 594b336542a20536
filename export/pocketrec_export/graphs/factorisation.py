"""Matrix factorisation as a user tower: folding a history in, written as a graph.

Implicit-feedback factorisation (Hu, Koren and Volinsky 2008) gives a new user u, with item factors V and history h,
as the solution of (V'V + alpha V_h'V_h + lambda I) u = (1 + alpha) V_h'1. Conjugate gradients solve it (Takacs, Pilaszy
and Tikk 2011), preconditioned with the part that every user shares, in a fixed number of steps, so it exports to ONNX.

Factors have any length, the index wants unit vectors: dividing by the longest and adding one coordinate that fills up
to length one keeps the order of inner products (Bachrach et al. 2014, section 3).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pocketrec_export.graphs.unit import unit

STEPS = 8
"""Conjugate-gradient steps; a history of h items needs h + 1 at most, and far fewer in practice."""


class FactorisationTower(nn.Module):
    """Unit item vectors of a history to the unit user vector of matrix factorisation.

    Args:
        dim: Length of the unit vectors, one more than the factors.
    """

    longest: Tensor
    shared: Tensor
    inverse: Tensor
    confidence: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        factors = dim - 1
        self.register_buffer("longest", torch.ones(()))
        self.register_buffer("shared", torch.eye(factors))
        self.register_buffer("inverse", torch.eye(factors))
        self.register_buffer("confidence", torch.ones(()))

    @classmethod
    def of_factors(cls, factors: Tensor, regularisation: float, confidence: float) -> "FactorisationTower":
        """Tower for trained item factors, float [items, dim - 1].

        Args:
            factors: V above.
            regularisation: lambda above.
            confidence: alpha above.
        """
        tower = cls(factors.shape[1] + 1)
        shared = factors.T @ factors + regularisation * torch.eye(factors.shape[1])
        tower.longest.copy_(factors.norm(dim=1).max())
        tower.shared.copy_(shared)
        tower.inverse.copy_(torch.linalg.inv(shared.double()).float())
        tower.confidence.fill_(confidence)
        return tower

    def unit_vectors(self, factors: Tensor) -> Tensor:
        """Factors, float [items, dim - 1], as unit vectors, float [items, dim]."""
        scaled = factors / self.longest
        rest = (1 - scaled.square().sum(dim=1, keepdim=True)).clamp(min=0).sqrt()
        return torch.cat([scaled, rest], dim=1)

    def forward(self, vectors: Tensor, kinds: Tensor, mask: Tensor) -> Tensor:
        """User vector of a history, float [batch, dim]; query and context tokens count as items.

        Args:
            vectors: Float [batch, length, dim], unit rows.
            kinds: Int64 [batch, length]; has no effect on the answer.
            mask: Float [batch, length]: 1 for a token, 0 for padding.
        """
        # The product with zero keeps `kinds` in the graph: all user graphs are fed alike.
        seen = vectors[:, :, :-1] * self.longest * (mask + 0 * kinds)[:, :, None]
        right = (1 + self.confidence) * seen.sum(dim=1)
        user = right @ self.inverse
        residual = right - self._normal_product(user, seen)
        preconditioned = residual @ self.inverse
        direction, size = preconditioned, (residual * preconditioned).sum(dim=1, keepdim=True)
        for _ in range(STEPS):
            image = self._normal_product(direction, seen)
            step = size / (direction * image).sum(dim=1, keepdim=True).clamp(min=1e-20)
            user = user + step * direction
            residual = residual - step * image
            preconditioned = residual @ self.inverse
            next_size = (residual * preconditioned).sum(dim=1, keepdim=True)
            direction = preconditioned + next_size / size.clamp(min=1e-20) * direction
            size = next_size
        return F.pad(unit(user), (0, 1))

    def _normal_product(self, user: Tensor, seen: Tensor) -> Tensor:
        """(V'V + alpha V_h'V_h + lambda I) user."""
        agreement = seen @ user[:, :, None]
        return user @ self.shared + self.confidence * (agreement * seen).sum(dim=1)
