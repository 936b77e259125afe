"""Lines of text of which only the cells that change are sent to the terminal: for what is updated every second."""

from collections.abc import Sequence
from itertools import zip_longest

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.geometry import Region
from textual.strip import Strip
from textual.visual import Visual
from textual.widget import Widget

BLANK = Content("")


class Cells(Widget):
    """Shows lines from the top, each cut at the right end."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: Sequence[Content] = ()
        self._strips: list[Strip] = []

    def show(self, lines: Sequence[Content]) -> None:
        """Show other lines."""
        self._lines = lines
        before, self._strips = self._strips, [self._strip(y) for y in range(self.size.height)]
        for y, (old, new) in enumerate(zip_longest(before, self._strips)):
            span = changed_cells(old, new)
            if span:
                self.refresh(Region(span[0], y, span[1] - span[0], 1))

    def on_resize(self, event: events.Resize) -> None:
        del event
        self._strips = []
        self.fit()
        self.refresh()

    def fit(self) -> None:
        """Called when the size is another one: for lines that depend on it."""

    def render_line(self, y: int) -> Strip:
        return self._strip(y)

    def _strip(self, y: int) -> Strip:
        width, style = self.size.width, self.visual_style
        line = self._lines[y] if y < len(self._lines) else BLANK
        cut = line.truncate(width)
        strips = Visual.to_strips(self, cut, width, 1, style, apply_selection=False)
        strip = strips[0] if strips else Strip.blank(width)
        return strip.adjust_cell_length(width, style.rich_style)


def changed_cells(old: Strip | None, new: Strip | None) -> tuple[int, int] | None:
    """First and last column (exclusive) in which two lines differ; None where they are the same."""
    if old is None or new is None:
        return 0, (new or old or Strip.blank(0)).cell_length
    a, b = _cells(old), _cells(new)
    if len(a) != len(b):
        return 0, max(len(a), len(b))
    differing = [x for x, (before, after) in enumerate(zip(a, b, strict=True)) if before != after]
    return (differing[0], differing[-1] + 1) if differing else None


def _cells(strip: Strip) -> list[object]:
    """One entry per cell; the second half of a wide character goes with the first."""
    cells: list[object] = []
    for text, style, _ in strip:
        for character in text:
            cells += [(character, style)] * cell_len(character)
    return cells
