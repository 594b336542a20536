"""An experiment: from raw files to figures of the int8 bundle, for several seeds, as one file of settings says.

Each step leaves its result in the experiment's folder and is passed over when it is there, so a run that was stopped
goes on where it was.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from pocketrec.config import Config
from pocketrec.digest import text_digest
from pocketrec.errors import DataError
from pocketrec.results import Machine, Result, installed_versions
from pocketrec.staging import write_whole
from pocketrec_export.export import ExportConfig, export
from pocketrec_training.dataset import Dataset
from pocketrec_training.evaluate.case_file import CaseFile
from pocketrec_training.evaluate.evaluation import evaluate
from pocketrec_training.evaluate.report import EvaluationOptions
from pocketrec_training.evaluate.seeds import Runs
from pocketrec_training.prepare import PrepareConfig, demo_source, find_source, prepare
from pocketrec_training.prepare.source import Source
from pocketrec_training.train import TrainConfig, train

_SETTINGS = "experiment.json"
Figure = TypeVar("Figure")
"""A mean or an interval."""


class ExperimentConfig(Config, frozen=True, kw_only=True):
    """One row of a table of results; a file in training/configs."""

    prepare: PrepareConfig = PrepareConfig()
    train: TrainConfig = TrainConfig()
    export: ExportConfig = ExportConfig()
    seeds: Annotated[tuple[int, ...], Meta(min_length=1)] = (0,)
    """Each trains a model of its own; figures are means over them."""
    cold_seeds: tuple[int, ...] = ()
    """Each trains one more, with the split `cold-items`; the figures under `cold/` are means over these."""
    unmasked: bool = True
    """Also rank with the history's own items allowed."""


class _Settings(Config, frozen=True, kw_only=True):
    """What an experiment's folder was made by."""

    digest: str


def run_experiment(name: str, source: Path | None, work: Path, config: ExperimentConfig) -> Result:
    """Prepare, then train, export and evaluate for each seed, and sum up.

    Args:
        name: Of the result.
        source: Raw files, as for `prepare`; None fetches the demo of this name.
        work: Folder for all that comes out: dataset/, and seed-N/ and cold-N/ with model/, bundle/ and evaluate.json.
        config: What to do.

    Raises:
        DataError: The folder holds another experiment, or a step fails.
    """
    dataset = work / "dataset"
    raw = None if (dataset / "dataset.json").exists() else _raw(name, source)
    _claim(work, config)
    if raw is not None:
        prepare(raw, dataset, config.prepare)
    runs = _train_all(dataset, work / "seed", config, config.seeds)
    metrics, intervals = runs.metrics() | {"train_s": runs.train_s}, runs.intervals()
    for lead in runs.leads():
        metrics |= lead.metrics(f"over/{lead.behind}", "ndcg@10")
        intervals |= lead.intervals(f"over/{lead.behind}", "ndcg@10")
    baselines, notes, duration = runs.baselines(), runs.notes(), runs.duration_s
    if config.cold_seeds:
        new = replace(config, train=replace(config.train, split="cold-items"))
        cold = _train_all(dataset, work / "cold", new, config.cold_seeds)
        metrics, intervals = _with_cold(metrics, cold.metrics()), _with_cold(intervals, cold.intervals())
        theirs = cold.baselines()
        baselines = {name: _with_cold(figures, theirs[name]) for name, figures in baselines.items()}
        count, seeds = int(cold.cases[0].slices["cold"].sum()), ", ".join(map(str, config.cold_seeds))
        notes |= {"cold": f"{count} cases of models that never met the item, split {new.train.split}, seeds {seeds}"}
        duration += cold.duration_s
    return Result(
        name=name,
        command=f"pocketrec experiment {name}",
        machine=Machine.here(),
        versions=installed_versions(),
        seeds=config.seeds,
        duration_s=round(duration, 1),
        metrics=metrics,
        intervals=intervals,
        baselines=baselines,
        notes=notes
        | {
            "figures": "means over seeds, of the bundle through the runtime",
            "intervals": "95 %, over users, and over seeds where there are several; leads over users",
        },
    )


def _raw(name: str, source: Path | None) -> Source:
    return demo_source(name) if source is None else find_source(source)


def _claim(work: Path, config: ExperimentConfig) -> None:
    """Make the folder this experiment's own."""
    path = work / _SETTINGS
    settings = {key: value for key, value in msgspec.to_builtins(config).items() if key != "cold_seeds"}
    digest = text_digest(msgspec.json.encode(settings | {"seeds": [0]}).decode())  # more seeds can come later
    if path.exists():
        if msgspec.json.decode(path.read_bytes(), type=_Settings).digest != digest:
            raise DataError(f"{work} holds an experiment with other settings: name another --work, or remove it")
    elif work.exists() and any(work.iterdir()):
        raise DataError(f"{work} exists and is not an experiment; name a new folder")
    else:
        write_whole(path, msgspec.json.encode(_Settings(digest=digest)))


def _train_all(dataset: Path, stem: Path, config: ExperimentConfig, seeds: Sequence[int]) -> Runs:
    """All seeds, each in a folder STEM-SEED; the first is measured beside the baselines."""
    folders = [stem.with_name(f"{stem.name}-{seed}") for seed in seeds]
    for seed, folder in zip(seeds, folders, strict=True):
        _one_seed(dataset, folder, config, seed, baselines=seed == seeds[0])
    return Runs.read(folders)


def _one_seed(dataset: Path, folder: Path, config: ExperimentConfig, seed: int, baselines: bool) -> None:
    """Do whatever of a seed's steps isn't there yet."""
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
        options = EvaluationOptions(baselines=baselines, unmasked=config.unmasked, seed=seed)
        evaluate(dataset, model, bundle, None, options, CaseFile.beside(measured)).write(measured)


def _with_cold(main: Mapping[str, Figure], cold: Mapping[str, Figure]) -> dict[str, Figure]:
    """Figures of the main runs, but on cold items those of the cold runs."""
    return {key: value for key, value in main.items() if not _on_cold(key)} | {
        key: value for key, value in cold.items() if _on_cold(key)
    }


def _on_cold(key: str) -> bool:
    return "cold" in key.split("/")
