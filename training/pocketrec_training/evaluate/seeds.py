"""Evaluations of one way of training with several seeds, as one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pocketrec.rankings import Interval, bootstrap_means
from pocketrec.results import Result
from pocketrec_training.evaluate.case_file import CaseFile
from pocketrec_training.evaluate.leads import Lead, find_leads
from pocketrec_training.evaluate.measurement import AMONG_COLD

_MAIN = ("ndcg@10", "recall@10", "cold/ndcg@10", "cold/recall@10")


@dataclass(frozen=True, slots=True)
class Runs:
    """What each seed reached on the same test cases, the baselines beside the first."""

    results: list[Result]
    cases: list[CaseFile]
    trained_s: list[float]
    """Seconds that training took."""

    @classmethod
    def read(cls, folders: Sequence[Path]) -> "Runs":
        """Read train.json, evaluate.json and its cases from the folder of each seed.

        Raises:
            DataError: One of them is missing or not of its form.
        """
        measured = [folder / "evaluate.json" for folder in folders]
        return cls(
            results=[Result.read(path) for path in measured],
            cases=[CaseFile.load(CaseFile.beside(path)) for path in measured],
            trained_s=[Result.read(folder / "train.json").duration_s for folder in folders],
        )

    @property
    def train_s(self) -> float:
        """Mean seconds of training."""
        return float(np.mean(self.trained_s))

    @property
    def duration_s(self) -> float:
        """Seconds of training and evaluation, of all seeds."""
        return sum(self.trained_s) + sum(result.duration_s for result in self.results)

    def metrics(self) -> dict[str, float]:
        """Means over seeds, and with several the deviation of the main figures."""
        return dict(self._metrics())

    def baselines(self) -> dict[str, dict[str, float]]:
        """Figures of the baselines, which no seed moves but that of matrix factorisation."""
        return self.results[0].baselines

    def notes(self) -> dict[str, str]:
        """Facts of the first seed's evaluation."""
        return self.results[0].notes

    def intervals(self) -> dict[str, Interval]:
        """95 % over users and seeds, of the subject on each slice too; see `interval_over_seeds`."""
        return dict(self._intervals())

    def values(self, key: str, part: str = "", ranker: str | None = None) -> NDArray[np.float64]:
        """A value of each case with each seed, [cases, seeds].

        Args:
            key: Figure, such as `ndcg@10`.
            part: Slice of the cases; all by default.
            ranker: Whose it is; the subject's by default.
        """
        values = self._seeds(f"{ranker or self.results[0].notes['subject']}/{key}")
        return values[self.cases[0].slices[part]] if part else values

    def leads(self) -> list[Lead]:
        """How far the subject is ahead of the others, each case's value being its mean over seeds."""
        values = {name.removesuffix("/ndcg@10"): self._seeds(name).mean(axis=1) for name in self._named("/ndcg@10")}
        main = self.results[0].notes["subject"]
        return find_leads([(main, name) for name in values if name != main], values)

    def _metrics(self) -> Iterator[tuple[str, float]]:
        for key in self.results[0].metrics:
            if not key.startswith("over/"):
                yield key, float(np.mean([result.metrics[key] for result in self.results]))
        for key in _MAIN if len(self.results) > 1 else ():
            if key in self.results[0].metrics:
                yield f"deviation/{key}", float(np.std([result.metrics[key] for result in self.results], ddof=1))

    def _intervals(self) -> Iterator[tuple[str, Interval]]:
        main, parts = self.results[0].notes["subject"], self.cases[0].slices
        for name in self._named(""):
            ranker, _, key = name.partition("/")
            values, prefix = self._seeds(name), "" if ranker == main else f"{ranker}/"
            alone = key.endswith(AMONG_COLD)
            if not alone:
                yield prefix + key, interval_over_seeds(values)
            for part, mask in parts.items():
                if mask.any() and (part == "cold" or (ranker == main and not alone)):
                    yield f"{prefix}{part}/{key}", interval_over_seeds(values[mask])

    def _named(self, end: str) -> list[str]:
        return [name for name in self.cases[0].values if name.endswith(end)]

    def _seeds(self, name: str) -> NDArray[np.float64]:
        """A ranker's value of each case with each seed that it was measured with, [cases, seeds]."""
        return np.stack([cases.values[name] for cases in self.cases if name in cases.values], axis=1)


def interval_over_seeds(values: NDArray[np.float64], samples: int = 2000, seed: int = 0) -> Interval:
    """95 % interval of the mean, for users like these and for seeds like these.

    Users and, apart from them, seeds are drawn with replacement, a bootstrap of crossed factors (Owen, Annals of
    Applied Statistics 2007); of n seeds n - 1 are drawn, without which few seeds would seem to vary too little (Rao and
    Wu, JASA 1988). Two or three seeds say little about their own spread: where that matters more than which users there
    are, the interval is a rough one. With one seed it covers users alone.

    Args:
        values: [users, seeds].
        samples: Number of resamples.
        seed: Of the draws.

    Example:
        >>> interval_over_seeds(np.full((10, 3), 0.25))
        (0.25, 0.25)
    """
    means, seeds = bootstrap_means(values, samples, seed), values.shape[1]
    drawn = np.random.default_rng(seed + 1).integers(seeds, size=(samples, max(1, seeds - 1)))
    low, high = np.quantile(np.take_along_axis(means, drawn, axis=1).mean(axis=1), [0.025, 0.975])
    return float(low), float(high)
