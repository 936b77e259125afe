"""Line plots as SVG: they follow the colours of the page, print sharply, and need no script."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from usd_io.errors import timecode
from usd_io.shapes import Float

WIDTH, HEIGHT = 960, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 10, 28
TICKS = 4


@dataclass(frozen=True, eq=False)
class Chart:
    """Some lines over one range of times [time codes]."""

    title: str
    unit: str
    times: Float[np.ndarray, " frame"]
    lines: Mapping[str, Float[np.ndarray, " frame"]]
    """By the name of the take; NaN leaves a hole."""
    bands: Mapping[str, tuple[Float[np.ndarray, " frame"], Float[np.ndarray, " frame"]]]
    """Lowest and highest value around the line of the same name."""
    marks: Sequence[float]
    """Times of the keys."""


def draw(chart: Chart) -> str:
    """A ``<figure>`` with the plot; its text is escaped."""
    values = [v for line in chart.lines.values() for v in line[np.isfinite(line)]]
    values += [v for _, high in chart.bands.values() for v in high[np.isfinite(high)]]
    step = _round_step(max(values, default=0.0) or 1.0)
    top = step * math.ceil((max(values, default=0.0) or 1.0) / step - 1e-9)
    start, end = float(chart.times[0]), float(chart.times[-1])
    span = (end - start) or 1.0

    def x(time: float) -> float:
        return round(LEFT + (time - start) / span * (WIDTH - LEFT - RIGHT), 2)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM), 2)

    parts = [f'<line class="mark" x1="{x(t)}" x2="{x(t)}" y1="{y(0)}" y2="{y(top)}"/>' for t in chart.marks]
    for count in range(round(top / step) + 1):
        value = count * step
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value)}" y2="{y(value)}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(value) + 4}" text-anchor="end">{value:.3g}</text>')
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 8}">{timecode(start)}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">{timecode(end)}</text>')
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:g}" y="{HEIGHT - 8}" text-anchor="middle">time code</text>'
    )
    for name, (low, high) in chart.bands.items():
        parts += [
            f'<polygon class="band {css_class(name)}" points="{_points(rows, x, y)}"/>'
            for rows in _outlines(chart.times, low, high)
        ]
    for name, line in chart.lines.items():
        for rows in _runs(chart.times, line):
            parts.append(f'<polyline class="{css_class(name)}" points="{_points(rows, x, y)}"/>')
    parts.append(f'<line class="cursor" x1="{LEFT}" x2="{LEFT}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
    legend = "".join(f'<span class="{css_class(name)}">{escape(name)}</span>' for name in chart.lines)
    return (
        f'<figure class="chart"><figcaption><b>{escape(chart.title)}</b> [{escape(chart.unit)}] '
        f'<span class="legend">{legend}</span></figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(chart.title)}" data-left="{LEFT}" '
        f'data-right="{WIDTH - RIGHT}" data-start="{start!r}" data-end="{end!r}">{"".join(parts)}</svg></figure>'
    )


def css_class(take: str) -> str:
    """Class that gives a take its colour, on plots and elsewhere."""
    known = ("keys", "slerp", "result", "truth", "expected")
    return f"take-{take}" if take in known else "take-other"


def _round_step(largest: float) -> float:
    """A round number of which a few make up the largest value."""
    raw = largest / TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * (1 - 1e-9))


def _runs(
    times: Float[np.ndarray, " frame"], line: Float[np.ndarray, " frame"]
) -> list[list[tuple[float, float]]]:
    """The pieces of a line between its holes."""
    runs: list[list[tuple[float, float]]] = [[]]
    for time, value in zip(times.tolist(), line.tolist(), strict=True):
        if math.isfinite(value):
            runs[-1].append((time, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _outlines(
    times: Float[np.ndarray, " frame"], low: Float[np.ndarray, " frame"], high: Float[np.ndarray, " frame"]
) -> list[list[tuple[float, float]]]:
    """Around the pieces of a band: along its top and back along its bottom."""
    tops, bottoms = _runs(times, high), _runs(times, low)
    return [[*a, *reversed(b)] for a, b in zip(tops, bottoms, strict=False)]


def _points(
    rows: Sequence[tuple[float, float]], x: Callable[[float], float], y: Callable[[float], float]
) -> str:
    return " ".join(f"{x(time)},{y(value)}" for time, value in rows)
