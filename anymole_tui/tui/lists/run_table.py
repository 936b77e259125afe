"""All runs as rows: sign, state, id, stage, percent, time left, age and folder."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from anymole_tui.safe_text import plain
from anymole_tui.tui.lists.virtual_list import Rows
from anymole_tui.tui.signs import sign, style
from anymole_tui.tui.widgets.plots import bar
from anymole_tui.wording import duration
from engine.runs import RunRecord

BAR_CELLS = 8
NARROW = 56
"""Below this width there is room for state, percent and name alone."""
WIDE = 100
"""From this width on there is room for bar and folder."""


class RunTable(Rows):
    """One run per row, the latest first; the cursor stays on its run when others come."""

    TITLE = "Runs"
    EMPTY = "no runs yet: open a stage and plan one"
    now = staticmethod(time.time)
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "choose", "Watch", id="runs.watch")]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._all: list[RunRecord] = []
        self._shown: list[RunRecord] = []
        self._wanted = ""

    def tell(self, records: Sequence[RunRecord]) -> None:
        """Show how all runs stand; only rows that changed are painted."""
        self._all = list(records)
        self._narrow()

    def narrow(self, wanted: str) -> None:
        """Leave out runs whose state, id and folder do not hold a text."""
        self._wanted = wanted.lower()
        self._narrow()

    def _narrow(self) -> None:
        before, chosen = self._shown, self.record
        self._shown = [r for r in self._all if self._wanted in f"{r.state} {r.id} {r.folder}".lower()]
        if not self.known or [r.folder for r in before] != [r.folder for r in self._shown]:
            self.rows_changed()
            places = [i for i, r in enumerate(self._shown) if chosen and r.folder == chosen.folder]
            self.cursor = places[0] if places else self.cursor
            return
        for index, (old, new) in enumerate(zip(before, self._shown, strict=True)):
            if old != new:
                self.row_changed(index)

    @property
    def record(self) -> RunRecord | None:
        """The run under the cursor."""
        return self._shown[self.cursor] if self.cursor < len(self._shown) else None

    def row_count(self) -> int:
        return len(self._shown)

    def row(self, index: int, width: int) -> Content:
        r, ascii_only = self._shown[index], bool(getattr(self.app, "ascii", False))
        if width < NARROW:
            return _short_row(r, width, ascii_only=ascii_only)
        state, percent = r.state, 100.0 if r.state == "done" else r.percent or 0.0
        left = f"{duration(r.remaining_s)} left" if r.live and r.remaining_s is not None else ""
        wide = width >= WIDE
        age = "" if r.started is None else duration(self.now() - r.started) + " ago" * wide
        stage = plain(r.stage if state != "done" else "", 10, ascii_only=ascii_only)
        meter = f"{bar(percent / 100, BAR_CELLS, ascii_only=ascii_only)} " if wide else ""
        head = Content.assemble(
            (f"{sign(state, ascii_only=ascii_only)} {plain(state, 9):9}", style(state)),
            f" {plain(r.id or '-', 8):8} ",
            (meter, style(state)),
            f"{percent:3.0f} %  {stage:10} {left:>11} {age:>{11 if wide else 7}}  ",
        )
        room = max(6, width - head.cell_length)
        name = plain(Path(r.folder).name, room, ascii_only=ascii_only)
        where = plain(Path(r.folder).parent, max(4, room - len(name) - 2), ascii_only=ascii_only)
        tail = f"  {where}" if wide and room - len(name) > 12 else ""
        return Content.assemble(head, name, (tail, "dim"))


def _short_row(r: RunRecord, width: int, *, ascii_only: bool) -> Content:
    head = Content.assemble(
        (f"{sign(r.state, ascii_only=ascii_only)} {plain(r.state, 9):9}", style(r.state)),
        f" {r.percent or 0.0:3.0f} %  " if r.state == "running" else " ",
    )
    return head + plain(Path(r.folder).name, max(6, width - head.cell_length), ascii_only=ascii_only)
