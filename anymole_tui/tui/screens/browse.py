"""Files: folders and stages of a folder, what is in the one under the cursor, stages opened lately, and runs."""

from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input

from anymole_tui.safe_text import plain
from anymole_tui.tui.lists.file_list import FileEntry, FileList, list_folder, recent_entries
from anymole_tui.tui.lists.filter import Filter
from anymole_tui.tui.lists.run_table import RunTable
from anymole_tui.tui.lists.virtual_list import Rows
from anymole_tui.tui.screens.base_screen import Place
from anymole_tui.tui.widgets.picture import Picture
from engine import ConfigError, DataError
from engine.runs import RunRecord, known_folders, list_runs, read_run, read_runs
from usd_io import shown

RUNS_EVERY_S = 5.0
NOTHING = "rest on a stage or a run to see it"
SEARCH_EVERY = 6
"""Looks at the runs that are known from one search for others to the next."""


class Browse(Place):
    """The first place."""

    TITLE = "Files"
    HELP = (
        "Folders (ending in /), runs and USD stages; enter opens one, and where there is room one sees what is in it."
        " Beside them the stages opened lately and the runs that are known or lie below this folder: tab goes there."
    )
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012  # as Textual declares it
    DEFAULT_CSS = """
    Browse #here { width: 3fr; }
    Browse #side { width: 2fr; }
    Browse #preview { display: none; height: 2fr; }
    Browse.-wide #preview { display: block; }
    Browse #recent, Browse #runs { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy_path", "Copy path", id="browse.copy_path"),
        Binding("tilde", "home", "Home folder", show=False, id="browse.home"),
        Binding("f5", "reload", "Read again", show=False, id="browse.reload"),
    ]

    preview_after_s = 0.4
    """The cursor rests so long before a picture is drawn."""

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__()
        self._folder = folder
        self._previewed: Path | None = None
        """The stage or run of which a picture is shown or wanted."""
        self._run_folders: tuple[Path, ...] = ()
        """Folders of the runs that were found."""
        self._looks = 0

    def compose_place(self) -> ComposeResult:
        with Horizontal():
            with Vertical(id="here", classes="panel"):
                yield Filter("#files", "part of a name")
                yield FileList(id="files")
            with Vertical(id="side"):
                with Vertical(id="preview", classes="panel"):
                    yield Picture(self.anymole.look.pictures)
                with Vertical(id="recent", classes="panel"):
                    recent = FileList(id="recent_files")
                    recent.EMPTY = "no stage was opened yet"
                    yield recent
                with Vertical(id="runs", classes="panel"):
                    runs = RunTable(id="known_runs")
                    runs.EMPTY = "none yet: p in a stage plans one"
                    yield runs

    def on_mount(self) -> None:
        self.query_one("#preview").border_title = "Preview"
        self.query_one(Picture).say(NOTHING)
        self.query_one("#recent").border_title = "Recent"
        self.query_one("#runs").border_title = "Runs"
        self.query_one("#runs").border_subtitle = "2: all of them"
        self.set_interval(RUNS_EVERY_S, self._look_at_runs)
        last = Path(self.anymole.session.folder) if self.anymole.session.folder else Path()
        self.set_focus(self.query_one("#files"))
        self.go(self._folder or (last if last.is_dir() else Path()))

    def on_screen_resume(self) -> None:
        self.query_one("#recent_files", FileList).show(recent_entries(self.anymole.session.recent))
        self._look_at_runs()

    def _look_at_runs(self, *, search: bool = False) -> None:
        """Show how the runs stand; the search below the folder is the slow part and is made now and then."""
        if not self.is_current:
            return
        search = search or self._looks % SEARCH_EVERY == 0
        self._looks += 1
        folder, found = self._folder or Path(), self._run_folders
        self.in_background(
            lambda _: list_runs((folder,), known=True) if search else read_runs((*found, *known_folders())),
            self._know_runs,
            group="runs",
        )

    def _know_runs(self, records: list[RunRecord]) -> None:
        self._run_folders = tuple(Path(record.folder) for record in records)
        self.query_one(RunTable).tell(records)

    def title_of(self, folder: Path) -> str:
        """What stands above the list of a folder."""
        return plain(folder, 60, ascii_only=self.anymole.ascii)

    def go(self, folder: Path) -> None:
        """Show another folder."""
        folder = folder.absolute()
        came_from = self._folder

        def read(_: object) -> list[FileEntry]:
            try:
                return list_folder(folder)
            except OSError as error:
                raise DataError(f"{shown(folder)} cannot be read: {shown(error.strerror)}.") from error

        def show(entries: list[FileEntry]) -> None:
            self._folder = folder
            self.anymole.session.folder = str(folder)
            self.subject = folder.name or str(folder)
            self.query_one("#here").border_title = Content(self.title_of(folder))
            self.query_one(Filter).value = ""
            self.query_one("#files", FileList).show(entries, came_from)
            self._look_at_runs(search=True)

        self.in_background(read, show, group="folder")

    @on(Input.Changed)
    def _narrow(self, event: Input.Changed) -> None:
        self.query_one("#files", FileList).narrow(event.value)

    @on(Rows.Chosen)
    def _open(self, event: Rows.Chosen) -> None:
        if isinstance(event.rows, RunTable):
            record = event.rows.record
            if record is not None:
                self.anymole.open_run(Path(record.folder))
            return
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

    # What is in a file --------------------------------------------------------------------------------

    @on(Rows.Highlighted)
    def _rest(self, event: Rows.Highlighted) -> None:
        """Draw what is in a stage, or what a run has made, once the cursor rests on it: most are only passed."""
        if not isinstance(event.rows, FileList) or not (event.rows.has_focus or event.rows.id == "files"):
            return
        entry, picture = event.rows.entry, self.query_one(Picture)
        path = entry.path if entry is not None and entry.kind in ("stage", "run") else None
        if path == self._previewed:
            return
        self._previewed = path
        self.workers.cancel_group(self, "preview")
        picture.say("" if path else NOTHING)
        self.query_one("#preview").border_title = Content(
            plain(path.name, 40, ascii_only=self.anymole.ascii) if path else "Preview"
        )
        if path is not None:
            self.set_timer(self.preview_after_s, partial(self._draw_if_still, path))

    def _draw_if_still(self, path: Path) -> None:
        picture = self.query_one(Picture)
        height, width = picture.wanted
        if path != self._previewed or min(height, width) < 4:
            return
        request = {
            "time": None,
            "view": "three-quarter",
            "height": height,
            "width": width,
            "background": picture.background,
        }
        self.in_background(
            lambda stopped: self.anymole.thumbnails.draw({"stage": _stage_in(path), **request}, stopped),
            picture.show,
            group="preview",
            failed=lambda why: picture.say(plain(why, 300, ascii_only=self.anymole.ascii)),
        )

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


def _stage_in(path: Path) -> str:
    """A stage itself, or the result of a run."""
    if not path.is_dir():
        return str(path)
    result = read_run(path).result
    if not result:
        raise ConfigError("no result yet; enter watches the run")
    return result
