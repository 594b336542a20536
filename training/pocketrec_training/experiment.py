"""An experiment: from raw files to figures of the int8 bundle, for several seeds, as one file of settings says.

Each step leaves its result in the experiment's folder and is passed over when it is there, so a run that was stopped
goes on where it was.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from pocketrec.config import Config
from pocketrec.digest import text_digest
from pocketrec.errors import DataError
from pocketrec.results import Machine, Result, installed_versions
from pocketrec.staging import write_whole
from pocketrec_export.export import ExportConfig, export
from pocketrec_export.rankings import bootstrap_intervals
from pocketrec_training.dataset import Dataset
from pocketrec_training.evaluate.case_file import CaseFile
from pocketrec_training.evaluate.evaluation import evaluate
from pocketrec_training.evaluate.report import EvaluationOptions
from pocketrec_training.prepare import PrepareConfig, find_source, prepare
from pocketrec_training.train import TrainConfig, train

_SETTINGS = "experiment.json"


class ExperimentConfig(Config, frozen=True, kw_only=True):
    """One row of a table of results; a file in training/configs."""

    prepare: PrepareConfig = PrepareConfig()
    train: TrainConfig = TrainConfig()
    export: ExportConfig = ExportConfig()
    seeds: Annotated[tuple[int, ...], Meta(min_length=1)] = (0,)
    """Each trains a model of its own; figures are means over them."""
    unmasked: bool = True
    """Also rank with the history's own items allowed."""


class _Settings(Config, frozen=True, kw_only=True):
    """What an experiment's folder was made by."""

    digest: str


def run_experiment(name: str, source: Path, work: Path, config: ExperimentConfig) -> Result:
    """Prepare, then train, export and evaluate for each seed, and sum up.

    Args:
        name: Of the result.
        source: Raw files, as for `prepare`.
        work: Folder for all that comes out: dataset/, and seed-N/ with model/, bundle/ and evaluate.json.
        config: What to do.

    Raises:
        DataError: The folder holds another experiment, or a step fails.
    """
    dataset = work / "dataset"
    raw = None if (dataset / "dataset.json").exists() else find_source(source)
    _claim(work, config)
    if raw is not None:
        prepare(raw, dataset, config.prepare)
    results = [_one_seed(dataset, work / f"seed-{seed}", config, seed) for seed in config.seeds]
    cases = [CaseFile.load(CaseFile.beside(work / f"seed-{seed}" / "evaluate.json")) for seed in config.seeds]
    metrics, intervals = dict(_means(results)), _intervals(cases)
    trained = [Result.read(work / f"seed-{seed}" / "train.json").duration_s for seed in config.seeds]
    first = results[0]
    return Result(
        name=name,
        command=f"pocketrec experiment {name}",
        machine=Machine.here(),
        versions=installed_versions(),
        seeds=config.seeds,
        duration_s=round(float(sum(trained)) + sum(result.duration_s for result in results), 1),
        metrics={**metrics, "train_s": float(np.mean(trained))},
        intervals={key: pair for key, pair in first.intervals.items() if key.partition("/")[0] in first.baselines}
        | intervals,
        baselines=first.baselines,
        notes=first.notes | {"figures": "means over seeds, of the bundle through the runtime"},
    )


def _claim(work: Path, config: ExperimentConfig) -> None:
    """Make the folder this experiment's own."""
    path = work / _SETTINGS
    digest = text_digest(msgspec.json.encode(msgspec.structs.replace(config, seeds=(0,))).decode())
    if path.exists():
        if msgspec.json.decode(path.read_bytes(), type=_Settings).digest != digest:
            raise DataError(f"{work} holds an experiment with other settings: name another --work, or remove it")
    elif work.exists() and any(work.iterdir()):
        raise DataError(f"{work} exists and is not an experiment; name a new folder")
    else:
        write_whole(path, msgspec.json.encode(_Settings(digest=digest)))


def _one_seed(dataset: Path, folder: Path, config: ExperimentConfig, seed: int) -> Result:
    """Whatever of a seed's steps isn't there yet; returns its evaluation."""
    model, bundle = folder / "model", folder / "bundle"
    if not (folder / "train.json").exists():
        started = time.perf_counter()
        trained = train(Dataset.load(dataset), model, config.train, seed, resume=True)
        Result(
            name=trained.card.name,
            command="train",
            machine=Machine.here(),
            versions=installed_versions(),
            seeds=(seed,),
            duration_s=round(time.perf_counter() - started, 1),
            metrics=trained.card.validation,
        ).write(folder / "train.json")
    if not (bundle / "manifest.json").exists():
        export(model, bundle, config.export, seed)
    measured = folder / "evaluate.json"
    if not measured.exists():
        options = EvaluationOptions(baselines=seed == config.seeds[0], unmasked=config.unmasked, seed=seed)
        evaluate(dataset, model, bundle, None, options, CaseFile.beside(measured)).write(measured)
    return Result.read(measured)


def _means(results: Sequence[Result]) -> Iterator[tuple[str, float]]:
    """Means over seeds, and with several the deviation of the main figures and each seed's own."""
    for key in results[0].metrics:
        if not key.startswith("over/"):
            yield key, float(np.mean([result.metrics[key] for result in results]))
    if len(results) > 1:
        for key in ("ndcg@10", "recall@10"):
            values = [result.metrics[key] for result in results]
            yield f"deviation/{key}", float(np.std(values, ddof=1))


def _intervals(cases: Sequence[CaseFile]) -> dict[str, tuple[float, float]]:
    """95 % over cases, each case's value being its mean over seeds."""
    found = {}
    for name in cases[0].values:
        subject, _, key = name.partition("/")
        values = np.mean([case.values[name] for case in cases if name in case.values], axis=0)
        if subject == "model":
            found[name] = bootstrap_intervals(values[:, None])[0]
        elif subject == "bundle":
            for label, mask in {"": np.ones(len(values), np.bool_), **cases[0].slices}.items():
                if mask.any():
                    found[f"{label}/{key}".lstrip("/")] = bootstrap_intervals(values[mask][:, None])[0]
    return found
