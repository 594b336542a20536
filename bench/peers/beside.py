"""What both sides of a comparison share: the experiment that a peer is set beside, and how the two are shown."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from pocketrec.errors import DataError
from pocketrec.results import Result
from pocketrec_export.model import ModelCard, read_card
from pocketrec_training.dataset import Dataset, dataset_digest
from pocketrec_training.evaluate.case_file import CaseFile
from pocketrec_training.evaluate.comparison import compare, lead_rows, mean_rows
from pocketrec_training.evaluate.figures import Figures, measure_all
from pocketrec_training.evaluate.measurement import Yardstick
from pocketrec_training.evaluate.ranker import Ranker
from pocketrec_training.evaluate.report import EvaluationOptions, as_result, facts_of
from pocketrec_training.evaluate.splits import Split, make_split
from pocketrec_training.evaluate.table import aligned

OURS = "pocketrec"


@dataclass(frozen=True, slots=True)
class Experiment:
    """What `pocketrec experiment` left in its folder, of one seed."""

    card: ModelCard
    dataset: Dataset
    split: Split
    measured: Result
    trained: Result
    cases: NDArray[np.float64]
    """NDCG@10 of each test case."""
    seed: int

    @classmethod
    def read(cls, folder: Path, seed: int) -> "Experiment":
        """Read it.

        Raises:
            DataError: The data set isn't the one that the model was trained on.
        """
        ours = folder / f"seed-{seed}"
        card, dataset = read_card(ours / "model"), Dataset.load(folder / "dataset")
        if dataset_digest(dataset.card) != card.dataset_digest:
            raise DataError(f"{ours / 'model'} was trained on another data set than {folder / 'dataset'}")
        return cls(
            card=card,
            dataset=dataset,
            split=make_split(dataset, card.split),
            measured=Result.read(ours / "evaluate.json"),
            trained=Result.read(ours / "train.json"),
            cases=CaseFile.load(CaseFile.beside(ours / "evaluate.json")).values["bundle/ndcg@10"],
            seed=seed,
        )

    def seconds(self, minutes: float | None) -> float:
        """How long a peer may train: as long as the experiment did unless minutes are given."""
        return self.trained.duration_s if minutes is None else 60.0 * minutes

    def set_beside(
        self,
        peer: tuple[str, Ranker],
        baseline: tuple[str, Ranker],
        yardstick: Yardstick,
        facts: Mapping[str, str],
        metrics: Mapping[str, float],
        version: str,
        result: Path | None,
        started: float,
    ) -> None:
        """Evaluate a peer, print both figures and whether the difference is one, and write them.

        Args:
            peer: Its name, and what it ranks by.
            baseline: A reference for both.
            yardstick: Of this split.
            facts: On the peer.
            metrics: Of its training.
            version: Of its library.
            result: File to write, if any, with each case beside it.
            started: When, by `time.perf_counter`.
        """
        name, theirs = peer[0], measure_all([peer], yardstick, unmasked=True)
        figures = Figures.of(theirs, measure_all([baseline], yardstick, unmasked=True), self.seed)
        values = {OURS: self.cases, name: theirs[name].values["ndcg@10"]}
        (lead,) = compare(values, self.seed)
        print(aligned(mean_rows(values, "ndcg@10")))
        print(aligned(lead_rows([lead])))
        if result is None:
            return
        CaseFile.of(theirs).save(CaseFile.beside(result))  # so that `pocketrec compare` takes it too
        options = EvaluationOptions(unmasked=True, seed=self.seed)
        told = {**facts_of(self.dataset, self.split), **facts}
        written = as_result(self.dataset.card.name, figures, told, options, started)
        shown = ("ndcg@10", "recall@10", "ndcg@10/unmasked", "recall@10/unmasked")
        kept = [key for key in shown if key in self.measured.metrics]
        over = f"{lead.ahead} over {lead.behind}"
        msgspec.structs.replace(
            written,
            command=f"bench/peers/{Path(sys.argv[0]).name}",
            versions=written.versions | {name: version},
            metrics=written.metrics
            | {f"{OURS}/{key}": self.measured.metrics[key] for key in kept}
            | {**metrics, f"{OURS}/train_s": self.trained.duration_s}
            | {f"{over}/ndcg@10": lead.difference.mean, f"{over}/p": lead.p},
            intervals=written.intervals
            | {f"{OURS}/{key}": self.measured.intervals[key] for key in kept}
            | {f"{over}/ndcg@10": lead.difference.interval},
        ).write(result)
