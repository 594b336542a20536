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
    sizes = f"{before.bytes_below() / 1e6:.1f} MB -> {after.bytes_below() / 1e6:.1f} MB"
    print(f"{arguments.out}: format {before.format} -> {after.format}, {sizes}")
    print(f"  neighbours and followers: {after.neighbours.reason}")
    if "texts.npy" not in before.files:
        print("  items' texts: read, to compare new items with")
    if arguments.json:
        write_whole(arguments.json, msgspec.json.format(msgspec.json.encode(after)))
