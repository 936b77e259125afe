"""What a run has reported, line by line; it follows the end until one goes up in it."""

import time
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from anymole_tui.run_state import Line, RunStory
from anymole_tui.safe_text import plain
from anymole_tui.tui.lists.virtual_list import Rows

WORDS = {"info": "", "stage": "", "warning": "warning ", "error": "error "}
STYLES = {"info": "", "stage": "bold", "warning": "$warning", "error": "$error"}


class Log(Rows):
    """Lines of a run."""

    TITLE = "Log"
    EMPTY = UNREAD = "nothing reported yet"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "choose", "Whole line", id="log.read")]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: list[Line] = []
        self._told = 0

    def tell(self, story: RunStory) -> None:
        """Show what is new."""
        if story.told == self._told:
            return
        at_end = self.cursor >= self.row_count() - 1
        self._lines, self._told = list(story.log), story.told
        self.rows_changed()
        if at_end:
            self.action_last()

    @property
    def line(self) -> Line | None:
        """The one under the cursor."""
        return self._lines[self.cursor] if self.cursor < len(self._lines) else None

    def row_count(self) -> int:
        return len(self._lines)

    def row(self, index: int, width: int) -> Content:
        line = self._lines[index]
        clock = clock_text(line.at)
        said = plain(line.text, max(8, width - 10), ascii_only=getattr(self.app, "ascii", False))
        return Content.assemble(
            (clock, "dim"), "  ", (f"{WORDS.get(line.level, '')}{said}", STYLES.get(line.level, ""))
        )


def clock_text(at: float) -> str:
    """Time of day here, ``--:--:--`` where it is none."""
    try:
        return time.strftime("%H:%M:%S", time.localtime(at))
    except (ValueError, OverflowError, OSError):
        return "--:--:--"
