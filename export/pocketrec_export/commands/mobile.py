"""`pocketrec mobile`."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="whose graphs to convert")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")


def run(arguments: argparse.Namespace) -> None:
    """Convert, and say what a mobile build needs."""
    from pocketrec_export.mobile import OPERATORS, write_mobile_graphs

    written = write_mobile_graphs(arguments.bundle, arguments.out)
    for role, size in written.bytes.items():
        print(f"  {role}.ort{'':<{9 - len(role)}} {size / 1e6:6.2f} MB")
    print(f"  {OPERATORS}: {written.operators} kinds of operator; largest difference {written.difference:.1e}")
    print(f"Build onnxruntime with: --minimal_build --include_ops_by_config {arguments.out / OPERATORS}")
