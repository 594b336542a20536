"""A benchmark as a picture: where a request's time goes, and how steady it is."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pocketrec_bench.benchmark import Benchmark
from pocketrec_bench.latency import HISTORY_STEPS, TEXT_STEPS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {
    "tokenise": "#8e6bb0",
    "encode": "#5d3f8c",
    "gather": "#b8c4cf",
    "tower": "#1f5f99",
    "votes": "#5b9bd0",
    "search": "#2a9d8f",
    "features": "#e0b04c",
    "scorer": "#d97b3f",
    "items": "#7f8b96",
    "rest": "#e3e7eb",
}
_PATHS = {"history_top10": "history \u2192 top 10", "text_top10": "16-token text \u2192 top 10"}
_INK = "#333333"


def plot(measured: Benchmark, path: Path) -> None:
    """Draw steps and distributions as a PNG.

    Args:
        measured: From `benchmark`.
        path: File to write.
    """
    from matplotlib.figure import Figure

    result, samples = measured.result, measured.timings.samples
    figure = Figure(figsize=(11, 5.6), layout="constrained")
    axes = figure.subplots(2, 2, width_ratios=(1.5, 1))
    for (left, right), name, steps in zip(axes, _PATHS, (HISTORY_STEPS, TEXT_STEPS), strict=True):
        whole = np.array(samples[name])
        kind = name.partition("_")[0]
        _draw_steps(
            left, {step: float(np.median(samples[f"{kind}/{step}"])) for step in steps}, float(np.median(whole))
        )
        _draw_spread(right, whole)
        left.set_title(_PATHS[name], loc="left", fontweight="bold", color=_INK)
    axes[1][0].set_xlabel("milliseconds: median of each step, one after the other; dotted: of whole requests")
    axes[1][1].set_xlabel("milliseconds: all whole requests")
    machine = result.machine
    figure.suptitle(
        f"{result.name}, {result.notes['items']} items, {result.notes['threads']} thread, {machine.cpu} "
        f"({', '.join(machine.flags)}); {result.notes['precision']}",
        fontsize=9,
        color="#666666",
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def _draw_steps(axis: "Axes", steps: Mapping[str, float], whole: float) -> None:
    """One bar a step, each beginning where the one before ended, and the whole request below."""
    parts = dict(steps) | {"rest": max(0.0, whole - sum(steps.values()))}
    begun = 0.0
    for place, (step, took) in enumerate(parts.items()):
        axis.barh(place, took, left=begun, color=_COLOURS[step], height=0.72, edgecolor="white", linewidth=0.5)
        axis.annotate(
            f"{took:.3f}",
            (begun + took, place),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=_INK,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )
        begun += took
    axis.axvline(whole, color=_INK, linewidth=0.8, linestyle=":")
    axis.set_yticks(range(len(parts)), list(parts), fontsize=9)
    axis.invert_yaxis()
    axis.set_xlim(0, 1.12 * max(whole, begun))
    _tidy(axis)
    axis.tick_params(axis="y", length=0)


def _draw_spread(axis: "Axes", times: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    """A histogram up to just beyond the 99th percentile, percentiles marked."""
    percentiles = {percent: float(np.percentile(times, percent)) for percent in (50, 95, 99)}
    end = 1.25 * percentiles[99]
    axis.hist(times[times <= end], bins=60, range=(float(times.min()) * 0.95, end), color="#5b8dbd")
    top = axis.get_ylim()[1]
    for row, (percent, value) in enumerate(percentiles.items()):
        axis.axvline(value, color=_INK, linewidth=0.8, linestyle=":")
        axis.annotate(
            f"p{percent} {value:.2f}",
            (value, top * (0.97 - 0.13 * row)),
            (4, 0),
            textcoords="offset points",
            va="top",
            fontsize=9,
            color=_INK,
        )
    axis.set_yticks([])
    _tidy(axis)
    axis.spines["left"].set_visible(False)


def _tidy(axis: "Axes") -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color("#bbbbbb")
    axis.tick_params(colors=_INK, labelsize=9)
    axis.grid(axis="x", color="#eef0f2")
    axis.set_axisbelow(True)
