"""`pocketrec sizes`."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "folders",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help="what `experiment` left, such as build/ml-100k",
    )
    parser.add_argument("--calls", type=int, default=400, metavar="N", help="texts to time (default 400)")
    parser.add_argument("--seed", type=int, default=0, help="of the texts (default 0)")


def run(arguments: argparse.Namespace) -> None:
    """Measure, print, write."""
    from pocketrec_bench.size_latency import PEER
    from pocketrec_bench.sizes import SIZES, measure_sizes

    result = measure_sizes(arguments.folders, arguments.calls, arguments.seed)
    figures = result.metrics
    print(f"{', '.join(folder.name for folder in arguments.folders)} on {result.machine.cpu}, one thread")
    print(f"{'size':<22} {'MB':>6} {'text ms':>8} {'histories':>10} {'with text':>10} {'cold':>8} {'queries':>8}")
    for size in SIZES:
        kinds = ("ndcg_share", "text_history_ndcg_share", "cold_ndcg_share", "query_ndcg_share")
        shares = [f"{size}/{name}" for name in kinds]
        said = [f"{figures[name]:.1%}" if name in figures else "" for name in shares]
        print(
            f"{size:<22} {figures[f'{size}/encoder_mb']:>6.1f} {figures[f'{size}/encode_p50_ms']:>8.3f} "
            f"{said[0]:>10} {said[1]:>10} {said[2]:>8} {said[3]:>8}"
        )
    if f"{PEER}/encode_p50_ms" in figures:
        print(f"{PEER:<22} {'':>6} {figures[f'{PEER}/encode_p50_ms']:>8.3f}")
    print(f"tower {figures['tower_p50_ms']:.3f} ms, scorer {figures['scorer_p50_ms']:.3f} ms")
    for name, text in result.notes.items():
        print(f"{name}: {text}")
    if arguments.json:
        result.write(arguments.json)
