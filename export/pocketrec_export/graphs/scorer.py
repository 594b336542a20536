"""Scorers: from a user vector, candidates' vectors and features to one score for each candidate."""

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from pocketrec.config import Config
from pocketrec.features import BEFORE_TREND, FEATURES, KINDS

Kind = Literal["dot", "bilinear", "mlp"]


class ScorerConfig(Config, frozen=True, kw_only=True):
    """Which scorer, and its size."""

    kind: Kind = "mlp"
    """A plain product, a bilinear form, or a network over products and features."""
    rank: Annotated[int, Meta(ge=1)] = 16
    """Rank of the bilinear form."""
    hidden: Annotated[int, Meta(ge=1)] = 16
    """Width of the MLP."""


_LASTING = len(BEFORE_TREND)
"""Features that a network may read: what is in fashion passes, and so would what it made of that."""
_KINDS = slice(FEATURES.index(KINDS[0]), FEATURES.index(KINDS[-1]) + 1)


class FeatureScale(nn.Module):
    """Features at unit deviation, so that weights of all of them are of one size."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(_LASTING))
        self.register_buffer("scale", torch.ones(_LASTING))

    def measure(self, features: Tensor) -> None:
        """Take mean and deviation from features [candidates, lasting]; constant ones stay as they are."""
        deviation = features.std(dim=0)
        self.shift.copy_(features.mean(dim=0))
        self.scale.copy_(torch.where(deviation > 1e-6, 1 / deviation.clamp(min=1e-6), torch.ones(())))

    def forward(self, features: Tensor) -> Tensor:
        """Scaled features, same shape."""
        return (features - self.shift) * self.scale


class FeatureWeights(nn.Module):
    """b.f + t trend; where somebody asked, q.f on top; and where items of the history may come again, r.f.

    What such requests add is learnt by weights of their own: with a query the answer is nearly given away, what was
    taken before is like the history as nothing else is, and what histories taught about trust must not suffer from it.
    """

    plain: Tensor
    trend_scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.scaled = FeatureScale()
        self.linear = nn.Linear(_LASTING, 1, bias=False)
        self.added = nn.Linear(_LASTING, len(KINDS))
        self.trend = nn.Parameter(torch.zeros(1))
        self.trend_added = nn.Parameter(torch.zeros(len(KINDS)))
        self.register_buffer("trend_scale", torch.ones(1))
        of_request = {"query_similarity", *KINDS}
        self.register_buffer("plain", torch.tensor([0.0 if name in of_request else 1.0 for name in BEFORE_TREND]))
        for weight in (self.linear.weight, self.added.weight, self.added.bias):
            nn.init.zeros_(weight)

    def measure(self, features: Tensor) -> None:
        """Take the size of features from candidates [candidates, len(FEATURES)]."""
        self.scaled.measure(features[:, :_LASTING])
        deviation = features[:, _LASTING].std()
        if deviation > 1e-6:
            self.trend_scale.fill_(1 / deviation)

    def base(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Scaled lasting features without those of the request, and b.f + t trend [batch, count]."""
        scaled: Tensor = self.scaled(features[:, :, :_LASTING]) * self.plain
        return scaled, self.linear(scaled)[:, :, 0] + self.trend * self.trend_scale * features[:, :, _LASTING]

    def for_request(self, base: Tensor, features: Tensor) -> Tensor:
        """A base score [batch, count], with q.f and r.f added where they are due."""
        late = self.trend_added * self.trend_scale * features[:, :, _LASTING:]
        said = self.added(self.scaled(features[:, :, :_LASTING])) + late
        added: Tensor = (features[:, :, _KINDS] * said).sum(dim=-1)
        return base + added


class DotScorer(nn.Module):
    """s = u.v: the tower alone; nothing to learn."""

    def forward(self, user: Tensor, candidates: Tensor, features: Tensor) -> Tensor:
        """Scores, float [batch, count]; see `build_scorer` for the shapes."""
        # The product with zero keeps all three inputs in the graph, so that every scorer is fed alike.
        return (candidates @ user[:, :, None])[:, :, 0] + 0 * features[:, :, 0]


class BilinearScorer(nn.Module):
    """P = sigmoid(<W, u v^T + v u^T> + b.f), with W = A B^T of low rank.

    <W, u v^T + v u^T> = (u A).(v B) + (v A).(u B): symmetric in user and item, 4 dim rank products instead of
    dim^2. The features f enter linearly, so the form re-weighs directions of the shared space and the
    features say which source of candidates to trust.
    """

    def __init__(self, dim: int, rank: int) -> None:
        super().__init__()
        self.left = nn.Linear(dim, rank, bias=False)
        self.right = nn.Linear(dim, rank, bias=False)
        self.features = FeatureWeights()
        nn.init.normal_(self.left.weight, std=dim**-0.5)
        nn.init.zeros_(self.right.weight)

    def logits(self, user: Tensor, candidates: Tensor, features: Tensor) -> Tensor:
        """Scores before the sigmoid, which training's softmax works on."""
        forward = (self.left(user)[:, None] * self.right(candidates)).sum(dim=-1)
        backward = (self.right(user)[:, None] * self.left(candidates)).sum(dim=-1)
        _, linear = self.features.base(features)
        return self.features.for_request(forward + backward + linear, features)

    def forward(self, user: Tensor, candidates: Tensor, features: Tensor) -> Tensor:
        """Probabilities, float [batch, count]."""
        return self.logits(user, candidates, features).sigmoid()


class MlpScorer(nn.Module):
    """s = b.f + w.relu(M [u*v, f]): linear in the features, corrected by a small network."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.features = FeatureWeights()
        self.hidden = nn.Linear(dim + _LASTING, hidden)
        self.out = nn.Linear(hidden, 1, bias=False)
        self.dim = dim
        nn.init.zeros_(self.out.weight)

    def forward(self, user: Tensor, candidates: Tensor, features: Tensor) -> Tensor:
        """Scores, float [batch, count]."""
        scaled, linear = self.features.base(features)
        crossing, plain = self.hidden.weight[:, : self.dim], self.hidden.weight[:, self.dim :]
        # M (u * v) = (M u*) v: the user's part is multiplied once, not for each candidate.
        crossed = candidates @ (user[:, None] * (crossing * self.dim**0.5)).transpose(1, 2)
        hidden = torch.relu(crossed + F.linear(scaled, plain, self.hidden.bias))
        return self.features.for_request(linear + self.out(hidden)[:, :, 0], features)


Scorer = DotScorer | BilinearScorer | MlpScorer


def build_scorer(dim: int, config: ScorerConfig) -> Scorer:
    """Scorer of a kind, before training: all start from zero weight on everything they learn.

    Every scorer takes user [batch, dim], candidates [batch, count, dim] and features
    [batch, count, len(FEATURES)], all float, and returns [batch, count].
    """
    if config.kind == "dot":
        return DotScorer()
    if config.kind == "bilinear":
        return BilinearScorer(dim, config.rank)
    return MlpScorer(dim, config.hidden)
