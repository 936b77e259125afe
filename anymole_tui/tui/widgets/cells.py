"""Lines of text of which only those that change are painted: for what is updated every second."""

from collections.abc import Sequence
from itertools import zip_longest

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
            if old != new:
                self.refresh(Region(0, y, self.size.width, 1))

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
        cut = line.truncate(width, ellipsis=not getattr(self.app, "ascii", False))
        strips = Visual.to_strips(self, cut, width, 1, style, apply_selection=False)
        strip = strips[0] if strips else Strip.blank(width)
        return strip.adjust_cell_length(width, style.rich_style)
