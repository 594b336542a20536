"""Bars and differences with their intervals, as SVG to stand in a page that gives the colours."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Literal

from pocketrec.rankings import Interval

_WIDTH = 360
"""Of the drawing, in its own units: about the pixels of a phone, so that letters have their size there."""
_LEFT, _RIGHT = 4, _WIDTH - 8
_ROW = 38
_LETTERS = 36
"""Of a name; longer ones are cut, and shown whole where the pointer rests."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure with its interval."""

    name: str
    value: float
    interval: Interval
    kind: Literal["subject", "other", "baseline"]


@dataclass(frozen=True, slots=True)
class Whisker:
    """A difference with its interval."""

    name: str
    mean: float
    interval: Interval
    sure: bool
    """Whether it is beyond chance."""


def bars(title: str, lines: Iterable[Bar]) -> str:
    """Horizontal bars from nought on, one below the other."""
    shown = list(lines)
    axis = _Axis(0.0, max([bar.interval[1] for bar in shown] + [bar.value for bar in shown] + [1e-6]))
    parts = []
    for place, bar in enumerate(shown):
        y = _ROW * place
        parts += [
            _name(y, bar.name, f"{bar.value:.4f}"),
            f'<rect class="{bar.kind}" x="{axis.at(0):.1f}" y="{y + 21}" '
            f'width="{axis.at(bar.value) - axis.at(0):.1f}" height="11" rx="2"/>',
            _whisker(axis, bar.interval, y + 26.5),
        ]
    return _drawing(title, parts, axis, len(shown))


def whiskers(title: str, lines: Iterable[Whisker]) -> str:
    """Dots with intervals around nought, one below the other."""
    shown = list(lines)
    ends = [end for line in shown for end in (*line.interval, line.mean)]
    axis = _Axis(min([0.0, *ends]), max([0.0, *ends, 1e-6]))
    parts = [f'<path class="nought" d="M{axis.at(0):.1f} 16V{_ROW * len(shown)}"/>']
    for place, line in enumerate(shown):
        y = _ROW * place
        kind = "subject" if line.sure else "baseline"
        parts += [
            _name(y, line.name, f"{line.mean:+.4f}"),
            _whisker(axis, line.interval, y + 26.5),
            f'<circle class="{kind}" cx="{axis.at(line.mean):.1f}" cy="{y + 26.5}" r="5"/>',
        ]
    return _drawing(title, parts, axis, len(shown))


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers between two ends, at most about `most`.

    Example:
        >>> ticks(0, 0.14), ticks(-1, 3)
        ([0.0, 0.05, 0.1], [-1.0, 0.0, 1.0, 2.0, 3.0])
    """
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    return [
        round(step * place, 12) for place in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    ]


@dataclass(frozen=True, slots=True)
class _Axis:
    """From figures to places."""

    low: float
    high: float

    def at(self, value: float) -> float:
        return _LEFT + (value - self.low) / (self.high - self.low) * (_RIGHT - _LEFT)


def _name(y: float, name: str, value: str) -> str:
    cut = name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"
    return (
        f'<text x="{_LEFT}" y="{y + 15}"><title>{escape(name)}</title>{escape(cut)}</text>'
        f'<text class="figure" x="{_RIGHT}" y="{y + 15}">{escape(value)}</text>'
    )


def _whisker(axis: _Axis, interval: Interval, y: float) -> str:
    low, high = (axis.at(end) for end in interval)
    drawn = f'd="M{low:.1f} {y - 4}v8m0 -4H{high:.1f}m0 -4v8"/>'
    return f'<path class="halo" {drawn}<path {drawn}'


def _drawing(title: str, parts: Iterable[str], axis: _Axis, count: int) -> str:
    """The whole picture: grid, content, numbers below."""
    bottom = _ROW * count + 2
    grid = "".join(
        f'<path class="grid" d="M{axis.at(tick):.1f} 4V{bottom}"/>'
        f'<text class="tick" x="{min(max(axis.at(tick), 12), _RIGHT - 8):.1f}" y="{bottom + 14}">{tick:g}</text>'
        for tick in ticks(axis.low, axis.high)
    )
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {_WIDTH} {bottom + 20}" role="img" '
        f'aria-label="{escape(title)}">{grid}{"".join(parts)}</svg></figure>'
    )
