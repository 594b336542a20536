"""Other ways to say an item."""

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
import torch
from torch import Tensor

from pocketrec.items import Item
from pocketrec.text import TextTemplate

Field = Literal["title", "categories", "text"]


def varied_texts(items: Sequence[Item], template: TextTemplate, drop: float, random: np.random.Generator) -> list[str]:
    """Each item's text with its fields in another order, and some but the title left out.

    Args:
        items: What to say.
        template: Usual order and separator.
        drop: Share of fields left out.
        random: Draws.

    Example:
        >>> tea = Item(id="1", title="Blue teapot", categories=("kitchen",))
        >>> sorted(set(varied_texts([tea] * 20, TextTemplate(), 0.5, np.random.default_rng(0))))
        ['Blue teapot', 'Blue teapot. kitchen', 'kitchen. Blue teapot']
    """
    texts = []
    for item in items:
        shuffled: list[Field] = [template.fields[place] for place in random.permutation(len(template.fields))]
        kept = tuple(field for field in shuffled if field == "title" or random.random() >= drop)
        texts.append(msgspec.structs.replace(template, fields=kept).render(item))
    return texts


def kept_tokens(length: int, drop: float) -> Tensor:
    """Places of the tokens of a text that stay, int64; the first and last, which models treat as special, always do."""
    keep = torch.rand(length) >= drop
    keep[0] = keep[-1] = True
    return keep.nonzero()[:, 0]
