"""The last line of every place: the keys that one is most likely to want now, of what has the focus first."""

from textual import events
from textual.app import RenderResult
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget


class KeyBar(Widget):
    """One line, painted as a whole: to mount a widget for every key, as Textual's footer does, takes 30 ms and more
    each time that the focus moves.

    Keys for which there is no room are left out; those that work everywhere (help, palette) always stay.
    """

    DEFAULT_CSS = """
    KeyBar { dock: bottom; height: 1; background: $panel; }
    """
    ALLOW_SELECT = False

    def on_mount(self) -> None:
        self._ends: list[tuple[int, str]] = []
        """Column at which each item ends, and its key."""
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def _changed(self, _: Screen[object]) -> None:
        self.call_after_refresh(self.refresh)  # what has got the focus is painted first

    def render(self) -> RenderResult:
        own: dict[str, tuple[str, Content]] = {}
        everywhere: dict[str, tuple[str, Content]] = {}
        for node, binding, enabled, _ in self.screen.active_bindings.values():
            items = everywhere if node is self.app else own
            if binding.show and enabled and binding.action not in items:
                key = Content.styled(f" {self.app.get_key_display(binding)} ", "bold $footer-key-foreground")
                items[binding.action] = binding.key, Content.assemble(key, f"{binding.description} ")
        room = self.size.width - sum(item.cell_length for _, item in everywhere.values())
        line, self._ends = Content(""), []
        for items, most in ((own, room), (everywhere, self.size.width)):
            for key_name, item in items.values():
                if line.cell_length + item.cell_length > most:
                    continue
                line += item
                self._ends.append((line.cell_length, key_name))
        return line

    def on_click(self, event: events.Click) -> None:
        key = next((key for end, key in self._ends if event.x < end), None)
        if key:
            self.app.simulate_key(key)
