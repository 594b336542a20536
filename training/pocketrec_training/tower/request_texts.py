"""What people may type, or what is known of the moment: the texts of requests, and their vectors."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pocketrec_export.title_fragments import FRAGMENTS


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
