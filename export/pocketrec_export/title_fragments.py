"""Pieces of titles: what people might type."""

import re
from collections.abc import Sequence

import numpy as np

from pocketrec.items import Item
from pocketrec.text import clean_text

FRAGMENTS = 2
"""Pieces of each title."""
_WORD = re.compile(r"\S+")


def title_fragments(items: Sequence[Item], seed: int) -> list[tuple[str, ...]]:
    """What a person might type to find each item: `FRAGMENTS` runs of words of its title.

    Example:
        >>> title_fragments([Item(id="1", title="Blue teapot")], seed=0)
        [('Blue teapot', 'Blue teapot')]
    """
    random = np.random.default_rng(seed)
    texts = []
    for item in items:
        words = _WORD.findall(clean_text(item.title))
        pieces = []
        for _ in range(FRAGMENTS):
            length = int(random.integers(1, len(words) + 1))
            start = int(random.integers(0, len(words) - length + 1))
            pieces.append(" ".join(words[start : start + length]))
        texts.append(tuple(pieces))
    return texts
