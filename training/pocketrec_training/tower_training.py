"""Train projection, item residuals and user tower together, on cached text vectors."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from msgspec import Meta
from numpy.typing import NDArray
from torch import Tensor

from pocketrec.config import Config
from pocketrec.progress import progress
from pocketrec_export.graphs.user import CONTEXT, ITEM, QUERY, TowerConfig, UserTower
from pocketrec_export.held_out import HeldOut
from pocketrec_export.rankings import ndcg
from pocketrec_training.item_table import ItemTable
from pocketrec_training.losses.bpr import bpr
from pocketrec_training.losses.negatives import Negatives, Source
from pocketrec_training.losses.softmax import full_softmax, sampled_softmax
from pocketrec_training.sequences import FRAGMENTS, Batch, Rows, batches, windows

_log = logging.getLogger(__name__)

AfterEpoch = Callable[[int, float], None]
"""Told the number of epochs and the validation NDCG@10 after each of them; what it raises ends the training."""


def go_on(epoch: int, quality: float) -> None:
    """What happens after an epoch if nobody looks on: nothing."""


class TowerTrainingConfig(Config, frozen=True, kw_only=True):
    """How the tower is trained."""

    epochs: Annotated[int, Meta(ge=1)] = 24
    """Most passes over the histories; the learning rate falls to zero over them."""
    patience: Annotated[int, Meta(ge=1)] = 5
    """Epochs without a better validation NDCG@10 after which training stops."""
    batch: Annotated[int, Meta(ge=1)] = 32
    rate: Annotated[float, Meta(gt=0)] = 1e-3
    """Peak learning rate of AdamW."""
    weight_decay: Annotated[float, Meta(ge=0)] = 0.0
    temperature: Annotated[float, Meta(gt=0)] = 0.05
    loss: Literal["softmax", "sampled-softmax", "bpr"] = "softmax"
    """`softmax` over the whole catalogue, sampled where that is larger than `full_softmax_items`."""
    full_softmax_items: Annotated[int, Meta(ge=0)] = 20_000
    """Larger catalogues take the sampled softmax."""
    negatives: Source = "uniform"
    """Where a sampled loss takes its negatives from."""
    sample: Annotated[int, Meta(ge=1)] = 1024
    """How many it takes."""
    correct_sampling: bool = True
    """Whether the sampled softmax takes off how often each negative was to be expected (logQ)."""
    cold_share: Annotated[float, Meta(ge=0, lt=1)] = 0.1
    """Share of items that lose their residual in each pass."""
    request_weight: Annotated[float, Meta(ge=0)] = 0.1
    """Weight of the loss on short requests with a query or context, against that on histories."""


@dataclass(frozen=True, slots=True)
class TrainedTower:
    """What came out, at the best epoch."""

    table: ItemTable
    tower: UserTower


def train_tower(
    text_vectors: NDArray[np.float32],
    request_vectors: NDArray[np.float32],
    fit: Sequence[Rows],
    validation: HeldOut,
    dim: int,
    shape: TowerConfig,
    config: TowerTrainingConfig,
    seed: int,
    checkpoint: Path | None = None,
    after_epoch: AfterEpoch = go_on,
) -> TrainedTower:
    """Train until validation stops getting better.

    Each epoch draws its randomness from `(seed, epoch)` alone, so a run that was killed and resumes from its checkpoint
    ends with the same weights as one that was never interrupted.

    Args:
        text_vectors: Float32 [items, width].
        request_vectors: Float32 [items, FRAGMENTS + 1, width]: queries, then the context, of each item.
        fit: Item rows of each user, oldest first.
        validation: Cases that choose the epoch.
        dim: Length of item and user vectors.
        shape: Of the tower.
        config: Of the training.
        seed: Of everything random.
        checkpoint: File to resume from, if it is there, and to write after each epoch.
        after_epoch: Told how it goes; may raise to end the training.
    """
    torch.manual_seed(seed)
    run = _Run(
        ItemTable(text_vectors, dim),
        UserTower(dim, shape),
        torch.from_numpy(request_vectors),
        torch.from_numpy(np.bincount(np.concatenate([*fit, []]).astype(np.int64), minlength=len(text_vectors))),
        shape,
        config,
        seed,
    )
    if checkpoint is not None and checkpoint.exists():
        run.resume(checkpoint)
    with progress("Training the tower", total=config.epochs) as shown:
        shown.advance(run.epoch)
        while run.epoch < config.epochs and run.epoch - run.best_epoch < config.patience:
            loss = run.one_epoch(fit)
            quality = run.validate(validation)
            shown.advance()
            shown.note(f"loss {loss:.3f}, validation NDCG@10 {quality:.4f}")
            _log.info("epoch %d: loss %.4f, validation ndcg@10 %.4f", run.epoch, loss, quality)
            if checkpoint is not None:
                run.write(checkpoint)
            after_epoch(run.epoch, quality)
    return run.best()


class _Run:
    """The state of a training run, all of it in a checkpoint."""

    def __init__(
        self,
        table: ItemTable,
        tower: UserTower,
        requests: Tensor,
        popularity: Tensor,
        shape: TowerConfig,
        config: TowerTrainingConfig,
        seed: int,
    ) -> None:
        self.table, self.tower, self.requests = table, tower, requests
        self.popularity = popularity.float()
        self.shape, self.config, self.seed = shape, config, seed
        self.optimiser = torch.optim.AdamW(
            [
                {
                    "params": list(tower.parameters()),
                    "rate": config.rate,
                    "weight_decay": config.weight_decay,
                },
                # The projection starts from a good place and moves all items at once: it takes smaller steps.
                {
                    "params": list(table.projection.parameters()),
                    "rate": config.rate * 0.3,
                    "weight_decay": 0.0,
                },
                {"params": [table.residual], "rate": config.rate, "weight_decay": 0.0},
            ]
        )
        self.epoch, self.best_epoch, self.best_quality = 0, 0, -1.0
        self.best_weights = self._weights()

    def one_epoch(self, fit: Sequence[Rows]) -> float:
        """Pass over all histories once; returns the mean loss."""
        torch.manual_seed(self.seed * 100_003 + self.epoch)
        random = np.random.default_rng([self.seed, self.epoch])
        pieces = windows(fit, self.shape.history, random)
        self.table.train()
        self.tower.train()
        losses = []
        steps = math.ceil(len(pieces) / self.config.batch)
        for step, batch in enumerate(batches(pieces, self.config.batch, random)):
            self._set_rate((self.epoch + step / steps) / self.config.epochs)
            loss = self._loss(batch, random)
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            losses.append(loss.item())
        self.epoch += 1
        return float(np.mean(losses)) if losses else 0.0

    def validate(self, cases: HeldOut) -> float:
        """Mean NDCG@10 of the tower alone, history masked; remembers the weights if they are the best."""
        self.table.eval()
        self.tower.eval()
        ranked = rank_by_tower(self.tower, self.table().detach(), cases.histories, self.shape.history, 10)
        quality = float(np.mean(ndcg(ranked, cases.targets))) if len(cases) else 0.0
        if quality > self.best_quality:
            self.best_epoch, self.best_quality, self.best_weights = self.epoch, quality, self._weights()
        return quality

    def best(self) -> TrainedTower:
        """The net at its best epoch."""
        self._take(self.best_weights)
        return TrainedTower(self.table.eval(), self.tower.eval())

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

    def _weights(self) -> dict[str, dict[str, Tensor]]:
        return {
            name: {key: value.detach().clone() for key, value in part.state_dict().items()}
            for name, part in (("table", self.table), ("tower", self.tower))
        }

    def _take(self, weights: dict[str, dict[str, Tensor]]) -> None:
        self.table.load_state_dict(weights["table"])
        self.tower.load_state_dict(weights["tower"])

    def _set_rate(self, done: float) -> None:
        """Warm up over the first fiftieth of the run, then fall along a cosine."""
        factor = min(1.0, done * 50 + 0.02) * 0.5 * (1 + math.cos(math.pi * done))
        for group in self.optimiser.param_groups:
            group["lr"] = group["rate"] * factor

    def _loss(self, batch: Batch, random: np.random.Generator) -> Tensor:
        vectors = self.table(self.config.cold_share)
        rows, mask = batch.rows, batch.mask
        users = self.tower.every_position(vectors[rows[:, :-1]], torch.zeros_like(rows[:, :-1]), mask[:, :-1])
        real = mask[:, :-1] > 0
        taken, each = rows.masked_fill(mask == 0, -1), torch.arange(len(rows))
        loss = self._ranking_loss(users[real], vectors, rows[:, 1:][real], taken, each[:, None].expand_as(real)[real])
        if self.config.request_weight > 0:
            # Requests teach the tower alone: a title gives its item away, and residuals would learn it by heart.
            fixed = vectors.detach()
            users = self.tower(*self._requests(batch, fixed, random))
            loss = loss + self.config.request_weight * self._ranking_loss(users, fixed, rows[:, -1], taken, each)
        return loss

    def _ranking_loss(self, users: Tensor, vectors: Tensor, targets: Tensor, taken: Tensor, whose: Tensor) -> Tensor:
        """The loss that was asked for.

        Args:
            users: Float [cases, dim].
            vectors: All items' [items, dim].
            targets: Int64 [cases].
            taken: Int64 [users, length], items of each user of the batch; -1 for padding.
            whose: Int64 [cases], the user of each case.
        """
        config = self.config
        if config.loss == "softmax" and len(vectors) <= config.full_softmax_items:
            return full_softmax(users, vectors, targets, config.temperature)
        drawn = Negatives.draw(config.negatives, config.sample, self.popularity, targets)
        left_out = targets[:, None] == drawn.rows[None, :]
        if config.negatives == "in-batch":  # what the same user took is no negative of his
            left_out |= (taken[:, :, None] == drawn.rows).any(dim=1)[whose]
        if config.loss == "bpr":
            return bpr(users, vectors[targets], vectors[drawn.rows], left_out, config.temperature)
        expected = drawn.log_expected * config.correct_sampling
        return sampled_softmax(users, vectors[targets], vectors[drawn.rows], left_out, expected, config.temperature)

    def _requests(self, batch: Batch, vectors: Tensor, random: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """For each last item of the batch a request that asks for it: [context], a few items, [query].

        Two in five have no history; all have a query, a context or both.
        """
        count = len(batch.rows)
        past = min(10, batch.rows.shape[1] - 1)
        lengths = random.integers(1, past + 1, count) * (random.random(count) < 0.6)
        with_query = random.random(count) < 0.8
        with_context = (random.random(count) < 0.3) | ~with_query
        asked = self.table.read(self.requests[batch.rows[:, -1]]).detach()
        query = asked[torch.arange(count), torch.from_numpy(random.integers(0, FRAGMENTS, count))]
        history = batch.rows[:, -1 - past : -1]
        ages = torch.arange(past, 0, -1)[None, :]
        history_mask = batch.mask[:, -1 - past : -1] * (ages <= torch.from_numpy(lengths)[:, None])
        tokens = torch.cat([asked[:, -1:], vectors[history], query[:, None]], dim=1)
        kinds = torch.full((count, past + 2), ITEM)
        kinds[:, 0], kinds[:, -1] = CONTEXT, QUERY
        ends = [torch.from_numpy(flags.astype(np.float32))[:, None] for flags in (with_context, with_query)]
        return _pushed_right(tokens, kinds, torch.cat([ends[0], history_mask, ends[1]], dim=1))


def _pushed_right(tokens: Tensor, kinds: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Move the real tokens of each row to the right end, keeping their order: padding stands at the left."""
    order = mask.argsort(dim=1, stable=True)
    moved = tokens.gather(1, order[:, :, None].expand_as(tokens))
    return moved, kinds.gather(1, order), mask.gather(1, order)


@torch.inference_mode()
def user_vectors(
    tower: torch.nn.Module,
    vectors: Tensor,
    histories: Sequence[Rows],
    history: int,
    queries: Tensor | None = None,
) -> Tensor:
    """User vectors of histories, cut to their newest items: float [histories, dim]; zero where there is no token.

    Args:
        tower: The user tower.
        vectors: All items' vectors [items, dim].
        histories: Item rows of each user, oldest first.
        history: Newest items that are read.
        queries: Vector of a query for each user [histories, dim], if there is one.
    """
    users = torch.zeros(len(histories), vectors.shape[1])
    some = [i for i in range(len(histories)) if len(histories[i]) or queries is not None]
    order = sorted(some, key=lambda i: len(histories[i]))
    for start in range(0, len(order), 256):
        chosen = order[start : start + 256]
        batch = Batch.of([histories[i][-history:] for i in chosen])
        tokens, kinds, mask = vectors[batch.rows], torch.full_like(batch.rows, ITEM), batch.mask
        if queries is not None:
            tokens = torch.cat([tokens, queries[chosen][:, None]], dim=1)
            kinds = torch.cat([kinds, torch.full((len(chosen), 1), QUERY)], dim=1)
            mask = torch.cat([mask, torch.ones(len(chosen), 1)], dim=1)
        users[chosen] = tower(tokens, kinds, mask)
    return users


def rank_by_tower(
    tower: torch.nn.Module, vectors: Tensor, histories: Sequence[Rows], history: int, k: int
) -> NDArray[np.int32]:
    """Best k items of the whole catalogue by inner product, history masked: int32 [histories, k]."""
    users = user_vectors(tower, vectors, histories, history)
    ranked = np.zeros((len(histories), min(k, len(vectors))), np.int32)
    for start in range(0, len(histories), 512):
        scores = users[start : start + 512] @ vectors.T
        for i, rows in enumerate(histories[start : start + 512]):
            scores[i, rows.astype(np.int64)] = -torch.inf
        ranked[start : start + 512] = scores.topk(ranked.shape[1], dim=1).indices.numpy()
    return ranked
