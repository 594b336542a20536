"""`pocketrec diff`."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from pocketrec.bundle_diff import BundleDiff
from pocketrec.staging import write_whole

_NAMED = 5
"""Most ids that a line names."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("before", type=Path, metavar="BUNDLE", help="folder of the one")
    parser.add_argument("after", type=Path, metavar="OTHER", help="folder of the other")


def run(arguments: argparse.Namespace) -> None:
    """Print what changed."""
    found = BundleDiff.of(arguments.before, arguments.after)
    print(f"{arguments.before} -> {arguments.after}")
    for line in _lines(found):
        print(f"  {line}")
    if arguments.json:
        write_whole(arguments.json, msgspec.json.format(msgspec.json.encode(found)) + b"\n")


def _lines(found: BundleDiff) -> Iterator[str]:
    if not found.files and not found.words:
        yield "the same, byte for byte"
        return
    for name, (before, after) in found.files.items():
        yield f"file      {name}: {_size(before)} -> {_size(after)}"
    for path, (old, new) in found.words.items():
        yield f"manifest  {path}: {_short(old)} -> {_short(new)}"
    for what, ids in (("added", found.added), ("removed", found.removed), ("rewritten", found.rewritten)):
        if ids:
            yield f"items     {len(ids):,} {what}: {_some(ids)}"
    moves = found.moves
    if moves is None:
        yield "vectors   not comparable"
    else:
        yield f"vectors   {moves.moved:,} of {moves.shared:,} moved, mean cosine {moves.cosine:.4f}" + (
            f", farthest {moves.farthest} ({moves.least:.4f})" if moves.moved else ""
        )
    for name, (share, changed, asked) in found.rankings.items():
        yield f"rankings  {name}: {share:.3f} of the top 10 shared, {changed:,} of {asked:,} lists differ"


def _size(count: int) -> str:
    return f"{count / 1e6:.2f} MB" if count else "none"


def _short(value: object) -> str:
    text = "none" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:_NAMED]) + (", ..." if len(ids) > _NAMED else "")
