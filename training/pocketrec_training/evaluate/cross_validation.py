"""k-fold cross-validation by user: how good a way of training is for people it has never met."""

import time
from pathlib import Path

from pocketrec.results import Result
from pocketrec.text import TextTemplate
from pocketrec_training.dataset import Dataset
from pocketrec_training.evaluate.baselines import fit_baselines
from pocketrec_training.evaluate.figures import Figures, measure_all
from pocketrec_training.evaluate.measurement import Measurement, Yardstick
from pocketrec_training.evaluate.report import (
    EvaluationOptions,
    as_result,
    facts_of,
    frozen_vectors,
    repeated_targets,
)
from pocketrec_training.evaluate.splits import folds
from pocketrec_training.model_ranker import ModelRanker
from pocketrec_training.train import TrainConfig, fit_model


def cross_validate(data: Path, config: TrainConfig, count: int, options: EvaluationOptions | None = None) -> Result:
    """k-fold cross-validation by user: train on the others' histories, rank the last item of strangers.

    Args:
        data: Folder of the data set.
        config: What to train; its `split` plays no part.
        count: Number of folds.
        options: What to measure; baselines are fitted anew in each fold.
    """
    options = options or EvaluationOptions()
    started = time.perf_counter()
    dataset = Dataset.load(data)
    texts = [TextTemplate().render(item) for item in dataset.items]
    vectors = frozen_vectors(texts)
    subjects: list[dict[str, Measurement]] = []
    baselines: list[dict[str, Measurement]] = []
    parts = folds(dataset, count, options.seed)
    for fold in parts:
        yardstick = Yardstick.of(fold, vectors, options.at)
        model = fit_model(dataset, fold, config, options.seed)
        subjects.append(measure_all([("model", ModelRanker(model))], yardstick, options.unmasked))
        if options.baselines:
            fitted = fit_baselines(fold, texts, vectors, options.seed)
            baselines.append(measure_all(fitted, yardstick, options.unmasked))
    figures = Figures.of(_join(subjects), _join(baselines), options.seed)
    facts = facts_of(dataset, parts[0]) | {"split": f"{count} folds by user, last item of each user"}
    facts["repeated targets"] = str(sum(repeated_targets(fold) for fold in parts))
    return as_result("cross-validate", figures, facts, options, started)


def _join(parts: list[dict[str, Measurement]]) -> dict[str, Measurement]:
    names = parts[0] if parts else {}
    return {name: Measurement.joined([part[name] for part in parts]) for name in names}
