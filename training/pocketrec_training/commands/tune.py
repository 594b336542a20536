"""`pocketrec tune`."""

import argparse
import os
import time
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--data", type=Path, required=True, metavar="DATASET", help="folder that `prepare` wrote")
    parser.add_argument(
        "--space", type=Path, required=True, metavar="FILE", help="TOML file of settings, their ranges and choices"
    )
    parser.add_argument(
        "--study", type=Path, required=True, metavar="FILE", help="SQLite file of all trials; taken up if it is there"
    )
    parser.add_argument("--trials", type=int, required=True, metavar="N", help="that the study shall have in the end")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="TOML file for the best settings, as for train --config"
    )
    parser.add_argument(
        "--objective",
        choices=("blend", "tower"),
        default="blend",
        help="validation NDCG@10 of the whole model (blend, the default), or of its tower alone, which takes less time",
    )
    parser.add_argument(
        "--seeds",
        type=_seeds,
        default=(0,),
        metavar="LIST",
        help="one model is trained for each, such as 0,1, and their mean counts (default: 0)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the search itself (default: 0)")


def run(arguments: argparse.Namespace) -> None:
    """Search, show all trials, write the best settings."""
    # Threads that spin while they wait make training several times slower wherever another program wants the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import optuna

    from pocketrec.results import Machine, Result, installed_versions
    from pocketrec_training.dataset import Dataset
    from pocketrec_training.tuning import SearchSpace, TuneOptions, tune
    from pocketrec_training.tuning.report import settings_in_words, trial_metrics, trial_notes, trial_table

    options = TuneOptions(arguments.trials, arguments.seeds, arguments.objective, arguments.seed)
    space = SearchSpace.load(arguments.space)
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # the table says it all
    started = time.perf_counter()
    dataset = Dataset.load(arguments.data)
    tuned = tune(dataset, space, arguments.study, arguments.out, options)
    best, metrics = tuned.best, trial_metrics(tuned.trials)
    counts = ", ".join(
        f"{value:.0f} {key.removeprefix('trials/')}" for key, value in metrics.items() if "trials/" in key
    )
    print(trial_table(tuned.trials))
    print(f"\n{counts}; figures are of validation users")
    if tuned.importance:
        print("what mattered: " + ", ".join(f"{key} {share:.0%}" for key, share in tuned.importance.items()))
    print(f"Trial {best.number} is best: {settings_in_words(best)} -> {arguments.out}")
    print("The best of many trials is also the luckiest: train it, then let evaluate say how good it is.")
    if arguments.json:
        Result(
            name=dataset.card.name,
            command="tune",
            machine=Machine.here(),
            versions=installed_versions() | {"optuna": optuna.__version__},
            seeds=options.seeds,
            duration_s=round(time.perf_counter() - started, 3),
            metrics={"ndcg@10": best.value or 0.0}
            | metrics
            | {f"importance/{key}": share for key, share in tuned.importance.items()},
            notes={
                "best": f"trial-{best.number}",
                "objective": f"{options.objective}, mean over seeds",
                "split": space.split,
                "figures": "validation users; test users stay untouched",
            }
            | trial_notes(tuned.trials),
        ).write(arguments.json)


def _seeds(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers such as 0,1") from None
