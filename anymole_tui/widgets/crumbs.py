"""The first line of every place: the way here, and whether something is under way."""

from textual.app import RenderResult
from textual.content import Content
from textual.widget import Widget

from anymole_tui.widgets.inert import plain

LONGEST = 40
"""Characters of one name in the way."""


class Crumbs(Widget):
    """``anymole  Browse > fox.usda > Plan          working``."""

    DEFAULT_CSS = """
    Crumbs { dock: top; height: 1; background: $panel; color: $foreground; padding: 0 1; }
    """

    def on_mount(self) -> None:
        self.watch(self.screen, "subject", self._changed, init=False)
        self.watch(self.screen, "busy", self._changed, init=False)

    def _changed(self) -> None:
        self.refresh()

    def render(self) -> RenderResult:
        from anymole_tui.screens.place import Place

        ascii_only = getattr(self.app, "ascii", False)
        places = [screen for screen in self.app.screen_stack if isinstance(screen, Place)]
        until = places[: places.index(self.screen) + 1] if self.screen in places else places
        words = [(place.TITLE or "", place.subject) for place in until if isinstance(place, Place)]
        sign = " > " if ascii_only else " \u203a "
        parts = [plain(subject or title, LONGEST, ascii_only=ascii_only) for title, subject in words]
        line = Content.assemble(("anymole", "bold $primary"), "  ", sign.join(parts[:-1]))
        if parts:
            line = Content.assemble(line, sign if parts[:-1] else "", (parts[-1], "bold"))
        right = "working ..." if isinstance(self.screen, Place) and self.screen.busy else "? help"
        room = self.size.width - len(right)
        line = line.truncate(max(room - 1, 0), ellipsis=True)
        return Content.assemble(line.pad_right(max(room - line.cell_length, 0)), (right, "dim"))
