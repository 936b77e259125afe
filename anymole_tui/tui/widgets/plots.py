"""Numbers as characters: a curve of braille dots (or ASCII), and a bar."""

import math
from collections.abc import Sequence

BRAILLE_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of the 4 x 2 dots of a cell, row by row (Unicode block U+2800)."""
ASCII_LEVELS = "_.-'"
"""Marks of a quarter of a cell each, from the bottom up."""


def curve(values: Sequence[float], width: int, height: int, *, ascii_only: bool = False) -> list[str]:
    """A plot of a series: its whole length over the whole width, its range over the whole height.

    Args:
        values: Oldest first; those that are not finite leave a hole.
        width: Of the plot [cells].
        height: Of the plot [cells].
        ascii_only: Draw with ASCII.
    """
    columns = width if ascii_only else 2 * width
    points = resample(values, columns)
    finite = [value for value in points if value is not None]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    rows = 4 * height
    levels = [None if v is None else _level(v, low, high, rows) for v in points]
    return _ascii(levels, height) if ascii_only else _braille(levels, width, height)


def resample(values: Sequence[float], columns: int) -> list[float | None]:
    """One value per column, None for a hole: the mean of the finite values that fall into it; a series with fewer
    values than columns is drawn through, along straight lines."""
    count = len(values)
    if 1 < count < columns:
        places = [column * (count - 1) / (columns - 1) for column in range(columns)]
        between = [_between(values, place) for place in places]
        return [value if math.isfinite(value) else None for value in between]
    used = min(columns, count)
    means: list[float | None] = []
    for column in range(used):
        part = [v for v in values[column * count // used : (column + 1) * count // used] if math.isfinite(v)]
        # each by itself: the sum of large values is infinite
        means.append(sum(value / len(part) for value in part) if part else None)
    return means


def _between(values: Sequence[float], place: float) -> float:
    """The value at a place between two of a series; not a number where one of the two is not finite."""
    before = min(int(place), len(values) - 2)
    share = place - before
    if share in (0.0, 1.0):
        return values[before + int(share)]
    return values[before] * (1 - share) + values[before + 1] * share


def _level(value: float, low: float, high: float, rows: int) -> int:
    if math.isinf(high - low):  # of values near the largest ones, of both signs
        value, low, high = value / 2, low / 2, high / 2
    share = (value - low) / (high - low) if high > low else 0.5
    return min(rows - 1, max(0, round(share * (rows - 1))))


def _braille(levels: Sequence[int | None], width: int, height: int) -> list[str]:
    cells = [[0] * width for _ in range(height)]
    before: int | None = None
    for column, level in enumerate(levels):
        if level is not None:
            low, high = (level, level) if before is None else sorted((before, level))
            for row in range(low, high + 1):  # joined to the point before, so that it reads as a line
                y = 4 * height - 1 - row
                if row == level or row != before:
                    cells[y // 4][column // 2] |= BRAILLE_DOTS[y % 4][column % 2]
        before = level
    return ["".join(chr(0x2800 + cell) if cell else " " for cell in row) for row in cells]


def _ascii(levels: Sequence[int | None], height: int) -> list[str]:
    rows = [[" "] * len(levels) for _ in range(height)]
    for column, level in enumerate(levels):
        if level is not None:
            rows[height - 1 - level // 4][column] = ASCII_LEVELS[level % 4]
    return ["".join(row) for row in rows]


def bar(share: float, width: int, *, ascii_only: bool = False) -> str:
    """``━━━━───``: how much of something is done or used, 0 to 1."""
    done = round(min(1.0, max(0.0, share)) * width) if math.isfinite(share) else 0
    full, empty = ("#", "-") if ascii_only else ("━", "─")
    return full * done + empty * (width - done)
