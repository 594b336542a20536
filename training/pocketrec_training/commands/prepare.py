"""`pocketrec prepare`: raw logs in, a clean data set out, every change shown."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pocketrec.errors import DataError

if TYPE_CHECKING:
    from pocketrec_training.dataset import Dataset, DatasetCard
    from pocketrec_training.prepare import Source


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what can be prepared and how."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "source",
        nargs="?",
        type=Path,
        metavar="SOURCE",
        help="folder with interactions.* and items.* (CSV, TSV, JSONL, Parquet; also .gz), or of MovieLens, "
        "RecBole or Amazon Reviews 2023; or a file of interactions",
    )
    source.add_argument("--interactions", type=Path, metavar="FILE", help="the same as SOURCE, for a file")
    source.add_argument("--demo", choices=["ml-100k"], help="fetch a small public data set instead")
    parser.add_argument("--items", type=Path, metavar="FILE", help="items, beside a file of interactions")
    parser.add_argument("--out", type=Path, required=True, metavar="DATASET", help="folder to write")
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="TABLE.COLUMN=NAME",
        help="which source column is which, such as interactions.user_id=CustomerID; others are guessed",
    )
    parser.add_argument(
        "--missing",
        action="append",
        default=[],
        metavar="TABLE.COLUMN=POLICY",
        help="keep, drop, constant:VALUE, median, mode or interpolate, such as items.price=median",
    )
    parser.add_argument(
        "--on-error",
        choices=["fail", "skip"],
        default="fail",
        help="stop at a broken row (default), or count and skip it",
    )
    parser.add_argument(
        "--duplicates",
        choices=["drop", "keep"],
        default="drop",
        help="drop equal rows (default), or keep them as repeated events",
    )
    parser.add_argument(
        "--min-weight",
        type=float,
        metavar="N",
        help="drop interactions of a smaller rating or count; the rest count alike",
    )
    parser.add_argument(
        "--min-user-count", type=int, default=1, metavar="N", help="drop users with fewer interactions (default: 1)"
    )
    parser.add_argument(
        "--min-item-count", type=int, default=1, metavar="N", help="drop items with fewer interactions (default: 1)"
    )
    parser.add_argument(
        "--users-share",
        type=float,
        default=1.0,
        metavar="SHARE",
        help="keep this share of the users, such as 0.33, the same ones every time; all items stay",
    )
    parser.add_argument("--encoding", default="utf-8", help="of CSV and TSV files, such as latin-1")
    parser.add_argument(
        "--time-format", default="", metavar="FORMAT", help="of dates that aren't ISO: '%%d/%%m/%%Y %%H:%%M'"
    )
    parser.add_argument("--name", default="", help="name of the data set")
    parser.add_argument("--licence", default="", help="licence of the data, for its card")


def run(arguments: argparse.Namespace) -> None:
    """Prepare, and print what was recognised, what cleaning did, and what came out."""
    import msgspec

    from pocketrec.staging import write_whole
    from pocketrec_training.prepare import PrepareConfig, prepare

    options = PrepareConfig(
        columns=_pairs("column", arguments.column),
        missing=_pairs("missing", arguments.missing),
        on_error=arguments.on_error,
        duplicates=arguments.duplicates,
        min_weight=arguments.min_weight,
        min_user_count=arguments.min_user_count,
        min_item_count=arguments.min_item_count,
        users_share=arguments.users_share,
        encoding=arguments.encoding,
        time_format=arguments.time_format,
        name=arguments.name,
        licence=arguments.licence,
    )
    source = _source(arguments)
    card = prepare(source, arguments.out, options)
    if arguments.json is not None:
        write_whole(arguments.json, msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n")
    _print(card, said=card.columns if source.columns_known else options.columns)
    if card.ties.unordered:
        print(_warning(card, arguments.out))
    print(f"{arguments.out}: {card.users:,} users, {card.items:,} items, {card.interactions:,} interactions")


def _source(arguments: argparse.Namespace) -> "Source":
    from pocketrec_training.prepare import demo_source, find_source

    if arguments.demo:
        if arguments.items:
            raise ValueError("--items doesn't go with --demo, which has its own")
        return demo_source(arguments.demo)
    return find_source(arguments.interactions or arguments.source, arguments.items)


def _pairs(option: str, lines: Sequence[str]) -> dict[str, str]:
    pairs = dict[str, str]()
    for line in lines:
        key, equals, value = line.partition("=")
        if not equals or not value:
            raise ValueError(f"--{option} {line!r} is not of the form TABLE.COLUMN=VALUE")
        if key in pairs:
            raise ValueError(f"--{option} {key} is given twice")
        pairs[key] = value
    return pairs


def _print(card: "DatasetCard", said: dict[str, str]) -> None:
    print(f"Read {card.source}; licence: {card.licence}")
    for column, source in card.columns.items():
        if column.partition(".")[2] != source:
            print(f"  {column} <- {source}{'' if column in said else ', guessed'}")
    if card.unused:
        print(f"  not used: {', '.join(card.unused)}")
    width = max(len(step.name) for step in card.steps)
    print(f"{'table':<13} {'step':<{width}} {'rows':>11} {'dropped':>9} {'changed':>9}")
    for step in card.steps:
        print(f"{step.table:<13} {step.name:<{width}} {step.rows_in:>11,} {step.dropped:>9,} {step.changed:>9,}")
        if step.dropped or step.changed:
            for example in step.examples[:1]:
                print(f"{'':<13}   such as {example}")


def _warning(card: "DatasetCard", folder: Path) -> str:
    """That leave-last-out, the default, would measure a random item, and what wouldn't."""
    from pocketrec_training.dataset import Dataset

    dataset = Dataset.load(folder)
    others = [f"--set split={name}" for name in ("last-basket", "global-time") if _cuts(dataset, name)]
    share = card.ties.tied_last_two / card.ties.users
    return (
        f"Warning: the last two interactions of {share:.0%} of users have the same time, so which is "
        "the last is chance: "
        + (f"train with {' or '.join(others)}" if others else "figures say how well any of them is found")
    )


def _cuts(dataset: "Dataset", split: str) -> bool:
    from pocketrec_training.evaluate.splits import make_split

    try:
        make_split(dataset, split)
    except DataError:
        return False
    return True
