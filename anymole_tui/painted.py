"""What stands on the terminal, cell by cell, so that only cells that change are sent to it.

Textual sends every line of a widget that was touched: a list that scrolls by one line, or a place that opens again,
would send thousands of cells that stay as they are.
"""

import re
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

Cell = tuple[str, str]
"""A character and the codes of its style."""
UNKNOWN: Cell = ("", "")
NEAR = 12
"""Cells between two changes that are sent again: to go over them would take as many bytes."""
UNEVEN = re.compile("[\u0590-\u08ff\u3000-\U0010ffff]")
"""Characters that terminals may draw elsewhere, or wider, than we think."""


class Painted:
    """The cells of a terminal. Links (OSC 8) are not drawn by this app and would be lost here."""

    def __init__(self) -> None:
        self._lines: dict[int, list[Cell]] = {}
        self._graphics = False

    def forget(self) -> None:
        """Something else may stand there: send every cell that comes next."""
        self._lines.clear()

    def changes(self, update: CompositorUpdate) -> "Changes":
        """What of an update is not there yet; it is taken to be there once it has been rendered."""
        return Changes(self, update)

    def render(self, update: CompositorUpdate, console: Console) -> str:
        """The bytes for what has changed.

        Graphics of the terminal (sixels) lie over the cells: while there are any, every update is sent as it is.
        """
        pieces = list(_pieces(update))
        graphics = any("\x1b" in segment.text for _, _, strip in pieces for segment in strip)
        self._graphics = graphics or (self._graphics and not isinstance(update, LayoutUpdate))
        if self._graphics:
            self.forget()
            return update.render_segments(console)
        colors = console._color_system or ColorSystem.TRUECOLOR
        return "".join(self._paint(x, y, _cells(strip, colors)) for x, y, strip in pieces)

    def _paint(self, x: int, y: int, new: Sequence[Cell]) -> str:
        line = self._lines.setdefault(y, [])
        line += [UNKNOWN] * (x + len(new) - len(line))
        old = line[x : x + len(new)]
        if old == new:
            return ""
        line[x : x + len(new)] = new
        return "".join(
            f"\x1b[{y + 1};{x + start + 1}H{_styled(new[start:end])}"
            for start, end in changed_spans(old, new)
        )


class Changes(CompositorUpdate):
    """An update without the cells that are there already."""

    def __init__(self, painted: Painted, update: CompositorUpdate) -> None:
        self._painted, self._update = painted, update

    def render_segments(self, console: Console) -> str:
        return self._painted.render(self._update, console)


def changed_spans(old: Sequence[Cell], new: Sequence[Cell]) -> list[tuple[int, int]]:
    """First and last column (exclusive) of what differs; all of it where a cell holds not one character."""
    if any(len(character) != 1 for character, _ in (*old, *new)):
        return [(0, len(new))]
    spans: list[tuple[int, int]] = []
    for column, (before, after) in enumerate(zip(old, new, strict=True)):
        if before == after:
            continue
        if spans and column - spans[-1][1] <= NEAR:
            spans[-1] = (spans[-1][0], column + 1)
        else:
            spans.append((column, column + 1))
    return spans


def _pieces(update: CompositorUpdate) -> Iterator[tuple[int, int, Strip]]:
    """Column, line and what is to be painted there."""
    if isinstance(update, LayoutUpdate):
        for y, strips in enumerate(update.strips, update.region.y):
            x = update.region.x
            for strip in strips:
                yield x, y, strip
                x += strip.cell_length
    elif isinstance(update, ChopsUpdate):
        for y, first, last in update.spans:
            for end, (x, chop) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
                if chop is not None and x <= last and end > first:
                    yield x, y, chop.crop(0, min(end, last) - x)


def _cells(strip: Strip, colors: ColorSystem) -> list[Cell]:
    """One per cell; where the width of a character is in doubt, all in the first cell, to be sent as a whole."""
    cells = [
        (character, codes)
        for text, style, _ in strip
        for codes in [Strip.render_ansi(style, colors) if style else ""]
        for character in text
    ]
    text = strip.text
    if text.isascii() or (cell_len(text) == len(text) and not UNEVEN.search(text)):
        return cells
    return [(_styled(cells), ""), *[UNKNOWN] * (strip.cell_length - 1)]


def _styled(cells: Sequence[Cell]) -> str:
    parts, before = [], ""
    for character, codes in cells:
        if codes != before:
            parts.append(f"\x1b[0;{codes}m" if codes else "\x1b[0m")
            before = codes
        parts.append(character)
    return "".join(parts) + ("\x1b[0m" if before else "")
