"""What tower and items learn from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pocketrec_export.held_out import HeldOut
from pocketrec_training.evaluate.splits import Split
from pocketrec_training.tower.context import Contexts
from pocketrec_training.tower.request_texts import RequestVectors
from pocketrec_training.tower.sequences import Batch, Rows, batches, windows


@dataclass(frozen=True, slots=True)
class Lessons:
    """Events, queries, the texts of requests, and the cases that choose the epoch."""

    histories: list[Rows]
    """Of each user the places in `rows` of what was taken, oldest first."""
    rows: Rows
    """Item of each event; where nothing was ever taken, every item once, so that each is asked for by its title."""
    contexts: NDArray[np.int64]
    """Of each event its place among the contexts of `requests`; -1 for none."""
    answers: NDArray[np.int64]
    """[pairs, 2]: a query, by its place among those of `requests`, and the row of an item that answers it."""
    requests: RequestVectors
    popularity: Tensor
    """Float [items], interactions with each item."""
    known: Tensor
    """Bool [items]: taken by somebody, or an answer. As negatives, others would only learn that nobody wants them."""
    validation: HeldOut
    """Users, or queries, that choose the epoch."""
    validation_contexts: NDArray[np.int64]
    """Of each of them its place among the contexts; -1 for none."""
    validation_queries: HeldOut
    """Queries that choose the epoch, in the order of `requests.held_out`; the same where there are no users."""

    @classmethod
    def of(cls, split: Split, contexts: Contexts, requests: RequestVectors) -> "Lessons":
        """All that a split lets models learn from."""
        items = len(requests.fragments)
        ends = np.cumsum([len(rows) for rows in split.fit], dtype=np.int64)
        rows = np.concatenate([*split.fit, np.zeros(0, np.int32)])
        popularity = np.bincount(rows, minlength=items)
        answers = [(query, row) for query, answers in enumerate(split.queries.fit.answers) for row in answers]
        known = popularity > 0
        known[split.queries.fit.items()] = True
        said = contexts.lessons
        if not len(rows):
            rows, said, known = np.arange(items, dtype=np.int32), np.full(items, -1), np.ones(items, np.bool_)
        return cls(
            histories=np.split(np.arange(ends[-1] if len(ends) else 0, dtype=np.int32), ends[:-1]),
            rows=rows,
            contexts=said,
            answers=np.array(answers, dtype=np.int64).reshape(-1, 2),
            requests=requests,
            popularity=torch.from_numpy(popularity).float(),
            known=torch.from_numpy(known),
            validation=split.validation,
            validation_contexts=contexts.validation,
            validation_queries=split.queries.validation.held_out(),
        )

    @property
    def cases(self) -> int:
        """Number of cases that choose the epoch."""
        return len(self.validation) if self.validation.queries else len(self.validation) + len(self.validation_queries)

    def pieces(self, length: int, random: np.random.Generator, shuffled: bool) -> list[Rows]:
        """Windows of histories; where nobody took two items, each event by itself: a request is made for it."""
        alone = np.arange(len(self.rows), dtype=np.int32)[:, None]
        return windows(self.histories, length, random, shuffled) or list(alone)

    def batches(self, pieces: Sequence[Rows], size: int, random: np.random.Generator) -> list[Batch]:
        """Pieces of histories in batches, and among them each query once with each of its answers."""
        drawn = batches(pieces, size, random)
        turns = np.array_split(random.permutation(self.answers), max(len(drawn), 1))
        return [self.batch(part, turn) for part, turn in zip(drawn, turns, strict=False)]

    def batch(self, pieces: Sequence[Rows], answers: NDArray[np.int64]) -> Batch:
        """Pieces of histories, and some queries with an answer [queries, 2], as one batch."""
        last = np.array([piece[-1] for piece in pieces])
        queries, wanted = torch.from_numpy(answers).unbind(dim=1)
        return replace(
            Batch.of([self.rows[piece] for piece in pieces]),
            contexts=torch.from_numpy(self.contexts[last]),
            queries=queries,
            answers=wanted,
        )
