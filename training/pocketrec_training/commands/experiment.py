"""`pocketrec experiment`."""

import argparse
import os
from pathlib import Path

from pocketrec.config import Config
from pocketrec_export.settings import add_settings

CONFIGS = Path("training") / "configs"
RESULTS = Path("bench") / "results"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("experiment", metavar="NAME", help=f"of a file in {CONFIGS}, or a TOML file")
    parser.add_argument(
        "--source",
        type=Path,
        metavar="FOLDER",
        help="raw files, as for prepare, read if the work folder has no data set yet (default: $POCKETREC_DATA/NAME)",
    )
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="for all that comes out (default build/NAME)")
    add_settings(parser, _settings, "train.dim=64", file=False)


def _settings() -> type[Config]:
    from pocketrec_training.experiments.experiment import ExperimentConfig

    return ExperimentConfig


def run(arguments: argparse.Namespace) -> None:
    """Run what isn't done yet, show the table, write the result."""
    from pocketrec.config import load_config
    from pocketrec.staging import write_whole
    from pocketrec_training.evaluate.html_report import evaluation_page
    from pocketrec_training.evaluate.table import table
    from pocketrec_training.experiments.experiment import ExperimentConfig, run_experiment

    named = Path(arguments.experiment)
    path = named if named.suffix == ".toml" else CONFIGS / f"{named}.toml"
    config, name = load_config(ExperimentConfig, path, arguments.set), path.stem
    work = arguments.work or Path("build") / name
    result = run_experiment(name, arguments.source or source_of(name), work, config)
    print(table(result, 10))
    if "cold" in result.notes:
        print(f"cold: {result.notes['cold']}")
    written = arguments.json or RESULTS / f"{name}.json"
    result.write(written)
    page = work / f"{name}.html"
    write_whole(page, evaluation_page(result).encode())
    print(f"\nWritten to {written} and {page}")


def source_of(name: str) -> Path | None:
    """Where the raw files lie; None for a demo, which is fetched."""
    from pocketrec_training.prepare.demo import DEMOS

    if name in DEMOS:
        return None
    folder = os.environ.get("POCKETREC_DATA")
    if not folder:
        raise ValueError(f"where are the raw files of {name}? Give --source, or set POCKETREC_DATA to their parent")
    return Path(folder) / name
