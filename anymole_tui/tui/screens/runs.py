"""All runs: those of the user's list and those below the current folder, as they stand now."""

import asyncio
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input

from anymole_tui.launching import start_again, stop_run
from anymole_tui.tui.lists.filter import Filter
from anymole_tui.tui.lists.run_table import RunTable
from anymole_tui.tui.lists.virtual_list import Rows
from anymole_tui.tui.overlays.dialogs import Confirm
from anymole_tui.tui.screens.base_screen import Place, in_thread
from engine.runs import RunRecord, clean, list_runs, read_runs, remember

INTERVAL_S = 1.0
SEARCH_EVERY = 30
"""Looks at the runs that are known between two searches for new ones."""


class Runs(Place):
    """The list."""

    TITLE = "Runs"
    HELP = (
        "Runs started here, from the command line or on other hosts that share the folder. 'stopped': its process is"
        " gone, go on with r. 'silent': on another host and not heard of lately. All go on without this program."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "cancel", "Stop", tooltip="save and stop", id="runs.cancel"),
        Binding("r", "resume", "Go on", tooltip="stages that are done are not done again", id="runs.resume"),
        Binding("c", "compare", "Compare", tooltip="the result beside slerp", id="runs.compare"),
        Binding("y", "copy", "Copy folder", show=False, id="runs.copy"),
        Binding(
            "D", "clean", "Clean up", show=False, tooltip="remove what only resuming needs", id="runs.clean"
        ),
        Binding("f5", "search", "Search again", show=False, id="runs.search"),
    ]
    interval_s = INTERVAL_S

    def __init__(self) -> None:
        super().__init__()
        self._folders: list[Path] = []
        self._due = 0

    def compose_place(self) -> ComposeResult:
        with Vertical(id="runs", classes="panel"):
            yield Filter("RunTable", "part of a state, an id or a folder")
            yield RunTable()

    def on_mount(self) -> None:
        self.query_one("#runs").border_title = "Runs"
        self.set_focus(self.query_one(RunTable))
        self.run_worker(self._look_on(), group="look")

    async def _look_on(self) -> None:
        while True:
            if self.is_current:
                search, self._due = self._due <= 0, SEARCH_EVERY if self._due <= 0 else self._due - 1
                records = await in_thread(lambda search=search: self._read(search))  # type: ignore[misc]
                if self.closing:
                    return
                self._tell(records)
            await asyncio.sleep(self.interval_s)

    def _read(self, search: bool) -> list[RunRecord]:
        """How all runs stand; the search for new ones is the slow part and is made now and then."""
        if search:
            found = list_runs()
            self._folders = [Path(record.folder) for record in found]
            return found
        return read_runs(self._folders)

    def _tell(self, records: list[RunRecord]) -> None:
        table = self.query_one(RunTable)
        before = table.record.state if table.record else None
        table.tell(records)
        if before != (table.record.state if table.record else None):
            self.refresh_bindings()
        live = sum(record.live for record in records)
        self.query_one("#runs").border_subtitle = f"{live} at work, {len(records)} in all"

    def on_screen_resume(self) -> None:
        self._due = 0

    # Actions -------------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("cancel", "resume", "compare", "copy", "clean"):
            tables = self.query(RunTable)
            record = tables.first().record if tables else None
            if record is None:
                return False
            return {
                "cancel": record.live,
                "resume": record.state not in ("running", "done", "silent"),
                "compare": record.state == "done",
                "clean": not record.live,
            }.get(action, True)
        return super().check_action(action, parameters)

    @on(Rows.Highlighted)
    def _other_run(self) -> None:
        self.refresh_bindings()

    @on(Input.Changed)
    def _narrow(self, event: Input.Changed) -> None:
        self.query_one(RunTable).narrow(event.value)

    @on(Rows.Chosen)
    def _watch(self) -> None:
        folder = self._chosen()
        if folder is not None:
            remember(folder)
            self.anymole.open_run(folder)

    def _chosen(self) -> Path | None:
        record = self.query_one(RunTable).record
        return Path(record.folder) if record else None

    def action_cancel(self) -> None:
        folder = self._chosen()

        def decided(yes: bool | None) -> None:
            if yes and folder:
                self.in_background(
                    lambda _: stop_run(folder), lambda _: self.say("Stop requested."), group="ask"
                )

        self.app.push_screen(
            Confirm("Stop this run?", f"{folder}\nWhat is done is kept; r goes on from there."), decided
        )

    def action_resume(self) -> None:
        folder = self._chosen()
        if folder:
            self.in_background(
                lambda _: start_again(folder), lambda _: self.anymole.open_run(folder), group="ask"
            )

    def action_compare(self) -> None:
        folder = self._chosen()
        if folder:
            self.anymole.open_compare(folder)

    def action_copy(self) -> None:
        folder = self._chosen()
        if folder:
            self.anymole.copy_to_clipboard(str(folder))
            self.say(f"Sent to the clipboard: {folder}")

    def action_clean(self) -> None:
        folder = self._chosen()

        def decided(yes: bool | None) -> None:
            if yes and folder:
                self.in_background(
                    lambda _: clean(folder), lambda n: self.say(f"{n / 1e6:.1f} MB freed."), group="clean"
                )

        text = f"{folder}\nResult, settings and events stay; artefacts and checkpoints go."
        self.app.push_screen(Confirm("Clean up this run?", text), decided)

    def action_search(self) -> None:
        self._due = 0
