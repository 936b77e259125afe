"""Files: folders and stages of a folder, and the stages opened lately."""

from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input

from anymole_tui.safe_text import plain
from anymole_tui.tui.lists.file_list import Entry, FileList, list_folder, recent_entries
from anymole_tui.tui.lists.filter import Filter
from anymole_tui.tui.lists.virtual_list import Rows
from anymole_tui.tui.screens.base_screen import Place
from engine.errors import DataError
from usd_io.errors import shown


class Browse(Place):
    """The first place."""

    TITLE = "Files"
    HELP = "Folders (ending in /), runs and USD stages. Enter opens one; the second panel has those opened lately."
    DEFAULT_CSS = """
    Browse #here { width: 3fr; }
    Browse #recent { width: 2fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy_path", "Copy path", id="browse.copy_path"),
        Binding("tilde", "home", "Home folder", show=False, id="browse.home"),
        Binding("f5", "reload", "Read again", show=False, id="browse.reload"),
    ]

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__()
        self._folder = folder

    def compose_place(self) -> ComposeResult:
        with Horizontal():
            with Vertical(id="here", classes="panel"):
                yield Filter("#files", "part of a name")
                yield FileList(id="files")
            with Vertical(id="recent", classes="panel"):
                recent = FileList(id="recent_files")
                recent.EMPTY = "no stage was opened yet"
                yield recent

    def on_mount(self) -> None:
        self.query_one("#recent").border_title = "Recent"
        last = Path(self.anymole.session.folder) if self.anymole.session.folder else Path()
        self.set_focus(self.query_one("#files"))
        self.go(self._folder or (last if last.is_dir() else Path()))

    def on_screen_resume(self) -> None:
        self.query_one("#recent_files", FileList).show(recent_entries(self.anymole.session.recent))

    def title_of(self, folder: Path) -> str:
        """What stands above the list of a folder."""
        return plain(folder, 60, ascii_only=self.anymole.ascii)

    def go(self, folder: Path) -> None:
        """Show another folder."""
        folder = folder.absolute()
        came_from = self._folder

        def read(_: object) -> list[Entry]:
            try:
                return list_folder(folder)
            except OSError as error:
                raise DataError(f"{shown(folder)} cannot be read: {shown(error.strerror)}.") from error

        def show(entries: list[Entry]) -> None:
            self._folder = folder
            self.anymole.session.folder = str(folder)
            self.subject = folder.name or str(folder)
            self.query_one("#here").border_title = Content(self.title_of(folder))
            self.query_one(Filter).value = ""
            self.query_one("#files", FileList).show(entries, came_from)

        self.in_background(read, show, group="folder")

    @on(Input.Changed)
    def _narrow(self, event: Input.Changed) -> None:
        self.query_one("#files", FileList).narrow(event.value)

    @on(Rows.Chosen)
    def _open(self, event: Rows.Chosen) -> None:
        assert isinstance(event.rows, FileList)
        entry = event.rows.entry
        if entry is None:
            return
        if entry.kind == "stage":
            self.anymole.open_stage(entry.path)
        elif entry.kind == "run":
            self.anymole.open_run(entry.path)
        else:
            self.go(entry.path)

    def action_copy_path(self) -> None:
        focused = self.focused
        entry = focused.entry if isinstance(focused, FileList) else None
        if entry:
            self.anymole.copy_to_clipboard(str(entry.path))
            self.say(f"Sent to the clipboard: {entry.path}")

    def action_home(self) -> None:
        self.go(Path.home())

    def action_reload(self) -> None:
        if self._folder:
            self.go(self._folder)
