"""The joints of a skeleton, to be locked: what is locked keeps what is authored, also between the keys."""

import fnmatch
import glob
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message

from anymole_tui.safe_text import plain
from anymole_tui.tui.lists.virtual_list import Rows
from engine import leaf


def pattern_of(joint: str) -> str:
    """A pattern for a joint alone, fit for a list with commas (a comma becomes ``?``)."""
    return glob.escape(joint).replace(",", "?")


def locked_by(joint: str, patterns: Sequence[str]) -> str | None:
    """The first pattern that locks a joint; as in :func:`engine.planning.plan.make_plan`."""
    for pattern in patterns:
        if fnmatch.fnmatchcase(joint, pattern) or fnmatch.fnmatchcase(leaf(joint), pattern):
            return pattern
    return None


class JointList(Rows):
    """One joint per row, indented by its depth."""

    TITLE = "Joints"
    EMPTY = "no joints"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,enter", "lock(False)", "Lock", tooltip="keep what is authored", id="joints.lock"),
        Binding(
            "b", "lock(True)", "With all below", tooltip="lock a joint and all below it", id="joints.branch"
        ),
    ]

    @dataclass
    class LockAsked(Message):
        """Patterns are to be added to what is locked, or taken away."""

        add: tuple[str, ...] = ()
        remove: tuple[str, ...] = ()

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._joints: tuple[str, ...] = ()
        self._shown: list[str] = []
        self._lock: tuple[str, ...] = ()
        self._hidden: frozenset[str] = frozenset()
        self._wanted = ""

    def tell(self, joints: tuple[str, ...], lock: tuple[str, ...], hidden: Sequence[str] = ()) -> None:
        """Show joints, what is locked, and which no picture shows."""
        if (joints, lock) != (self._joints, self._lock):
            self._joints, self._lock, self._hidden = joints, lock, frozenset(hidden)
            self.narrow(self._wanted)

    def narrow(self, wanted: str) -> None:
        """Leave out joints whose name does not hold a text."""
        self._wanted = wanted.lower()
        self._shown = [joint for joint in self._joints if self._wanted in leaf(joint).lower()]
        self.rows_changed()

    def row_count(self) -> int:
        return len(self._shown)

    def row(self, index: int, width: int) -> Content:
        joint = self._shown[index]
        locked = locked_by(joint, self._lock) is not None
        indent = "" if self._wanted else "  " * min(joint.count("/"), 12)
        name = plain(
            leaf(joint), max(6, width - len(indent) - 16), ascii_only=getattr(self.app, "ascii", False)
        )
        note = "  no skin" if joint in self._hidden else ""
        return Content.assemble(
            ("[x] " if locked else "[ ] ", "$warning" if locked else "dim"),
            indent,
            (name, "$warning" if locked else ""),
            (note, "dim"),
        )

    def action_lock(self, branch: bool) -> None:
        if self.cursor >= len(self._shown):
            return
        joint = self._shown[self.cursor]
        own = pattern_of(joint)
        patterns = (own, f"{own}/*") if branch else (own,)
        by = locked_by(joint, self._lock)
        if by is None:
            self.post_message(self.LockAsked(add=patterns))
        elif by in (own, f"{own}/*"):
            self.post_message(self.LockAsked(remove=(own, f"{own}/*")))
        else:
            self.notify(f"Locked by {plain(by, 80)}; change 'lock' in the settings.", markup=False, timeout=4)
