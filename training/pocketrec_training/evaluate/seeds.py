"""Evaluations of one way of training with several seeds, as one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pocketrec.results import Result
from pocketrec_export.rankings import Interval, bootstrap_interval
from pocketrec_training.evaluate.case_file import CaseFile

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
        """95 % over cases, each case's value being its mean over seeds; of other rankers all and cold ones."""
        return dict(self._intervals())

    def _metrics(self) -> Iterator[tuple[str, float]]:
        for key in self.results[0].metrics:
            if not key.startswith("over/"):
                yield key, float(np.mean([result.metrics[key] for result in self.results]))
        for key in _MAIN if len(self.results) > 1 else ():
            if key in self.results[0].metrics:
                yield f"deviation/{key}", float(np.std([result.metrics[key] for result in self.results], ddof=1))

    def _intervals(self) -> Iterator[tuple[str, Interval]]:
        first = self.cases[0]
        for name in first.values:
            ranker, _, key = name.partition("/")
            values = np.mean([cases.values[name] for cases in self.cases if name in cases.values], axis=0)
            main = ranker == self.results[0].notes["subject"]
            yield key if main else name, bootstrap_interval(values)
            for part, mask in first.slices.items():
                if mask.any() and (main or part == "cold"):
                    yield f"{part}/{key}" if main else f"{ranker}/{part}/{key}", bootstrap_interval(values[mask])
