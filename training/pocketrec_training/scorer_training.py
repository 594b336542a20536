"""Train the scorer listwise, on candidates that the index and the neighbours really return."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from msgspec import Meta
from numpy.typing import NDArray
from torch import Tensor

from pocketrec.config import Config
from pocketrec.features import FEATURES, features, scaled_popularity
from pocketrec.index import VectorIndex
from pocketrec.neighbours import Neighbours, votes_at
from pocketrec.progress import progress
from pocketrec.retrieval import retrieve
from pocketrec_export.graphs.scorer import BilinearScorer, DotScorer, Scorer, ScorerConfig, build_scorer
from pocketrec_export.held_out import HeldOut

Rows = NDArray[np.int32]


class ScorerTrainingConfig(Config, frozen=True, kw_only=True):
    """How the scorer is trained."""

    cases: Annotated[int, Meta(ge=1)] = 10_000
    """Most validation users that are learnt from."""
    epochs: Annotated[int, Meta(ge=1)] = 60
    batch: Annotated[int, Meta(ge=1)] = 64
    rate: Annotated[float, Meta(gt=0)] = 3e-3
    weight_decay: Annotated[float, Meta(ge=0)] = 0.05
    folds: Annotated[int, Meta(ge=2)] = 4
    """Parts of the users that choose the number of epochs, each by what the others learnt."""


@dataclass(frozen=True, slots=True)
class Retriever:
    """Everything that gives candidates and their features, as the runtime does for a request."""

    vectors: NDArray[np.float32]
    popularity: NDArray[np.int32]
    neighbours: Neighbours
    index: VectorIndex
    history: int
    count: int

    def lists(self, users: NDArray[np.float32], histories: Sequence[Rows]) -> list[tuple[Rows, NDArray[np.float32]]]:
        """For each user the candidate rows, history masked, and their features [candidates, features]."""
        popularity = scaled_popularity(self.popularity)
        found = []
        with progress("Collecting candidates", total=len(histories)) as shown:
            for user, history in zip(users, histories, strict=True):
                recent = history[-self.history :]
                voted = self.neighbours.votes(recent)
                rows = retrieve(user, voted, self.index, self.count, without=history)
                table = features(
                    user=user,
                    vectors=self.vectors[rows],
                    votes=votes_at(rows, voted),
                    last_votes=votes_at(rows, self.neighbours.votes(recent[-1:])),
                    popularity=popularity[rows],
                    history=self.vectors[recent],
                    query=None,
                )
                found.append((rows, table))
                shown.advance()
        return found


@dataclass(frozen=True, slots=True)
class _Lists:
    """Candidate lists as tensors, padded: only cases whose target is among the candidates."""

    users: Tensor
    rows: Tensor
    features: Tensor
    real: Tensor
    target: Tensor

    @classmethod
    def of(
        cls, users: NDArray[np.float32], lists: Sequence[tuple[Rows, NDArray[np.float32]]], targets: Sequence[Rows]
    ) -> "_Lists":
        places = [_place(rows, target) for (rows, _), target in zip(lists, targets, strict=True)]
        kept = [i for i, place in enumerate(places) if place is not None]
        width = max((len(lists[i][0]) for i in kept), default=0)
        rows = np.zeros((len(kept), width), np.int64)
        values = np.zeros((len(kept), width, len(FEATURES)), np.float32)
        real = np.zeros((len(kept), width), np.bool_)
        for line, i in enumerate(kept):
            length = len(lists[i][0])
            rows[line, :length], values[line, :length] = lists[i]
            real[line, :length] = True
        target = torch.tensor([places[i] for i in kept], dtype=torch.long)
        tensors = [torch.from_numpy(array) for array in (users[kept], rows, values, real)]
        return cls(*tensors, target)

    def __len__(self) -> int:
        return len(self.users)


def train_scorer(
    retriever: Retriever,
    users: NDArray[np.float32],
    cases: HeldOut,
    shape: ScorerConfig,
    config: ScorerTrainingConfig,
    seed: int,
) -> Scorer:
    """Learn whom to trust from validation users, on whom neither tower nor neighbours were fitted.

    Softmax over each list, target against the other candidates. Lists without their target teach nothing about order
    and are left out. How long to train is chosen by cross-validation over users, then all users train that long.

    Args:
        retriever: Source of candidates and features.
        users: Float32 [cases, dim], the tower's user vectors.
        cases: Validation users; the first target of each counts.
        shape: Kind and size of the scorer.
        config: Of the training.
        seed: Of weights and batches.
    """
    scorer = _fresh(retriever.vectors.shape[1], shape, seed)
    lists = _Lists.of(users, retriever.lists(users, cases.histories), cases.targets)
    if isinstance(scorer, DotScorer) or len(lists) < 2 * config.folds:
        return _trusting_the_tower(scorer)
    vectors = torch.from_numpy(retriever.vectors)
    fold = torch.from_numpy(np.random.default_rng(seed).permutation(len(lists)) % config.folds)
    losses = torch.zeros(config.epochs)
    with progress("Training the scorer", total=config.folds + 1) as shown:
        for part in range(config.folds):
            others, held_out = (fold != part).nonzero()[:, 0], (fold == part).nonzero()[:, 0]
            run = _Run(_fresh(vectors.shape[1], shape, seed), vectors, lists, config, seed)
            for epoch in range(config.epochs):
                run.one_epoch(others, epoch)
                losses[epoch] += run.loss(held_out).item() * len(held_out)
            shown.advance()
        run = _Run(scorer, vectors, lists, config, seed)
        for epoch in range(int(losses.argmin()) + 1):
            run.one_epoch(torch.arange(len(lists)), epoch)
        shown.advance()
    return scorer.eval()


def _fresh(dim: int, shape: ScorerConfig, seed: int) -> Scorer:
    torch.manual_seed(seed)
    return build_scorer(dim, shape)


def _trusting_the_tower(scorer: Scorer) -> Scorer:
    """With too few users to learn from, rank by the tower's score: the first feature."""
    if not isinstance(scorer, DotScorer):
        linear = scorer.features if isinstance(scorer, BilinearScorer) else scorer.linear
        with torch.no_grad():
            linear.weight[0, FEATURES.index("tower")] = 1.0
    return scorer.eval()



class _Run:
    """A scorer, its optimiser and the lists it learns from."""

    def __init__(
        self, scorer: Scorer, vectors: Tensor, lists: _Lists, config: ScorerTrainingConfig, seed: int
    ) -> None:
        self.scorer, self.vectors, self.lists, self.batch, self.seed = scorer, vectors, lists, config.batch, seed
        # A constant rate, so that "this many epochs" means the same in a fold and on all users.
        self.optimiser = torch.optim.AdamW(scorer.parameters(), lr=config.rate, weight_decay=config.weight_decay)

    def one_epoch(self, chosen: Tensor, epoch: int) -> None:
        """Pass over some lists once, in an order drawn from seed and epoch."""
        random = torch.Generator().manual_seed(self.seed * 100_003 + epoch)
        self.scorer.train()
        for part in chosen[torch.randperm(len(chosen), generator=random)].split(self.batch):
            self.optimiser.zero_grad()
            self.loss(part).backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
        self.scorer.eval()

    def loss(self, chosen: Tensor) -> Tensor:
        """Mean of -log softmax at the target, over some lists."""
        lists = self.lists
        inputs = lists.users[chosen], self.vectors[lists.rows[chosen]], lists.features[chosen]
        scorer = self.scorer
        scores: Tensor = scorer.logits(*inputs) if isinstance(scorer, BilinearScorer) else scorer(*inputs)
        return F.cross_entropy(scores.masked_fill(~lists.real[chosen], -torch.inf), lists.target[chosen])


def _place(rows: Rows, target: Rows) -> int | None:
    found = np.flatnonzero(rows == target[0])
    return int(found[0]) if len(found) else None
