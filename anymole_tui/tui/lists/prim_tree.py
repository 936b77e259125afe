"""The prims of a stage as a tree of which only the opened parts are read, or as a flat list of what was found."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message

from anymole_tui.safe_text import plain
from anymole_tui.tui.lists.virtual_list import Rows
from usd_io.browse import PrimRow

LETTERS = {
    "SkelRoot": "R",
    "Skeleton": "S",
    "SkelAnimation": "A",
    "BlendShape": "B",
    "Mesh": "M",
    "Camera": "C",
    "Material": "m",
    "Shader": "s",
}
"""What marks a type in one column; skeletons and animations are bold and coloured, too."""
IN_MOTION = ("Skeleton", "SkelAnimation", "SkelRoot")
FLAGS = {
    "inactive": "inactive",
    "unloaded": "not loaded",
    "class": "class",
    "over": "over",
    "instance": "instance",
    "reference": "ref",
    "payload": "payload",
    "variants": "variants",
}


@dataclass(frozen=True)
class Node:
    """A row of the tree."""

    prim: PrimRow
    depth: int
    open: bool = False


class PrimTree(Rows):
    """Rows of prims. It reads nothing itself: it asks for children by a message and is given them."""

    TITLE = "Prims"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l,right", "open", "Open the prim", show=False, id="tree.open"),
        Binding("h,left", "close", "Close the prim, or go to its parent", show=False, id="tree.close"),
        Binding("space", "fold", "Open or close", show=False, id="tree.fold"),
    ]
    EMPTY = "no prims"

    @dataclass
    class Wanted(Message):
        """The children of a prim are needed."""

        path: str

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._tree: list[Node] = []
        self._found: list[Node] | None = None

    # What is shown -------------------------------------------------------------------------------------

    @property
    def listed(self) -> list[Node]:
        """The rows in view: those found, or the tree."""
        return self._tree if self._found is None else self._found

    @property
    def prim(self) -> PrimRow | None:
        """The one under the cursor."""
        return self.listed[self.cursor].prim if self.cursor < len(self.listed) else None

    def fill(self, parent: str, children: Sequence[PrimRow]) -> None:
        """Show the children of a prim ("/": the whole tree again)."""
        if parent == "/":
            self._tree = [Node(prim, 0) for prim in children]
        else:
            place = self._place(parent)
            if place is None or self._tree[place].open:
                return
            node = self._tree[place]
            self._tree[place] = replace(node, open=True)
            self._tree[place + 1 : place + 1] = [Node(prim, node.depth + 1) for prim in children]
        self.rows_changed()

    def show_found(self, prims: Sequence[PrimRow] | None) -> None:
        """Show a flat list instead of the tree; None: the tree again."""
        if prims is None and self._found is None:
            return
        self._found = None if prims is None else [Node(prim, 0) for prim in prims]
        self.cursor = 0
        self.rows_changed()

    def select(self, path: str) -> bool:
        """Put the cursor on a prim; False where its row is not there (yet)."""
        place = self._place(path)
        if place is None or self._found is not None:
            return False
        self.cursor = place
        return True

    def opened(self, path: str) -> bool:
        """Whether the children of a prim are shown."""
        place = self._place(path)
        return place is not None and self._tree[place].open

    @property
    def all_opened(self) -> frozenset[str]:
        """Paths of all prims whose children are shown."""
        return frozenset(node.prim.path for node in self._tree if node.open)

    def _place(self, path: str) -> int | None:
        return next((i for i, node in enumerate(self._tree) if node.prim.path == path), None)

    # Rows ----------------------------------------------------------------------------------------------

    def row_count(self) -> int:
        return len(self.listed)

    def row(self, index: int, width: int) -> Content:
        node, ascii_only = self.listed[index], getattr(self.app, "ascii", False)
        prim = node.prim
        letter = LETTERS.get(prim.type, " ")
        moving = prim.type in IN_MOTION
        right = plain(prim.type, 24, ascii_only=ascii_only)
        marks = " ".join(FLAGS[flag] for flag in prim.flags if flag in FLAGS)
        if self._found is None:
            signs = ("-", "+") if ascii_only else ("\u25be", "\u25b8")
            sign = " " if not prim.children else signs[0] if node.open else signs[1]
            lead, name = "  " * min(node.depth, 20) + sign + " ", prim.name
        else:
            lead, name = "", prim.path
        name = plain(name, max(width - len(lead) - 3, 12), ascii_only=ascii_only)
        dim = "dim" if {"inactive", "over", "class", "unloaded"} & set(prim.flags) else ""
        line = Content.assemble(
            (letter, "bold $accent" if moving else "dim"),
            " ",
            (lead, "dim"),
            (name, "bold $primary" if moving else dim),
            ("  " + marks if marks else "", "$secondary"),
        )
        space = width - line.cell_length - len(right)
        return Content.assemble(line, " " * space, (right, "dim")) if space > 1 else line

    # Keys ----------------------------------------------------------------------------------------------

    def action_open(self) -> None:
        node = self.listed[self.cursor] if self.cursor < len(self.listed) else None
        if node is None or self._found is not None or not node.prim.children:
            return
        if node.open:
            self.cursor += 1
        else:
            self.post_message(self.Wanted(node.prim.path))

    def action_close(self) -> None:
        if self._found is not None or not self._tree:
            return
        node = self._tree[self.cursor]
        if node.open:
            end = self.cursor + 1
            while end < len(self._tree) and self._tree[end].depth > node.depth:
                end += 1
            del self._tree[self.cursor + 1 : end]
            self._tree[self.cursor] = replace(node, open=False)
            self.rows_changed()
            return
        above = self.cursor - 1
        while above >= 0 and self._tree[above].depth >= node.depth:
            above -= 1
        self.cursor = max(above, 0)

    def action_fold(self) -> None:
        if self._found is None and self._tree and self._tree[self.cursor].open:
            self.action_close()
        else:
            self.action_open()

    def on_click(self, event: events.Click) -> None:
        index = self.scroll_offset.y + event.y - self.gutter.top
        if self._found is None and 0 <= index < len(self._tree):
            event.prevent_default()
            self.cursor = index
            self.action_fold()
