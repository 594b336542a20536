"""`pocketrec distil`."""

import argparse
import os
import time
from pathlib import Path

from pocketrec.config import Config, load_config
from pocketrec.results import Machine, Result, installed_versions
from pocketrec_export.settings import add_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--model", type=Path, required=True, metavar="MODEL", help="trained model, whose encoder is the teacher"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="MODEL", help="folder of the model to write")
    parser.add_argument(
        "--size",
        choices=("small", "tiny", "nano"),
        required=True,
        help="small, four of the teacher's layers, narrower; tiny, two; nano, static token table",
    )
    parser.add_argument(
        "--prune-vocabulary",
        action="store_true",
        help="keep only the tokens that these texts need, and a share of others",
    )
    add_settings(parser, _settings, "tiny.epochs=5")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")


def _settings() -> type[Config]:
    from pocketrec_export.distil.distillation import DistilConfig

    return DistilConfig


def run(arguments: argparse.Namespace) -> None:
    """Distil and say how near the student comes to its teacher."""
    # Threads that spin while they wait make training several times slower wherever another program wants the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from pocketrec_export.distil.distillation import DistilConfig, distil

    overrides = [*arguments.set]
    if arguments.prune_vocabulary:
        overrides.append(f'prune_vocabulary=["{arguments.size}"]')
    config = load_config(DistilConfig, arguments.config, overrides)
    started = time.perf_counter()
    distilled = distil(arguments.model, arguments.out, arguments.size, config, arguments.seed)
    seconds = time.perf_counter() - started
    print(f"Distilled {distilled.teacher} to {arguments.size} in {seconds:.0f} s -> {arguments.out}")
    print(f"  weights {distilled.teacher_weights / 1e6:.1f} M -> {distilled.weights / 1e6:.1f} M")
    print(
        f"  cosine to the teacher on {distilled.held_out:,} held-out texts: {distilled.untrained:.3f} untrained, "
        f"{distilled.cosine:.3f} after {distilled.learnt:,} texts"
    )
    print(f"Export it: pocketrec export --model {arguments.out} --out BUNDLE")
    if arguments.json:
        Result(
            name=distilled.dataset,
            command="distil",
            machine=Machine.here(),
            versions=installed_versions(),
            seeds=(arguments.seed,),
            duration_s=round(seconds, 3),
            metrics={
                "cosine": distilled.cosine,
                "untrained/cosine": distilled.untrained,
                "weights": float(distilled.weights),
                "teacher/weights": float(distilled.teacher_weights),
            },
            notes={"teacher": distilled.teacher, "size": arguments.size, "figures": "texts of held-out items"},
        ).write(arguments.json)
