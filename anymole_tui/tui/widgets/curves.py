"""The rotation of one joint over time: three curves, distinguished by a letter at their ends as well as by colour."""

import numpy as np
from textual.content import Content
from textual.strip import Strip
from textual.visual import Visual
from textual.widget import Widget

from usd_io.shapes import Float

AXES = "xyz"
COLORS = ("$error", "$success", "$secondary")
LABEL_WIDTH = 7
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of a braille sign by row and column of its dots."""
LEAST_SPAN_DEG = 2.0
"""A joint that moves less is drawn as a level line, not as noise."""


class Curves(Widget):
    """Rotation vector [degrees] away from the mean, over the range of the timeline."""

    DEFAULT_CSS = """
    Curves { height: 1fr; min-height: 3; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._times = np.zeros(0)
        self._values = np.zeros((0, 3))
        self._time, self._start, self._end = 0.0, 0.0, 1.0
        self._drawn: list[Content] = []

    def show(self, times: Float[np.ndarray, " frame"], values: Float[np.ndarray, "frame 3"]) -> None:
        """Show other curves."""
        self._times, self._values = times, values
        self._draw_again()

    def look_at(self, time: float, start: float, end: float) -> None:
        """Another time or range."""
        self._time, self._start, self._end = time, start, max(end, start + 1e-6)
        self._draw_again()

    def on_resize(self) -> None:
        self._draw_again()

    def _draw_again(self) -> None:
        self._drawn = []
        self.refresh()

    def render_line(self, y: int) -> Strip:
        self._drawn = self._drawn or self._draw()
        width = self.size.width
        line = self._drawn[y] if y < len(self._drawn) else Content("")
        strips = Visual.to_strips(self, line, width, 1, self.visual_style, apply_selection=False)
        return (strips[0] if strips else Strip.blank(width)).adjust_cell_length(width, self.rich_style)

    def _draw(self) -> list[Content]:
        columns, rows = self.size.width - LABEL_WIDTH - 1, self.size.height - 1
        if not len(self._times) or columns < 4 or rows < 2:
            return [Content.styled("no animated joint chosen", "dim")]
        low, high = self._range()
        cells = np.full((rows, columns), " ", dtype="<U1")
        owner = np.full((rows, columns), -1)
        ascii_only = getattr(self.app, "ascii", False)
        fine = (1, 1) if ascii_only else (4, 2)
        for axis in range(3):
            dots = self._dots(axis, low, high, rows * fine[0], columns * fine[1])
            _paint(cells, owner, dots, axis, ascii_only=ascii_only)
        here = round((self._time - self._start) / (self._end - self._start) * (columns - 1))
        return [
            *(self._row(cells[r], owner[r], r, rows, low, high, here) for r in range(rows)),
            self._legend(),
        ]

    def _range(self) -> tuple[float, float]:
        low, high = float(self._values.min()), float(self._values.max())
        if high - low < LEAST_SPAN_DEG:
            middle = (low + high) / 2
            return middle - LEAST_SPAN_DEG / 2, middle + LEAST_SPAN_DEG / 2
        return low, high

    def _dots(self, axis: int, low: float, high: float, height: int, width: int) -> list[tuple[int, int]]:
        """Row and column of every dot of a curve; steep parts are joined up."""
        at = self._start + np.arange(width) / max(width - 1, 1) * (self._end - self._start)
        inside = (at >= self._times[0] - 1e-9) & (at <= self._times[-1] + 1e-9)
        values = np.interp(at, self._times, self._values[:, axis])
        rows = np.rint((high - values) / (high - low) * (height - 1)).astype(int)
        dots: list[tuple[int, int]] = []
        for column in np.flatnonzero(inside):
            row = int(rows[column])
            before = int(rows[column - 1]) if column and inside[column - 1] else row
            step = 1 if row >= before else -1
            dots += [
                (r, int(column)) for r in range(before + step if before != row else row, row + step, step)
            ]
        return dots

    def _row(
        self,
        cells: np.ndarray,
        owner: np.ndarray,
        row: int,
        rows: int,
        low: float,
        high: float,
        here: int,
    ) -> Content:
        label = ""
        if row in (0, rows - 1) or row == rows // 2:
            label = f"{high - (high - low) * row / max(rows - 1, 1):.0f}"
        parts: list[tuple[str, str]] = [(label.rjust(LABEL_WIDTH - 1) + " ", "dim")]
        for column, (sign, axis) in enumerate(zip(cells, owner, strict=True)):
            style = COLORS[axis] if axis >= 0 else "dim"
            if column == here:
                bar = "|" if getattr(self.app, "ascii", False) else "\u2502"
                sign, style = (sign, style + " on $primary 40%") if axis >= 0 else (bar, "$primary")
            parts.append((str(sign), style))
        return Content.assemble(*parts, self._ends(row, rows, low, high))

    def _ends(self, row: int, rows: int, low: float, high: float) -> tuple[str, str]:
        """The letter of the curve that ends in this row."""
        last = [float(np.interp(self._end, self._times, self._values[:, axis])) for axis in range(3)]
        ends = [round((high - value) / (high - low) * (rows - 1)) for value in last]
        axis = ends.index(row) if row in ends else -1
        return (AXES[axis], f"bold {COLORS[axis]}") if axis >= 0 else (" ", "")

    def _legend(self) -> Content:
        values = [float(np.interp(self._time, self._times, self._values[:, axis])) for axis in range(3)]
        parts: list[tuple[str, str]] = [(" " * LABEL_WIDTH, "")]
        for axis, value in enumerate(values):
            parts += [(AXES[axis], f"bold {COLORS[axis]}"), (f" {value:.1f}  ", "")]
        return Content.assemble(*parts, ("degrees", "dim"))


def _paint(
    cells: np.ndarray, owner: np.ndarray, dots: list[tuple[int, int]], axis: int, *, ascii_only: bool
) -> None:
    for row, column in dots:
        if ascii_only:
            cells[row, column], owner[row, column] = AXES[axis], axis
            continue
        place = row // 4, column // 2
        bits = ord(cells[place]) - 0x2800 if cells[place] != " " else 0
        cells[place] = chr(0x2800 + (bits | DOTS[row % 4][column % 2]))
        owner[place] = axis
