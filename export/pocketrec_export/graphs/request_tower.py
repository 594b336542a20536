"""The user tower as a request runs it: the same function in fewer operators, for export.

A request asks for one vector, the last token's. Of its query W_q x + b_q against a key W_k y + b_k, softmax doesn't see
what is the same for all y, and the rest is (W_k' (W_q x + b_q))'y: products of weights, made once at export, compare
the token with what others *are*, and no key is computed. Weights that sum to 1 pass through W_v likewise, so values
become one product behind the sum, together with W_o. The last block then costs a few rows, where it took two products
of the whole history; below it query, key and value come of one product.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pocketrec_export.graphs.unit import unit
from pocketrec_export.graphs.user import UNSEEN, Block, UserTower


class RequestTower(nn.Module):
    """A trained tower, rearranged; takes and gives what `UserTower` does, up to rounding.

    With many heads the last block has more weights than before, 2 heads dim^2 in place of 4 dim^2; its work for a long
    history is less all the same.

    Example:
        >>> from pocketrec_export.graphs.user import TowerConfig
        >>> tower = UserTower(8, TowerConfig(hidden=16)).eval()
        >>> request = torch.randn(3, 5, 8), torch.zeros(3, 5, dtype=torch.long), torch.ones(3, 5)
        >>> torch.allclose(RequestTower(tower)(*request), tower(*request), atol=1e-5)
        True
    """

    def __init__(self, tower: UserTower) -> None:
        super().__init__()
        *lower, last = (module for module in tower.blocks if isinstance(module, Block))
        self.kinds, self.scale, self.norm = tower.kinds, tower.scale, tower.norm
        self.lower = nn.ModuleList(_LowerBlock(block) for block in lower)
        self.last = _LastBlock(last)

    def forward(self, vectors: Tensor, kinds: Tensor, mask: Tensor) -> Tensor:
        """User vector after the last token: float [batch, dim], unit rows; see `UserTower.forward`."""
        length = vectors.shape[1]
        states = vectors * self.scale + self.kinds(kinds)
        padding = ((mask - 1) * -UNSEEN)[:, None]
        for block in self.lower:
            states = block(states, padding[:, None], length)
        return unit(self.norm(self.last(states, padding, length)))


class _LowerBlock(nn.Module):
    """A block for all positions."""

    bias: Tensor

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.attention_norm, self.out, self.heads, self.width = (
            block.attention_norm,
            block.out,
            block.heads,
            block.width,
        )
        self.hidden = _Hidden(block)
        scale = block.width**-0.5
        self.query_key_value = _linear(
            torch.cat([block.query.weight * scale, block.key_value.weight]),
            torch.cat([block.query.bias * scale, block.key_value.bias]),
        )
        self.register_buffer("bias", (block.distance_bias[:, block.distances] + block.future).detach())

    def forward(self, states: Tensor, padding: Tensor, length: int) -> Tensor:
        """States after it: float [batch, length, dim]."""
        together = self.query_key_value(self.attention_norm(states))
        # A tensor's own sizes become zeros in the graph's Reshape, "as it was"; any other's are computed at run time.
        split = together.reshape(together.shape[0], together.shape[1], 3 * self.heads, self.width)
        query, key, value = torch.split(split.transpose(1, 2), self.heads, dim=1)
        weights = (query @ key.transpose(2, 3) + self.bias[:, :length, :length] + padding).softmax(dim=-1)
        read = (weights @ value).transpose(1, 2)
        joined = read.reshape(read.shape[0], read.shape[1], self.heads * self.width)
        after: Tensor = self.hidden(states + self.out(joined))
        return after


class _LastBlock(nn.Module):
    """A block for the last position alone."""

    bias: Tensor

    def __init__(self, block: Block) -> None:
        super().__init__()
        heads, width, dim = block.heads, block.width, block.heads * block.width
        self.attention_norm, self.heads, self.dim = block.attention_norm, heads, dim
        self.hidden = _Hidden(block)
        query = block.query.weight.double().reshape(heads, width, dim)
        key, value = block.key_value.weight.double().reshape(2, heads, width, dim)
        query_bias = block.query.bias.double().reshape(heads, width, 1)
        value_bias = block.key_value.bias.double()[dim:]
        out = block.out.weight.double()
        scaled = key.transpose(1, 2) * width**-0.5
        self.probe = _linear((scaled @ query).reshape(heads * dim, dim), (scaled @ query_bias).reshape(heads * dim))
        by_head = out.reshape(dim, heads, width).transpose(0, 1) @ value  # heads, dim out, dim in
        self.merge = _linear(by_head.transpose(0, 1).reshape(dim, heads * dim), block.out.bias + out @ value_bias)
        self.register_buffer("bias", block.distance_bias.flip(1).detach())

    def forward(self, states: Tensor, padding: Tensor, length: int) -> Tensor:
        """State of the last position: float [batch, dim]."""
        normed = self.attention_norm(states)
        probes = self.probe(normed[:, -1]).reshape(-1, self.heads, self.dim)
        weights = (probes @ normed.transpose(1, 2) + self.bias[:, -length:] + padding).softmax(dim=-1)
        read = (weights @ normed).reshape(-1, self.heads * self.dim)
        after: Tensor = self.hidden(states[:, -1] + self.merge(read))
        return after


class _Hidden(nn.Module):
    """The feed-forward half of a block."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.norm, self.widen, self.narrow = block.hidden_norm, block.widen, block.narrow

    def forward(self, states: Tensor) -> Tensor:
        """States after it, of the same shape."""
        after: Tensor = states + self.narrow(F.gelu(self.widen(self.norm(states))))
        return after


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    """A layer of given weights."""
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return layer
