"""The `pocketrec` program: finds the part that owns a command, loads it, and turns errors into one line."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn, Protocol, cast

from pocketrec.errors import PocketrecError, require_extra


class Command(Protocol):
    """A module that is a command."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's own options."""

    def run(self, arguments: argparse.Namespace) -> None:
        """Do it; raise a `PocketrecError` or `ValueError` for what the person can mend."""


class _Entry(NamedTuple):
    module: str
    help: str
    extra: str = ""
    needs: tuple[str, ...] = ()


_DISPLAY = "pocketrec_export.progress_display"
"""Where progress is shown for every part; named, as commands are, and loaded by those alone that need it."""
_EXPORT = ("torch", "onnx", "tqdm", "transformers")
_TRAINING = (*_EXPORT, "accelerate", "peft", "polars", "scipy")
COMMANDS = {
    "prepare": _Entry(
        "pocketrec_training.commands.prepare", "clean raw logs into a data set", "training", ("polars", "tqdm")
    ),
    "train": _Entry("pocketrec_training.commands.train", "train a model on a data set", "training", _TRAINING),
    "tune": _Entry(
        "pocketrec_training.commands.tune", "search for the settings that rank best", "tune", (*_TRAINING, "optuna")
    ),
    "distil": _Entry(
        "pocketrec_training.commands.distil",
        "replace a model's encoder by a smaller one, distilled from it",
        "training",
        _TRAINING,
    ),
    "export": _Entry(
        "pocketrec_export.commands.export",
        "export a model to an int8 bundle",
        "export",
        _EXPORT,
    ),
    "mobile": _Entry(
        "pocketrec_export.commands.mobile",
        "write a bundle's graphs for mobile builds of onnxruntime",
        "export",
        _EXPORT,
    ),
    "model": _Entry(
        "pocketrec_export.commands.model",
        "exchange encoders with sentence-transformers",
        "export",
        _EXPORT,
    ),
    "evaluate": _Entry(
        "pocketrec_training.commands.evaluate", "measure a model or a bundle against baselines", "training", _TRAINING
    ),
    "compare": _Entry(
        "pocketrec_training.commands.compare",
        "test whether one evaluated run ranks better than another",
        "training",
        _TRAINING,
    ),
    "experiment": _Entry(
        "pocketrec_training.commands.experiment", "run a whole line from raw files to figures", "training", _TRAINING
    ),
    "ablate": _Entry(
        "pocketrec_training.commands.ablate",
        "train variants of an experiment, and measure what each change is worth",
        "training",
        _TRAINING,
    ),
    "bench": _Entry(
        "pocketrec_bench.commands.bench", "measure a bundle's latency, memory and size", "bench", ("matplotlib", "tqdm")
    ),
    "sizes": _Entry("pocketrec_bench.commands.sizes", "measure what each size of bundle costs", "training", _TRAINING),
    "recommend": _Entry("pocketrec.commands.recommend", "print recommendations from a bundle"),
    "inspect": _Entry("pocketrec.commands.inspect", "show what a bundle holds"),
    "diff": _Entry("pocketrec.commands.diff", "show what differs between two bundles"),
    "verify": _Entry("pocketrec.commands.verify", "check that a bundle answers here as it did at export"),
    "upgrade": _Entry("pocketrec.commands.upgrade", "convert a bundle of an older format to the newest"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program.

    Args:
        argv: Arguments without the program's name; those of the process by default.

    Returns:
        0, or 1 when the command failed; bad arguments exit with 2, as argparse does.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    name = next((word for word in words if not word.startswith("-")), None)
    try:
        parser = _parser(name)
        arguments = parser.parse_args(words)
        if not arguments.quiet:
            importlib.import_module(_DISPLAY).show_on_stderr()
        cast(Command, arguments.command_module).run(arguments)
    except (PocketrecError, ValueError, OSError) as error:
        print(f"pocketrec: {_one_line(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("pocketrec: interrupted", file=sys.stderr)
        return 130
    return 0


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    from pocketrec import __version__

    parser = _OneLineParser(prog="pocketrec", description="Recommendation that reads, on the edge.")
    parser.add_argument("--version", action="version", version=f"pocketrec {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, entry in COMMANDS.items():
        command = commands.add_parser(name, help=entry.help, description=entry.help.capitalize() + ".")
        if name == chosen:
            require_extra(entry.extra, entry.needs, f"pocketrec {name}")
            module = importlib.import_module(entry.module)
            cast(Command, module).add_arguments(command)
            if entry.module.startswith("pocketrec_"):
                command.add_argument("--quiet", action="store_true", help="show no progress")
            else:  # answers at once
                command.set_defaults(quiet=True)
            command.add_argument("--json", type=Path, metavar="FILE", help="write the result as one JSON object")
            command.set_defaults(command_module=module)
    return parser


def _one_line(error: Exception) -> str:
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.filename is not None:
        text = f"{error.filename}: {error.strerror}"
    return " ".join(text.split())


class _OneLineParser(argparse.ArgumentParser):
    """Prints one line for bad arguments; argparse's own puts the usage before it."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2."""
        self.exit(2, f"{self.prog}: {' '.join(message.split())} (see {self.prog} --help)\n")
