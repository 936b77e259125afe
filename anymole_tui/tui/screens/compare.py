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
from textual.content import Content

from anymole_tui.launching import open_viewer, reveal
from anymole_tui.run_report import run_report
from anymole_tui.safe_text import Words, plain, spelt_out
from anymole_tui.terminal.graphics import Pixels
from anymole_tui.tui.overlays.dialogs import Read
from anymole_tui.tui.screens.playing import Playing
from anymole_tui.tui.state.playback import Request, key_of
from anymole_tui.tui.state.review import Review
from anymole_tui.tui.widgets.picture import Picture
from anymole_tui.tui.widgets.timeline import Timeline, Track, track_names
from engine import choose_take
from engine.evaluation import RunComparison, Side, make_slerp, read_comparison
from engine.runs import choose_gaps, read_gaps
from usd_io import ShownGap, timecode

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
        " over; the rate shown is the one reached. Enter keeps the chosen take"
        " in all gaps. In the gap where one is, a says that it is good, x has the result show the source there, t"
        " another take; u and U undo and redo. The result holds what was chosen at once."
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
        Binding("a", "accept", "Accept", tooltip="the gap here is good", id="compare.accept"),
        Binding("x", "reject", "Reject", tooltip="the gap here shows the source", id="compare.reject"),
        Binding("t", "take", "Take", tooltip="another take for the gap here alone", id="compare.take"),
        Binding("u", "undo", "Undo", tooltip="the last choice for a gap", id="compare.undo"),
        Binding("U", "redo", "Redo", show=False, id="compare.redo"),
        Binding("n", "turn(1)", "Next", tooltip="the next motion", id="compare.next"),
        Binding("N,b", "turn(-1)", "The one before", show=False, id="compare.before"),
        Binding("f", "flip", "Flip", tooltip="one alone, or all at once", id="compare.flip"),
        Binding("v", "view", "View", tooltip="front, side, top", show=False, id="compare.view"),
        Binding("enter", "keep", "Keep", tooltip="have the result show this take", id="compare.keep"),
        Binding("o", "open", "Open", tooltip="in $ANYMOLE_VIEWER or usdview", id="compare.open"),
        Binding("y", "copy", "Copy path", tooltip="of the result", id="compare.copy"),
        Binding("e", "reveal", "Reveal", show=False, tooltip="in the file manager", id="compare.reveal"),
        Binding("i", "figures", "Figures", show=False, id="compare.figures"),
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
        self.review = Review((), 1)
        self._version = 0
        """Of the result's files: raised whenever they change."""
        self._saving = self._unsaved = False
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
        takes = sum(side.take > 0 for side in self.sides)
        self.review = Review(comparison.gaps, max(takes, 1))
        wanted = [i for i, side in enumerate(self.sides) if side.take == max(comparison.active, 1)]
        self.chosen = wanted[0] if wanted else len(self.sides) - 1
        report = run_report(comparison.result, metrics=True)
        self.query_one(Words).update(report if not self.anymole.ascii else spelt_out(report))
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

    def _tracks(self, comparison: RunComparison) -> list[Track]:
        """One per skeleton, with a sign in every gap for which something was chosen."""
        plans = comparison.result.plan
        tracks = []
        paths = [str(plan["skeleton_path"]) for plan in plans]
        names = track_names(paths, paths)
        for plan, name in zip(plans, names, strict=True):
            known = [t for pair in plan["contexts"] for t in pair] + list(plan["keys"])
            gaps = tuple((gap["start"], gap["end"]) for gap in plan["gaps"])
            contexts = tuple((float(a), float(b)) for a, b in plan["contexts"])
            labels = self._labels(str(plan["skeleton_path"]))
            tracks.append(Track(name, min(known), max(known), contexts, tuple(plan["keys"]), gaps, labels))
        return tracks

    def _labels(self, skeleton: str) -> tuple[tuple[float, str, str], ...]:
        good, bad = ("+", "x") if self.anymole.ascii else ("✓", "✗")
        active = self.comparison.active if self.comparison else 1
        labels = []
        for gap in self.review.gaps:
            number = f"{gap.take}" if gap.take not in (0, active) else ""
            sign, style = (good, "$success") if gap.accepted else ("", "$warning")
            sign, style = (bad, "$error") if gap.take == 0 else (sign, style)
            if gap.skeleton_path == skeleton and (sign or number):
                labels.append(((gap.start + gap.end) / 2, sign + number, f"bold {style}"))
        return tuple(labels)

    def _show_plan(self, comparison: RunComparison) -> None:
        plans, tracks = comparison.result.plan, self._tracks(comparison)
        times = [gap["times"] for plan in plans for gap in plan["gaps"]]
        steps = [b - a for row in times for a, b in pairwise(row)]
        line = self.query_one(Timeline)
        line.show(tracks, min(steps, default=1.0), comparison.time_codes_per_second)
        middle = times[len(times) // 2]
        line.go_to(middle[len(middle) // 2])

    def _have_slerp(self, stage: str) -> None:
        self.sides = [replace(s, stage=stage) if s.name == "slerp" else s for s in self.sides]
        self.draw()

    def _no_slerp(self, why: str) -> None:
        pane = self._panes()[[side.name for side in self.sides].index("slerp")]
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
            note = "(kept)" if side.take and side.take == active else f"- {side.note}" if side.note else ""
            pane.border_title = Content(f"{mark}{side.name}  {note}".rstrip())
        self.draw_again()

    def on_resize(self) -> None:
        if self.sides:
            self.set_timer(SETTLE_S, self._arrange)

    @on(Timeline.Scrubbed)
    def _scrubbed(self, event: Timeline.Scrubbed) -> None:
        if self.moved_by_hand():
            self.set_timer(SETTLE_S, partial(self._draw_if_still, event.timeline.time))

    def _draw_if_still(self, time: float) -> None:
        if self.query(Timeline) and time == self.query_one(Timeline).time and not self.playing:
            self.draw()

    def draw(self) -> None:
        """Have the pictures of this time drawn; those before stay until they are there."""
        if self.comparison is None:
            return
        time = self.query_one(Timeline).time
        self.caption(time)
        for number in self.shown():
            self._draw(number, time)

    def caption(self, time: float) -> None:
        panes = self._panes()
        for number in self._ready():
            panes[number].border_subtitle = f"{timecode(time)}  {self._view}"

    @property
    def _result(self) -> str:
        return self.comparison.result.result if self.comparison else ""

    def _ready(self) -> list[int]:
        """Numbers of the sides in view that can be drawn."""
        return [number for number in self.shown() if self.sides[number].stage]

    def trailed(self) -> tuple[str, ...]:
        """The joints that were chosen for the stage in Motion."""
        stage = self.sides[0].stage if self.sides else ""
        joints = self.anymole.session.places.get(stage, {}).get("trails", ())
        return tuple(map(str, joints)) if isinstance(joints, list) else ()

    def pictures(self) -> list[Picture]:
        panes = self._panes()
        return [panes[number] for number in self._ready()]

    def requests(self, time: float) -> list[Request]:
        found = [self._request(number, time) for number in self._ready()]
        return [request for request in found if request is not None]

    def _request(self, number: int, time: float) -> Request | None:
        """The request for a side; None where there is no room for it."""
        assert self.comparison is not None
        side, pane = self.sides[number], self._panes()[number]
        height, width = pane.wanted
        if min(height, width) < 4:
            return None
        return {
            "stage": side.stage,
            "take": side.take,
            "version": self._version if side.take == 0 and side.stage == self._result else 0,
            "framing": self.comparison.result.result,
            "time": time,
            "view": self._view,
            "height": height,
            "width": width,
            "background": pane.background,
            **self.extras(),
        }

    def _draw(self, number: int, time: float) -> None:
        pane = self._panes()[number]
        if not self.sides[number].stage:
            pane.say("being made ...")
            return
        request = self._request(number, time)
        if request is None:
            return
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
            lambda stopped: None if stopped() else self.anymole.thumbnails.draw(request),
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
        self.draw_again()

    def action_figures(self) -> None:
        self.set_focus(self.query_one("#figures"))

    # Gap by gap ----------------------------------------------------------------------------------------------------

    def _gap_here(self) -> int | None:
        """Number of the gap that is looked at, in the skeleton that is chosen; says so where there is none."""
        line = self.query_one(Timeline)
        if self.comparison is None or not line.tracks:
            return None
        skeleton = str(self.comparison.result.plan[line.chosen]["skeleton_path"])
        place = self.review.place(skeleton, line.gap_at(line.time))
        if place is None:
            self.say("There is no gap here; . goes to the next key.")
        return place

    def action_accept(self) -> None:
        place = self._gap_here()
        if place is not None:
            self.review.accept(place)
            self._reviewed(place)

    def action_reject(self) -> None:
        place = self._gap_here()
        if place is not None:
            self.review.reject(place)
            self._look_at_result()
            self._reviewed(place)

    def action_take(self) -> None:
        place = self._gap_here()
        if place is not None and not any(side.take for side in self.sides):
            self.say("The result has only one take; set takes to 2 or more and run again.")
        elif place is not None:
            self.review.another(place)
            self._look_at_result()
            self._reviewed(place)

    def action_undo(self) -> None:
        if self.review.undo():
            self._reviewed(None)
        else:
            self.say("Nothing to undo.")

    def action_redo(self) -> None:
        if self.review.redo():
            self._reviewed(None)
        else:
            self.say("Nothing to redo.")

    def _look_at_result(self) -> None:
        """What the result shows is another motion now: have it in view."""
        if len(self.sides) - 1 not in self.shown():
            self.chosen = len(self.sides) - 1
            self._arrange()

    def _reviewed(self, place: int | None) -> None:
        """Show what was chosen, and write it."""
        assert self.comparison is not None
        line = self.query_one(Timeline)
        line.show_again(self._tracks(self.comparison), line.frame_step, line.rate)
        self._show_review(place)
        self._save_review()

    def _show_review(self, place: int | None) -> None:
        if self.review.gaps:
            words = f"{self.review.words(place)}   " if place is not None else ""
            self.query_one("#figures").border_title = Content(f"Figures   {words}{self.review.counts()}")

    def _save_review(self) -> None:
        """Write what is chosen; one at a time, and of those that come meanwhile the last."""
        if self._saving:
            self._unsaved = True
            return
        gaps, result = self.review.gaps, self._result
        self._saving, self._unsaved = True, False
        self.in_background(
            lambda _: choose_gaps(result, gaps), self._saved, group="gaps", failed=self._not_saved
        )

    def _saved(self, _: object) -> None:
        self._saving = False
        self._version += 1
        if self._unsaved:
            self._save_review()
        else:
            self.draw_again()

    def _not_saved(self, why: str) -> None:
        self._saving = False
        self.say_error(why)
        if self.review.undo():
            assert self.comparison is not None
            line = self.query_one(Timeline)
            line.show_again(self._tracks(self.comparison), line.frame_step, line.rate)

    # The whole result ----------------------------------------------------------------------------------------------

    def action_keep(self) -> None:
        if self.comparison is None:
            return
        side, result = self.sides[self.chosen], self.comparison.result.result
        if side.take:
            self.in_background(lambda _: _keep(result, side.take), self._kept, group="keep")
        elif side.stage == result:
            self._show_and_copy("This is the result")
        else:
            self.say("Only what the run made can be kept; n goes to it.")

    def _kept(self, kept: tuple[int, tuple[ShownGap, ...]]) -> None:
        assert self.comparison is not None
        active, gaps = kept
        self.comparison = replace(self.comparison, active=active, gaps=gaps)
        self.review = Review(gaps, sum(side.take > 0 for side in self.sides))
        self._version += 1
        line = self.query_one(Timeline)
        line.show_again(self._tracks(self.comparison), line.frame_step, line.rate)
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


def _keep(result: str, take: int) -> tuple[int, tuple[ShownGap, ...]]:
    active = choose_take(result, take).active
    return active, read_gaps(result)
