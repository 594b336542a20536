"""What every evaluation shares: its options, the vectors it measures by, the facts it records, its result."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pocketrec.results import Machine, Result, installed_versions
from pocketrec_export.graphs.pretrained import stated_pooling
from pocketrec_export.text_vectors import text_vectors
from pocketrec_training.dataset import Dataset, dataset_digest
from pocketrec_training.encoder.default import default_encoder
from pocketrec_training.evaluate.figures import Figures
from pocketrec_training.evaluate.splits import Split

_MAX_TOKENS = 64
_MAX_TOKENS_SEARCH = 256
"""What is searched may be long, and this is what all-MiniLM-L6-v2 was made for."""


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """What to measure."""

    at: int = 10
    """Cutoff of slices, coverage, Gini, novelty, diversity and comparisons."""
    baselines: bool = True
    unmasked: bool = False
    """Also rank with the history's own items allowed."""
    seed: int = 0
    """Of bootstrap, permutations, folds and matrix factorisation."""


def frozen_vectors(texts: Sequence[str], search: bool = False) -> NDArray[np.float32]:
    """Unit vectors of all-MiniLM-L6-v2 as it came: a baseline, and the same measure of diversity for all."""
    encoder, most = default_encoder(), _MAX_TOKENS_SEARCH if search else _MAX_TOKENS
    return text_vectors(texts, encoder, stated_pooling(encoder), most, "Reading items")


def repeated_targets(split: Split) -> int:
    """Cases with a target that the user had before: sure misses where histories are masked."""
    pairs = zip(split.test.targets, split.test.histories, strict=True)
    return sum(bool(np.isin(targets, history).any()) for targets, history in pairs)


def facts_of(dataset: Dataset, split: Split) -> dict[str, str]:
    """Notes that a reader needs to read the figures."""
    facts = {
        "dataset": dataset.card.name,
        "dataset digest": dataset_digest(dataset.card),
        "split": split.name,
        "items": str(len(dataset.items)),
        "repeated targets": str(repeated_targets(split)),
        "diversity by": "cosine of all-MiniLM-L6-v2 vectors, as in frozen-text",
    }
    if dataset.card.ties.unordered:
        facts["order"] = "the last two events of most users have one time: the last item is chance"
    return facts


def as_result(name: str, figures: Figures, facts: dict[str, str], options: EvaluationOptions, started: float) -> Result:
    """Figures and facts with machine, versions and duration since `started`, of `time.perf_counter`."""
    return Result(
        name=name,
        command="pocketrec evaluate",
        machine=Machine.here(),
        versions=installed_versions(),
        seeds=(options.seed,),
        duration_s=round(time.perf_counter() - started, 1),
        metrics=figures.metrics,
        intervals=figures.intervals,
        baselines=figures.baselines,
        notes=facts | figures.notes,
    )
