"""Everything that is used of Textual's private names, and what is fixed in it. Nothing else touches them.

The dependency is pinned to the version that these were written for. ``tests/anymole_tui/terminal/test_patches.py`` says
of each name what is expected of it; docs/decisions says what of this could be proposed to Textual.
"""

import base64
import codecs
import os
from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar

from rich.color import ColorSystem
from rich.console import Console, RenderableType
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode
from textual.geometry import Size
from textual.screen import ModalScreen, Screen
from textual.widget import Widget

__all__ = [
    "ChopsUpdate",
    "CompositorUpdate",
    "LayoutUpdate",
    "OnceLaidOut",
    "SparingApp",
    "SparingScreen",
    "bindings_of",
    "clipboard_codes",
    "colors_of",
    "is_enabled",
    "tolerate_broken_input",
    "waiting_writes",
]
T = TypeVar("T")


class SparingApp(App[None]):
    """An app that decides itself what of an update is sent, and sends nothing where nothing changes."""

    def updated(self, update: CompositorUpdate) -> CompositorUpdate:
        """What of an update is to be sent."""
        return update

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        if self._batch_count or self._closed or self.is_headless or self._driver is None:
            return
        if isinstance(renderable, CompositorUpdate):
            renderable = self.updated(renderable)
            cursor = self.screen.outer_size.clamp_offset(self.cursor_position)
            if not renderable.render_segments(self.console) and cursor == self._previous_cursor_position:
                return
        super()._display(screen, renderable)

    def _set_pointer_shape(self, shape: str) -> None:
        """No codes for the look of the mouse pointer, which Textual sends whenever something opens: few terminals know
        them."""

    def copy_to_clipboard(self, text: str) -> None:
        """Put a text on the clipboard, also over SSH and through tmux. The caller shows the text as well: no terminal
        says whether it took it."""
        self._clipboard = text
        if self._driver is not None:
            self._driver.write(clipboard_codes(text))


class SparingScreen(Screen[T]):
    """A screen that styles anew, when the focus moves, only what has a rule with ``:focus-within``.

    Textual goes over all that is in the outermost widget with such a rule: a whole form, at each step from field to
    field. What gets or loses the focus styles itself.
    """

    def _update_focus_styles(self, focused: Widget | None = None, blurred: Widget | None = None) -> None:
        ways = [list(reversed(w.ancestors_with_self)) if w is not None else [] for w in (focused, blurred)]
        parting = sum(a is b for a, b in zip(*ways, strict=False))  # above it both lie within
        nodes: set[DOMNode] = set()
        for way in ways:
            if parting < len(way):
                below = way[parting].walk_children(with_self=True)
                nodes.update(node for node in below if node._has_focus_within)
        self.app.stylesheet.update_nodes(nodes, animate=True)


class OnceLaidOut(ModalScreen[T]):
    """A screen that is painted once it has its final layout.

    Textual lays out what opens twice in a row, and only the second time with its scroll bars: that one is painted.
    """

    _laid_out = False

    def _screen_resized(self, size: Size) -> None:
        self._laid_out = True
        super()._screen_resized(size)

    def _compositor_refresh(self) -> None:
        if self._laid_out:
            super()._compositor_refresh()


def bindings_of(node: DOMNode, app: App[Any]) -> list[Binding]:
    """All bindings of a place or panel that can be done now, with the keys that a user has given them."""
    bindings = node._bindings.copy()
    bindings.apply_keymap(app._keymap)
    return [binding for _, binding in bindings if is_enabled(binding.action, node, app)]


def is_enabled(action: str, node: DOMNode, app: App[Any]) -> bool:
    """Whether an action of a place or panel can be done now."""
    return app._check_action_state(action, node) is True


def waiting_writes(app: App[Any]) -> int:
    """How many writes to the terminal wait for it to take them; 0 where nothing is known of it."""
    writer = getattr(app._driver, "_writer_thread", None)
    return 0 if writer is None else int(writer._queue.qsize())


def colors_of(console: Console) -> ColorSystem:
    """How many colours a terminal has."""
    return console._color_system or ColorSystem.TRUECOLOR


def tolerate_broken_input() -> None:
    """Read bytes that are no UTF-8 as a replacement character.

    Terminals and multiplexers send mouse reports of the old kind after they are attached again; those hold any byte.
    The drivers of Textual up to 8.2.8 decode strictly, and one such byte ends the app.
    """
    from textual.drivers import linux_driver

    def tolerant(encoding: str) -> "partial[codecs.IncrementalDecoder]":
        return partial(codecs.getincrementaldecoder(encoding), errors="replace")

    vars(linux_driver)["getincrementaldecoder"] = tolerant


def clipboard_codes(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Escape codes that put a text on the clipboard of the terminal (OSC 52), also through tmux and screen.

    A multiplexer passes on either the plain codes (tmux with ``set-clipboard``) or codes wrapped for it
    (``allow-passthrough``); it ignores the other kind, so both are sent.
    """
    plain = f"\x1b]52;c;{base64.b64encode(text.encode('utf-8', 'replace')).decode('ascii')}\a"
    if environment.get("TMUX"):
        return plain + "\x1bPtmux;" + plain.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    if environment.get("STY"):
        return "\x1bP" + plain + "\x1b\\"
    return plain
