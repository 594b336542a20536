"""What the scorer learns from and ranks: lists of candidates with their features, as the runtime makes them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pocketrec.features import FEATURES, features, scaled_popularity
from pocketrec.index import Mask, VectorIndex
from pocketrec.neighbours import Neighbours
from pocketrec.progress import progress
from pocketrec.retrieval import retrieve
from pocketrec.votes import Votes

Rows = NDArray[np.int32]


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
    trend: NDArray[np.float32]
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
        trending = np.argsort(-self.trend, kind="stable")[: np.count_nonzero(self.trend)].astype(np.int32)
        found = []
        with progress("Collecting candidates", total=len(cases.histories)) as shown:
            for i, (user, history) in enumerate(zip(cases.users, cases.histories, strict=True)):
                recent = history[-self.history :]
                votes = Votes.of(history, (self.neighbours, self.followers))
                without = history[:0] if cases.allow_seen else history
                count = max(self.count, at_least)
                rows = retrieve(user, votes, self.index, count, without, allowed, trending)
                table = features(
                    user=user,
                    vectors=self.vectors[rows],
                    votes=votes.at(rows),
                    popularity=popularity[rows],
                    trend=self.trend[rows],
                    history=self.vectors[recent],
                    query=None if cases.queries is None else cases.queries[i],
                    allow_seen=cases.allow_seen,
                )
                found.append((rows, table))
                shown.advance()
        return found


@dataclass(frozen=True, slots=True)
class Lists:
    """Candidate lists as tensors, padded: only cases whose target is among the candidates."""

    vectors: Tensor
    """Of the items of each catalogue, one catalogue after the other [items, dim]."""
    users: Tensor
    """Float [lists, dim]."""
    rows: Tensor
    """Int64 [lists, candidates], places in `vectors`."""
    features: Tensor
    """Float [lists, candidates, len(FEATURES)]."""
    real: Tensor
    """Bool [lists, candidates]: False for padding, and for further targets of a case, which aren't wrong."""
    target: Tensor
    """Int64 [lists], place of the target among the candidates."""
    group: Tensor
    """Int64 [lists], place of the group of cases that a list comes from."""
    case: Tensor
    """Int64 [lists], place of the case in its group."""

    @classmethod
    def of(cls, groups: Sequence[tuple[Retriever, Cases]]) -> "Lists":
        """Collect the candidates of all cases of each group, from a catalogue of its own."""
        users, found, places = [], [], []
        start = 0
        for group, (retriever, cases) in enumerate(groups):
            lists = retriever.lists(cases)
            for case, ((rows, table), target) in enumerate(zip(lists, cases.targets, strict=True)):
                at = np.flatnonzero(rows == target[0])
                if len(at):
                    users.append(cases.users[case])
                    counts = (rows == target[0]) | ~np.isin(rows, target)
                    found.append((rows.astype(np.int64) + start, table, counts))
                    places.append((int(at[0]), group, case))
            start += len(retriever.vectors)
        width = max((len(rows) for rows, _, _ in found), default=0)
        rows = np.zeros((len(found), width), np.int64)
        values = np.zeros((len(found), width, len(FEATURES)), np.float32)
        real = np.zeros((len(found), width), np.bool_)
        for line, (candidates, table, counts) in enumerate(found):
            rows[line, : len(candidates)], values[line, : len(candidates)] = candidates, table
            real[line, : len(candidates)] = counts
        place = torch.tensor(places, dtype=torch.long).reshape(-1, 3)
        vectors = np.concatenate([retriever.vectors for retriever, _ in groups])
        return cls(
            vectors=torch.from_numpy(vectors),
            users=torch.from_numpy(np.array(users, np.float32).reshape(-1, vectors.shape[1])),
            rows=torch.from_numpy(rows),
            features=torch.from_numpy(values),
            real=torch.from_numpy(real),
            target=place[:, 0],
            group=place[:, 1],
            case=place[:, 2],
        )

    def __len__(self) -> int:
        return len(self.users)

    def gains_of(self, scores: Tensor, chosen: Tensor) -> Tensor:
        """NDCG@10 of each of the chosen lists, ranked by scores [chosen, candidates]: float [chosen].

        Of candidates whose scores are equal any may come first, so what counts is the mean over their orders: a source
        that gives all the same score knows nothing.
        """
        real, own = self.real[chosen], scores.gather(1, self.target[chosen][:, None])
        better = ((scores > own) & real).sum(dim=1)
        equal = ((scores == own) & real).sum(dim=1)  # the target itself among them
        discounts = torch.where(torch.arange(real.shape[1]) < 10, 1 / torch.log2(torch.arange(real.shape[1]) + 2), 0.0)
        worth = F.pad(discounts.cumsum(0), (1, 0))
        return (worth[better + equal] - worth[better]) / equal
