"""Narrower feed-forward layers for a student: the units that say most about the domain's texts stay.

A unit counts by the size of its activations times that of its outgoing weights, which is how far it moves its layer's
states (Sun et al. 2023, "A Simple and Effective Pruning Approach for Large Language Models", there for single weights).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D, prune_layer

from pocketrec_export.graphs.encoder import TextModel
from pocketrec_export.graphs.layers import layers_of

_WIDTHS = ("intermediate_size", "hidden_dim", "n_inner")
"""Names that configurations have for the width of feed-forward layers."""


def narrow(student: TextModel, share: float, tokens: Sequence[Sequence[int]]) -> None:
    """Take the units that say least out of every feed-forward layer.

    A model whose layers have more than one such block, as MobileBERT's, stays as it is.

    Args:
        student: In eval mode; changed in place.
        share: Of the units that stay.
        tokens: Ids of some texts, by which units are judged.
    """
    config = student.transformer.config
    name = next((name for name in _WIDTHS if hasattr(config, name)), None)
    if name is None or share == 1:
        return
    width = getattr(config, name) or 4 * student.width  # None is GPT-2's word for "as usual"
    blocks = [_Block.of(layer, width) for layer in layers_of(student.transformer)]
    if not all(block.down and block.up for block in blocks):
        return
    kept = max(1, round(share * width))
    hooks = [block.watch() for block in blocks]
    with torch.inference_mode():
        for ids in tokens:
            read = torch.tensor([list(ids)])
            student(read, torch.ones_like(read))
    for hook in hooks:
        hook.remove()
    for block in blocks:
        block.keep(kept)
    setattr(config, name, kept)


@dataclass(frozen=True, slots=True)
class _Block:
    """The feed-forward block of one layer."""

    layer: nn.Module
    up: list[str]
    """Names of the products that make its units: two where one gates the other, none where it can't be told."""
    down: str
    """Name of the product that reads them; empty where it can't be told."""
    seen: Tensor
    """Sum of squares of each unit's activations."""

    @classmethod
    def of(cls, layer: nn.Module, width: int) -> "_Block":
        """Find it by the width of its units, which a product of the attention may happen to have as well."""
        shapes = {
            name: _shape(part)
            for name, part in layer.named_modules()
            if isinstance(part, nn.Linear | Conv1D) and "att" not in name
        }
        up = [name for name, (read, given) in shapes.items() if given == width != read]
        down = [name for name, (read, given) in shapes.items() if read == width != given]
        return cls(layer, up, down[0] if len(down) == 1 else "", torch.zeros(width))

    def watch(self) -> torch.utils.hooks.RemovableHandle:
        """Sum activations up from here on, until the handle is removed."""

        def add(_: nn.Module, given: tuple[Tensor]) -> None:
            self.seen.add_(given[0].square().flatten(0, -2).sum(dim=0))

        return self.layer.get_submodule(self.down).register_forward_pre_hook(add)

    def keep(self, count: int) -> None:
        """Leave the units that count most, in their order."""
        down = self.layer.get_submodule(self.down)
        outgoing = torch.linalg.norm(down.get_parameter("weight"), dim=0 if isinstance(down, nn.Linear) else 1)
        best = (self.seen.sqrt() * outgoing).topk(count).indices.sort().values
        for name in (*self.up, self.down):
            part = self.layer.get_submodule(name)
            # Of a Linear axis 0 is what it gives, of GPT-2's Conv1D axis 1.
            axis = int((name == self.down) == isinstance(part, nn.Linear))
            parent, _, own = name.rpartition(".")
            setattr(self.layer.get_submodule(parent), own, prune_layer(part, best, axis))


def _shape(part: nn.Linear | Conv1D) -> tuple[int, int]:
    """How many numbers it reads and gives."""
    first, second = part.weight.shape
    return (second, first) if isinstance(part, nn.Linear) else (first, second)
