"""`pocketrec recommend`."""

import argparse
import csv
from pathlib import Path

import msgspec

from pocketrec.items import Attribute
from pocketrec.recommender import Recommender
from pocketrec.rules import Condition
from pocketrec.staging import write_whole


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--bundle", type=Path, required=True, metavar="BUNDLE", help="folder that `export` wrote")
    parser.add_argument("--overlay", type=Path, metavar="FOLDER", help="folder of changes since export, only read")
    parser.add_argument("--history", default="", metavar="ID,ID", help="what the person took, oldest first")
    parser.add_argument("--query", metavar="TEXT", help="what the person typed")
    parser.add_argument("--context", metavar="TEXT", help="what is known of the moment")
    parser.add_argument("-k", type=int, default=10, help="length of the answer (default: 10)")
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="only items with this value; one of several as FIELD=A|B, a range as FIELD=10..20",
    )
    parser.add_argument("--exclude", default="", metavar="ID,ID", help="items that must not appear")
    parser.add_argument("--allow-seen", action="store_true", help="items of the history may appear")
    parser.add_argument("--diversity", type=float, default=0.0, help="0: by score, 1: by variety (default: 0)")
    parser.add_argument("--explain", action="store_true", help="say why")


def run(arguments: argparse.Namespace) -> None:
    """Print rank, score, id and title."""
    recommender = Recommender.load(arguments.bundle, arguments.overlay, read_only=True)
    history = _split(arguments.history)
    answer = recommender.recommend(
        history,
        query=arguments.query,
        context=arguments.context,
        k=arguments.k,
        where=_conditions(arguments.where),
        exclude=_split(arguments.exclude),
        allow_seen=arguments.allow_seen,
        diversity=arguments.diversity,
        explain=arguments.explain,
    )
    for id in history:
        item = recommender.item(id)
        print(f"        took  {id:<12} {item.title if item else '(not in the catalogue)'}")
    for rank, line in enumerate(answer, start=1):
        print(f"{rank:>4} {line.score:>7.3f}  {line.id:<12} {line.item.title}")
        for reason in line.reasons:
            source = f" {reason.item_id}" if reason.item_id else ""
            print(f"{'':14}{reason.kind.replace('_', ' ')}{source} ({reason.weight:.3f})")
    if not answer:
        seen = "" if arguments.allow_seen or not history else ", or all that do are in the history (--allow-seen)"
        print(f"No item meets the conditions{seen}.")
    if arguments.json:
        write_whole(arguments.json, msgspec.json.format(msgspec.json.encode({"recommendations": answer})))


def _split(text: str) -> list[str]:
    """Ids between commas; one that holds a comma stands in double quotes."""
    fields: list[str] = next(csv.reader([text], skipinitialspace=True), [])
    return [id.strip() for id in fields if id.strip()]


def _conditions(texts: list[str]) -> dict[str, Condition]:
    conditions: dict[str, Condition] = {}
    for text in texts:
        field, condition = _condition(text)
        if field in conditions:
            raise ValueError(f"--where names {field!r} twice: give one of several values as {field}=A|B")
        conditions[field] = condition
    return conditions


def _condition(text: str) -> tuple[str, Condition]:
    field, equals, value = text.partition("=")
    if not equals or not field or not value:
        raise ValueError(f"--where {text!r} is not of the form FIELD=VALUE")
    if ".." in value:
        low, _, high = value.partition("..")
        return field, {name: _readings(end)[-1] for name, end in (("min", low), ("max", high)) if end}
    return field, [reading for part in value.split("|") for reading in _readings(part)]


def _readings(text: str) -> list[Attribute]:
    """What a word of the command line may stand for: itself, and the truth or the number that it spells."""
    if text.lower() in ("true", "false"):
        return [text, text.lower() == "true"]
    for number in (int, float):
        try:
            return [text, number(text)]
        except ValueError:
            continue
    return [text]
