"""Results as tables: rows of cells, which the terminal and the page show alike."""

from collections.abc import Iterator, Sequence

from pocketrec.results import Result

COLUMNS = ("recall", "mrr", "hit", "coverage", "gini", "novelty", "diversity")
_SLICES = ("head", "tail", "cold", "short-history", "long-history", "unlike")

Rows = list[list[str]]
"""Cells, the header first."""


def rows(result: Result, at: int = 10, kind: str = "") -> Rows:
    """The subject, other subjects, then baselines from best to worst NDCG.

    Args:
        result: From an evaluation or an experiment.
        at: Cutoff to show.
        kind: `/unmasked` for figures of rankings in which the history's own items may appear.
    """
    key = f"ndcg@{at}"
    columns = [name for name in COLUMNS if f"{name}@{at}{kind}" in result.metrics]
    lines = [["", key, "95 % interval", *(f"{name}@{at}" for name in columns)]]
    for name, prefix, metrics in rankers(result, at):
        shown = [f"{metrics[f'{column}@{at}{kind}']:.4f}" for column in columns]
        lines.append([name, f"{metrics[key + kind]:.4f}", _interval(result, prefix + key + kind), *shown])
    return lines


def rankers(result: Result, at: int = 10) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Name, prefix of its intervals' keys, and figures of everything measured, as `rows` orders them."""
    key = f"ndcg@{at}"
    yield result.notes.get("subject", "subject"), "", result.metrics
    whole = f"/coverage@{at}"  # which slices don't have
    for name in (key.removesuffix(whole) for key in result.metrics if key.endswith(whole)):
        prefix = f"{name}/"
        yield name, prefix, {k.removeprefix(prefix): v for k, v in result.metrics.items() if k.startswith(prefix)}
    for name in sorted(result.baselines, key=lambda name: -result.baselines[name][key]):
        yield name, f"{name}/", result.baselines[name]


def slice_rows(result: Result, at: int = 10) -> Rows:
    """NDCG of the subject and of the baselines on each slice of cases, and at each origin in time."""
    key = f"ndcg@{at}"
    parts = [part for part, _, rest in (name.partition("/") for name in result.metrics) if rest == key]
    parts = [part for part in parts if part in _SLICES or part.startswith("origin-")]
    lines = [[f"{key} by slice", *parts]]
    for name, metrics in ({result.notes.get("subject", "subject"): result.metrics} | result.baselines).items():
        found = [metrics.get(f"{part}/{key}") for part in parts]  # a cold run may have no trend where the main one has
        lines.append([name, *("" if value is None else f"{value:.4f}" for value in found)])
    return lines


def lead_rows(result: Result, at: int = 10) -> Rows:
    """How far the subject is ahead of all others, and whether that is chance."""
    key, metrics = f"ndcg@{at}", result.metrics
    lines = [[f"{key} ahead of", "difference", "95 % interval", "relative", "effect", "p", "bootstrap p"]]
    for name, *_ in rankers(result, at):
        lead = f"over/{name}"
        if f"{lead}/p" not in metrics:
            continue
        lines.append(
            [
                name,
                f"{metrics[f'{lead}/{key}']:+.4f}",
                _interval(result, f"{lead}/{key}", "+"),
                f"{metrics[f'{lead}/relative/{key}']:+.1%}",
                f"{metrics[f'{lead}/effect']:+.3f}",
                f"{metrics[f'{lead}/p']:.4f}",
                f"{metrics[f'{lead}/bootstrap_p']:.4f}",
            ]
        )
    return lines


def table(result: Result, at: int = 10) -> str:
    """For a terminal: figures, slices, and leads where there is anything to be ahead of."""
    tables = (rows(result, at), slice_rows(result, at), lead_rows(result, at))
    return "\n\n".join(aligned(lines) for lines in tables if len(lines) > 1)


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


def _interval(result: Result, key: str, sign: str = "") -> str:
    low, high = result.intervals[key]
    return f"{low:{sign}.4f} - {high:{sign}.4f}"
