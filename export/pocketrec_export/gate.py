"""The ranking gate: int8 ships only if people get the same recommendations.

Every comparison runs whole bundles through the runtime, on histories of held-out users and on queries. A graph passes
when the upper end of the interval of its relative NDCG@10 loss, from a paired bootstrap over cases, stays inside the
bound; closeness of numbers is no criterion.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from pocketrec.config import Config
from pocketrec.items import Item
from pocketrec.recommender import Recommender
from pocketrec_export.held_out import HeldOut
from pocketrec_export.rankings import ndcg, overlap, paired_bootstrap

K = 10


class GateConfig(Config, frozen=True, kw_only=True):
    """How strict the gate is."""

    bound: Annotated[float, Meta(gt=0)] = 0.01
    """Largest relative loss of NDCG@10, at the upper end of its 95 % interval."""
    cases: Annotated[int, Meta(ge=1)] = 2000
    """Most held-out users, and most queries, that are compared."""
    moments: Annotated[int, Meta(ge=1)] = 4
    """Times that each user is asked: with the whole history, then each time without one more of its newest items."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What both bundles are asked: histories and queries, each with the items that should come first."""

    ids: list[str]
    """Id of each row."""
    moments: int
    """Histories of each user, one after the other."""
    histories: list[list[str]]
    history_targets: list[NDArray[np.int32]]
    queries: list[str]
    query_targets: list[NDArray[np.int32]]

    @classmethod
    def of(cls, held_out: HeldOut, items: Sequence[Item], config: GateConfig, seed: int) -> "Probe":
        """Held-out users' histories or queries, and for a sample of items the first half of their title as a query.

        Between two bundles rankings flip at random where scores nearly tie. A user who is asked at several moments
        averages that out, so the interval shows what int8 costs.
        """
        cases = held_out.sample(config.cases, seed)
        moments = range(config.moments)
        typed = cases.queries or []
        users = cases.chosen(np.arange(0 if typed else len(cases)))
        chosen = np.random.default_rng(seed).permutation(len(items))[: config.cases]
        return cls(
            ids=[item.id for item in items],
            moments=config.moments,
            histories=[
                [items[row].id for row in rows[: max(1, len(rows) - moment)]]
                for rows in users.histories
                for moment in moments
            ],
            history_targets=[target for target in users.targets for _ in moments],
            queries=typed + [first_half(items[row].title) for row in chosen],
            query_targets=(cases.targets if typed else []) + [np.array([row], dtype=np.int32) for row in chosen],
        )


@dataclass(frozen=True, slots=True)
class Answers:
    """Rows of the top 10 for each history and query of a probe, -1 where there are fewer."""

    histories: NDArray[np.int32]
    queries: NDArray[np.int32]

    @classmethod
    def of(cls, bundle: Path, probe: Probe) -> "Answers":
        """Ask a bundle."""
        recommender = Recommender.load(bundle)
        row_of = {id: row for row, id in enumerate(probe.ids)}

        def rows(answers: list[list[str]]) -> NDArray[np.int32]:
            table = np.full((len(answers), K), -1, np.int32)
            for line, answer in enumerate(answers):
                table[line, : len(answer)] = [row_of[id] for id in answer]
            return table

        return cls(
            histories=rows([recommender.rank(history, k=K) for history in probe.histories]),
            queries=rows([recommender.rank(query=query, k=K) for query in probe.queries]),
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison with the float32 bundle found."""

    passed: bool
    overlap: float
    """Mean share of the top 10 that both bundles give, over histories and queries."""
    ndcg: dict[str, float]
    """Mean NDCG@10 before and after: `histories/fp32`, `histories/int8`, `queries/fp32`, `queries/int8`."""
    loss: float
    """The larger relative loss of NDCG@10 of the two."""
    upper: float
    """The larger upper end of its interval."""

    @property
    def words(self) -> str:
        """For the manifest."""
        return f"overlap@10 {self.overlap:.3f}, NDCG@10 loss {self.loss:+.2%}, at most {self.upper:+.2%}"


def compare(before: Answers, after: Answers, probe: Probe, config: GateConfig) -> Verdict:
    """Judge a bundle's answers against those of the float32 bundle."""
    overlaps, figures, losses, uppers = [], {}, [0.0], [0.0]
    parts = (
        ("histories", before.histories, after.histories, probe.history_targets, probe.moments),
        ("queries", before.queries, after.queries, probe.query_targets, 1),
    )
    for name, old, new, targets, moments in parts:
        if not len(targets):
            continue
        old_ndcg, new_ndcg = (ndcg(rows, targets).reshape(-1, moments).mean(axis=1) for rows in (old, new))
        difference = paired_bootstrap(new_ndcg, old_ndcg)
        overlaps.append(overlap(old, new))
        figures[f"{name}/fp32"], figures[f"{name}/int8"] = float(np.mean(old_ndcg)), float(np.mean(new_ndcg))
        losses.append(-difference.relative)
        uppers.append(-difference.relative_interval[0])
    return Verdict(
        passed=max(uppers) <= config.bound,
        overlap=float(np.mean(np.concatenate(overlaps))) if overlaps else 1.0,
        ndcg=figures,
        loss=max(losses[1:], default=0.0),
        upper=max(uppers[1:], default=0.0),
    )


def first_half(title: str) -> str:
    """The first half of a title's words, at least one: what a person types before he stops."""
    words = title.split()
    return " ".join(words[: (len(words) + 1) // 2])
