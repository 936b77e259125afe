"""Jump mode: a letter on every panel; pressing it moves the focus there."""

from collections.abc import Mapping

from textual import events
from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Label

from anymole_tui.tui.overlays.overlay import Over
from anymole_tui.tui.screens.base_screen import Place

LETTERS = "asdfghjklqwertyuiopzxcvbnm"


class Jump(Over[Widget | None]):
    """Lies over a place; gives the widget that was chosen, or None."""

    DEFAULT_CSS = """
    Jump { background: $background 40%; }
    Jump Label { position: absolute; color: $primary; text-style: bold reverse; }
    Jump #how { dock: bottom; width: 100%; background: $panel; color: $foreground; text-style: none; }
    """

    def __init__(self, targets: Mapping[Widget, Widget]) -> None:
        super().__init__()
        self._panels = dict(zip(LETTERS, targets, strict=False))
        self._targets = dict(zip(LETTERS, targets.values(), strict=False))

    def compose(self) -> ComposeResult:
        for letter, target in self._panels.items():
            label = Label(f" {letter} ", markup=False)
            label.styles.offset = (target.region.x, target.region.y)  # beside the title of a panel
            yield label
        yield Label("Press the letter of a panel; escape stays here.", id="how")

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        self.dismiss(self._targets.get(event.character or ""))

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.dismiss(None)


def targets_of(place: Place) -> dict[Widget, Widget]:
    """Panels in view, from the top left on, and what in each gets the focus: of one with many fields, arrows go from
    field to field."""
    seen = {
        panel: widget for panel, widget in place.panels().items() if panel.region.area and panel.is_on_screen
    }
    return dict(sorted(seen.items(), key=lambda pair: (pair[0].region.y, pair[0].region.x)))
