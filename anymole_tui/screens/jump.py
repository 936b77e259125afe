"""Jump mode: a letter on every panel; pressing it moves the focus there."""

from textual import events
from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Label

from anymole_tui.screens.over import Over

LETTERS = "asdfghjklqwertyuiopzxcvbnm"


class Jump(Over[Widget | None]):
    """Lies over a place; gives the widget that was chosen, or None."""

    DEFAULT_CSS = """
    Jump { background: $background 40%; }
    Jump Label { position: absolute; color: $primary; text-style: bold reverse; }
    Jump #how { dock: bottom; width: 100%; background: $panel; color: $foreground; text-style: none; }
    """

    def __init__(self, targets: list[Widget]) -> None:
        super().__init__()
        self._targets = dict(zip(LETTERS, targets, strict=False))

    def compose(self) -> ComposeResult:
        for letter, target in self._targets.items():
            label = Label(f" {letter} ", markup=False)
            label.styles.offset = (target.region.x + 1, target.region.y)
            yield label
        yield Label("Press the letter of a panel; escape stays here.", id="how")

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        self.dismiss(self._targets.get(event.character or ""))

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.dismiss(None)


def targets_of(place: Widget) -> list[Widget]:
    """Panels that can take the focus and are in view, from the top left on."""
    seen = [w for w in place.query("*") if w.focusable and w.region.area and w.is_on_screen]
    return sorted(seen, key=lambda w: (w.region.y, w.region.x))
