"""Train the scorer listwise, on the candidates that a request really meets."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor

from pocketrec.config import Config
from pocketrec.features import FEATURES
from pocketrec.progress import progress
from pocketrec_export.graphs.scorer import BilinearScorer, DotScorer, MlpScorer, Scorer, ScorerConfig, build_scorer
from pocketrec_training.scorer.candidate_lists import PLAIN, Cases, Lists, Retriever

SOURCES = ("tower", "neighbours", "followers")
"""Features that rank by themselves."""
_RESERVES = tuple(step / 4 for step in range(17))
"""What may be taken off newcomers where a single source is trusted, in deviations of that source."""


_COLD, _TREND = FEATURES.index("cold"), FEATURES.index("trend")
_KEPT = 0.98
"""Share of an averaged weight that a step leaves: the mean goes back about 50 steps."""


class ScorerTrainingConfig(Config, frozen=True, kw_only=True):
    """How the scorer is trained."""

    cases: Annotated[int, Meta(ge=1)] = 6000
    """Most validation users that are learnt from."""
    again: Annotated[int, Meta(ge=1)] = 2000
    """Most of them that are learnt from once more as each other kind of request."""
    newcomer_weight: Annotated[float, Meta(gt=0)] = 1.0
    """How much more a target counts that nobody has taken yet, in what is learnt and in the choice of whom to trust:
    what is never shown never becomes known."""
    newcomer_exposure: Annotated[float, Meta(gt=0)] = 1.0
    """Share of people's best ten that newcomers get, over their share of the items: with 1 as many places as anything
    else. The scorer left to itself would show them as chance has it (docs/decisions/0026)."""
    epochs: Annotated[int, Meta(ge=1)] = 60
    """Most passes over the lists."""
    batch: Annotated[int, Meta(ge=1)] = 128
    """Lists in a step."""
    rate: Annotated[float, Meta(gt=0)] = 2e-3
    """Learning rate of AdamW; the weights of features take ten times as much."""
    weight_decay: Annotated[float, Meta(ge=0)] = 0.05
    """Of all weights but those of features."""
    folds: Annotated[int, Meta(ge=2)] = 4
    """Parts of the cases that choose the number of epochs, each by what the others learnt."""
    patience: Annotated[int, Meta(ge=1)] = 4
    """Epochs without a better held-out loss after which that search ends."""


@dataclass(frozen=True, slots=True)
class TrainedScorer:
    """A scorer, and how well it ranks users whom it didn't learn from."""

    scorer: Scorer
    ndcg: float | None
    """NDCG@10 of the first group, each case ranked by what the other folds learnt; None if of its kind nothing was
    learnt."""


def train_scorer(
    groups: Sequence[tuple[Retriever, Cases]],
    shape: ScorerConfig,
    config: ScorerTrainingConfig,
    seed: int,
) -> TrainedScorer:
    """Learn whom to trust from validation users, on whom neither tower nor neighbours were fitted.

    Softmax over each list, target against the other candidates. Lists without their target teach nothing about order
    and are left out. What histories teach is learnt first, then what other kinds of request add to it. How long to
    train each is chosen by cross-validation over cases, then all lists train that long. What counts is the mean of
    the weights over the newest steps (Polyak and Juditsky, 1992): with a few hundred lists, single steps wander. If a
    single source ranks held-out users better by itself than what was learnt, it is trusted alone, with some reserve
    towards newcomers; with too few lists to learn from, that which ranks them best, and with none the tower. Of a kind
    of request with too few cases nothing is learnt.

    Args:
        groups: The same cases several times, each with the catalogue they are asked of: as they are, by which the
            result is judged; then as other kinds of request.
        shape: Kind and size of the scorer.
        config: Of the training.
        seed: Of weights and batches.
    """
    retriever, judged = groups[0]
    dim = retriever.vectors.shape[1]
    if shape.kind == "dot":
        return TrainedScorer(build_scorer(dim, shape).eval(), None)
    scorer = _fresh(dim, shape, seed)
    lists = Lists.of(groups)
    first, kinds = lists.group == 0, dict.fromkeys(cases.kind for _, cases in groups)
    chosen_by = {kind: torch.tensor([cases.kind == kind for _, cases in groups])[lists.group] for kind in kinds}
    enough = 10 * config.folds
    learnt = {kind: chosen for kind, chosen in chosen_by.items() if len(torch.unique(lists.case[chosen])) >= enough}
    if not learnt:
        few = (first & chosen_by.get(PLAIN, torch.zeros_like(first))).nonzero()[:, 0]
        best = _best_alone(_Run(scorer, lists, config, seed), few) if len(few) else "tower"
        return TrainedScorer(_trusting(scorer, best), None)
    longest = max(len(cases.targets) for _, cases in groups)
    fold = torch.from_numpy(np.random.default_rng(seed).permutation(longest) % config.folds)[lists.case]
    folds = [_Run(_fresh(dim, shape, seed), lists, config, seed) for _ in range(config.folds)]
    whole = _Run(scorer, lists, config, seed)
    gain = None
    if PLAIN in learnt:
        gain = _learn_whom_to_trust(whole, folds, fold, learnt.pop(PLAIN), first, config)
    else:
        for run in (whole, *folds):
            _trusting(run.scorer, "tower")
    for kind, chosen in learnt.items():
        for run in (whole, *folds):
            run.turn_to_requests()
        _learn(whole, folds, fold, chosen, config)
        if kind == judged.kind:
            gain = float(_gains(folds, fold, first).sum())
    return TrainedScorer(whole.scorer, None if gain is None else gain / len(judged.targets))


def _learn_whom_to_trust(
    whole: "_Run", folds: Sequence["_Run"], fold: Tensor, plain: Tensor, first: Tensor, config: ScorerTrainingConfig
) -> float:
    """Train on lists of histories, or trust a single source if that is better for the first group; returns its gain."""
    _learn(whole, folds, fold, plain, config)
    learnt, rows = _gains(folds, fold, first), first.nonzero()[:, 0]
    alone = {name: _reserve(whole, name, plain.nonzero()[:, 0]) for name in SOURCES}
    gains = {name: whole.lists.gains_of(whole.alone(name, reserve, rows), rows) for name, reserve in alone.items()}
    best = max(gains, key=lambda name: whole.weighted(gains[name], rows))
    if whole.weighted(gains[best], rows) <= whole.weighted(learnt, rows):
        return float(learnt.sum())
    for run in (whole, *folds):
        _trusting(run.scorer, best, alone[best])
    return float(gains[best].sum())


def _best_alone(run: "_Run", rows: Tensor) -> str:
    """The source that ranks some lists best by itself; the first of equal ones."""
    gains = {name: run.lists.gains_of(run.alone(name, 0.0, rows), rows) for name in SOURCES}
    return max(gains, key=lambda name: run.weighted(gains[name], rows))


def _reserve(run: "_Run", source: str, rows: Tensor) -> float:
    """What is best taken off newcomers where a source is trusted alone; of equal ones the least."""
    return max(
        _RESERVES, key=lambda reserve: run.weighted(run.lists.gains_of(run.alone(source, reserve, rows), rows), rows)
    )


def _gains(folds: Sequence["_Run"], fold: Tensor, chosen: Tensor) -> Tensor:
    """NDCG@10 of the chosen lists, each ranked by what the other folds learnt: float [chosen]."""
    gains = torch.zeros(len(fold))
    for part, run in enumerate(folds):
        rows = ((fold == part) & chosen).nonzero()[:, 0]
        gains[rows] = run.gains_of(rows)
    return gains[chosen]


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


def _trusting(scorer: BilinearScorer | MlpScorer, source: str, reserve: float = 0.0) -> Scorer:
    """Rank by one source alone, with some reserve towards newcomers, in deviations of the source."""
    with torch.no_grad():
        for name, weight in scorer.named_parameters():
            if not name.startswith("features.added"):
                weight.zero_()
        scorer.features.linear.weight[0, FEATURES.index(source)] = 1.0
        scorer.features.linear.weight[0, _COLD] = -reserve / scorer.features.scaled.scale[_COLD]
    return scorer.eval()


class _Run:
    """A scorer, what it is the mean of, and the lists it learns from."""

    def __init__(
        self,
        scorer: BilinearScorer | MlpScorer,
        lists: Lists,
        config: ScorerTrainingConfig,
        seed: int,
    ) -> None:
        self.lists, self.batch, self.seed = lists, config.batch, seed
        new = lists.features[torch.arange(len(lists)), lists.target, _COLD] > 0
        self.importance = torch.where(new, config.newcomer_weight, 1.0)
        self.rate = config.rate
        with torch.no_grad():
            scorer.features.measure(lists.features[lists.real])
        self.scorer = scorer.eval()
        self.learner, self.steps = copy.deepcopy(scorer), 0
        # A constant rate, so that "this many epochs" means the same in a fold and on all users.
        # The few weights of features are soon right; what crosses user and item learns slowly, lest it overfit, and
        # where fashions pass not at all: it would know what was in fashion when validation users were asked.
        crossing = [p for name, p in self.learner.named_parameters() if not name.startswith("features.")]
        own = [self.learner.features.linear.weight, self.learner.features.trend]
        groups = [{"params": own, "lr": 10 * config.rate, "weight_decay": 0.0}]
        if not lists.features[:, :, _TREND].any():
            groups.append({"params": crossing, "lr": config.rate, "weight_decay": config.weight_decay})
        self.optimiser = torch.optim.AdamW(groups)

    def turn_to_requests(self) -> None:
        """From here on learn what a kind of request adds, and leave the rest as it is."""
        self.learner, self.steps = copy.deepcopy(self.scorer), 0
        added = [*self.learner.features.added.parameters(), self.learner.features.trend_added]
        self.optimiser = torch.optim.AdamW(added, lr=10 * self.rate, weight_decay=0.0)

    def weights(self) -> dict[str, Tensor]:
        """A copy of all weights."""
        return {name: value.clone() for name, value in self.scorer.state_dict().items()}

    def one_epoch(self, chosen: Tensor, epoch: int) -> None:
        """Pass over some lists once, in an order drawn from seed and epoch."""
        random = torch.Generator().manual_seed(self.seed * 100_003 + epoch)
        for part in _parts(chosen[torch.randperm(len(chosen), generator=random)], self.batch):
            self.optimiser.zero_grad()
            self.losses(part, self.learner).mean().backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            self._average()

    @torch.no_grad()
    def _average(self) -> None:
        """Take the newest step into the mean; of the first 50 all count alike."""
        self.steps += 1
        share = max(1 / self.steps, 1 - _KEPT)
        for mean, newest in zip(self.scorer.parameters(), self.learner.parameters(), strict=True):
            mean.lerp_(newest, share)

    @torch.inference_mode()
    def loss_of(self, chosen: Tensor) -> float:
        """Sum of the loss over some lists."""
        return float(sum(self.losses(part, self.scorer).sum().item() for part in _parts(chosen, 512)))

    @torch.inference_mode()
    def gains_of(self, chosen: Tensor) -> Tensor:
        """NDCG@10 of some lists."""
        return self.lists.gains_of(self._scores(chosen, self.scorer), chosen)

    def alone(self, source: str, reserve: float, chosen: Tensor) -> Tensor:
        """Scores of some lists by one source alone, as `_trusting` gives them up to a constant."""
        features, place = self.lists.features[chosen], FEATURES.index(source)
        return features[:, :, place] * self.scorer.features.scaled.scale[place] - reserve * features[:, :, _COLD]

    def weighted(self, gains: Tensor, chosen: Tensor) -> float:
        """Sum of some lists' gains, each with the weight of its target."""
        return float((self.importance[chosen] * gains).sum())

    def losses(self, chosen: Tensor, scorer: BilinearScorer | MlpScorer) -> Tensor:
        """-log softmax at the target of each of some lists, times its weight."""
        return self.importance[chosen] * F.cross_entropy(
            self._scores(chosen, scorer), self.lists.target[chosen], reduction="none"
        )

    def _scores(self, chosen: Tensor, scorer: BilinearScorer | MlpScorer) -> Tensor:
        """Of some lists, float [chosen, candidates]; -inf where a list is padded."""
        lists = self.lists
        vectors = F.embedding(lists.rows[chosen], lists.vectors)  # in half the time of []: it is a quarter of a step
        inputs = lists.users[chosen], vectors, lists.features[chosen]
        scores: Tensor = scorer.logits(*inputs) if isinstance(scorer, BilinearScorer) else scorer(*inputs)
        return scores.masked_fill(~lists.real[chosen], -torch.inf)


def _parts(chosen: Tensor, size: int) -> list[Tensor]:
    """Pieces of at most `size`, none empty."""
    return [chosen[start : start + size] for start in range(0, len(chosen), size)]
