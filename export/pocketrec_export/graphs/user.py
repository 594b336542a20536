"""The user tower: a causal transformer from a history's vectors to one user vector.

Order enters by a learned bias on the distance between two tokens (Raffel et al. 2020, "T5", section 2.1) rather than
by positions counted from one end, so a history and its continuation give the same vectors for what they share:
training reads every position of a history in one pass, the runtime computes the last one alone, and both agree.
"""

from typing import Annotated

import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from pocketrec.config import Config

ITEM, QUERY, CONTEXT = 0, 1, 2
"""Kinds of token; their order in a request is context, history, query."""


class TowerConfig(Config, frozen=True, kw_only=True):
    """Shape of the user tower."""

    layers: Annotated[int, Meta(ge=1)] = 2
    heads: Annotated[int, Meta(ge=1)] = 2
    hidden: Annotated[int, Meta(ge=8)] = 256
    """Width of the feed-forward layers."""
    history: Annotated[int, Meta(ge=1)] = 50
    """Newest items that are read."""
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.4


class UserTower(nn.Module):
    """Vectors of a history, and of query and context, to a unit-length user vector.

    Args:
        dim: Length of item and user vectors.
        config: Shape of the transformer.

    Example:
        >>> tower = UserTower(8, TowerConfig(hidden=16)).eval()
        >>> tower(torch.randn(3, 5, 8), torch.zeros(3, 5, dtype=torch.long), torch.ones(3, 5)).shape
        torch.Size([3, 8])
    """

    def __init__(self, dim: int, config: TowerConfig) -> None:
        super().__init__()
        self.kinds = nn.Embedding(3, dim)
        nn.init.normal_(self.kinds.weight, std=0.02)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(dim, config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(dim)

    def forward(self, vectors: Tensor, kinds: Tensor, mask: Tensor) -> Tensor:
        """User vector after the last token; the last block computes that position alone.

        Args:
            vectors: Float [batch, length, dim], unit rows, oldest first, padding at the left.
            kinds: Int64 [batch, length]: `ITEM`, `QUERY` or `CONTEXT`.
            mask: Float [batch, length]: 1 for a token, 0 for padding.

        Returns:
            Float [batch, dim], unit rows.
        """
        states = self._embed(vectors, kinds)
        *lower, last = self.blocks
        for block in lower:
            states = block(states, mask, last_only=False)
        return F.normalize(self.norm(last(states, mask, last_only=True)[:, 0]), dim=-1)

    def every_position(self, vectors: Tensor, kinds: Tensor, mask: Tensor) -> Tensor:
        """User vector after each token, for training: float [batch, length, dim]."""
        states = self._embed(vectors, kinds)
        for block in self.blocks:
            states = block(states, mask, last_only=False)
        return F.normalize(self.norm(states), dim=-1)

    def _embed(self, vectors: Tensor, kinds: Tensor) -> Tensor:
        # Unit vectors have components near dim ** -0.5; the blocks work at unit variance.
        scaled: Tensor = vectors * vectors.shape[-1] ** 0.5 + self.kinds(kinds)
        dropped: Tensor = self.dropout(scaled)
        return dropped


class Block(nn.Module):
    """One pre-norm transformer block with a learned distance bias for each head."""

    def __init__(self, dim: int, config: TowerConfig) -> None:
        super().__init__()
        if dim % config.heads:
            raise ValueError(f"tower.heads={config.heads} doesn't divide dim={dim}")
        self.heads = config.heads
        self.attention_norm = nn.LayerNorm(dim)
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)
        # One more than the history for the query token; anything farther shares the last bias.
        self.distance_bias = nn.Parameter(torch.zeros(config.heads, config.history + 2))
        self.hidden_norm = nn.LayerNorm(dim)
        self.widen = nn.Linear(dim, config.hidden)
        self.narrow = nn.Linear(config.hidden, dim)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, states: Tensor, mask: Tensor, last_only: bool) -> Tensor:
        """States after this block: all positions, or [batch, 1, dim] for the last alone."""
        reading = states[:, -1:] if last_only else states
        normed = self.attention_norm(states)
        query = self._split(self.query(normed[:, -1:] if last_only else normed))
        scores = query @ self._split(self.key(normed)).transpose(2, 3) * (query.shape[-1] ** -0.5)
        weights = (scores + self._bias(mask, last_only)).softmax(dim=-1)
        mixed = (weights @ self._split(self.value(normed))).transpose(1, 2).flatten(2)
        reading = reading + self.dropout(self.out(mixed))
        widened = F.gelu(self.widen(self.hidden_norm(reading)))
        read: Tensor = reading + self.dropout(self.narrow(widened))
        return read

    def _split(self, states: Tensor) -> Tensor:
        return states.reshape(states.shape[0], -1, self.heads, states.shape[2] // self.heads).transpose(1, 2)

    def _bias(self, mask: Tensor, last_only: bool) -> Tensor:
        """Distance bias, with what is in the future or padding out of reach."""
        places = torch.arange(mask.shape[1], device=mask.device)
        distances = (places[-1:] if last_only else places)[:, None] - places[None, :]
        bias = self.distance_bias[:, distances.clamp(0, self.distance_bias.shape[1] - 1)]
        hidden = (distances < 0).to(mask.dtype)[None, None] + (1 - mask)[:, None, None, :]
        return bias[None] - 1e4 * hidden
