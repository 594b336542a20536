"""`pocketrec ablate`."""

import argparse
from pathlib import Path

from pocketrec_training.commands.experiment import CONFIGS, RESULTS, source_of

_ABLATIONS = CONFIGS / "ablations"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("ablation", metavar="NAME", help=f"of a file in {_ABLATIONS}, or a TOML file")
    parser.add_argument(
        "--source", type=Path, metavar="FOLDER", help="raw files, as for prepare (default: $POCKETREC_DATA/EXPERIMENT)"
    )
    parser.add_argument(
        "--work", type=Path, metavar="FOLDER", help="for all that comes out (default build/ablation-NAME)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Run what isn't done yet, show the table, write the result."""
    from pocketrec.config import load_config
    from pocketrec_training.evaluate.table import aligned
    from pocketrec_training.experiments.ablation import Ablation, AblationConfig, run_ablation
    from pocketrec_training.experiments.ablation_result import ablation_result, ablation_rows

    path = _toml(arguments.ablation, _ABLATIONS)
    config = load_config(AblationConfig, path)
    ablation = Ablation.of(path.stem, config, _toml(config.experiment, CONFIGS))
    source = arguments.source or source_of(ablation.experiment)
    reached = run_ablation(source, arguments.work or Path("build") / f"ablation-{path.stem}", ablation)
    result = ablation_result(ablation, reached)
    print(aligned(ablation_rows(result)))
    for note in ("cold", "figures", "p"):
        if note in result.notes:
            print(f"{note}: {result.notes[note]}")
    written = arguments.json or RESULTS / f"{result.name}.json"
    result.write(written)
    print(f"\nWritten to {written}")


def _toml(named: str, folder: Path) -> Path:
    path = Path(named)
    return path if path.suffix == ".toml" else folder / f"{named}.toml"
