"""All figures of one ranker on one set of cases."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pocketrec.rankings import Interval, bootstrap_intervals
from pocketrec_export.held_out import HeldOut
from pocketrec_training.evaluate.metrics import Values, accuracy, coverage, diversity, gini, novelty
from pocketrec_training.evaluate.ranker import Ranker, Searcher
from pocketrec_training.evaluate.slices import query_slices, slices
from pocketrec_training.evaluate.splits import Split

CUTOFFS = (5, 10, 20)
"""Accuracy is measured at these cutoffs, and at the one asked for."""
AMONG_COLD = "/among-cold"
"""Ends the keys of rankings of the cold items alone, for cases that ask for one of them; others have 0 there."""


@dataclass(frozen=True, slots=True)
class Yardstick:
    """What every ranker is measured by."""

    held_out: HeldOut
    slices: dict[str, NDArray[np.bool_]]
    """Masks of cases, by name."""
    takers: NDArray[np.int64]
    """Users who took each item in the data that models learn from, [items]."""
    users: int
    """Number of those users."""
    vectors: NDArray[np.float32]
    """Unit vector of each item's text, by which diversity is measured, [items, d]."""
    cold: NDArray[np.bool_]
    """Items that were never met, [items]."""
    at: int
    """Cutoff of slices, coverage, Gini, novelty and diversity."""

    @classmethod
    def of(cls, split: Split, vectors: NDArray[np.float32], at: int = 10) -> "Yardstick":
        """The test cases of a split; `vectors` hold one row for each item."""
        if at < 1 or at > len(vectors):
            raise ValueError(f"can't measure at {at}: choose 1 to {len(vectors)}, the number of items (--at)")
        learnt = [np.unique(rows) for rows in split.fit if len(rows)]
        takers = np.bincount(np.concatenate([*learnt, np.zeros(0, np.int32)]), minlength=len(vectors))
        cold = split.cold(len(vectors))
        if split.test.queries is None:
            masks = slices(split.test, split.popularity(len(vectors)), cold)
        else:
            masks = query_slices(split.queries, cold)
        return cls(split.test, masks, takers.astype(np.int64), len(learnt), vectors, cold, at)

    @property
    def cutoffs(self) -> list[int]:
        """Where accuracy is measured, in ascending order."""
        return sorted(k for k in {*CUTOFFS, self.at} if k <= len(self.vectors))


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a ranker reached, case by case."""

    values: dict[str, Values]
    """A value for each case, by key: `ndcg@10`, `novelty@10`, `ndcg@10/unmasked`."""
    overall: dict[str, float]
    """Figures that only all cases together have: `coverage@10`, `gini@10`."""
    slices: dict[str, NDArray[np.bool_]]
    whose: NDArray[np.int32]
    """User of each case."""
    at: int

    @classmethod
    def of(cls, ranker: Ranker, yardstick: Yardstick, unmasked: bool = False) -> "Measurement":
        """Rank all cases and measure.

        Args:
            ranker: What is measured.
            yardstick: The cases.
            unmasked: Also rank with the history's own items allowed, under keys that end in `/unmasked`.
        """
        held_out, cutoffs = yardstick.held_out, yardstick.cutoffs
        measured = cls._of_ranked(ranker.rank(held_out.histories, cutoffs[-1]), yardstick)
        if unmasked:
            free = accuracy(ranker.rank(held_out.histories, cutoffs[-1], allow_seen=True), held_out.targets, cutoffs)
            measured.values.update({f"{key}/unmasked": value for key, value in free.items()})
        asked = np.flatnonzero(yardstick.slices["cold"])
        alone = ranker.rank([held_out.histories[i] for i in asked], yardstick.at, among=yardstick.cold)
        found = accuracy(alone, [held_out.targets[i] for i in asked], [yardstick.at])
        for key in (f"ndcg@{yardstick.at}", f"recall@{yardstick.at}"):
            measured.values[key + AMONG_COLD] = np.zeros(len(held_out))
            measured.values[key + AMONG_COLD][asked] = found[key]
        return measured

    @classmethod
    def of_search(cls, searcher: Searcher, yardstick: Yardstick) -> "Measurement":
        """Answer the queries of all cases and measure."""
        queries = yardstick.held_out.queries or []
        return cls._of_ranked(searcher.search(queries, yardstick.cutoffs[-1]), yardstick)

    @classmethod
    def _of_ranked(cls, ranked: NDArray[np.int32], yardstick: Yardstick) -> "Measurement":
        """Measure rankings [cases, longest cutoff]."""
        held_out, items, at = yardstick.held_out, len(yardstick.vectors), yardstick.at
        values = accuracy(ranked, held_out.targets, yardstick.cutoffs)
        values[f"novelty@{at}"] = novelty(ranked[:, :at], yardstick.takers, yardstick.users)
        values[f"diversity@{at}"] = diversity(ranked[:, :at], yardstick.vectors)
        return cls(
            values=values,
            overall={
                f"coverage@{at}": coverage(ranked[:, :at], items),
                f"gini@{at}": gini(ranked[:, :at], items),
            },
            slices=yardstick.slices,
            whose=held_out.users,
            at=at,
        )

    @classmethod
    def joined(cls, parts: Sequence["Measurement"], labels: Sequence[str] = ()) -> "Measurement":
        """Folds or origins as one: cases side by side, overall figures averaged; `labels` make each a slice too."""
        first = parts[0]
        masks = {key: np.concatenate([part.slices[key] for part in parts]) for key in first.slices}
        number = np.repeat(np.arange(len(parts)), [len(part.whose) for part in parts])
        return cls(
            values={key: np.concatenate([part.values[key] for part in parts]) for key in first.values},
            overall={key: float(np.mean([part.overall[key] for part in parts])) for key in first.overall},
            slices=masks | {label: number == place for place, label in enumerate(labels)},
            whose=np.concatenate([part.whose for part in parts]),
            at=first.at,
        )

    def metrics(self) -> dict[str, float]:
        """Means over all cases and over each slice that has any, and the overall figures."""
        figures = {key: float(self.values[key].mean()) for key in self._whole()}
        for name, mask in self._filled():
            figures |= {f"{name}/{key}": float(self.values[key][mask].mean()) for key in self._sliced(name)}
        return figures | self.overall

    def intervals(self, seed: int) -> dict[str, Interval]:
        """95 % bootstrap intervals over users, for all that has a value per case."""
        keys = self._whole()
        table = np.stack([self.values[key] for key in keys], axis=1)
        intervals = dict(zip(keys, bootstrap_intervals(table, seed=seed, whose=self.whose), strict=True))
        for name, mask in self._filled():
            keys = self._sliced(name)
            table = np.stack([self.values[key][mask] for key in keys], axis=1)
            found = bootstrap_intervals(table, seed=seed, whose=self.whose[mask])
            intervals |= {f"{name}/{key}": pair for key, pair in zip(keys, found, strict=True)}
        return intervals

    def _filled(self) -> list[tuple[str, NDArray[np.bool_]]]:
        return [(name, mask) for name, mask in self.slices.items() if mask.any()]

    def _whole(self) -> list[str]:
        return [key for key in self.values if not key.endswith(AMONG_COLD)]

    def _sliced(self, name: str) -> list[str]:
        ends = ("", "/unmasked", *([AMONG_COLD] if name == "cold" else []))
        keys = [f"{metric}@{self.at}{end}" for end in ends for metric in ("ndcg", "recall")]
        return [key for key in keys if key in self.values]
