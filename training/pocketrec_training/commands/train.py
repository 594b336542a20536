"""`pocketrec train`."""

import argparse
import os
import time
from pathlib import Path

from pocketrec.config import Config, load_config
from pocketrec.results import Machine, Result, installed_versions
from pocketrec_export.settings import add_settings

_MANY = 0.1
"""Share of unknown tokens from which on a model can't be said to read a language."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--data", type=Path, required=True, metavar="DATASET", help="folder that `prepare` wrote")
    parser.add_argument("--out", type=Path, required=True, metavar="MODEL", help="folder to write")
    add_settings(parser, _settings, "training.epochs=10")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    parser.add_argument("--resume", action="store_true", help="take up a run that was killed")


def _settings() -> type[Config]:
    from pocketrec_training.train import TrainConfig

    return TrainConfig


def run(arguments: argparse.Namespace) -> None:
    """Train and say how good it got on validation users."""
    # Threads that spin while they wait make training several times slower wherever another program wants the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from pocketrec_export.tokenizer import read_tokenizer, unknown_share
    from pocketrec_training.dataset import Dataset
    from pocketrec_training.processes import Processes
    from pocketrec_training.train import TrainConfig, train

    config = load_config(TrainConfig, arguments.config, arguments.set)
    first = Processes.here().rank == 0
    started = time.perf_counter()
    model = train(Dataset.load(arguments.data), arguments.out, config, arguments.seed, arguments.resume)
    if not first:  # of several processes one speaks
        return
    result = Result(
        name=model.card.name,
        command="train",
        machine=Machine.here(),
        versions=installed_versions(),
        seeds=(arguments.seed,),
        duration_s=round(time.perf_counter() - started, 3),
        metrics=model.card.validation,
        notes={"split": model.card.split, "figures": "validation cases; test cases stay untouched"},
    )
    print(f"Trained {model.card.kind} on {model.card.name} in {result.duration_s:.0f} s -> {arguments.out}")
    for name, value in model.card.validation.items():
        print(f"  validation {name:<22} {value:.4f}")
    if model.card.trend_share:
        print(f"  trends pass with {model.card.trend_share:.2%} of all interactions")
    unknown = unknown_share(read_tokenizer(model.encoder_folder), [model.card.template.render(i) for i in model.items])
    if unknown > _MANY:
        print(
            f"  {unknown:.0%} of the tokens in items' texts are unknown to {model.card.encoder}, which doesn't read "
            "their language: name another model with --set encoder.folder=FOLDER"
        )
    if arguments.json:
        result.write(arguments.json)
