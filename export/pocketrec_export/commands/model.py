"""`pocketrec model`: language models from and for other programs."""

import argparse
import time
from pathlib import Path

from pocketrec.results import Machine, Result, installed_versions

_MOST_TOKENS = 512
"""That `train` takes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what can be done, and the options of each."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    writing = actions.add_parser("export-st", help="write a model's encoder as a sentence-transformers folder")
    writing.add_argument("--model", type=Path, required=True, metavar="MODEL", help="folder that `train` wrote")
    writing.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    writing.set_defaults(action=_export)
    reading = actions.add_parser("import-st", help="take a sentence-transformers folder as an encoder to train with")
    reading.add_argument("--from", type=Path, required=True, metavar="DIR", dest="source", help="folder to read")
    reading.add_argument("--out", type=Path, required=True, metavar="ENCODER", help="folder to write")
    reading.add_argument(
        "--without-dense", action="store_true", help="leave Dense layers out: training learns a projection of its own"
    )
    reading.set_defaults(action=_import)
    for action in (writing, reading):  # the command has this option too; either place will do
        action.add_argument("--json", type=Path, metavar="FILE", default=argparse.SUPPRESS, help="write the result")


def run(arguments: argparse.Namespace) -> None:
    """Do what was asked for, and say what came out."""
    arguments.action(arguments)


def _export(arguments: argparse.Namespace) -> None:
    from pocketrec_export.exchange import export_encoder

    started = time.perf_counter()
    card = export_encoder(arguments.model, arguments.out).card
    print(f"Wrote the encoder of {card.name} -> {arguments.out}")
    print(f"  {card.encoder}, {card.pooling} pooling, {card.max_tokens} tokens, vectors of {card.dim} dims")
    print(f'  opens with: SentenceTransformer("{arguments.out}")')
    _write(arguments, card.name, started, {"dim": card.dim, "max_tokens": card.max_tokens}, {"pooling": card.pooling})


def _import(arguments: argparse.Namespace) -> None:
    from pocketrec_export.exchange import import_encoder

    started = time.perf_counter()
    taken = import_encoder(arguments.source, arguments.out, arguments.without_dense)
    most = min(taken.max_tokens, _MOST_TOKENS)
    print(f"Took over {arguments.source} -> {arguments.out}")
    print(f"  {taken.pooling} pooling, {taken.max_tokens} tokens, vectors of {taken.width} dims")
    for what in taken.left_out:
        print(f"  left out: {what}")
    print(
        f"  train with: --set encoder.folder={arguments.out} --set encoder.max_tokens={most}, or fewer: "
        "longer texts are cut"
    )
    notes = {"pooling": taken.pooling} | ({"left out": "; ".join(taken.left_out)} if taken.left_out else {})
    _write(arguments, arguments.source.name, started, {"dim": taken.width, "max_tokens": taken.max_tokens}, notes)


def _write(
    arguments: argparse.Namespace, name: str, started: float, metrics: dict[str, float], notes: dict[str, str]
) -> None:
    if arguments.json:
        Result(
            name=name,
            command="model",
            machine=Machine.here(),
            versions=installed_versions(),
            duration_s=round(time.perf_counter() - started, 3),
            metrics=metrics,
            notes=notes,
        ).write(arguments.json)
