"""Evaluations that train anew for each of several splits: how good a way of training is, not one model."""

import time
from collections.abc import Sequence
from pathlib import Path

from pocketrec.results import Result
from pocketrec.text import TextTemplate
from pocketrec_training.dataset import Dataset
from pocketrec_training.evaluate.baselines import fit_baselines
from pocketrec_training.evaluate.figures import Figures, measure_all
from pocketrec_training.evaluate.folds import folds, rolling_origins
from pocketrec_training.evaluate.measurement import Measurement, Yardstick
from pocketrec_training.evaluate.model_ranker import ModelRanker
from pocketrec_training.evaluate.report import (
    EvaluationOptions,
    as_result,
    facts_of,
    frozen_vectors,
    repeated_targets,
)
from pocketrec_training.evaluate.splits import Split
from pocketrec_training.train import TrainConfig, fit_model
from pocketrec_training.trends import recent_popularity


def cross_validate(data: Path, config: TrainConfig, count: int, options: EvaluationOptions | None = None) -> Result:
    """k-fold cross-validation by user: train on the others' histories, rank the last item of strangers.

    Args:
        data: Folder of the data set.
        config: What to train; its `split` plays no part.
        count: Number of folds.
        options: What to measure; baselines are fitted anew in each fold.
    """
    options, started = options or EvaluationOptions(), time.perf_counter()
    dataset = Dataset.load(data)
    parts = folds(dataset, count, options.seed)
    facts = {"split": f"{count} folds by user, last item of each user"}
    return _train_for_each(parts, dataset, config, options, [], "cross-validate", facts, started)


def evaluate_origins(data: Path, config: TrainConfig, count: int, options: EvaluationOptions | None = None) -> Result:
    """Rolling-origin evaluation: train on what came before each of several moments, rank what users took next.

    Figures are means over the cases of all origins, and under `origin-N/` over those of one. A user who has a case at
    several origins stays one user to intervals and tests.

    Args:
        data: Folder of a data set with times.
        config: What to train; its `split` plays no part.
        count: Number of origins.
        options: What to measure; baselines are fitted anew at each origin.
    """
    options, started = options or EvaluationOptions(), time.perf_counter()
    dataset = Dataset.load(data)
    parts = rolling_origins(dataset, count)
    labels = [f"origin-{number}" for number in range(1, count + 1)]
    origins = ", ".join(part.name.rpartition(", ")[2] for part in parts)
    facts = {"split": f"rolling-origin, what users took next after {count} moments", "origins": origins}
    return _train_for_each(parts, dataset, config, options, labels, "rolling-origin", facts, started)


def _train_for_each(
    parts: Sequence[Split],
    dataset: Dataset,
    config: TrainConfig,
    options: EvaluationOptions,
    labels: Sequence[str],
    name: str,
    facts: dict[str, str],
    started: float,
) -> Result:
    """Train and measure on each part; `labels` name slices of the cases by part."""
    texts = [TextTemplate().render(item) for item in dataset.items]
    vectors = frozen_vectors(texts)
    subjects: list[dict[str, Measurement]] = []
    baselines: list[dict[str, Measurement]] = []
    for part in parts:
        yardstick = Yardstick.of(part, vectors, options.at)
        model = fit_model(dataset, part, config, options.seed)
        subjects.append(measure_all([("model", ModelRanker(model))], yardstick, options.unmasked))
        if options.baselines:
            fitted = fit_baselines(part, texts, vectors, options.seed, recent_popularity(dataset, part))
            baselines.append(measure_all(fitted, yardstick, options.unmasked))
    figures = Figures.of(_joined(subjects, labels), _joined(baselines, labels), options.seed)
    repeated = str(sum(repeated_targets(part) for part in parts))
    noted = facts_of(dataset, parts[0]) | {"repeated targets": repeated} | facts
    return as_result(name, figures, noted, options, started)


def _joined(parts: list[dict[str, Measurement]], labels: Sequence[str]) -> dict[str, Measurement]:
    # One part may have a trend where another has none.
    names = [name for name in parts[0] if all(name in part for part in parts)] if parts else []
    return {name: Measurement.joined([part[name] for part in parts], labels) for name in names}
