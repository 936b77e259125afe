"""Small questions that lie over a place: yes or no, one of several, a line of text, and words to read or select."""

from collections.abc import Sequence
from typing import ClassVar, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input

from anymole_tui.safe_text import Words, inert, plain
from anymole_tui.tui.lists.virtual_list import Rows
from anymole_tui.tui.overlays.overlay import Over

T = TypeVar("T")


class Dialog(Over[T]):
    """A box in the middle; escape answers nothing."""

    DEFAULT_CSS = """
    Dialog { align: center middle; }
    Dialog #box {
        width: 72; max-width: 96%; height: auto; max-height: 90%; padding: 0 1;
        background: $surface; border: $frame $primary; border-title-color: $primary;
    }
    Dialog Input, Dialog Input:focus { border: none; padding: 0 1; height: 1; background: $panel; margin: 1 0; }
    Dialog Rows { height: auto; max-height: 12; }
    Dialog VerticalScroll { height: auto; max-height: 16; }
    """
    HINT: ClassVar[str] = ""
    """Keys that answer."""
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "Cancel", id="dialog.cancel")]

    def __init__(self, title: str, text: str = "") -> None:
        super().__init__()
        self._title, self._text = title, text

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            ascii_only = bool(getattr(self.app, "ascii", False))
            box.border_title = inert(self._title, 60, ascii_only=ascii_only)
            box.border_subtitle = self.HINT
            if self._text:
                lines = [plain(line, 2000, ascii_only=ascii_only) for line in self._text.split("\n")]
                with VerticalScroll(can_focus=isinstance(self, Read)):
                    yield Words("\n".join(lines))
            yield from self.compose_box()

    def compose_box(self) -> ComposeResult:
        """What is below the text."""
        yield from ()


class Confirm(Dialog[bool]):
    """Yes or no; enter alone does nothing that cannot be undone."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "dismiss(True)", "Yes", id="dialog.yes"),
        Binding("n,escape", "dismiss(False)", "No", id="dialog.no"),
    ]

    def compose_box(self) -> ComposeResult:
        yield Words(Content.from_markup("\n[bold $accent]y[/] yes   [bold $accent]n[/] no"))


class Ask(Dialog[str]):
    """A line of text; enter gives it."""

    HINT = "enter: go on   escape: cancel"

    def __init__(self, title: str, text: str = "", value: str = "") -> None:
        super().__init__(title, text)
        self._value = value

    def compose_box(self) -> ComposeResult:
        field = Input(self._value, select_on_focus=False)
        field.cursor_blink = False
        yield field

    @on(Input.Submitted)
    def _give(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip())


class _Options(Rows):
    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self._names = names

    def on_mount(self) -> None:
        self.rows_changed()
        self.styles.height = max(1, min(12, len(self._names)))

    def row_count(self) -> int:
        return len(self._names)

    def row(self, index: int, width: int) -> Content:
        return Content(plain(self._names[index], width, ascii_only=getattr(self.app, "ascii", False)))


class Choose(Dialog[str]):
    """One of several names."""

    HINT = "enter: choose   escape: cancel"

    def __init__(self, title: str, names: Sequence[str], text: str = "") -> None:
        super().__init__(title, text)
        self._names = names

    def compose_box(self) -> ComposeResult:
        yield _Options(self._names)

    @on(Rows.Chosen)
    def _give(self, event: Rows.Chosen) -> None:
        self.dismiss(self._names[event.index])


class Read(Dialog[None]):
    """Words to read, or to select with the mouse where the clipboard cannot be reached."""

    HINT = "escape: close"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "dismiss", "Close", id="dialog.close"),
        *(
            Binding(key, f"app.press('{pressed}')", show=False)
            for key, pressed in (("j", "down"), ("k", "up"), ("g", "home"), ("G", "end"))
        ),
        Binding("ctrl+d", "app.press('pagedown')", show=False),
        Binding("ctrl+u", "app.press('pageup')", show=False),
    ]
