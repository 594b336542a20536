"""What people may type, or what is known of the moment: the texts of requests, and their vectors."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pocketrec.items import Item
from pocketrec.text import clean_text

FRAGMENTS = 2
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class RequestTexts:
    """Everything that is read beside the items."""

    fragments: list[tuple[str, ...]]
    """For each item `FRAGMENTS` pieces of its title."""
    contexts: list[str]
    """Distinct texts about a moment or a user."""
    queries: list[str]
    """That were typed, and are learnt from."""
    held_out: list[str]
    """That were typed, and validate."""

    def read(self, read: Callable[[list[str]], NDArray[np.float32]]) -> "RequestVectors":
        """Read all in one go; `read` gives vectors [texts, width]."""
        fragments = [text for pieces in self.fragments for text in pieces]
        parts = (fragments, self.contexts, self.queries, self.held_out)
        vectors = torch.from_numpy(read([text for part in parts for text in part]))
        titles, contexts, queries, held_out = torch.split(vectors, [len(part) for part in parts])
        return RequestVectors(
            titles.view(len(self.fragments), FRAGMENTS, -1), F.pad(contexts, (0, 0, 0, 1)), queries, held_out
        )


@dataclass(frozen=True, slots=True)
class RequestVectors:
    """Text vectors of all `RequestTexts`, before the projection."""

    fragments: Tensor
    """Float [items, FRAGMENTS, width]."""
    contexts: Tensor
    """Float [contexts + 1, width]; the last, at place -1, stands for none and is zero."""
    queries: Tensor
    """Float [queries, width]."""
    held_out: Tensor
    """Float [held out, width]."""

    def final(self) -> "RequestVectors":
        """For a last lesson: those held out come last among the queries that are learnt from."""
        return RequestVectors(
            self.fragments, self.contexts, torch.cat([self.queries, self.held_out]), self.held_out[:0]
        )

    def contexts_at(self, places: NDArray[np.int64], read: Callable[[Tensor], Tensor]) -> Tensor | None:
        """Vectors of some contexts, float [places, dim], zero at place -1; None if all are.

        Args:
            places: Of contexts.
            read: From text vectors to unit vectors of length dim.
        """
        known = torch.from_numpy(places >= 0)
        return read(self.contexts[places]) * known[:, None] if bool(known.any()) else None


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
