"""An experiment: from raw files to figures of the int8 bundle, for several seeds, as one file of settings says.

Each step leaves its result in the experiment's folder and is passed over when it is there, so a run that was stopped
goes on where it was.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from pocketrec.config import Config
from pocketrec.results import Machine, Result, installed_versions
from pocketrec_export.export import ExportConfig
from pocketrec_training.evaluate.report import EvaluationOptions
from pocketrec_training.experiments.claim import claim
from pocketrec_training.experiments.seed_runs import run_seeds
from pocketrec_training.prepare import PrepareConfig, demo_source, find_source, prepare
from pocketrec_training.prepare.source import Source
from pocketrec_training.train import TrainConfig

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
    raw = None if (dataset / "dataset.json").exists() else raw_source(name, source)
    settings = {key: value for key, value in msgspec.to_builtins(config).items() if key != "cold_seeds"}
    claim(work, "experiment.json", "an experiment", settings | {"seeds": [0]})  # more seeds can come later
    if raw is not None:
        prepare(raw, dataset, config.prepare)
    options = EvaluationOptions(unmasked=config.unmasked)
    runs = run_seeds(dataset, work / "seed", config.seeds, config.train, config.export, options)
    metrics, intervals = runs.metrics() | {"train_s": runs.train_s}, runs.intervals()
    for lead in runs.leads():
        metrics |= lead.metrics(f"over/{lead.behind}", "ndcg@10")
        intervals |= lead.intervals(f"over/{lead.behind}", "ndcg@10")
    baselines, notes, duration = runs.baselines(), runs.notes(), runs.duration_s
    if config.cold_seeds:
        new = replace(config.train, split="cold-items")
        cold = run_seeds(dataset, work / "cold", config.cold_seeds, new, config.export, options)
        metrics, intervals = with_cold(metrics, cold.metrics()), with_cold(intervals, cold.intervals())
        theirs = cold.baselines()
        baselines = {name: with_cold(figures, theirs.get(name, {})) for name, figures in baselines.items()}
        count, seeds = int(cold.cases[0].slices["cold"].sum()), ", ".join(map(str, config.cold_seeds))
        notes |= {"cold": f"{count} cases of models that never met the item, split {new.split}, seeds {seeds}"}
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


def raw_source(name: str, source: Path | None) -> Source:
    """Raw files as they lie, or where there are none the demo of this name."""
    return demo_source(name) if source is None else find_source(source)


def with_cold(main: Mapping[str, Figure], cold: Mapping[str, Figure]) -> dict[str, Figure]:
    """Figures of the main runs, but on cold items those of the cold runs."""
    return {key: value for key, value in main.items() if not _on_cold(key)} | {
        key: value for key, value in cold.items() if _on_cold(key)
    }


def _on_cold(key: str) -> bool:
    return "cold" in key.split("/")
