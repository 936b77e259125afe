"""A list of any length of which only the lines in view are drawn: the base of trees and lists here."""

from dataclasses import dataclass
from typing import ClassVar

from rich.style import Style as RichStyle
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import var
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style
from textual.visual import Visual

REVERSE = RichStyle(reverse=True)


class Rows(ScrollView, can_focus=True, inherit_bindings=False):
    """One line per row, with a cursor. Subclasses say how many rows there are and what each shows."""

    DEFAULT_CSS = """
    Rows { height: 1fr; scrollbar-size-vertical: 1; }
    Rows > .rows--cursor { background: $block-cursor-background 60%; }
    Rows:focus > .rows--cursor {
        background: $block-cursor-background; color: $block-cursor-foreground; text-style: bold;
    }
    Rows:ansi > .rows--cursor { background: ansi_default; text-style: underline; }
    Rows:ansi:focus > .rows--cursor { background: ansi_default; color: ansi_default; text-style: bold; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"rows--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, id="rows.up"),
        Binding("down,j", "move(1)", "Down", show=False, id="rows.down"),
        Binding("pageup,ctrl+u", "page(-1)", "Page up", show=False, id="rows.page_up"),
        Binding("pagedown,ctrl+d", "page(1)", "Page down", show=False, id="rows.page_down"),
        Binding("home,g", "first", "First", show=False, id="rows.first"),
        Binding("end,G", "last", "Last", show=False, id="rows.last"),
        Binding("enter", "choose", "Open", id="rows.choose"),
    ]
    EMPTY: str = "nothing here"
    UNREAD: str = "reading ..."
    """What stands there until something is known."""
    MOST_DRAWN = 1000
    """Rows that are kept as they were drawn, so that scrolling draws only those that come into view."""

    cursor: var[int] = var(0)

    @dataclass
    class Highlighted(Message):
        """The cursor is on another row."""

        rows: "Rows"
        index: int

        @property
        def control(self) -> "Rows":
            return self.rows

    @dataclass
    class Chosen(Message):
        """A row was opened: enter, or a click on the row under the cursor."""

        rows: "Rows"
        index: int

        @property
        def control(self) -> "Rows":
            return self.rows

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._drawn: dict[int, Strip] = {}
        self._look: object = None
        self.known = False
        """Whether the rows are known, be there any or none."""

    def row_count(self) -> int:
        """How many rows there are."""
        raise NotImplementedError

    def row(self, index: int, width: int) -> Content:
        """What a row shows; longer than ``width`` cells it is cut."""
        raise NotImplementedError

    def rows_changed(self) -> None:
        """To be called when rows came, went or changed, also when there turn out to be none."""
        self.known = True
        self._drawn.clear()
        self.virtual_size = Size(0, self.row_count())
        self.cursor = self.validate_cursor(self.cursor)
        self.refresh()
        if self.row_count():
            self.post_message(self.Highlighted(self, self.cursor))

    def row_changed(self, index: int) -> None:
        """To be called when one row says something else."""
        self._drawn.pop(index, None)
        self.refresh(Region(0, index - self.scroll_offset.y, self.size.width, 1))

    def notify_style_update(self) -> None:
        super().notify_style_update()
        look = self.app.theme, self.visual_style
        if (
            look != self._look
        ):  # it is notified of a new focus, too, which changes the row of the cursor alone
            self._look = look
            self._drawn.clear()

    def on_resize(self) -> None:
        """As far down as shows the cursor, whatever heights the list has had before."""
        self.scroll_to(y=max(0, self.cursor - self.size.height + 1), animate=False, force=True)

    def validate_cursor(self, cursor: int) -> int:
        return max(0, min(cursor, self.row_count() - 1))

    def watch_cursor(self, old: int, new: int) -> None:
        top = self.scroll_offset.y
        for index in (old, new):
            self.refresh(Region(0, index - top, self.size.width, 1))
        self.scroll_to_region(Region(0, new, 1, 1), animate=False, force=True, x_axis=False)
        if new < self.row_count():
            self.post_message(self.Highlighted(self, new))

    def render_line(self, y: int) -> Strip:
        index, width = self.scroll_offset.y + y, self.scrollable_content_region.width
        if index >= self.row_count():
            words = self.EMPTY if self.known else self.UNREAD
            empty = Content.styled(words, "dim") if index == 0 else Content("")
            return self._strip(empty, width, self.visual_style)
        if index == self.cursor:
            chosen = self._strip(self.row(index, width), width, self.get_visual_style("rows--cursor"))
            # no colour of a terminal goes with all its others
            reverse = self.app.native_ansi_color and self.has_focus
            return chosen.apply_style(REVERSE) if reverse else chosen
        strip = self._drawn.get(index)
        if strip is None or strip.cell_length != width:
            if len(self._drawn) >= self.MOST_DRAWN:
                self._drawn.clear()
            strip = self._drawn[index] = self._strip(self.row(index, width), width, self.visual_style)
        return strip

    def _strip(self, content: Content, width: int, style: Style) -> Strip:
        cut = content.truncate(width, ellipsis=not getattr(self.app, "ascii", False))
        (strip,) = Visual.to_strips(self, cut, width, 1, style, apply_selection=False) or [Strip.blank(width)]
        return strip.adjust_cell_length(width, style.rich_style).simplify()

    def action_move(self, by: int) -> None:
        self.cursor += by

    def action_page(self, by: int) -> None:
        self.cursor += by * max(self.size.height - 1, 1)

    def action_first(self) -> None:
        self.cursor = 0

    def action_last(self) -> None:
        self.cursor = self.row_count() - 1

    def action_choose(self) -> None:
        if self.row_count():
            self.post_message(self.Chosen(self, self.cursor))

    def on_click(self, event: events.Click) -> None:
        index = self.scroll_offset.y + event.y - self.gutter.top
        if not 0 <= index < self.row_count():
            return
        if index == self.cursor:
            self.action_choose()
        else:
            self.cursor = index
