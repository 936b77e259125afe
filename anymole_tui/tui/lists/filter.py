"""The field that ``/`` opens: typing narrows what is shown, enter goes back to it, escape clears and hides."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input


class Filter(Input):
    """Hidden until it is wanted; hands the focus back to the widget that it narrows."""

    TITLE = "Filter"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear", "Clear the filter", id="filter.clear"),
        Binding("enter,down", "done", "To the list", id="filter.done"),
    ]

    class Cleared(Message):
        """The filter was emptied and hidden."""

    def __init__(self, target: str, placeholder: str) -> None:
        """``target``: selector of the widget that gets the focus back."""
        super().__init__(placeholder=placeholder, classes="filter", compact=True, select_on_focus=False)
        self._target = target

    def on_mount(self) -> None:
        self.cursor_blink = False

    def on_input_changed(self) -> None:
        self.screen.refresh_bindings()  # escape clears it only where there is something to clear

    def _back(self) -> None:
        self.screen.set_focus(self.screen.query_one(self._target, Widget))

    def action_clear(self) -> None:
        self.value = ""
        self.display = False
        self._back()
        self.post_message(self.Cleared())

    def action_done(self) -> None:
        if not self.value:
            self.display = False
        self._back()
