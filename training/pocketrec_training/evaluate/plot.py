"""Results as pictures: bars and differences with their intervals."""

from collections.abc import Sequence
from pathlib import Path

from pocketrec.errors import require_extra
from pocketrec.results import Result
from pocketrec_training.evaluate.leads import Lead


def plot(result: Result, path: Path, at: int = 10) -> None:
    """Draw NDCG and recall of subject and baselines, best last baseline on top, as a PNG.

    Args:
        result: From `evaluate`.
        path: File to write.
        at: Cutoff to show.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    require_extra("bench", ("matplotlib",), "a plot")
    from matplotlib.figure import Figure

    subject = result.notes.get("subject", "subject")
    others = [name for name in ("model", "bundle") if f"{name}/ndcg@{at}" in result.metrics]
    ordered = sorted(result.baselines, key=lambda name: result.baselines[name][f"ndcg@{at}"])
    names = [*ordered, *others, subject]
    figure = Figure(figsize=(10, 0.8 + 0.42 * len(names)), layout="constrained")
    for axis, metric in zip(figure.subplots(1, 2, sharey=True), ("ndcg", "recall"), strict=True):
        key = f"{metric}@{at}"
        for place, name in enumerate(names):
            prefix = "" if name == subject else f"{name}/"
            value = result.baselines[name][key] if name in ordered else result.metrics[prefix + key]
            low, high = result.intervals[prefix + key]
            colour = "#9aa5b1" if name in ordered else "#5b8dbd" if name in others else "#1f5f99"
            error = [[max(0.0, value - low)], [max(0.0, high - value)]]
            axis.barh(place, value, xerr=error, color=colour, ecolor="#333333", capsize=3, height=0.66)
            axis.annotate(f"{value:.3f}", (high, place), (6, 0), textcoords="offset points", va="center", fontsize=9)
        axis.set_title(key, loc="left", fontweight="bold")
        axis.set_xlim(0, 1.14 * max(axis.get_xlim()[1], 1e-6))
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.tick_params(axis="y", length=0)
        axis.locator_params(axis="x", nbins=5)
        axis.set_yticks(range(len(names)), names)
        axis.grid(axis="x", color="#e3e7eb")
        axis.set_axisbelow(True)
    cases, data = result.notes.get("cases", "?"), result.notes.get("dataset", "")
    figure.suptitle(
        f"{data}, {result.notes.get('split', '')}, {cases} cases, 95 % intervals over users",
        fontsize=10,
        color="#555555",
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def plot_leads(leads: Sequence[Lead], key: str, path: Path) -> None:
    """Draw each pair's difference with its interval as a PNG; what chance explains is grey.

    Args:
        leads: From `compare`.
        key: Figure that was compared.
        path: File to write.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    require_extra("bench", ("matplotlib",), "a plot")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 1.2 + 0.42 * len(leads)), layout="constrained")
    axis = figure.subplots()
    for place, lead in enumerate(reversed(leads)):
        (low, high), mean = lead.difference.interval, lead.difference.mean
        colour = "#1f5f99" if lead.p < 0.05 else "#9aa5b1"
        error = [[max(0.0, mean - low)], [max(0.0, high - mean)]]
        axis.errorbar(mean, place, xerr=error, fmt="o", color=colour, capsize=3)
        axis.annotate(f"p {lead.p:.3g}", (high, place), (6, 0), textcoords="offset points", va="center", fontsize=9)
    axis.axvline(0, color="#333333", linewidth=0.8)
    axis.set_yticks(range(len(leads)), [f"{lead.ahead} over {lead.behind}" for lead in reversed(leads)])
    axis.set_ylim(-0.6, len(leads) - 0.4)
    axis.margins(x=0.15)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", color="#e3e7eb")
    axis.set_axisbelow(True)
    axis.set_title(f"difference in {key}, 95 % intervals over cases", loc="left", fontweight="bold")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
