"""`pocketrec evaluate`: figures of a model or a bundle, beside those of all baselines."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("--data", type=Path, required=True, metavar="DATASET", help="data set it was trained on")
    parser.add_argument("--model", type=Path, help="folder of a trained model")
    parser.add_argument("--bundle", type=Path, help="folder of a bundle, measured through the runtime")
    parser.add_argument(
        "--split",
        help="leave-last-out, global-time, last-basket, cold-items or queries; default: the one it was trained with",
    )
    parser.add_argument("--at", type=_positive, default=10, metavar="K", help="cutoff to show (default 10)")
    parser.add_argument("--no-baselines", action="store_true", help="measure the model or bundle alone")
    parser.add_argument("--unmasked", action="store_true", help="also allow items of the history to be recommended")
    anew = parser.add_mutually_exclusive_group()
    anew.add_argument("--folds", type=_positive, metavar="K", help="instead: train and test by K-fold cross-validation")
    anew.add_argument(
        "--origins", type=_positive, metavar="K", help="instead: train before, and test after, K moments in time"
    )
    parser.add_argument("--config", type=Path, metavar="TOML", help="with --folds or --origins: what to train")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="with --folds or --origins: override --config",
    )
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default 0)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the table as a PNG")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write tables and plots as one page")


def run(arguments: argparse.Namespace) -> None:
    """Evaluate, print, write."""
    from pocketrec.config import load_config
    from pocketrec.errors import require_extra
    from pocketrec.staging import write_whole
    from pocketrec_training.evaluate.case_file import CaseFile
    from pocketrec_training.evaluate.cross_validation import cross_validate, evaluate_origins
    from pocketrec_training.evaluate.evaluation import evaluate
    from pocketrec_training.evaluate.html_report import evaluation_page
    from pocketrec_training.evaluate.plot import plot
    from pocketrec_training.evaluate.report import EvaluationOptions
    from pocketrec_training.evaluate.table import table
    from pocketrec_training.train import TrainConfig

    if arguments.plot:
        require_extra("bench", ("matplotlib",), "pocketrec evaluate --plot")
    options = EvaluationOptions(
        at=arguments.at,
        baselines=not arguments.no_baselines,
        unmasked=arguments.unmasked,
        seed=arguments.seed,
    )
    if arguments.folds or arguments.origins:
        if arguments.model or arguments.bundle or arguments.split:
            raise ValueError("--folds and --origins train their own models: leave --model, --bundle and --split out")
        config = load_config(TrainConfig, arguments.config, arguments.overrides)
        train_anew = cross_validate if arguments.folds else evaluate_origins
        result = train_anew(arguments.data, config, arguments.folds or arguments.origins, options)
    else:
        if arguments.config or arguments.overrides:
            raise ValueError("--config and --set say what to train, so they need --folds or --origins")
        cases = CaseFile.beside(arguments.json) if arguments.json else None
        result = evaluate(arguments.data, arguments.model, arguments.bundle, arguments.split, options, cases)
    print(table(result, arguments.at))
    print()
    for name, text in result.notes.items():
        print(f"{name}: {text}")
    if arguments.json:
        result.write(arguments.json)
    if arguments.html:
        write_whole(arguments.html, evaluation_page(result, arguments.at).encode())
    if arguments.plot:
        plot(result, arguments.plot, arguments.at)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number
