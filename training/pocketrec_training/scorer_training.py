"""Train the scorer listwise, on the candidates that a request really meets."""

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
from pocketrec.index import Mask, VectorIndex
from pocketrec.neighbours import Neighbours
from pocketrec.progress import progress
from pocketrec.retrieval import retrieve
from pocketrec.votes import Votes
from pocketrec_export.graphs.scorer import BilinearScorer, DotScorer, MlpScorer, Scorer, ScorerConfig, build_scorer

Rows = NDArray[np.int32]

SOURCES = ("tower", "neighbours", "followers")
"""Features that rank by themselves."""


class ScorerTrainingConfig(Config, frozen=True, kw_only=True):
    """How the scorer is trained."""

    cases: Annotated[int, Meta(ge=1)] = 10_000
    """Most validation users that are learnt from, and as many again with queries."""
    epochs: Annotated[int, Meta(ge=1)] = 60
    batch: Annotated[int, Meta(ge=1)] = 128
    rate: Annotated[float, Meta(gt=0)] = 2e-3
    weight_decay: Annotated[float, Meta(ge=0)] = 0.05
    folds: Annotated[int, Meta(ge=2)] = 4
    """Parts of the cases that choose the number of epochs, each by what the others learnt."""
    patience: Annotated[int, Meta(ge=1)] = 4
    """Epochs without a better held-out loss after which that search ends."""


PLAIN = (False, False)
"""The kind of request that asks by history alone, for something new."""


@dataclass(frozen=True, slots=True)
class Cases:
    """Requests whose right answer is known."""

    users: NDArray[np.float32]
    """The tower's user vectors [cases, dim]."""
    histories: list[Rows]
    targets: list[Rows]
    """The first target of each counts."""
    queries: NDArray[np.float32] | None = None
    """Vector of the query of each [cases, dim], if they have one."""
    allow_seen: bool = False
    """Whether items of the history may be recommended."""

    @property
    def kind(self) -> tuple[bool, bool]:
        """What kind of request they are: whether something was typed, and whether all may come again."""
        return self.queries is not None, self.allow_seen


@dataclass(frozen=True, slots=True)
class Retriever:
    """Everything that gives candidates and their features, as the runtime does for a request."""

    vectors: NDArray[np.float32]
    popularity: NDArray[np.int32]
    neighbours: Neighbours
    followers: Neighbours
    index: VectorIndex
    history: int
    count: int

    def lists(
        self, cases: Cases, at_least: int = 0, allowed: Mask | None = None
    ) -> list[tuple[Rows, NDArray[np.float32]]]:
        """For each case the candidate rows and their features [candidates, features].

        Args:
            cases: Requests.
            at_least: Candidates to get from the index, if that is more than `count`.
            allowed: Mask of the items that may be candidates; all by default.
        """
        popularity = scaled_popularity(self.popularity)
        found = []
        with progress("Collecting candidates", total=len(cases.histories)) as shown:
            for i, (user, history) in enumerate(zip(cases.users, cases.histories, strict=True)):
                recent = history[-self.history :]
                votes = Votes.of(history, (self.neighbours, self.followers))
                without = history[:0] if cases.allow_seen else history
                rows = retrieve(user, votes, self.index, max(self.count, at_least), without, allowed)
                table = features(
                    user=user,
                    vectors=self.vectors[rows],
                    votes=votes.at(rows),
                    popularity=popularity[rows],
                    history=self.vectors[recent],
                    query=None if cases.queries is None else cases.queries[i],
                    allow_seen=cases.allow_seen,
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
    group: Tensor
    """Place of the group of cases that a list comes from."""

    @classmethod
    def of(cls, retriever: Retriever, groups: Sequence[Cases]) -> "_Lists":
        users = np.concatenate([cases.users for cases in groups])
        lists = [pair for cases in groups for pair in retriever.lists(cases)]
        targets = [target for cases in groups for target in cases.targets]
        group = np.concatenate([np.full(len(cases.targets), place) for place, cases in enumerate(groups)])
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
        return cls(
            users=torch.from_numpy(users[kept]),
            rows=torch.from_numpy(rows),
            features=torch.from_numpy(values),
            real=torch.from_numpy(real),
            target=target,
            group=torch.from_numpy(group[kept]),
        )

    def __len__(self) -> int:
        return len(self.users)

    def gain_of(self, scores: Tensor, chosen: Tensor) -> float:
        """Sum of NDCG@10 over the chosen lists, ranked by scores [chosen, candidates]."""
        scores = scores.masked_fill(~self.real[chosen], -torch.inf)
        better = (scores > scores.gather(1, self.target[chosen][:, None])).sum(dim=1)
        return float((1 / torch.log2(better[better < 10] + 2)).sum())


@dataclass(frozen=True, slots=True)
class TrainedScorer:
    """A scorer, and how well it ranks users whom it didn't learn from."""

    scorer: Scorer
    ndcg: float | None
    """NDCG@10 of the first kind of cases, each ranked by what the other folds learnt; None if of that kind nothing was
    learnt."""


def train_scorer(
    retriever: Retriever,
    groups: Sequence[Cases],
    shape: ScorerConfig,
    config: ScorerTrainingConfig,
    seed: int,
) -> TrainedScorer:
    """Learn whom to trust from validation users, on whom neither tower nor neighbours were fitted.

    Softmax over each list, target against the other candidates. Lists without their target teach nothing about order
    and are left out. What histories teach is learnt first, then what other kinds of request add to it. How long to
    train each is chosen by cross-validation over lists, then all lists train that long. If a single source ranks
    held-out users better by itself than what was learnt, it is trusted alone; with too few histories the tower is. Of
    a kind of request with too few lists nothing is learnt.

    Args:
        retriever: Source of candidates and features.
        groups: Validation users: as they are, then as other kinds of request.
        shape: Kind and size of the scorer.
        config: Of the training.
        seed: Of weights and batches.
    """
    dim = retriever.vectors.shape[1]
    if shape.kind == "dot":
        return TrainedScorer(build_scorer(dim, shape).eval(), None)
    scorer = _fresh(dim, shape, seed)
    lists = _Lists.of(retriever, groups)
    kinds = dict.fromkeys(cases.kind for cases in groups)
    chosen_by = {kind: torch.tensor([cases.kind == kind for cases in groups])[lists.group] for kind in kinds}
    learnt = {kind: chosen for kind, chosen in chosen_by.items() if int(chosen.sum()) >= 10 * config.folds}
    if not learnt:
        return TrainedScorer(_trusting(scorer, "tower"), None)
    vectors = torch.from_numpy(retriever.vectors)
    fold = torch.from_numpy(np.random.default_rng(seed).permutation(len(lists)) % config.folds)
    folds = [_Run(_fresh(dim, shape, seed), vectors, lists, config, seed) for _ in range(config.folds)]
    whole = _Run(scorer, vectors, lists, config, seed)
    gains = {}
    if PLAIN in learnt:
        gains[PLAIN] = _learn_whom_to_trust(whole, folds, fold, learnt.pop(PLAIN), config)
    else:
        for run in (whole, *folds):
            _trusting(run.scorer, "tower")
    for kind, chosen in learnt.items():
        for run in (whole, *folds):
            run.turn_to_requests()
        _learn(whole, folds, fold, chosen, config)
        gains[kind] = _gain(folds, fold, chosen)
    first = groups[0].kind
    count = sum(len(cases.targets) for cases in groups if cases.kind == first)
    return TrainedScorer(scorer.eval(), gains[first] / count if first in gains else None)


def _learn_whom_to_trust(
    whole: "_Run", folds: Sequence["_Run"], fold: Tensor, plain: Tensor, config: ScorerTrainingConfig
) -> float:
    """Train on lists of histories, or trust a single source if that is better; returns their sum of NDCG@10."""
    _learn(whole, folds, fold, plain, config)
    gain, lists, rows = _gain(folds, fold, plain), whole.lists, plain.nonzero()[:, 0]
    alone = {name: lists.gain_of(lists.features[rows][:, :, FEATURES.index(name)], rows) for name in SOURCES}
    best = max(alone, key=lambda name: alone[name])
    if alone[best] <= gain:
        return gain
    for run in (whole, *folds):
        _trusting(run.scorer, best)
    return alone[best]


def _gain(folds: Sequence["_Run"], fold: Tensor, chosen: Tensor) -> float:
    """Sum of NDCG@10 of the chosen lists, each ranked by what the other folds learnt."""
    return sum(run.gain_of(((fold == part) & chosen).nonzero()[:, 0]) for part, run in enumerate(folds))


def _learn(whole: "_Run", folds: Sequence["_Run"], fold: Tensor, chosen: Tensor, config: ScorerTrainingConfig) -> None:
    """Train on the chosen lists for as many epochs as is best for the folds, which end as they were at their best."""
    losses: list[float] = []
    best = [run.weights() for run in folds]
    with progress("Training the scorer", total=config.epochs) as shown:
        while len(losses) < config.epochs and len(losses) - int(np.argmin(losses or [0])) <= config.patience:
            total = 0.0
            for part, run in enumerate(folds):
                run.one_epoch((chosen & (fold != part)).nonzero()[:, 0], epoch=len(losses))
                total += run.loss_of((chosen & (fold == part)).nonzero()[:, 0])
            losses.append(total / max(int(chosen.sum()), 1))
            if int(np.argmin(losses)) == len(losses) - 1:  # of equal epochs the first, as below
                best = [run.weights() for run in folds]
            shown.advance()
            shown.note(f"held-out loss {losses[-1]:.4f}")
        for run, weights in zip(folds, best, strict=True):
            run.scorer.load_state_dict(weights)
        for epoch in range(int(np.argmin(losses)) + 1):
            whole.one_epoch(chosen.nonzero()[:, 0], epoch)


def _fresh(dim: int, shape: ScorerConfig, seed: int) -> BilinearScorer | MlpScorer:
    torch.manual_seed(seed)
    scorer = build_scorer(dim, shape)
    assert not isinstance(scorer, DotScorer)
    return scorer


def _trusting(scorer: BilinearScorer | MlpScorer, source: str) -> Scorer:
    """Rank by one source alone."""
    with torch.no_grad():
        for name, weight in scorer.named_parameters():
            if not name.startswith("features.added"):
                weight.zero_()
        scorer.features.linear.weight[0, FEATURES.index(source)] = 1.0
    return scorer.eval()


class _Run:
    """A scorer, its optimiser and the lists it learns from."""

    def __init__(
        self,
        scorer: BilinearScorer | MlpScorer,
        vectors: Tensor,
        lists: _Lists,
        config: ScorerTrainingConfig,
        seed: int,
    ) -> None:
        self.scorer, self.vectors, self.lists, self.batch, self.seed = (
            scorer,
            vectors,
            lists,
            config.batch,
            seed,
        )
        self.rate = config.rate
        # A constant rate, so that "this many epochs" means the same in a fold and on all users.
        # The few weights of features are soon right; what crosses user and item learns slowly, lest it overfit.
        crossing = [p for name, p in scorer.named_parameters() if not name.startswith("features.")]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": [scorer.features.linear.weight], "lr": 10 * config.rate, "weight_decay": 0.0},
                {"params": crossing, "lr": config.rate, "weight_decay": config.weight_decay},
            ]
        )
        with torch.no_grad():
            scorer.features.scaled.measure(lists.features[lists.real])

    def turn_to_requests(self) -> None:
        """From here on learn what a kind of request adds, and leave the rest as it is."""
        added = self.scorer.features.added.parameters()
        self.optimiser = torch.optim.AdamW(added, lr=10 * self.rate, weight_decay=0.0)

    def weights(self) -> dict[str, Tensor]:
        """A copy of all weights."""
        return {name: value.clone() for name, value in self.scorer.state_dict().items()}

    def one_epoch(self, chosen: Tensor, epoch: int) -> None:
        """Pass over some lists once, in an order drawn from seed and epoch."""
        random = torch.Generator().manual_seed(self.seed * 100_003 + epoch)
        self.scorer.train()
        for part in _parts(chosen[torch.randperm(len(chosen), generator=random)], self.batch):
            self.optimiser.zero_grad()
            self.loss(part).backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
        self.scorer.eval()

    @torch.inference_mode()
    def loss_of(self, chosen: Tensor) -> float:
        """Sum of the loss over some lists."""
        return float(sum(self.loss(part).item() * len(part) for part in _parts(chosen, 512)))

    @torch.inference_mode()
    def gain_of(self, chosen: Tensor) -> float:
        """Sum of NDCG@10 over some lists."""
        return self.lists.gain_of(self._scores(chosen), chosen)

    def loss(self, chosen: Tensor) -> Tensor:
        """Mean of -log softmax at the target, over some lists."""
        return F.cross_entropy(self._scores(chosen), self.lists.target[chosen])

    def _scores(self, chosen: Tensor) -> Tensor:
        """Of some lists, float [chosen, candidates]; -inf where a list is padded."""
        lists = self.lists
        inputs = lists.users[chosen], self.vectors[lists.rows[chosen]], lists.features[chosen]
        scorer = self.scorer
        scores: Tensor = scorer.logits(*inputs) if isinstance(scorer, BilinearScorer) else scorer(*inputs)
        return scores.masked_fill(~lists.real[chosen], -torch.inf)


def _place(rows: Rows, target: Rows) -> int | None:
    found = np.flatnonzero(rows == target[0])
    return int(found[0]) if len(found) else None


def _parts(chosen: Tensor, size: int) -> list[Tensor]:
    """Pieces of at most `size`, none empty."""
    return [chosen[start : start + size] for start in range(0, len(chosen), size)]
