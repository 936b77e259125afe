"""What a run made, beside what a spline would have: figures, and what to do with the result."""

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from anymole_tui.launching import open_viewer
from anymole_tui.report import run_report
from anymole_tui.screens.dialogs import Read
from anymole_tui.screens.place import Place
from anymole_tui.widgets.inert import Words
from engine.artefacts import from_plain
from engine.errors import DataError
from engine.run import RunResult
from engine.runs import result_of
from engine.workspace import REPORT
from usd_io.errors import shown


class Compare(Place):
    """The result of one run."""

    TITLE = "Compare"
    HELP = "The result of a run and how good it is; o opens it in $ANYMOLE_VIEWER or usdview."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "open", "Open", tooltip="in $ANYMOLE_VIEWER or usdview", id="compare.open"),
        Binding("y", "copy", "Copy path", tooltip="of the result", id="compare.copy"),
    ]

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder.absolute()
        self.subject = self.folder.name
        self.result: RunResult | None = None

    def compose_place(self) -> ComposeResult:
        yield Words(id="figures", classes="panel")

    def on_mount(self) -> None:
        self.query_one("#figures").border_title = "Figures"
        self.in_background(lambda _: read_result(self.folder), self._show, group="read")

    def _show(self, result: RunResult) -> None:
        self.result = result
        self.query_one("#figures", Words).update(run_report(result))

    def action_open(self) -> None:
        if self.result is not None:
            path = self.result.result
            self.in_background(
                lambda _: open_viewer(path), lambda name: self.say(f"Opened in {name}."), group="viewer"
            )

    def action_copy(self) -> None:
        if self.result is not None:
            self.anymole.copy_to_clipboard(self.result.result)
            self.app.push_screen(Read("Result", f"{self.result.result}\n\nSent to the clipboard."))


def read_result(folder: Path) -> RunResult:
    """The report of a run that is done.

    Raises:
        DataError: There is none that can be understood.
    """
    try:
        return from_plain(RunResult, result_of(folder, REPORT))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"the report of {shown(folder)} cannot be read; go on with the run to make it anew."
        ) from error
