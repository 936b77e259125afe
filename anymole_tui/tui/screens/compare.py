"""What a run made beside the original and slerp, at the same time code and from the same camera; then keep a take."""

import shutil
import tempfile
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll

from anymole_tui.launching import open_viewer, reveal
from anymole_tui.report import run_report
from anymole_tui.safe_text import Words, plain, spelt_out
from anymole_tui.terminal.graphics import Pixels
from anymole_tui.tui.overlays.dialogs import Read
from anymole_tui.tui.playback import Request, key_of
from anymole_tui.tui.screens.playing import Playing
from anymole_tui.tui.widgets.picture import Picture
from anymole_tui.tui.widgets.timeline import Timeline, Track, track_names
from engine.evaluation.comparison import RunComparison, Side, make_slerp, read_comparison
from engine.runs.takes import choose_take

VIEWS = ("three-quarter", "front", "side", "top")
SETTLE_S = 0.08
"""The time rests so long before pictures of it are drawn."""
NARROWEST = 36
"""A pane is at least so wide [cells]; where there is room for one alone, they are flipped."""
MOST_KEPT = 64
"""Pictures that are kept, so that flipping is at once."""


class Compare(Playing):
    """The result of one run."""

    TITLE = "Compare"
    HELP = (
        "The original, slerp between the same keys, and what the run made, at one time and from one camera. n goes to"
        " the next of them, f flips between all at once and one alone. Space plays all in step, r one gap over and"
        " over; the rate that is told is what was shown. Enter keeps the chosen take: the result"
        " shows it from then on."
    )
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012  # as Textual declares it
    DEFAULT_CSS = """
    Compare #time { height: auto; }
    Compare #panes { height: 1fr; }
    Compare Picture { width: 1fr; }
    Compare #figures { height: 6; }
    Compare.-wide #figures { height: 14; }
    Compare #figures:focus { height: 14; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "turn(1)", "Next", tooltip="the next motion", id="compare.next"),
        Binding("N,b", "turn(-1)", "The one before", show=False, id="compare.before"),
        Binding("f", "flip", "Flip", tooltip="one alone, or all at once", id="compare.flip"),
        Binding("v", "view", "View", tooltip="front, side, top", show=False, id="compare.view"),
        Binding("enter", "keep", "Keep", tooltip="have the result show this take", id="compare.keep"),
        Binding("o", "open", "Open", tooltip="in $ANYMOLE_VIEWER or usdview", id="compare.open"),
        Binding("y", "copy", "Copy path", tooltip="of the result", id="compare.copy"),
        Binding("e", "reveal", "Reveal", show=False, tooltip="in the file manager", id="compare.reveal"),
        Binding("t", "figures", "Figures", show=False, id="compare.figures"),
    ]

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder.absolute()
        self.subject = self.folder.name
        self.comparison: RunComparison | None = None
        self.sides: list[Side] = []
        self.chosen = 0
        self.alone = False
        self._view = VIEWS[0]
        self._drawn: dict[object, Pixels] = {}
        self._pictured: set[int] = set()
        """Panes that have shown a picture: it stays until the next one is there."""
        self._scratch = Path(tempfile.mkdtemp(prefix="anymole-compare-"))

    def compose_place(self) -> ComposeResult:
        with Horizontal(id="time", classes="panel"):
            yield Timeline()
        yield Horizontal(id="panes")
        with VerticalScroll(id="figures", classes="panel"):
            yield Words()

    def on_mount(self) -> None:
        self.query_one("#time").border_title = "Time"
        self.query_one("#figures").border_title = "Figures"
        self.set_focus(self.query_one(Timeline))
        self.in_background(
            lambda _: read_comparison(self.folder), self._know, group="read", failed=self._unreadable
        )

    def on_unmount(self) -> None:
        self.stop_timers()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _unreadable(self, why: str) -> None:
        self.query_one(Words).update(plain(why, 600, ascii_only=self.anymole.ascii))

    def _know(self, comparison: RunComparison) -> None:
        self.comparison, self.sides = comparison, list(comparison.sides)
        self.chosen = min(1 + max(comparison.active, 1), len(self.sides) - 1)
        paths, scores = run_report(comparison.result).split("\n\n", 1)
        figures = f"{scores}\n\n{paths}"
        self.query_one(Words).update(figures if not self.anymole.ascii else spelt_out(figures))
        self._show_plan(comparison)
        kind = self.anymole.look.pictures
        self.query_one("#panes").mount_all(Picture(kind, classes="panel") for _ in self.sides)
        self.call_after_refresh(self._arrange)
        self.in_background(
            lambda _: make_slerp(self.folder, self._scratch),
            self._have_slerp,
            group="slerp",
            failed=self._no_slerp,
        )

    def _show_plan(self, comparison: RunComparison) -> None:
        plans = comparison.result.plan
        tracks = []
        paths = [str(plan["skeleton_path"]) for plan in plans]
        names = track_names(paths, paths)
        for plan, name in zip(plans, names, strict=True):
            known = [t for pair in plan["contexts"] for t in pair] + list(plan["keys"])
            gaps = tuple((gap["start"], gap["end"]) for gap in plan["gaps"])
            contexts = tuple((float(a), float(b)) for a, b in plan["contexts"])
            tracks.append(Track(name, min(known), max(known), contexts, tuple(plan["keys"]), gaps))
        times = [gap["times"] for plan in plans for gap in plan["gaps"]]
        steps = [b - a for row in times for a, b in pairwise(row)]
        line = self.query_one(Timeline)
        line.show(tracks, min(steps, default=1.0), comparison.time_codes_per_second)
        middle = times[len(times) // 2]
        line.go_to(middle[len(middle) // 2])

    def _have_slerp(self, stage: str) -> None:
        self.sides = [Side(s.name, stage) if s.name == "slerp" else s for s in self.sides]
        self.draw()

    def _no_slerp(self, why: str) -> None:
        pane = self._panes()[1]
        pane.say(plain(why, 300, ascii_only=self.anymole.ascii))

    # Pictures ------------------------------------------------------------------------------------------------------

    def _panes(self) -> list[Picture]:
        return list(self.query(Picture))

    def shown(self) -> list[int]:
        """Numbers of the sides that are on the screen: as many as fit, the chosen one among them."""
        fit = 1 if self.alone else max(1, self.size.width // NARROWEST)
        first = min(max(0, self.chosen - fit + 1), max(0, len(self.sides) - fit))
        return list(range(first, min(first + fit, len(self.sides))))

    def _arrange(self) -> None:
        visible = self.shown()
        active = self.comparison.active if self.comparison else 0
        for number, pane in enumerate(self._panes()):
            side = self.sides[number]
            pane.display = number in visible
            pane.set_class(number == self.chosen, "-chosen")
            mark = "> " if number == self.chosen else ""
            pane.border_title = mark + side.name + ("  (kept)" if side.take and side.take == active else "")
        self.call_after_refresh(self.play if self.playing else self.draw)

    def on_resize(self) -> None:
        if self.sides:
            self.set_timer(SETTLE_S, self._arrange)

    @on(Timeline.Scrubbed)
    def _scrubbed(self, event: Timeline.Scrubbed) -> None:
        if self.moved_by_hand(event.timeline.time):
            self.set_timer(SETTLE_S, partial(self._draw_if_still, event.timeline.time))

    def _draw_if_still(self, time: float) -> None:
        if self.query(Timeline) and time == self.query_one(Timeline).time and not self.playing:
            self.draw()

    def draw(self) -> None:
        """Have the pictures of this time drawn; those before stay until they are there."""
        if self.comparison is None:
            return
        time = self.query_one(Timeline).time
        self.query_one("#panes").border_title = f"{time:g}"
        for number in self.shown():
            self._draw(number, time)

    def _ready(self) -> list[int]:
        """Numbers of the sides in view that can be drawn."""
        return [number for number in self.shown() if self.sides[number].stage]

    def pictures(self) -> list[Picture]:
        panes = self._panes()
        return [panes[number] for number in self._ready()]

    def requests(self, time: float) -> list[Request]:
        found = [self._request(number, time) for number in self._ready()]
        return [request for request in found if request is not None]

    def _request(self, number: int, time: float) -> Request | None:
        """What a side is asked for with; None where there is no room for it."""
        assert self.comparison is not None
        side, pane = self.sides[number], self._panes()[number]
        height, width = pane.wanted
        if min(height, width) < 4:
            return None
        return {
            "stage": side.stage,
            "take": side.take,
            "framing": self.comparison.result.result,
            "time": time,
            "view": self._view,
            "height": height,
            "width": width,
            "background": pane.background,
        }

    def _draw(self, number: int, time: float) -> None:
        pane = self._panes()[number]
        if not self.sides[number].stage:
            pane.say("being made ...")
            return
        request = self._request(number, time)
        if request is None:
            return
        pane.border_subtitle = f"{time:g}  {self._view}"
        if number not in self._pictured:
            pane.say("being drawn ...")
        place = key_of(request)
        if place in self._drawn:
            pane.show(self._drawn[place])
            return

        def show(pixels: Pixels | None) -> None:
            if pixels is not None:
                self._drawn[place] = pixels
                while len(self._drawn) > MOST_KEPT:
                    del self._drawn[next(iter(self._drawn))]
                self._pictured.add(number)
                pane.show(pixels)

        self.in_background(
            lambda stopped: None if stopped() else self.anymole.stills.draw(request),
            show,
            group=f"picture-{number}",
            failed=lambda why: pane.say(plain(why, 300, ascii_only=self.anymole.ascii)),
        )

    # Actions -------------------------------------------------------------------------------------------------------

    def action_turn(self, by: int) -> None:
        if self.sides:
            self.chosen = (self.chosen + by) % len(self.sides)
            self._arrange()

    def action_flip(self) -> None:
        self.alone = not self.alone
        if self.sides:
            self._arrange()

    def action_view(self) -> None:
        self._view = VIEWS[(VIEWS.index(self._view) + 1) % len(VIEWS)]
        self.call_after_refresh(self.play if self.playing else self.draw)

    def action_figures(self) -> None:
        self.set_focus(self.query_one("#figures"))

    def action_keep(self) -> None:
        if self.comparison is None:
            return
        side, result = self.sides[self.chosen], self.comparison.result.result
        if side.take:
            self.in_background(lambda _: choose_take(result, side.take).active, self._kept, group="keep")
        elif side.stage == result:
            self._show_and_copy("This is the result")
        else:
            self.say("Only what the run made can be kept; space goes to it.")

    def _kept(self, active: int) -> None:
        assert self.comparison is not None
        self.comparison = replace(self.comparison, active=active)
        self._arrange()
        self.say(f"The result shows take {active} now.")

    def _show_and_copy(self, title: str) -> None:
        assert self.comparison is not None
        path = self.comparison.result.result
        self.anymole.copy_to_clipboard(path)
        self.app.push_screen(Read(title, f"{path}\n\nSent to the clipboard; escape closes."))

    def action_copy(self) -> None:
        if self.comparison is not None:
            self._show_and_copy("Result")

    def action_open(self) -> None:
        if self.comparison is not None:
            side = self.sides[self.chosen]
            path, active = side.stage or self.comparison.result.result, self.comparison.active
            kept = f" It shows take {active}, the one that is kept." if side.take not in (0, active) else ""
            self.in_background(
                lambda _: open_viewer(path), lambda name: self.say(f"Opened in {name}.{kept}"), group="viewer"
            )

    def action_reveal(self) -> None:
        if self.comparison is not None:
            path = self.comparison.result.result
            self.in_background(
                lambda _: reveal(path),
                lambda done: None if done else self._show_and_copy("No file manager here"),
                group="viewer",
            )
