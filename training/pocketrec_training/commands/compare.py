"""`pocketrec compare`: who beats whom, with p-values and effect sizes."""

import argparse
import time
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument(
        "results",
        nargs="+",
        type=Path,
        metavar="RESULT",
        help="two or more files that `evaluate --json` wrote, on the same test cases",
    )
    parser.add_argument("--key", default="ndcg@10", help="figure to compare by (default ndcg@10)")
    parser.add_argument("--seed", type=int, default=0, help="of bootstrap and permutations (default 0)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the differences as a PNG")


def run(arguments: argparse.Namespace) -> None:
    """Compare, print, write."""
    from pocketrec.errors import require_extra
    from pocketrec.results import Machine, Result, installed_versions
    from pocketrec_training.evaluate.comparison import compare, comparison_table, read_runs
    from pocketrec_training.evaluate.plot import plot_leads

    if len(arguments.results) < 2:
        raise ValueError("one result has nothing to be compared with: give two or more")
    if arguments.plot:
        require_extra("bench", ("matplotlib",), "pocketrec compare --plot")
    started = time.perf_counter()
    values = read_runs(arguments.results, arguments.key)
    leads = compare(values, arguments.seed)
    print(comparison_table(values, leads, arguments.key))
    if arguments.plot:
        plot_leads(leads, arguments.key, arguments.plot)
    if arguments.json:
        pairs = {f"{lead.ahead} over {lead.behind}": lead for lead in leads}
        Result(
            name="compare",
            command="pocketrec compare",
            machine=Machine.here(),
            versions=installed_versions(),
            seeds=(arguments.seed,),
            duration_s=round(time.perf_counter() - started, 1),
            metrics={f"{name}/{arguments.key}": float(value.mean()) for name, value in values.items()}
            | {f"{name}/{arguments.key}": lead.difference.mean for name, lead in pairs.items()}
            | {f"{name}/p": lead.p for name, lead in pairs.items()}
            | {f"{name}/effect": lead.effect for name, lead in pairs.items()},
            intervals={f"{name}/{arguments.key}": lead.difference.interval for name, lead in pairs.items()},
        ).write(arguments.json)
