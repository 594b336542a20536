"""Train and measure once for each of several seeds; a step whose result is there is passed over."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

from pocketrec.results import Machine, Result, installed_versions
from pocketrec_export.export import ExportConfig, export
from pocketrec_training.dataset import Dataset
from pocketrec_training.evaluate.case_file import CaseFile
from pocketrec_training.evaluate.evaluation import evaluate
from pocketrec_training.evaluate.report import EvaluationOptions
from pocketrec_training.evaluate.seeds import Runs
from pocketrec_training.train import TrainConfig, train


def run_seeds(
    dataset: Path,
    stem: Path,
    seeds: Sequence[int],
    config: TrainConfig,
    bundle: ExportConfig | None,
    options: EvaluationOptions,
    shared: Path | None = None,
) -> Runs:
    """Do all seeds, each in a folder STEM-SEED with model/, bundle/, train.json and evaluate.json.

    Args:
        dataset: Folder of the data set.
        stem: Path that the folders' names begin with.
        seeds: Of everything random.
        config: What to train.
        bundle: How to export the bundle that is measured; None measures the PyTorch model instead.
        options: What to measure; baselines stand beside the first seed alone.
        shared: As in `train`.
    """
    folders = [stem.with_name(f"{stem.name}-{seed}") for seed in seeds]
    for seed, folder in zip(seeds, folders, strict=True):
        asked = dataclasses.replace(options, baselines=options.baselines and seed == seeds[0], seed=seed)
        _one_seed(dataset, folder, seed, config, bundle, asked, shared)
    return Runs.read(folders)


def _one_seed(
    dataset: Path,
    folder: Path,
    seed: int,
    config: TrainConfig,
    bundle: ExportConfig | None,
    options: EvaluationOptions,
    shared: Path | None,
) -> None:
    model, exported = folder / "model", None if bundle is None else folder / "bundle"
    if not (folder / "train.json").exists():
        started = time.perf_counter()
        trained = train(Dataset.load(dataset), model, config, seed, resume=True, shared=shared)
        Result(
            name=trained.card.name,
            command="train",
            machine=Machine.here(),
            versions=installed_versions(),
            seeds=(seed,),
            duration_s=round(time.perf_counter() - started, 1),
            metrics=trained.card.validation,
        ).write(folder / "train.json")
    if bundle is not None and exported is not None and not (exported / "manifest.json").exists():
        export(model, exported, bundle, seed)
    measured = folder / "evaluate.json"
    if not measured.exists() or (options.baselines and not Result.read(measured).baselines):
        evaluate(dataset, model, exported, None, options, CaseFile.beside(measured)).write(measured)
