"""Folders and stages of a folder, and the stages opened lately, as rows."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from textual.binding import Binding, BindingType
from textual.content import Content

from anymole_tui.safe_text import plain
from anymole_tui.tui.lists.virtual_list import Rows
from anymole_tui.wording import size
from engine.runs import STATE

USD_SUFFIXES = {".usd", ".usda", ".usdc", ".usdz"}
MOST_LISTED = 20_000
"""Entries of one folder; a folder with more is no place to browse."""


@dataclass(frozen=True)
class FileEntry:
    """A line of the list."""

    path: Path
    kind: Literal["up", "folder", "run", "stage"]
    name: str
    size: int = 0
    changed: float = 0.0


def list_folder(folder: Path) -> list[FileEntry]:
    """Folders, runs and stages of a folder by name, the way up first.

    Raises:
        OSError: It cannot be read.
    """
    found: list[FileEntry] = []
    with os.scandir(folder) as entries:
        for number, entry in enumerate(entries):
            if number >= MOST_LISTED:
                break
            if not entry.name.startswith("."):
                made = _entry(entry)
                found += [made] if made else []
    order = {"folder": 0, "run": 0, "stage": 1}
    found.sort(key=lambda e: (order[e.kind], e.name.lower()))
    return [FileEntry(folder.parent, "up", ".."), *found] if folder.parent != folder else found


def _entry(entry: "os.DirEntry[str]") -> FileEntry | None:
    try:
        status = entry.stat()
        if entry.is_dir():
            kind: Literal["run", "folder"] = "run" if (Path(entry.path) / STATE).is_file() else "folder"
            return FileEntry(Path(entry.path), kind, entry.name, 0, status.st_mtime)
    except OSError:
        return None
    if Path(entry.name).suffix.lower() not in USD_SUFFIXES:
        return None
    return FileEntry(Path(entry.path), "stage", entry.name, status.st_size, status.st_mtime)


def recent_entries(paths: Sequence[str]) -> list[FileEntry]:
    """The stages opened lately that are still there."""
    found = []
    for name in paths:
        try:
            status = Path(name).stat()
        except (OSError, ValueError):
            continue
        found.append(FileEntry(Path(name), "stage", Path(name).name, status.st_size, status.st_mtime))
    return found


class FileList(Rows):
    """Entries with their size and age; filtered by a part of the name."""

    TITLE = "Files"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l,right", "choose", "Open", show=False, id="files.open"),
        Binding("h,left,backspace", "up", "Folder above", show=False, id="files.up"),
    ]
    EMPTY = "no folders and no USD files here"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._all: list[FileEntry] = []
        self._shown: list[FileEntry] = []
        self._wanted = ""

    def show(self, entries: list[FileEntry], select: Path | None = None) -> None:
        """Show other entries."""
        self._all = entries
        self.narrow("")
        places = [i for i, entry in enumerate(self._shown) if entry.path == select]
        self.cursor = places[0] if places else min(1, len(self._shown) - 1)

    def narrow(self, wanted: str) -> None:
        """Leave out the entries whose name does not hold a text, and the way up while there is one."""
        wanted = wanted.lower()
        self._shown = [e for e in self._all if wanted in e.name.lower() and not (wanted and e.kind == "up")]
        self.rows_changed()

    @property
    def entry(self) -> FileEntry | None:
        """The one under the cursor."""
        return self._shown[self.cursor] if self.cursor < len(self._shown) else None

    def row_count(self) -> int:
        return len(self._shown)

    def row(self, index: int, width: int) -> Content:
        entry = self._shown[index]
        ascii_only = getattr(self.app, "ascii", False)
        right = {"up": "", "folder": age(entry.changed), "run": f"run   {age(entry.changed)}"}.get(
            entry.kind, f"{size(entry.size)}  {age(entry.changed)}"
        )
        room = max(width - len(right) - 2, 4)
        name = plain(entry.name + ("" if entry.kind == "stage" else "/"), room, ascii_only=ascii_only)
        style = {"stage": "", "run": "$success", "folder": "$secondary", "up": "$secondary"}[entry.kind]
        line = Content.styled(name, style)
        return Content.assemble(line, " " * max(width - line.cell_length - len(right), 1), (right, "dim"))

    def action_up(self) -> None:
        if self._all and self._all[0].kind == "up":
            self.narrow("")
            self.cursor = 0
            self.action_choose()


def age(changed: float) -> str:
    """How long ago, in four letters at most."""
    seconds = max(time.time() - changed, 0.0)
    for length, unit in ((86400 * 365, "y"), (86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= length:
            return f"{seconds / length:.0f}{unit}".rjust(4)
    return " now"
