"""Train projection, item residuals and user tower together; and, in a second stage, the encoder with them."""

import logging
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from msgspec import Meta
from torch import Tensor, nn

from pocketrec.newcomers import settled
from pocketrec.progress import progress
from pocketrec.rankings import ndcg
from pocketrec_export.graphs.user import UserTower
from pocketrec_training.augment.histories import HistoryAugmentation, disguised, shortened
from pocketrec_training.encoder.gradient_cache import GradientCache
from pocketrec_training.encoder.reading import Reading
from pocketrec_training.losses.negatives import nearest
from pocketrec_training.processes import Processes
from pocketrec_training.tower.item_table import ItemTable
from pocketrec_training.tower.lessons import Lessons
from pocketrec_training.tower.objective import Objective, ObjectiveConfig
from pocketrec_training.tower.ranking import rank_by_tower
from pocketrec_training.tower.sequences import Batch

_log = logging.getLogger(__name__)

AfterEpoch = Callable[[int, float], None]
"""Told the number of epochs and the validation NDCG@10 after each of them; what it raises ends the training."""


def go_on(epoch: int, quality: float) -> None:
    """What happens after an epoch if nobody looks on: nothing."""


class TowerTrainingConfig(ObjectiveConfig, frozen=True, kw_only=True):
    """How the tower is trained."""

    epochs: Annotated[int, Meta(ge=1)] = 24
    """Most passes over the histories; the learning rate falls to zero over them."""
    patience: Annotated[int, Meta(ge=1)] = 5
    """Epochs without a better validation NDCG@10 after which training stops."""
    steps: Annotated[int, Meta(ge=1)] | None = None
    """Most batches in an epoch; all by default."""
    batch: Annotated[int, Meta(ge=1)] = 32
    """Histories in a step, if they are of mean length."""
    rate: Annotated[float, Meta(gt=0)] = 1e-3
    """Peak learning rate of AdamW."""
    weight_decay: Annotated[float, Meta(ge=0)] = 0.0
    """Of the user tower."""
    residual: bool = True
    """Whether behaviour gives each item a residual beside its text."""
    augmentation: HistoryAugmentation = HistoryAugmentation()


def train_tower(
    table: ItemTable,
    tower: UserTower,
    lessons: Lessons,
    config: TowerTrainingConfig,
    seed: int,
    reading: Reading | None = None,
    checkpoint: Path | None = None,
    after_epoch: AfterEpoch = go_on,
) -> float:
    """Train until validation stops getting better; table, tower and encoder end as they were at their best.

    Each epoch draws its randomness from `(seed, epoch)` alone, so a run that was killed and resumes from its checkpoint
    ends with the same weights as one that was never interrupted.

    Args:
        table: Item vectors; learns.
        tower: Learns.
        lessons: Histories, validation, requests.
        config: Of the training.
        seed: Of everything random.
        reading: The encoder, if it learns too.
        checkpoint: File to resume from, if it is there, and to write after each epoch.
        after_epoch: Told how it goes; may raise to end the training.

    Returns:
        What `validate` gave at its best.
    """
    run = _Run(table, tower, lessons, config, seed, reading)
    if checkpoint is not None and checkpoint.exists():
        run.resume(checkpoint)
    elif reading is not None:  # the first stage's end may be the best; its own start is no candidate
        run.validate()
    with progress("Training the tower" if reading is None else "Tuning the encoder", total=config.epochs) as shown:
        shown.advance(run.epoch)
        while run.epoch < config.epochs and run.epoch - run.best_epoch < config.patience:
            loss = run.one_epoch()
            quality = run.validate()
            shown.advance()
            shown.note(f"loss {loss:.3f}, validation NDCG@10 {quality:.4f}")
            _log.info("epoch %d: loss %.4f, validation ndcg@10 %.4f", run.epoch, loss, quality)
            if checkpoint is not None and run.processes.rank == 0:
                run.write(checkpoint)
            after_epoch(run.epoch, quality)
    run.take_best()
    return run.best_quality


class _Run:
    """The state of a training run, all of it in a checkpoint."""

    def __init__(
        self,
        table: ItemTable,
        tower: UserTower,
        lessons: Lessons,
        config: TowerTrainingConfig,
        seed: int,
        reading: Reading | None,
    ) -> None:
        self.table, self.tower, self.lessons, self.config, self.seed = table, tower, lessons, config, seed
        self.reading = reading
        self.processes = Processes.here()
        self.taken = lessons.popularity > 0
        with torch.no_grad():
            table.residual[~self.taken] = 0  # never learnt: those items stand at their texts from the start
        self.objective = Objective.of(config, lessons.popularity, lessons.known, self.processes)
        groups = [
            {"params": list(tower.parameters()), "rate": config.rate, "weight_decay": config.weight_decay},
            # The projection starts from a good place and moves all items at once: it takes smaller steps.
            {"params": list(table.projection.parameters()), "rate": config.rate * 0.3, "weight_decay": 0.0},
            {"params": [table.residual], "rate": config.rate, "weight_decay": 0.0},
        ]
        if reading is not None:
            groups.append({"params": reading.reader.parameters(), "rate": reading.rate, "weight_decay": 0.01})
        # Fused: one pass over each weight and its moments instead of a dozen.
        self.optimiser = torch.optim.AdamW(groups, fused=True)
        self.epoch, self.best_epoch, self.best_quality = 0, 0, -1.0
        self.best_weights = self._weights()

    def one_epoch(self) -> float:
        """Pass over all histories once; returns the mean loss."""
        torch.manual_seed(self.seed * 100_003 + self.epoch + 7919 * self.processes.rank)
        random = np.random.default_rng([self.seed, self.epoch])
        history = self.tower.history
        augmentation = self.config.augmentation
        pieces = self.lessons.pieces(history, random, shuffled=not self.tower.positions)
        pieces = shortened(pieces, augmentation, random)
        near = self._near()
        near_rows = self.objective.rows_of(near)
        self.table.train()
        self.tower.train()
        losses = []
        drawn = self.lessons.batches(pieces, self.config.batch, random)[: self.config.steps]
        for step, batch in enumerate(drawn):
            self._set_rate((self.epoch + step / len(drawn)) / self.config.epochs)
            losses.append(self._step(disguised(batch, augmentation, near_rows, random), near, random))
        self.epoch += 1
        if self.reading is not None:
            self._read_catalogue()
        return float(np.mean(losses)) if losses else 0.0

    def validate(self) -> float:
        """Mean NDCG@10 of the tower alone, history masked; remembers the weights if they are the best.

        Users are ranked for as they are, and where their contexts are known once more with them; every query counts as
        a user does. While an encoder learns, half of it counts as if each item that is ranked were a newcomer, known by
        its text alone. Without cases the last epoch is the best.
        """
        self.table.eval()
        self.tower.eval()
        quality = self._quality(newcomers=False)
        if self.reading is not None:
            known, new = quality, self._quality(newcomers=True)
            quality = (known + new) / 2
            _log.info("as if all were newcomers: validation ndcg@10 %.4f", new)
        if quality > self.best_quality or not self.lessons.cases:
            self.best_epoch, self.best_quality, self.best_weights = self.epoch, quality, self._weights()
        return quality

    @torch.no_grad()
    def _quality(self, newcomers: bool) -> float:
        lessons, table, taken = self.lessons, self.table, self.taken.numpy()
        if not lessons.cases:
            return 0.0
        vectors = table().numpy()
        # How long newcomers' vectors are is chosen later: none is ranked here. Where nobody took anything, none is one.
        ranked = vectors * taken[:, None] if taken.any() else vectors
        if newcomers:
            read = table(torch.zeros_like(self.taken)).numpy()
            ranked = settled(read, vectors, taken, rows=np.arange(len(read)))
        placed = torch.from_numpy(vectors)
        rank = partial(
            rank_by_tower, self.tower, placed, history=self.tower.history, k=10, ranked=torch.from_numpy(ranked)
        )
        users, typed, gains = lessons.validation, lessons.validation_queries, []
        if users.queries is None and len(users):
            said = lessons.requests.contexts_at(lessons.validation_contexts, table.read)
            for contexts in (None,) if said is None else (None, said):
                gains.append(ndcg(rank(users.histories, contexts=contexts), users.targets))
        if len(typed):
            queries = table.read(lessons.requests.held_out)
            gains.append(ndcg(rank(typed.histories, queries=queries), typed.targets))
        return float(np.concatenate(gains).mean())

    def take_best(self) -> None:
        """Go back to the best epoch."""
        self._take(self.best_weights)
        self.table.eval()
        self.tower.eval()

    def write(self, path: Path) -> None:
        """Save everything; the old checkpoint stays until the new one is whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".part")
        state = {
            "epoch": self.epoch,
            "best_epoch": self.best_epoch,
            "best_quality": self.best_quality,
            "best_weights": self.best_weights,
            "weights": self._weights(),
            "optimiser": self.optimiser.state_dict(),
        }
        torch.save(state, aside)
        aside.replace(path)

    def resume(self, path: Path) -> None:
        """Take up where `write` left off."""
        state: dict[str, Any] = torch.load(path, weights_only=True)
        self.epoch, self.best_epoch = state["epoch"], state["best_epoch"]
        self.best_quality, self.best_weights = state["best_quality"], state["best_weights"]
        self._take(state["weights"])
        self.optimiser.load_state_dict(state["optimiser"])

    def _step(self, batch: Batch, near: Tensor, random: np.random.Generator) -> float:
        """One step of the optimiser; returns the loss."""
        config, table = self.config, self.table
        warm = torch.from_numpy(random.random(len(table.residual)) >= config.cold_share) & self.taken
        cached, fresh, texts = None, None, table.text_vectors
        ways = torch.zeros(0, dtype=torch.long)
        if self.reading is not None:
            fresh = torch.unique(batch.rows[batch.mask > 0])
            fresh = fresh[torch.from_numpy(random.permutation(len(fresh))[: self.reading.texts])]
            ways = self.reading.ways(len(fresh), random)
            said = self.reading.said(fresh, ways)
            cached = GradientCache(self.reading.read, said, self.reading.chunk, self.processes)
            texts = texts.index_copy(0, fresh, cached.vectors)
        vectors = table(warm, texts)
        loss = self.objective.loss(table, self.tower, vectors, self.lessons.requests, near, batch, random, fresh)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.processes.sum_gradients([*self.tower.parameters(), *table.parameters()])
        if cached is not None and fresh is not None and self.reading is not None:
            self.processes.sum_gradients([cached.vectors])
            cached.backward()
            learners = self.reading.reader.parameters()
            self.processes.sum_gradients(learners)
            nn.utils.clip_grad_norm_(learners, 1.0)
            if self.reading.token_dropout == 0:
                own = fresh[ways == 0]  # no other way is how the item is said
                table.text_vectors[own] = cached.vectors.detach()[ways == 0]
        self.optimiser.step()
        return loss.item()

    def _near(self) -> Tensor:
        """Places of each known item's nearest others, as items stand now, for hard negatives and substitutes."""
        if self.config.negatives != "hard" and self.config.augmentation.substitute == 0:
            return torch.zeros(0, 0, dtype=torch.long)
        with torch.no_grad():
            return nearest(self.table()[self.objective.known])

    def _read_catalogue(self) -> None:
        """All items' texts, as the encoder reads them now."""
        if self.reading is not None:
            vectors = self.reading.reader.read_first(len(self.table.residual), "Reading the catalogue anew")
            self.table.text_vectors.copy_(torch.from_numpy(vectors))

    def _weights(self) -> dict[str, dict[str, Tensor]]:
        weights = {
            name: {key: value.detach().clone() for key, value in part.state_dict().items()}
            for name, part in (("table", self.table), ("tower", self.tower))
        }
        return weights if self.reading is None else weights | {"encoder": self.reading.reader.state()}

    def _take(self, weights: dict[str, dict[str, Tensor]]) -> None:
        self.table.load_state_dict(weights["table"])
        self.tower.load_state_dict(weights["tower"])
        if self.reading is not None:
            self.reading.reader.restore(weights["encoder"])
            self._read_catalogue()

    def _set_rate(self, done: float) -> None:
        """Warm up over the first fiftieth of the run, then fall along a cosine."""
        factor = min(1.0, done * 50 + 0.02) * 0.5 * (1 + math.cos(math.pi * done))
        for group in self.optimiser.param_groups:
            group["lr"] = group["rate"] * factor
