"""`pocketrec compare`: who beats whom, with p-values and effect sizes."""

import argparse
import time
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument(
        "results",
        nargs="+",
        metavar="RESULT",
        help="two or more files that `evaluate --json` wrote, on the same test cases; of a model with several seeds "
        "its files with commas between, or the folder of its experiment",
    )
    parser.add_argument("--key", default="ndcg@10", help="figure to compare by (default ndcg@10)")
    parser.add_argument("--seed", type=int, default=0, help="of bootstrap and permutations (default 0)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the differences as a PNG")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write tables and plots as one page")


def run(arguments: argparse.Namespace) -> None:
    """Compare, print, write."""
    from pocketrec.errors import require_extra
    from pocketrec.staging import write_whole
    from pocketrec_training.evaluate.comparison import Compared, compare, comparison_result, lead_rows, mean_rows
    from pocketrec_training.evaluate.html_report import comparison_page
    from pocketrec_training.evaluate.plot import plot_leads
    from pocketrec_training.evaluate.table import aligned

    if len(arguments.results) < 2:
        raise ValueError("one result has nothing to be compared with: give two or more")
    if arguments.plot:
        require_extra("bench", ("matplotlib",), "pocketrec compare --plot")
    started = time.perf_counter()
    compared = Compared.read(arguments.results, arguments.key)
    leads = compare(compared.values, arguments.seed)
    print(aligned(mean_rows(compared.values, arguments.key)))
    print()
    print(aligned(lead_rows(leads)))
    result = comparison_result(compared, leads, arguments.key, arguments.seed, started)
    if arguments.json:
        result.write(arguments.json)
    if arguments.html:
        write_whole(arguments.html, comparison_page(compared, leads, arguments.key, result).encode())
    if arguments.plot:
        plot_leads(leads, arguments.key, arguments.plot)
