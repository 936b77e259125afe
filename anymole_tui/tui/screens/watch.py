"""A run: where it stands, its stages, losses, load and log; to be stopped, gone on with, and its result opened.

The place only looks at the run folder, once a second: leaving it or quitting changes nothing for the run.
"""

import asyncio
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content

from anymole_tui.launching import open_viewer, start_again, stop_run
from anymole_tui.run_state import RunStory
from anymole_tui.safe_text import plain
from anymole_tui.tui.lists.log import Log
from anymole_tui.tui.lists.virtual_list import Rows
from anymole_tui.tui.overlays.dialogs import Confirm, Read
from anymole_tui.tui.run_pictures import newest_picture, read_picture
from anymole_tui.tui.screens.base_screen import Place, in_thread
from anymole_tui.tui.widgets.picture import Picture
from anymole_tui.tui.widgets.watching import Load, LossPlot, RunHead, StageList
from engine import EngineError, Event
from engine.runs import EVENTS, LOG, RunRecord, Tail, log_text, read_run

INTERVAL_S = 1.0
"""The folder is looked at, and the screen painted, this often: what a slow line can take."""


class Watch(Place):
    """One run."""

    TITLE = "Run"
    HELP = (
        "A run, live or ended, on this host or another one that sees its folder. It goes on when you leave or quit."
        " Losses are those of the stage at work; pictures are drawn only while they are shown (p)."
    )
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012  # as Textual declares it
    DEFAULT_CSS = """
    Watch RunHead { height: 2; padding: 0 1; }
    Watch #work { height: 8; }
    Watch #stages { width: 3fr; }
    Watch #load { width: 2fr; }
    Watch #below { height: 1fr; }
    Watch #losses { height: 7; display: none; }
    Watch #losses.-told { display: block; }
    Watch #picture { display: none; }
    Watch.-picture #picture { display: block; height: 1fr; }
    Watch.-narrow.-picture #told { display: none; }
    Watch.-wide #work { height: 10; }
    Watch.-wide #losses { height: 11; }
    Watch.-wide.-picture #below { layout: horizontal; }
    Watch.-wide.-picture #told { width: 1fr; }
    Watch.-wide.-picture #picture { width: 1fr; height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "cancel", "Stop", tooltip="save and stop; r goes on from there", id="run.cancel"),
        Binding("r", "resume", "Go on", tooltip="stages that are done are not done again", id="run.resume"),
        Binding("p", "picture", "Picture", tooltip="the newest preview, as it comes", id="run.picture"),
        Binding("c", "compare", "Compare", tooltip="the result beside slerp", id="run.compare"),
        Binding("n", "series", "Next losses", show=False, id="run.series"),
        Binding(
            "o", "open", "Open result", show=False, tooltip="in $ANYMOLE_VIEWER or usdview", id="run.open"
        ),
        Binding("y", "copy", "Copy folder", show=False, id="run.copy"),
        Binding("i", "words", "What its process wrote", show=False, id="run.words"),
    ]
    interval_s = INTERVAL_S

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder.absolute()
        self.subject = self.folder.name
        self.story = RunStory()
        self.record: RunRecord | None = None
        self._tail = Tail(self.folder / EVENTS)
        self._series = self._looks = 0
        self._pictured: object = None

    def compose_place(self) -> ComposeResult:
        yield RunHead()
        with Horizontal(id="work"):
            yield StageList(id="stages", classes="panel")
            yield Load(id="load", classes="panel")
        with Vertical(id="below"):
            with Vertical(id="told"):
                yield LossPlot(id="losses", classes="panel")
                yield Log(id="log", classes="panel")
            yield Picture(self.anymole.look.pictures, id="picture", classes="panel")

    def on_mount(self) -> None:
        for name in ("stages", "load", "losses", "log", "picture"):
            self.query_one(f"#{name}").border_title = name.capitalize()
        self.set_focus(self.query_one("#log"))
        self.run_worker(self._look_on(), group="look")

    async def _look_on(self) -> None:
        """Look at the folder again and again, in a thread: it may lie on a disk that hangs."""
        while True:
            try:
                record, events = await in_thread(self._read)
            except EngineError as error:
                self.say_error(str(error))
                return
            if self.closing:
                return
            self._tell(record, events)
            await asyncio.sleep(self.interval_s)

    def _read(self) -> tuple[RunRecord, list[tuple[Event, float]]]:
        return read_run(self.folder), list(self._tail.new())

    def _tell(self, record: RunRecord, events: list[tuple[Event, float]]) -> None:
        for event, at in events:
            self.story.take(event, at)
        before, self.record = self.record, record
        if before is None or before.state != record.state:
            self.refresh_bindings()  # this draws the footer again, which costs too much to do every second
        if self.is_current and (before != record or events):
            self._show(plots=before is None or not record.live)

    def on_screen_resume(self) -> None:
        if self.record is not None:
            self._show()

    def _show(self, *, plots: bool = True) -> None:
        """Show what is known; ``plots``: the curves too, whatever they cost."""
        record, story = self.record, self.story
        if record is None or self.closing:
            return  # nothing is known yet, or the app ends
        self.query_one(RunHead).tell(record, story)
        self.query_one(StageList).tell(story, record.live)
        self.query_one(Load).tell(story.telemetry, record.live)
        told = next((s for s in reversed(list(story.stages.values())) if s.series), None)
        losses = self.query_one(LossPlot)
        losses.set_class(told is not None, "-told")
        self._looks += 1
        if told is not None:
            losses.border_title = Content(f"Losses of {plain(told.name, 20, ascii_only=self.anymole.ascii)}")
            losses.tell(told, self._series, None if plots else self._looks)
        self.query_one(Log).tell(story)
        if self.has_class("-picture"):
            self._show_picture()

    # Actions -------------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        record = self.record
        if action == "cancel":
            return record is not None and record.live
        if action == "resume":
            return record is not None and record.state not in ("running", "done", "silent")
        if action in ("compare", "open"):
            return record is not None and record.state == "done"
        return super().check_action(action, parameters)

    def action_cancel(self) -> None:
        def decided(yes: bool | None) -> None:
            if yes:
                self.in_background(
                    lambda _: stop_run(self.folder),
                    lambda _: self.say("Stop requested; what is done is kept."),
                    group="ask",
                )

        self.app.push_screen(
            Confirm("Stop this run?", "What is done is kept; r goes on from there."), decided
        )

    def action_resume(self) -> None:
        self.in_background(
            lambda _: start_again(self.folder), lambda _: self.say("The run goes on."), group="ask"
        )

    def action_picture(self) -> None:
        self.toggle_class("-picture")
        self.call_after_refresh(self._show)

    @on(Picture.Resized)
    def _picture_has_room(self) -> None:
        # of a run that has ended nothing else comes that would show it
        if self.has_class("-picture"):
            self._show_picture()

    def _show_picture(self) -> None:
        still, path = self.query_one(Picture), newest_picture(self.folder, self.story.previews)
        wanted, background = still.wanted, still.background
        if self.record is not None and self.record.state == "done" and Path(self.record.result).is_file():
            self._show_result(still, self.record.result)
        elif path is None:
            still.say("no picture yet")
        elif (path, path.stat().st_mtime_ns, wanted) != self._pictured and min(wanted) > 0:
            self._pictured = (path, path.stat().st_mtime_ns, wanted)
            still.border_subtitle = Content(plain(path.name, 40, ascii_only=self.anymole.ascii))
            self.in_background(
                lambda _: read_picture(path, *wanted, background),
                still.show,
                group="picture",
                failed=still.say,
            )

    def _show_result(self, still: Picture, result: str) -> None:
        """One large picture of what was made, in place of the sheet of small ones."""
        wanted = still.wanted
        if self._pictured == (result, wanted) or min(wanted) < 4:
            return
        self._pictured = (result, wanted)
        request = {
            "stage": result,
            "time": None,
            "view": "three-quarter",
            "height": wanted[0],
            "width": wanted[1],
            "background": still.background,
        }
        still.border_subtitle = Content(plain(Path(result).name, 40, ascii_only=self.anymole.ascii))
        self.in_background(
            lambda stopped: self.anymole.thumbnails.draw(request, stopped),
            still.show,
            group="picture",
            failed=still.say,
        )

    def action_series(self) -> None:
        self._series += 1
        self._show()

    def action_compare(self) -> None:
        self.anymole.open_compare(self.folder)

    def action_open(self) -> None:
        assert self.record is not None
        result = self.record.result
        self.in_background(
            lambda _: open_viewer(result), lambda name: self.say(f"Opened in {name}."), group="viewer"
        )

    def action_copy(self) -> None:
        self.anymole.copy_to_clipboard(str(self.folder))
        self.say(f"Sent to the clipboard: {self.folder}")

    def action_words(self) -> None:
        self.in_background(
            lambda _: log_text(self.folder, LOG)[-8000:],
            lambda text: self.app.push_screen(Read(LOG, text or "Its process wrote nothing.")),
            group="words",
        )

    @on(Rows.Chosen, "#log")
    def _read_line(self, event: Rows.Chosen) -> None:
        event.stop()
        line = self.query_one(Log).line
        if line is not None:
            self.app.push_screen(Read("Log", line.text))
