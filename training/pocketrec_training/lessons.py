"""What tower and items learn from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pocketrec_export.held_out import HeldOut
from pocketrec_training.context import Contexts
from pocketrec_training.evaluate.splits import Split
from pocketrec_training.request_texts import RequestVectors
from pocketrec_training.sequences import Batch, Rows


@dataclass(frozen=True, slots=True)
class Lessons:
    """Events, the texts of requests, and the cases that choose the epoch."""

    histories: list[Rows]
    """Of each user the places in `rows` of what was taken, oldest first."""
    rows: Rows
    """Item of each event."""
    contexts: NDArray[np.int64]
    """Of each event its place among the contexts of `requests`; -1 for none."""
    requests: RequestVectors
    validation: HeldOut
    """Cases that choose the epoch."""
    validation_contexts: NDArray[np.int64]
    """Of each case its place among the contexts; -1 for none."""

    @classmethod
    def of(cls, split: Split, contexts: Contexts, requests: RequestVectors) -> "Lessons":
        """All that a split lets models learn from."""
        ends = np.cumsum([len(rows) for rows in split.fit], dtype=np.int64)
        rows = np.concatenate([*split.fit, np.zeros(0, np.int32)])
        places = np.split(np.arange(len(rows), dtype=np.int32), ends[:-1])
        return cls(places, rows, contexts.lessons, requests, split.validation, contexts.validation)

    def batch(self, pieces: Sequence[Rows]) -> Batch:
        """Pieces of histories as one batch."""
        last = np.array([piece[-1] for piece in pieces])
        return Batch.of([self.rows[piece] for piece in pieces], self.contexts[last])

    def popularity(self, items: int) -> Tensor:
        """Float [items], interactions with each item."""
        return torch.from_numpy(np.bincount(self.rows, minlength=items)).float()
