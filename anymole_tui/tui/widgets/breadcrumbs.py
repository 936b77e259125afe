"""The first line of every place: the way here, and whether something is under way."""

from typing import Protocol, runtime_checkable

from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from anymole_tui.safe_text import plain

LONGEST = 40
"""Characters of one name in the way."""
UNSEEN_S = 0.3
"""Work that is done sooner is not mentioned: the details of a prim, of every one that is passed."""


@runtime_checkable
class Named(Protocol):
    """What the way is made of: a place."""

    TITLE: str | None
    subject: str
    """What it shows."""
    busy: int
    """How many pieces of work are under way in the background."""


class Crumbs(Widget):
    """``anymole  Browse > fox.usda > Plan          working``."""

    DEFAULT_CSS = """
    Crumbs { dock: top; height: 1; background: $panel; color: $foreground; padding: 0 1; }
    """

    working: reactive[bool] = reactive(False)

    def on_mount(self) -> None:
        for place in self.app.screen_stack:
            if isinstance(place, Named):
                self.watch(place, "subject", self._named, init=False)
        self.watch(self.screen, "busy", self._busy, init=False)

    def _named(self) -> None:
        self.refresh()

    def _busy(self, before: int, now: int) -> None:
        if not now:
            self.working = False
        elif not before:
            self.set_timer(UNSEEN_S, self._still_busy)

    def _still_busy(self) -> None:
        self.working = isinstance(self.screen, Named) and self.screen.busy > 0

    def render(self) -> RenderResult:
        ascii_only = getattr(self.app, "ascii", False)
        places = [screen for screen in self.app.screen_stack if isinstance(screen, Named)]
        until = places[: places.index(self.screen) + 1] if self.screen in places else places
        sign = " > " if ascii_only else " \u203a "
        subjects = [place.subject for place in until]
        named = [  # of several places on one stage, the first has its name
            (place.TITLE or "") if place.subject in ("", *subjects[:number]) else place.subject
            for number, place in enumerate(until)
        ]
        parts = [plain(name, LONGEST, ascii_only=ascii_only) for name in named]
        line = Content.assemble(("anymole", "bold $primary"), "  ", sign.join(parts[:-1]))
        if parts:
            line = Content.assemble(line, sign if parts[:-1] else "", (parts[-1], "bold"))
        right = "working ..." if self.working else "? help"
        room = self.size.width - len(right)
        line = line.truncate(max(room - 1, 0), ellipsis=True)
        return Content.assemble(line.pad_right(max(room - line.cell_length, 0)), (right, "dim"))
