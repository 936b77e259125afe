"""``?``: what this place is for and every key that works in it."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from anymole_tui.tui.actions import Action, actions_of
from anymole_tui.tui.overlays.overlay import Over
from anymole_tui.tui.screens.base_screen import Place


class Help(Over[None]):
    """Lies over a place."""

    DEFAULT_CSS = """
    Help { align: center middle; }
    Help VerticalScroll {
        width: 84; max-width: 96%; height: auto; max-height: 94%; padding: 0 2;
        background: $surface; border: $frame $primary; border-title-color: $primary;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark", "dismiss", "Close", id="help.close"),
        Binding("j", "app.press('down')", show=False),
        Binding("k", "app.press('up')", show=False),
    ]

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place

    def compose(self) -> ComposeResult:
        with VerticalScroll() as box:
            box.border_title = f"{self._place.TITLE} - keys"
            box.border_subtitle = "escape closes"
            if self._place.HELP:
                yield Static(self._place.HELP.strip() + "\n", markup=False)
            yield Static(key_table(actions_of(self._place)), markup=False)


def key_table(actions: list[Action]) -> Content:
    """Keys and what they do, under the name of the panel that has them."""
    lines: list[Content] = []
    owner = None
    for action in actions:
        if action.owner != owner:
            owner = action.owner
            lines += [Content.styled(("" if not lines else "\n") + (owner or "Everywhere"), "bold $primary")]
        keys = Content.styled("  " + " ".join(action.keys).ljust(18), "$accent")
        said = f"{action.title}{': ' + action.help if action.help else ''}"
        lines.append(Content.assemble(keys, " ", said))
    return Content("\n").join(lines)
