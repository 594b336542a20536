"""`pocketrec upgrade`."""

import argparse
from pathlib import Path

import msgspec

from pocketrec.manifest import Manifest
from pocketrec.staging import write_whole
from pocketrec.upgrade import upgrade


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of an older format")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder of the new bundle")


def run(arguments: argparse.Namespace) -> None:
    """Write the new bundle and say what became of it."""
    before = Manifest.read(arguments.bundle)
    after = upgrade(arguments.bundle, arguments.out)
    sizes = (sum(facts.bytes for facts in manifest.files.values()) / 1e6 for manifest in (before, after))
    print(
        f"{arguments.out}: format {before.format} -> {after.format}, {' -> '.join(f'{size:.1f} MB' for size in sizes)}"
    )
    print(f"  neighbours and followers: {after.neighbours.reason}")
    if arguments.json:
        write_whole(arguments.json, msgspec.json.format(msgspec.json.encode(after)))
