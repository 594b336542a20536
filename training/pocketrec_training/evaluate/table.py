"""A result as a table for people."""

from collections.abc import Sequence

from pocketrec.results import Result

COLUMNS = ("recall", "mrr", "hit", "coverage", "gini", "novelty", "diversity")
_SLICES = ("head", "tail", "cold", "short", "long", "unlike")


def table(result: Result, at: int = 10) -> str:
    """Lines of text: the subject, other subjects, then baselines from best to worst NDCG.

    Args:
        result: From `evaluate`.
        at: Cutoff to show.
    """
    key = f"ndcg@{at}"
    rows = [(result.notes.get("subject", "subject"), "", result.metrics)]
    others = [name for name in ("bundle", "model") if f"{name}/{key}" in result.metrics]
    for name in others:
        prefix = f"{name}/"
        part = {k.removeprefix(prefix): v for k, v in result.metrics.items() if k.startswith(prefix)}
        rows.append((name, prefix, part))
    ordered = sorted(result.baselines.items(), key=lambda pair: -pair[1][key])
    rows += [(name, f"{name}/", metrics) for name, metrics in ordered]
    lines = [["", key, "95 % interval", *(f"{column}@{at}" for column in COLUMNS)]]
    for name, prefix, metrics in rows:
        low, high = result.intervals[prefix + key]
        figures = [f"{metrics[f'{column}@{at}']:.4f}" for column in COLUMNS]
        lines.append([name, f"{metrics[key]:.4f}", f"{low:.4f} - {high:.4f}", *figures])
    return aligned(lines)


def slice_table(result: Result, at: int = 10) -> str:
    """NDCG of the subject and of the baselines on each slice of cases."""
    key = f"ndcg@{at}"
    names = slices_of(result, key)
    rows = {result.notes.get("subject", "subject"): result.metrics} | result.baselines
    lines = [[f"{key} by slice", *names]]
    for name, metrics in rows.items():
        lines.append([name, *(f"{metrics[f'{part}/{key}']:.4f}" for part in names)])
    return aligned(lines)


def slices_of(result: Result, key: str) -> list[str]:
    """Slices that a result has a figure of, and origins in time.

    Example:
        >>> from pocketrec.results import Machine
        >>> found = {"ndcg@10": 0.2, "tail/ndcg@10": 0.1, "origin-1/ndcg@10": 0.2, "model/ndcg@10": 0.2}
        >>> made = Result(name="", command="", machine=Machine.here(), versions={}, metrics=found)
        >>> slices_of(made, "ndcg@10")
        ['tail', 'origin-1']
    """
    parts = [part for part, _, rest in (name.partition("/") for name in result.metrics) if rest == key]
    return [part for part in parts if part in _SLICES or part.startswith("origin-")]


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Cells in columns: the first to the left, the others to the right.

    Example:
        >>> print(aligned([["", "ndcg"], ["ease", "0.07"]]))
              ndcg
        ease  0.07
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )
