"""What stands on the terminal, cell by cell, so that only cells that change are sent to it.

Textual sends every line of a widget that was touched: a list that scrolls by one line, or a place that opens again,
would send thousands of cells that stay as they are.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, groupby

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console
from textual.geometry import Offset, Region
from textual.strip import Strip

from anymole_tui.terminal.graphics import Graphic
from anymole_tui.terminal.patches import ChopsUpdate, CompositorUpdate, LayoutUpdate, colors_of

Cell = tuple[str, str]
"""A character and the codes of its style."""
UNKNOWN: Cell = ("", "")
NEAR = 12
"""Cells between two changes that are sent again: to go over them would take as many bytes."""
UNEVEN = re.compile("[\u0590-\u08ff\u3000-\U0010ffff]")
"""Characters that terminals may draw elsewhere, or wider, than we think."""


FIRST_MARK, LAST_MARK = "\ue000", "\ue0ff"
"""Characters for private use: names from files never bring one here, as :func:`usd_io.errors.shown` spells them out."""
MARK = re.compile(r"([\ue000-\ue0ff])\1*")


@dataclass
class Spot:
    """Where a picture in the graphics of the terminal stands, and what the terminal has of it."""

    place: Callable[[], Region]
    graphic: Graphic | None = None
    version: int = 0
    sent: int = 0
    """The version that the terminal has."""
    shown: bool = False


class Painted:
    """The cells of a terminal, and the pictures on it. Links (OSC 8) are not drawn by this app and would be lost here.

    Cells that a picture is to fill hold its mark, a character of its own. The picture is sent when one of them has
    been written, and what lies over it is written once more: so it needs to know nothing of dialogs and notices.
    """

    def __init__(self) -> None:
        self._lines: dict[int, list[Cell]] = {}
        self._spots: dict[str, Spot] = {}
        self._versions = count(1)
        self._written: set[str] = set()
        self._covered: set[str] = set()
        """Marks in cells that the update at hand has written, and that had stood in cells which it has written."""
        self._farewell = ""
        """Codes to take away pictures that nobody shows any more."""

    def forget(self) -> None:
        """Something else may stand there: send every cell and picture that comes next."""
        self._lines.clear()
        for spot in self._spots.values():
            spot.sent = 0

    # Pictures ------------------------------------------------------------------------------------------

    def take_mark(self, place: Callable[[], Region]) -> str:
        """A mark for a picture that covers the cells of a place."""
        mark = next(m for m in map(chr, range(ord(FIRST_MARK), ord(LAST_MARK))) if m not in self._spots)
        self._spots[mark] = Spot(place)
        return mark

    def give_mark_back(self, mark: str) -> None:
        """The picture goes."""
        spot = self._spots.pop(mark, None)
        if spot and spot.graphic and spot.shown:
            self._farewell += spot.graphic.gone

    def show(self, mark: str, graphic: Graphic) -> None:
        """What is to be seen where the mark stands, from the next update of its cells on."""
        spot = self._spots.get(mark)
        if spot is not None:
            spot.graphic, spot.version = graphic, next(self._versions)

    def _pictures(self) -> Iterator[str]:
        """Codes for the pictures of which cells have been written, and for those that have gone."""
        yield self._farewell
        self._farewell = ""
        for mark, spot in self._spots.items():
            graphic = spot.graphic
            if graphic is None or mark not in self._written | (self._covered if graphic.lies_over else set()):
                continue
            region = spot.place()
            parts = self._parts(mark, region)
            if spot.shown:
                yield graphic.gone
            spot.shown = bool(parts)
            if parts and spot.sent != spot.version:
                spot.sent = spot.version
                yield graphic.sent
            if graphic.lies_over:
                for part in parts:
                    yield _at(region.offset + part.offset) + graphic.place(part)
            elif parts:
                yield _at(region.offset) + graphic.place(region.reset_offset)
                yield from self._others(mark, region)
        self._written.clear()
        self._covered.clear()

    def _parts(self, mark: str, region: Region) -> list[Region]:
        """What is to be seen of a picture, as rectangles of its cells."""
        parts: list[Region] = []
        for y in range(region.height):
            line = self._lines.get(region.y + y, [])[region.x : region.right]
            found = re.finditer("1+", "".join("01"[character == mark] for character, _ in line))
            for x, right in (run.span() for run in found):
                above = next((p for p in parts if (p.x, p.right, p.bottom) == (x, right, y)), None)
                if above is None:
                    parts.append(Region(x, y, right - x, 1))
                else:
                    parts[parts.index(above)] = above.grow((0, 0, 1, 0))
        return parts

    def _others(self, mark: str, region: Region) -> Iterator[str]:
        """The cells within a picture that are not its own: it has been drawn over them."""
        for y in range(region.y, region.bottom):
            x = region.x
            line = self._lines.get(y, [])[region.x : region.right]
            for own, cells in groupby(line, lambda cell: cell[0] == mark):
                run = list(cells)
                if not own:
                    yield _at(Offset(x, y)) + _styled(run)
                x += len(run)

    # Cells ---------------------------------------------------------------------------------------------

    def changes(self, update: CompositorUpdate) -> "Changes":
        """What of an update is not there yet; it is taken to be there once it has been rendered."""
        return Changes(self, update)

    def render(self, update: CompositorUpdate, console: Console) -> str:
        """The bytes for what has changed."""
        colors = colors_of(console)
        painted = [self._paint(x, y, self._cells(strip, colors)) for x, y, strip in _pieces(update)]
        return "".join([*painted, *self._pictures()])

    def _cells(self, strip: Strip, colors: ColorSystem) -> list[Cell]:
        """Those of a strip; where a picture is to be, its mark and its version."""
        if not self._spots or not MARK.search(strip.text):
            return _cells(strip, colors)
        cells: list[Cell] = []
        for part in _parted(strip):
            mark = part.text[:1]
            if mark in self._spots:
                cells += [(mark, str(self._spots[mark].version))] * part.cell_length
            else:
                cells += _cells(part, colors)
        return cells

    def _paint(self, x: int, y: int, new: Sequence[Cell]) -> str:
        line = self._lines.setdefault(y, [])
        line += [UNKNOWN] * (x + len(new) - len(line))
        old = line[x : x + len(new)]
        if old == new:
            return ""
        line[x : x + len(new)] = new
        spans = changed_spans(old, new)
        if self._spots:
            for start, end in spans:
                self._written |= self._spots.keys() & {character for character, _ in new[start:end]}
                self._covered |= self._spots.keys() & {character for character, _ in old[start:end]}
        return "".join(_at(Offset(x + start, y)) + _styled(new[start:end]) for start, end in spans)


def _at(place: Offset) -> str:
    return f"\x1b[{place.y + 1};{place.x + 1}H"


class Changes(CompositorUpdate):
    """An update without the cells that are there already."""

    def __init__(self, painted: Painted, update: CompositorUpdate) -> None:
        self._painted, self._update = painted, update
        self._codes: str | None = None

    def render_segments(self, console: Console) -> str:
        if self._codes is None:  # what was rendered is taken to be there
            self._codes = self._painted.render(self._update, console)
        return self._codes


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


def _parted(strip: Strip) -> Iterable[Strip]:
    """A strip in pieces of marks alone and of none."""
    ends = {end for found in MARK.finditer(strip.text) for end in found.span()} | {len(strip.text)}
    return strip.divide(sorted(cell_len(strip.text[:end]) for end in ends - {0}))


def _styled(cells: Sequence[Cell]) -> str:
    parts, before = [], ""
    for character, codes in cells:
        if (
            FIRST_MARK <= character <= LAST_MARK
        ):  # a picture comes here; Kitty's lies below cells without a background
            character, codes = " ", ""
        if codes != before:
            parts.append(f"\x1b[0;{codes}m" if codes else "\x1b[0m")
            before = codes
        parts.append(character)
    return "".join(parts) + ("\x1b[0m" if before else "")
