"""`pocketrec inspect`."""

import argparse
from pathlib import Path

import msgspec

from pocketrec.manifest import Manifest
from pocketrec.staging import write_whole


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder that `export` wrote")


def run(arguments: argparse.Namespace) -> None:
    """Check every file's hash and print what the manifest says."""
    manifest = Manifest.read(arguments.bundle)
    manifest.check_files(arguments.bundle)
    total = manifest.bytes_below()
    print(
        f"{manifest.name}: {manifest.items:,} items, {total / 1e6:.1f} MB, format {manifest.format}, all hashes right"
    )
    print(f"  digest {manifest.digest}; bundles that share it are the same to the byte")
    print(f"  vectors of {manifest.dim} dims, histories of {manifest.history}, {manifest.candidates} candidates")
    encoder = manifest.encoder
    print(f"  encoder   {encoder.name}, {encoder.max_tokens} tokens, reads {', '.join(encoder.template.fields)}")
    for role, graph in manifest.graphs.items():
        size = manifest.files[graph.file].bytes / 1e6
        print(f"  {role:<9} {graph.precision}, {size:.2f} MB, opset {graph.opset}: {graph.reason}")
    index = manifest.index
    print(f"  index     HNSW M {index.m}, ef {index.ef}, recall {index.recall:.3f}")
    print(f"            a step of breadth counts as {index.step_rows:g} rows of an exact scan")
    for name, facts in (("neighbours", manifest.neighbours), ("followers", manifest.followers)):
        size = manifest.bytes_below(f"{name}/") / 1e6
        print(f"  {name:<10} {facts.per_item} an item, decay {facts.decay}, {facts.precision}, {size:.2f} MB")
    if manifest.neighbours.reason:
        print(f"             {manifest.neighbours.reason}")
    for name, value in manifest.quality.items():
        print(f"  {name:<25} {value:.4f}")
    for name, text in manifest.provenance.items():
        print(f"  {name:<25} {text}")
    if arguments.json:
        write_whole(arguments.json, msgspec.json.format(msgspec.json.encode(manifest)))
