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
from pocketrec_export.graphs.unit import unit

ITEM, QUERY, CONTEXT = 0, 1, 2
"""Kinds of token; their order in a request is context, history, query."""
UNSEEN = -1e4
"""Bias of what mustn't be seen: its weight in a softmax is 0, and no sum of two leaves float16's range."""


class TowerConfig(Config, frozen=True, kw_only=True):
    """Shape of the user tower."""

    layers: Annotated[int, Meta(ge=1)] = 2
    """Blocks of attention and feed-forward."""
    heads: Annotated[int, Meta(ge=1)] = 2
    """Of attention; a divisor of `dim`."""
    hidden: Annotated[int, Meta(ge=8)] = 256
    """Width of the feed-forward layers."""
    history: Annotated[int, Meta(ge=1)] = 50
    """Newest items that are read."""
    positions: bool = True
    """Whether the order of a history counts; baskets have none."""
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.4
    """Share of units that are left out in a step."""


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
        self.scale = dim**0.5
        self.history, self.positions = config.history, config.positions
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(dim, config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(dim)

    def forward(self, vectors: Tensor, kinds: Tensor, mask: Tensor) -> Tensor:
        """User vector after the last token; the last block computes that position alone.

        Args:
            vectors: Float [batch, length, dim], unit rows, oldest first, padding at the left; at most `history`
                items with a query and a context.
            kinds: Int64 [batch, length]: `ITEM`, `QUERY` or `CONTEXT`.
            mask: Float [batch, length]: 1 for a token, 0 for padding.

        Returns:
            Float [batch, dim], unit rows.
        """
        states, padding = self._embed(vectors, kinds), _padding(mask)
        *lower, last = self.blocks
        for block in lower:
            states = block(states, padding, last_only=False)
        return unit(self.norm(last(states, padding, last_only=True)[:, 0]))

    def every_position(self, vectors: Tensor, kinds: Tensor, mask: Tensor) -> Tensor:
        """User vector after each token, for training: float [batch, length, dim]."""
        states, padding = self._embed(vectors, kinds), _padding(mask)
        for block in self.blocks:
            states = block(states, padding, last_only=False)
        return unit(self.norm(states))

    def _embed(self, vectors: Tensor, kinds: Tensor) -> Tensor:
        # Unit vectors have components near dim ** -0.5; the blocks work at unit variance.
        scaled: Tensor = vectors * self.scale + self.kinds(kinds)
        dropped: Tensor = self.dropout(scaled)
        return dropped


class Block(nn.Module):
    """One pre-norm transformer block with a learned distance bias for each head."""

    distances: Tensor
    future: Tensor

    def __init__(self, dim: int, config: TowerConfig) -> None:
        super().__init__()
        if dim % config.heads:
            raise ValueError(f"tower.heads={config.heads} doesn't divide dim={dim}")
        self.heads, self.width = config.heads, dim // config.heads
        self.attention_norm = nn.LayerNorm(dim)
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.out = nn.Linear(dim, dim)
        self.distance_bias = nn.Parameter(torch.zeros(config.heads, config.history + 2), requires_grad=config.positions)
        places = torch.arange(config.history + 2)
        distances = places[:, None] - places[None, :]
        self.register_buffer("distances", distances.clamp(min=0), persistent=False)
        self.register_buffer("future", UNSEEN * (distances < 0).float(), persistent=False)
        self.hidden_norm = nn.LayerNorm(dim)
        self.widen = nn.Linear(dim, config.hidden)
        self.narrow = nn.Linear(config.hidden, dim)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, states: Tensor, padding: Tensor, last_only: bool) -> Tensor:
        """States after this block: all positions, or [batch, 1, dim] for the last alone."""
        reading, normed = states[:, -1:] if last_only else states, self.attention_norm(states)
        query = self._split(self.query(normed[:, -1:] if last_only else normed), self.heads)
        key, value = torch.split(self._split(self.key_value(normed), 2 * self.heads), self.heads, dim=1)
        scores = query @ key.transpose(2, 3) * self.width**-0.5
        weights = (scores + self._bias(states.shape[1], last_only) + padding).softmax(dim=-1)
        reading = reading + self.dropout(self.out((weights @ value).transpose(1, 2).flatten(2)))
        widened = F.gelu(self.widen(self.hidden_norm(reading)))
        read: Tensor = reading + self.dropout(self.narrow(widened))
        return read

    def _split(self, states: Tensor, heads: int) -> Tensor:
        """[batch, length, heads * width] to [batch, heads, length, width]."""
        return states.reshape(states.shape[0], states.shape[1], heads, self.width).transpose(1, 2)

    def _bias(self, length: int, last_only: bool) -> Tensor:
        """By distance, with the future out of reach: float [heads, length or 1, length]."""
        if last_only:
            return self.distance_bias.flip(1)[:, None, -length:]
        table = self.distance_bias[:, self.distances] + self.future
        return table[:, :length, :length]


def _padding(mask: Tensor) -> Tensor:
    """Puts padding out of reach: float [batch, 1, 1, length]."""
    return (mask - 1)[:, None, None, :] * -UNSEEN
