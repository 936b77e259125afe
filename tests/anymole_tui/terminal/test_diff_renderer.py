"""What is left out of an update makes no difference on the screen of a terminal."""

from collections.abc import Iterable

import pyte
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import LayoutUpdate
from textual.color import Color
from textual.geometry import Region
from textual.renderables.background_screen import BackgroundScreen
from textual.strip import Strip

from anymole_tui.terminal.diff_renderer import Painted
from anymole_tui.tui.overlays.overlay import Dimmed

SIZE = (40, 6)
BOLD, RED = Style(bold=True), Style(color="#ff0000", bgcolor="#000020")


class Screen:
    """A terminal that is told the changes, and one that is told everything."""

    def __init__(self) -> None:
        self.console = Console(color_system="truecolor", force_terminal=True)
        self.painted = Painted()
        self.screens = [pyte.Screen(*SIZE) for _ in range(2)]
        self.streams = [pyte.Stream(screen) for screen in self.screens]

    def show(self, *lines: list[Segment]) -> int:
        """Paint lines from the top; returns how many bytes the changes took."""
        strips: list[Iterable[Strip]] = [[Strip(line).adjust_cell_length(SIZE[0])] for line in lines]
        update = LayoutUpdate(strips, Region(0, 0, SIZE[0], len(lines)))
        changes = self.painted.changes(update).render_segments(self.console)
        self.streams[0].feed(changes)
        self.streams[1].feed(update.render_segments(self.console))
        for y in range(SIZE[1]):
            assert self.screens[0].buffer[y] == self.screens[1].buffer[y], self.screens[0].display
        return len(changes.encode())


TEXTS = [
    "",
    "abc",
    "abd",
    "  bd and more",
    "│ café │",
    "⣿⣀⠤",
    "日本語 text",
    "日a本 text",
    "אבג xyz",
    "e\u0301tude",
]


def test_any_screen_after_any_other_looks_as_if_all_was_sent() -> None:
    screen = Screen()
    for first in TEXTS:
        for second in TEXTS:
            screen.show([Segment(first, BOLD)], [Segment("same")], [Segment(second, RED), Segment(first)])


def test_what_stays_is_not_sent_again() -> None:
    screen = Screen()
    screen.show([Segment("step 17 of 500", RED)], [Segment("other", BOLD)])
    assert screen.show([Segment("step 17 of 500", RED)], [Segment("other", BOLD)]) == 0
    assert 0 < screen.show([Segment("step 18 of 500", RED)], [Segment("other", BOLD)]) < 60
    screen.painted.forget()
    assert screen.show([Segment("step 18 of 500", RED)], [Segment("other", BOLD)]) > 60


def test_dimmed_as_textual_dims_it() -> None:
    pieces = [
        Segment("plain"),
        Segment("red", RED),
        Segment("told apart by what clicking them does", RED + Style(meta={"@click": "1"})),
        Segment("dim", Style(dim=True, color="color(3)")),
        Segment("linked", BOLD + Style(link="https://example.org")),
    ]
    for color in (Color(10, 20, 30, 0.6), Color(0, 0, 0, 0.0)):
        assert list(Dimmed.process_segments(pieces, color)) == list(
            BackgroundScreen.process_segments(pieces, color)
        )
