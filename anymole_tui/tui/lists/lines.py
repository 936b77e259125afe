"""Lines of text with a cursor, made beforehand: details, reports, lists of layers."""

from collections.abc import Sequence

from textual.content import Content

from anymole_tui.tui.lists.virtual_list import Rows


class Lines(Rows):
    """Any number of lines, of which those in view are drawn."""

    def __init__(self, title: str, *, id: str | None = None) -> None:
        """``title``: what the lines are about, for the list of keys."""
        super().__init__(id=id)
        self.TITLE = title
        self._lines: Sequence[Content] = ()

    def show(self, lines: Sequence[Content], *, keep_place: bool = False) -> None:
        """Show other lines, from their beginning unless the place is kept; lines that stay are not painted again."""
        before, self._lines = self._lines, lines
        if not keep_place:
            self.cursor = 0
            self.scroll_home(animate=False)
        if not self.known or len(before) != len(lines) or self.scroll_offset.y:
            self.rows_changed()
            return
        for y, (old, new) in enumerate(zip(before, lines, strict=True)):
            if not old.is_same(new):
                self.row_changed(y)
        self.post_message(self.Highlighted(self, self.cursor))

    @property
    def line(self) -> str:
        """The words under the cursor."""
        return self._lines[self.cursor].plain.strip() if self.cursor < len(self._lines) else ""

    def row_count(self) -> int:
        return len(self._lines)

    def row(self, index: int, width: int) -> Content:
        return self._lines[index]
