"""A stage: its prims, and what is in each."""

from pathlib import Path

from textual.app import ComposeResult

from anymole_tui.screens.place import Place
from anymole_tui.widgets.inert import Words


class StagePlace(Place):
    """What is in one stage."""

    TITLE = "Stage"
    HELP = "What is in the stage."

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.subject = path.name

    def compose_place(self) -> ComposeResult:
        yield Words(id="report", classes="panel")

    def on_mount(self) -> None:
        from anymole_tui.report import inspection
        from engine.run import inspect

        self.in_background(
            lambda _: inspection(inspect(str(self.path)), joints=False), self._show, group="read"
        )

    def _show(self, text: str) -> None:
        self.anymole.session.opened(str(self.path.absolute()))
        self.query_one("#report", Words).update(text)
