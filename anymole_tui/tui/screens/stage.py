"""A stage: its prims as a tree, and of the chosen one what it is, how it is composed and who decides its values."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from anymole_tui.tui.describe import Describer
from anymole_tui.tui.fuzzy import find
from anymole_tui.tui.lists.filter import Filter
from anymole_tui.tui.lists.lines import Lines
from anymole_tui.tui.lists.prim_tree import IN_MOTION, PrimTree
from anymole_tui.tui.lists.virtual_list import Rows
from anymole_tui.tui.overlays.dialogs import Read
from anymole_tui.tui.screens.base_screen import Place, Stopped
from anymole_tui.tui.state.session import save_session
from usd_io.browse import Details, LayerRow, PrimRow

if TYPE_CHECKING:
    from usd_io.browse import StageView

    Opening = tuple[StageView, tuple[PrimRow, ...], tuple[LayerRow, ...]]

SETTLE_S = 0.04
"""The cursor rests so long before the details of a prim are read."""
OPEN_DEPTH = 2
"""Levels of the tree that are open at first, where they are small."""
SMALL = 40


class StagePlace(Place):
    """What is in one stage."""

    TITLE = "Stage"
    HELP = (
        "The prims of the stage. A letter marks what is of interest: R SkelRoot, S Skeleton, A SkelAnimation, "
        "B BlendShape, M Mesh, C Camera.\n/ finds prims by the letters of their path; a word like :skel by the type."
    )
    DEFAULT_CSS = """
    StagePlace #prims { width: 2fr; }
    StagePlace #about { width: 3fr; }
    StagePlace #stack { height: 10; max-height: 40%; display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "mute", "Mute", tooltip="leave the layer out, or take it in", id="stage.mute"),
        Binding("m", "motion", "Motion", id="stage.motion"),
        Binding("p", "plan", "Plan", tooltip="a run that fills the gaps", id="stage.plan"),
        Binding("L", "layers", "Layers", id="stage.layers"),
        Binding("y", "copy_path", "Copy path", show=False, id="stage.copy_path"),
        Binding(
            "f5", "reload", "Read again", show=False, tooltip="what was saved meanwhile", id="stage.reload"
        ),
    ]

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path.absolute()
        self.subject = path.name
        self.view: StageView | None = None
        self._names: list[tuple[str, str]] | None = None
        self._layers: tuple[LayerRow, ...] = ()
        self._were_open: frozenset[str] = frozenset()
        """Prims that were open before a layer was muted."""
        self._way: list[str] = []
        """Prims still to open on the way to the one to select, the last one itself."""

    @property
    def remembered(self) -> dict[str, Any]:
        """What the session keeps of this stage."""
        return self.anymole.session.places.setdefault(str(self.path), {})

    def compose_place(self) -> ComposeResult:
        with Horizontal():
            with Vertical(id="prims", classes="panel"):
                yield Filter("#tree", "letters of a path, :type")
                yield PrimTree(id="tree")
            with Vertical(id="about", classes="panel"):
                yield Lines("Details", id="details")
        with Vertical(id="stack", classes="panel"):
            yield Lines("Layers", id="layers")

    def on_mount(self) -> None:
        self.query_one("#prims").border_title = "Prims"
        self.query_one("#about").border_title = "Details"
        self.query_one("#stack").border_title = "Layers, strongest first"
        self.set_focus(self.query_one(PrimTree))
        self.in_background(self._read, self._opened, group="stage", failed=self.give_up)

    def _read(self, _: Stopped) -> "Opening":
        from usd_io.browse import StageView

        view = StageView(self.path)
        return view, view.children(), view.layers()

    def _opened(self, read: "Opening") -> None:
        self.view, prims, self._layers = read
        self.anymole.session.opened(str(self.path))
        save_session(self.anymole.session)  # nothing is said before a process is killed
        self.query_one(PrimTree).fill("/", prims)
        self._show_layers()
        wanted = str(self.remembered.get("prim", ""))
        if wanted:
            self.go_to(wanted)
        if self._were_open or not wanted:
            self._unfold(prims)
        self.refresh_bindings()

    def _unfold(self, prims: tuple[PrimRow, ...]) -> None:
        """Open what was open before, or at first what is small and near the root."""
        for prim in prims:
            small = prim.path.count("/") < OPEN_DEPTH and len(prims) <= SMALL
            if prim.children and (prim.path in self._were_open if self._were_open else small):
                self.open_prim(prim.path, unfold=True)

    # The tree ------------------------------------------------------------------------------------------

    def go_to(self, path: str) -> None:
        """Open the tree down to a prim and select it."""
        names = path.strip("/").split("/")
        self._way = ["/" + "/".join(names[: i + 1]) for i in range(len(names))]
        self._next_on_way()

    def _next_on_way(self) -> None:
        tree = self.query_one(PrimTree)
        while self._way:
            if not tree.select(self._way[0]):
                self._way = []
                return
            step = self._way.pop(0)
            if self._way and not tree.opened(step):
                self.open_prim(step)
                return

    @on(PrimTree.Wanted)
    def _children_wanted(self, event: PrimTree.Wanted) -> None:
        self.open_prim(event.path)

    def open_prim(self, path: str, *, unfold: bool = False) -> None:
        """Read the children of a prim and show them."""
        if self.view is None:
            return
        view = self.view

        def show(prims: tuple[PrimRow, ...]) -> None:
            self.query_one(PrimTree).fill(path, prims)
            if unfold:
                self._unfold(prims)
            self._next_on_way()

        self.in_background(lambda _: view.children(path), show, group=f"children {path}")

    @on(Rows.Highlighted, "#tree")
    def _highlighted(self) -> None:
        self.set_timer(SETTLE_S, partial(self._describe, self.query_one(PrimTree).prim))

    def _describe(self, prim: PrimRow | None) -> None:
        if prim is None or self.view is None or prim != self.query_one(PrimTree).prim:
            return
        view, path = self.view, prim.path
        self.remembered["prim"] = path
        self.in_background(lambda _: view.details(path), self._show_details, group="details")

    def _show_details(self, details: Details) -> None:
        lines = Describer(ascii_only=self.anymole.ascii).details(details)
        self.query_one("#details", Lines).show(lines)

    @on(Rows.Chosen, "#tree")
    def _chosen(self) -> None:
        tree = self.query_one(PrimTree)
        prim = tree.prim
        if prim is None:
            return
        if self.query_one(Filter).value:
            tree.show_found(None)
            self.query_one(Filter).action_clear()
            self.go_to(prim.path)
        elif prim.type in IN_MOTION and not prim.children:
            self.action_motion()
        else:
            tree.action_fold()

    @on(Rows.Chosen, "#details")
    def _read_line(self) -> None:
        line = self.query_one("#details", Lines).line
        if line:
            self.app.push_screen(Read("Details", line))

    # Finding -------------------------------------------------------------------------------------------

    @on(Input.Changed)
    def _find(self, event: Input.Changed) -> None:
        query, view = event.value.strip(), self.view
        if not query or view is None:
            self.query_one(PrimTree).show_found(None)
            return

        def search(stop: Stopped) -> list[PrimRow]:
            if self._names is None:
                names = view.names(stop)
                if stop():
                    return []
                self._names = names
            return [view.row(self._names[index][0]) for index in find(query, self._names, stop)]

        self.in_background(search, self._show_found, group="find")

    def _show_found(self, prims: list[PrimRow]) -> None:
        if self.query_one(Filter).value.strip():
            self.query_one(PrimTree).show_found(prims)

    # Layers --------------------------------------------------------------------------------------------

    def action_layers(self) -> None:
        stack = self.query_one("#stack")
        stack.display = not stack.display
        self.set_focus(self.query_one("#layers" if stack.display else "#tree"))
        self.refresh_bindings()

    def _show_layers(self) -> None:
        lines = Describer(ascii_only=self.anymole.ascii).layers(self._layers)
        self.query_one("#layers", Lines).show(lines, keep_place=True)
        muted = sum(row.muted for row in self._layers)
        self.query_one("#stack").border_subtitle = f"{muted} muted" if muted else ""

    def action_mute(self) -> None:
        """Leave the layer under the cursor out of what is shown here, or take it in again; nothing is saved."""
        if self.view is None or not self._layers:
            return
        view, row = self.view, self._layers[self.query_one("#layers", Lines).cursor]

        def mute(_: Stopped) -> "Opening":
            view.mute(row.identifier, not row.muted)
            return view, view.children(), view.layers()

        def show(read: "Opening") -> None:
            self._opened(read)
            places = [i for i, layer in enumerate(self._layers) if layer.identifier == row.identifier]
            self.query_one("#layers", Lines).cursor = (
                places[0] if places else 0
            )  # it may have moved in the list

        self._names = None
        self._were_open = self.query_one(PrimTree).all_opened
        self.in_background(mute, show, group="stage")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "mute":
            return self.focused is not None and self.focused.id == "layers"
        return super().check_action(action, parameters)

    # Elsewhere -----------------------------------------------------------------------------------------

    def action_motion(self) -> None:
        """Look at the motion of the stage."""
        from anymole_tui.tui.screens.motion import MotionPlace

        if self.view is not None:
            muted = [row.identifier for row in self._layers if row.muted]
            self.app.push_screen(MotionPlace(self.view, self.remembered, muted))

    def action_plan(self) -> None:
        """Plan on what the files hold now: the run will read them, too."""
        view = self.view
        if view is not None:
            self.in_background(
                lambda _: view.reload(), lambda _: self.anymole.open_plan(self.path), group="stage"
            )

    def action_reload(self) -> None:
        """Show what was saved since the stage was opened."""
        view = self.view
        if view is None:
            return

        def read(_: Stopped) -> "Opening":
            view.reload()
            return view, view.children(), view.layers()

        self._names = None
        self._were_open = self.query_one(PrimTree).all_opened
        self.in_background(read, self._opened, group="stage")

    def action_copy_path(self) -> None:
        prim = self.query_one(PrimTree).prim
        if prim:
            self.anymole.copy_to_clipboard(prim.path)
            self.say(f"Sent to the clipboard: {prim.path}")
