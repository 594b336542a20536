"""`pocketrec bench`."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pocketrec.results import Result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--bundle", type=Path, required=True, metavar="BUNDLE", help="folder that `export` wrote")
    parser.add_argument(
        "--calls",
        type=int,
        default=4000,
        metavar="N",
        help="histories to answer, and half as many texts (default 4000)",
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="for the graphs and numpy (default 1)")
    parser.add_argument("--seed", type=int, default=0, help="of the requests (default 0)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw steps and distributions as a PNG")


def run(arguments: argparse.Namespace) -> None:
    """Measure, print, write."""
    from pocketrec_bench.benchmark import benchmark
    from pocketrec_bench.plots import plot

    if not arguments.quiet and sys.stderr.isatty():
        print(f"Measuring {arguments.bundle}, about half a minute ...", file=sys.stderr)
    measured = benchmark(arguments.bundle, arguments.calls, arguments.threads, arguments.seed)
    _print(measured.result)
    if arguments.json:
        measured.result.write(arguments.json)
    if arguments.plot:
        plot(measured, arguments.plot)


def _print(result: "Result") -> None:
    figures = result.metrics
    print(
        f"{result.name} on {result.machine.cpu} ({', '.join(result.machine.flags)}), {result.notes['threads']} thread"
    )
    print(f"{'':<22} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8}")
    for path, steps in (
        ("history", ("gather", "tower", "votes", "search", "features", "scorer", "items")),
        ("text", ("tokenise", "encode", "text/tower", "text/search", "text/scorer", "text/items")),
    ):
        whole = "".join(f" {figures[f'{path}_top10_p{percent}_ms']:>8.3f}" for percent in (50, 95, 99))
        print(f"{path + ' -> top 10':<22}{whole}")
        for step in steps:
            print(f"  {step.removeprefix('text/'):<20} {figures[f'{step}_p50_ms']:>8.3f}")
    print(f"import {figures['import_s']:.3f} s, load {figures['load_s']:.3f} s, ", end="")
    print(f"first answer {figures['first_answer_s']:.3f} s from process start")
    print(f"memory at most {figures['rss_mb']:.0f} MB, bundle {figures['bundle_mb']:.1f} MB")
    for name, text in result.notes.items():
        print(f"{name}: {text}")
