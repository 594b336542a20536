"""A student learns to give its teacher's vectors."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from msgspec import Meta
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from pocketrec.config import Config
from pocketrec.progress import progress
from pocketrec_export.graphs.encoder import TextModel
from pocketrec_export.graphs.unit import unit

_POOL = 32
"""Batches that are drawn together and sorted by length, so that little padding is read."""


class ImitationConfig(Config, frozen=True, kw_only=True):
    """How a student learns."""

    epochs: Annotated[int, Meta(ge=1)]
    """Passes over the texts; the learning rate falls to zero over them."""
    rate: Annotated[float, Meta(gt=0)]
    """Peak learning rate of AdamW."""
    batch: Annotated[int, Meta(ge=1)] = 32
    """Texts in a step."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """Tokenised texts, and the teacher's vectors for them on the student's axes, float [texts, width]."""

    tokens: list[list[int]]
    vectors: Tensor

    def batches(self, size: int, random: np.random.Generator) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Ids, mask and vectors of texts of like length, in random order."""
        order = random.permutation(len(self.tokens))
        for start in range(0, len(order), size * _POOL):
            pool = sorted(order[start : start + size * _POOL], key=lambda place: len(self.tokens[place]))
            parts = [pool[i : i + size] for i in range(0, len(pool), size)]
            for place in random.permutation(len(parts)):
                ids, mask = _padded([self.tokens[text] for text in parts[place]])
                yield ids, mask, self.vectors[parts[place]]


def imitate(student: TextModel, lesson: Lesson, config: ImitationConfig, seed: int) -> None:
    """Turn the student's vectors towards the teacher's: the loss is 1 - cosine.

    Dropout stays off: it would move the student's vectors away from those it is to give.

    Args:
        student: In eval mode; changed in place.
        lesson: What to learn.
        config: How long and how fast.
        seed: Of the order of texts.
    """
    random = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(student.parameters(), weight_decay=0.0)
    steps, step = config.epochs * math.ceil(len(lesson.tokens) / config.batch), 0
    with progress("Distilling", total=steps) as shown:
        for _ in range(config.epochs):
            for ids, mask, vectors in lesson.batches(config.batch, random):
                done = step / steps
                for group in optimiser.param_groups:
                    # Warm up over the first twentieth, then fall along a cosine.
                    group["lr"] = config.rate * min(1.0, done * 20 + 0.05) * 0.5 * (1 + math.cos(math.pi * done))
                loss = 1 - (student(ids, mask) * unit(vectors)).sum(dim=1).mean()
                optimiser.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
                optimiser.step()
                step += 1
                shown.advance()
            shown.note(f"cosine {1 - loss.item():.3f}")


@torch.inference_mode()
def cosine(student: TextModel, lesson: Lesson) -> float:
    """Mean cosine to the teacher, in the teacher's own space: what lies off the student's axes counts as missed."""
    random = np.random.default_rng(0)
    close = [(student(ids, mask) * vectors).sum(dim=1) for ids, mask, vectors in lesson.batches(64, random)]
    return float(torch.cat(close).mean())


def _padded(rows: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
    """Ids and mask, int64 [rows, length], padded at the right."""
    ids = pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
    return ids, pad_sequence([torch.ones(len(row), dtype=torch.long) for row in rows], batch_first=True)
