"""The language model learns to vote: the texts of some things that a person took must say what else he took.

An item that nobody took is found by the votes of those whose texts are most like its own (`newcomers/votes.py`). Here
the encoder learns just these votes, before tower, neighbours and scorer are trained on what it reads
(docs/decisions/0023).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from pocketrec.likeness import centred
from pocketrec.progress import progress
from pocketrec.rankings import ndcg
from pocketrec_training.encoder.gradient_cache import GradientCache
from pocketrec_training.encoder.reading import Reading
from pocketrec_training.losses.negatives import in_batch_share
from pocketrec_training.losses.votes import vote_loss
from pocketrec_training.newcomers.length import playing_newcomers
from pocketrec_training.newcomers.votes import votes_by_text
from pocketrec_training.processes import Processes

Rows = NDArray[np.int32]
Mask = NDArray[np.bool_]

_SHOWN = 8
"""Most items of a history that are read in a step."""
_ASKED = 2000
"""Most histories by which a round is judged."""


def tune_by_votes(
    reading: Reading,
    histories: Sequence[Rows],
    popularity: NDArray[np.integer[Any]],
    ordered: bool,
    rounds: int,
    steps: int,
    seed: int,
    checkpoint: Path | None,
) -> float:
    """Teach the encoder, which ends as it was after its best round, or as it came if none was better.

    A tenth of the known items play newcomers: they are never read with gradients, and how well the others' votes find
    them in the histories that have them is how a round is judged.

    Args:
        reading: The encoder.
        histories: Item rows of each user, oldest first.
        popularity: Interactions with each item [items].
        ordered: Whether the order of a history says something: then what stands together is shown together.
        rounds: After each the catalogue is read anew.
        steps: Batches in a round.
        seed: Of everything random.
        checkpoint: File to resume from, if it is there, and to write after each round.

    Returns:
        NDCG@10 of the newcomers among themselves, at its best.
    """
    playing = playing_newcomers(popularity > 0, seed)
    lessons = _Lessons.of(histories, popularity, playing, ordered)
    newcomers = _Newcomers.of(histories, playing, seed)
    run = _Run(reading, lessons, newcomers, rounds, steps, seed)
    if checkpoint is not None and checkpoint.exists():
        run.resume(checkpoint)
    else:
        run.judge()
    with progress("Tuning the encoder", total=rounds) as shown:
        shown.advance(run.round)
        while run.round < rounds and lessons.histories:
            loss = run.one_round()
            quality = run.judge()
            shown.advance()
            shown.note(f"loss {loss:.3f}, newcomers' NDCG@10 {quality:.4f}")
            if checkpoint is not None and run.processes.rank == 0:
                run.write(checkpoint)
    reading.reader.restore(run.best_state)
    return run.best_quality


@dataclass(frozen=True, slots=True)
class _Lessons:
    """Histories to learn from, without what plays newcomers."""

    histories: list[Rows]
    shares: Tensor
    """Float [items], of all interactions."""
    ordered: bool

    @classmethod
    def of(
        cls, histories: Sequence[Rows], popularity: NDArray[np.integer[Any]], playing: Mask, ordered: bool
    ) -> "_Lessons":
        kept = [_distinct(rows[~playing[rows]]) for rows in histories]
        shares = torch.from_numpy(popularity / max(int(popularity.sum()), 1)).float()
        return cls([rows for rows in kept if len(rows) >= 2], shares, ordered)

    def draw(self, texts: int, random: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Items of a batch, int64 [items]; what each of some histories shows of them and has, bool [histories, items].

        Args:
            texts: Most items.
            random: Draws.
        """
        most = min(_SHOWN, texts // 2)
        chosen = [self.histories[place] for place in random.permutation(len(self.histories))[: texts // most]]
        pieces = []
        for rows in chosen:
            rows = rows if self.ordered else random.permutation(rows)
            start = int(random.integers(max(len(rows) - most, 0) + 1))
            pieces.append(rows[start : start + most])
        items = np.unique(np.concatenate(pieces))
        shown, taken = (
            torch.from_numpy(np.array([np.isin(items, rows) for rows in part])) for part in (pieces, chosen)
        )
        return torch.from_numpy(items.astype(np.int64)), shown, taken


@dataclass(frozen=True, slots=True)
class _Newcomers:
    """Known items that play newcomers, and the histories that ask for one of them."""

    playing: Mask
    histories: list[Rows]
    """Without what plays."""
    wanted: list[Rows]
    """One item of each."""

    @classmethod
    def of(cls, histories: Sequence[Rows], playing: Mask, seed: int) -> "_Newcomers":
        asking = [rows for rows in histories if playing[rows].any() and not playing[rows].all()]
        some = [asking[place] for place in np.random.default_rng(seed).permutation(len(asking))[:_ASKED]]
        return cls(
            playing, [_distinct(rows[~playing[rows]]) for rows in some], [rows[playing[rows]][:1] for rows in some]
        )

    def quality(self, vectors: NDArray[np.float32]) -> float:
        """NDCG@10 of what is wanted, among newcomers, by the votes of the rest of each history."""
        if not self.histories:
            return 0.0
        alike, rows = centred(vectors), np.flatnonzero(self.playing)
        cast = votes_by_text(alike @ alike[rows].T, self.playing, 1.0)
        sums = (cast[history].sum(axis=0) for history in self.histories)
        best = np.array([(-line).argsort(kind="stable")[:10] for line in sums])
        return float(np.mean(ndcg(rows[best].astype(np.int32), self.wanted)))


class _Run:
    """The state of the training, all of it in a checkpoint."""

    def __init__(
        self, reading: Reading, lessons: _Lessons, newcomers: _Newcomers, rounds: int, steps: int, seed: int
    ) -> None:
        self.reading, self.lessons, self.newcomers = reading, lessons, newcomers
        self.rounds, self.steps, self.seed = rounds, steps, seed
        self.processes = Processes.here()
        self.learners = reading.reader.parameters()
        self.optimiser = torch.optim.AdamW(self.learners, lr=reading.rate, weight_decay=0.01, fused=True)
        self.round, self.best_quality = 0, -1.0
        self.best_state = reading.reader.state()
        self.common = torch.zeros(0)

    def one_round(self) -> float:
        """Take the steps of a round; returns the mean loss."""
        torch.manual_seed(self.seed * 100_003 + self.round + 7919 * self.processes.rank)
        random = np.random.default_rng([self.seed, self.round])
        losses = []
        for step in range(self.steps):
            self._set_rate((self.round + step / self.steps) / self.rounds)
            losses.append(self._step(random))
        self.round += 1
        return float(np.mean(losses))

    def judge(self) -> float:
        """Read the catalogue; remember the weights if newcomers were never found better."""
        vectors = self.reading.reader.read_first(self.reading.items, "Reading the catalogue")
        self.common = torch.from_numpy(vectors.mean(axis=0))
        quality = self.newcomers.quality(vectors)
        if quality > self.best_quality:
            self.best_quality, self.best_state = quality, self.reading.reader.state()
        return quality

    def write(self, path: Path) -> None:
        """Save everything; the old checkpoint stays until the new one is whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".part")
        state = {
            "round": self.round,
            "best_quality": self.best_quality,
            "best_state": self.best_state,
            "state": self.reading.reader.state(),
            "common": self.common,
            "optimiser": self.optimiser.state_dict(),
        }
        torch.save(state, aside)
        aside.replace(path)

    def resume(self, path: Path) -> None:
        """Take up where `write` left off."""
        state: dict[str, Any] = torch.load(path, weights_only=True)
        self.round, self.best_quality, self.best_state = state["round"], state["best_quality"], state["best_state"]
        self.common = state["common"]
        self.reading.reader.restore(state["state"])
        self.optimiser.load_state_dict(state["optimiser"])

    def _step(self, random: np.random.Generator) -> float:
        """One step of the optimiser; returns the loss."""
        items, shown, taken = self.lessons.draw(self.reading.texts, random)
        said = self.reading.said(items, self.reading.ways(len(items), random))
        cached = GradientCache(self.reading.read, said, self.reading.chunk, self.processes)
        vectors = F.normalize(cached.vectors - self.common, dim=1)
        cases = int(shown.sum())
        expected = in_batch_share(self.lessons.shares[items], cases).clamp(min=1e-12).log()
        loss = vote_loss(vectors, shown, taken, expected, self.processes.part(cases)) / cases
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.processes.sum_gradients([cached.vectors])
        cached.backward()
        self.processes.sum_gradients(self.learners)
        nn.utils.clip_grad_norm_(self.learners, 1.0)
        self.optimiser.step()
        return loss.item()

    def _set_rate(self, done: float) -> None:
        """Warm up over the first eighth of the run, then fall along a cosine."""
        factor = min(1.0, done * 8 + 0.05) * 0.5 * (1 + math.cos(math.pi * done))
        for group in self.optimiser.param_groups:
            group["lr"] = self.reading.rate * factor


def _distinct(rows: Rows) -> Rows:
    """Each item once, in the order of its first time."""
    return rows[np.sort(np.unique(rows, return_index=True)[1])]
