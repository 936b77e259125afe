"""The terminal UI: a stack of places, the keys that work in all of them, themes, clipboard, and the session."""

import asyncio
import os
import signal
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.color import Color
from textual.command import CommandPalette
from textual.dom import DOMNode
from textual.driver import Driver
from textual.filter import LineFilter
from textual.scrollbar import ScrollBar, ScrollBarRender
from textual.theme import ThemeProvider
from textual.types import CSSPathType
from textual.widget import Widget

from anymole_tui.starting import wait_for_starts
from anymole_tui.terminal.diff_renderer import MARK, Painted
from anymole_tui.terminal.patches import CompositorUpdate, SparingApp
from anymole_tui.tui.actions import ActionCommands, all_binding_ids
from anymole_tui.tui.host import Look
from anymole_tui.tui.preload import warm_up
from anymole_tui.tui.screens.base_screen import Place
from anymole_tui.tui.screens.browse import Browse
from anymole_tui.tui.screens.help import Help
from anymole_tui.tui.screens.jump import Jump, targets_of
from anymole_tui.tui.state.session import Session, load_session, save_session
from anymole_tui.tui.themes import DARK, LIGHT, user_themes
from anymole_tui.tui.workers import ThumbnailProcess
from engine import ConfigError, RunConfig
from engine.runs import STATE
from usd_io import shown

LONGEST_KEY_S = 0.1
"""A key that is not done with after so long is not waited for."""
ASCII_KEYS = {"↑": "up", "↓": "down", "←": "left", "→": "right", "⏎": "enter", "⌫": "bksp", "␣": "space"}


class AnymoleApp(SparingApp):
    """Places lie on one another; leaving the first one ends the app. Runs go on without it."""

    TITLE = "anymole"
    CSS_PATH: ClassVar[CSSPathType | None] = "tui.tcss"
    COMMANDS: ClassVar = {ActionCommands}
    COMMAND_PALETTE_BINDING = "ctrl+p"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark,f1", "help", "Help", id="app.help"),
        Binding("ctrl+p,colon", "command_palette", "Palette", id="app.palette"),
        Binding("ctrl+o", "jump", "Jump to a panel", show=False, id="app.jump"),
        Binding("1", "browse", "Files", show=False, id="app.browse"),
        Binding("2", "runs", "Runs", show=False, id="app.runs"),
        Binding("f9", "change_theme", "Choose a theme", show=False, id="app.theme"),
        Binding("ctrl+l", "paint_again", "Paint again", show=False, id="app.paint"),
        Binding("f10", "screenshot", "Save the screen as SVG", show=False, id="app.screenshot"),
        Binding("ctrl+q,Q", "quit", "Quit", show=False, priority=False, id="app.quit"),
    ]

    def __init__(
        self,
        target: Path | None = None,
        look: Look | None = None,
        *,
        warm: bool = False,
        driver_class: type[Driver] | None = None,
    ) -> None:
        """The app, not yet run.

        Args:
            target: What to show first, a stage, a run folder or another folder; None: the current folder.
            look: How it is shown.
            warm: Whether to import what other places need as soon as the first one stands.
            driver_class: As Textual has it.
        """
        self.look = look or Look()
        super().__init__(driver_class=driver_class)
        self.session: Session = load_session()
        self.drafts: dict[Path, RunConfig] = {}
        self.thumbnails = ThumbnailProcess()
        self.painted = Painted()
        self._keys: deque[events.Key] = deque()
        """Those that wait for the one before them."""
        self._key_since: float | None = None
        """When the key that is being dealt with was taken up."""
        self._target = target
        self._warm = warm
        if "TEXTUAL_ANIMATIONS" not in os.environ:
            self.animation_level = "none"
        for theme in (DARK, LIGHT, *user_themes(self.look.themes)):
            self.register_theme(theme)
        self.theme = self.session.theme if self.session.theme in self.available_themes else DARK.name
        if self.look.theme:
            self.theme = self._known_theme(self.look.theme)
        self.set_keymap(self.look.keys)
        if self.ascii:
            ScrollBar.renderer = AsciiScrollBar

    def _known_theme(self, name: str) -> str:
        if name not in self.available_themes:
            names = ", ".join(sorted(self.available_themes))
            raise ConfigError(f"there is no theme {shown(name)}; choose one of {names}.", settings=("theme",))
        return name

    @property
    def ascii(self) -> bool:
        """Whether to draw with ASCII alone."""
        return self.look.ascii

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """``$frame`` is the kind of border of all panels, ``$edge`` that of notices."""
        kinds = ("ascii", "ascii") if self.ascii else ("round", "outer")
        return {**super().get_theme_variable_defaults(), **dict(zip(("frame", "edge"), kinds, strict=True))}

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [*super().get_line_filters(), *([AsciiEllipsis()] if self.ascii else [])]

    def get_key_display(self, binding: Binding) -> str:
        display = super().get_key_display(binding)
        return ASCII_KEYS.get(display, display) if self.ascii else display

    # Places --------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self.app_resume_signal.subscribe(self, lambda _: self.painted.forget())
        if self._warm:
            self._listen()
        target = self._target
        folder = target and (target if target.is_dir() else target.absolute().parent)
        self.push_screen(Browse(folder))
        if target and (target / STATE).is_file():
            self.open_run(target)
        elif target and not target.is_dir():
            self.open_stage(target)
        if self._warm:
            self.call_after_refresh(warm_up)
        if self.look.keys:
            self.call_after_refresh(self._check_keys)

    def _check_keys(self) -> None:
        """Say which keys of the user are for nothing that there is: a typing error would else stay unseen."""
        unknown = sorted(self.look.keys.keys() - all_binding_ids())
        if unknown:
            names = ", ".join(map(shown, unknown[:3]))
            self.notify(
                f"[keys] names no action: {names}. docs/tui.md lists them all.",
                severity="warning",
                markup=False,
                timeout=12,
            )

    def open_stage(self, path: Path) -> None:
        """Show what is in a stage."""
        from anymole_tui.tui.screens.stage import StagePlace

        self.push_screen(StagePlace(path))

    def open_plan(self, stage: Path) -> None:
        """Plan a run on a stage."""
        from anymole_tui.tui.screens.plan import PlanPlace

        self.push_screen(PlanPlace(stage))

    def open_runs(self) -> None:
        """Show all runs; there is one such place, which lies on the first one."""
        from anymole_tui.tui.screens.runs import Runs

        if not isinstance(self.screen, Runs):
            self.push_screen(Runs())

    def open_run(self, folder: Path) -> None:
        """Watch a run."""
        from anymole_tui.tui.screens.watch import Watch

        self.push_screen(Watch(folder))

    def open_compare(self, folder: Path) -> None:
        """Compare what a run made."""
        from anymole_tui.tui.screens.compare import Compare

        self.push_screen(Compare(folder))

    def leave(self) -> None:
        """Back to the place below; from the first one, quit."""
        if len([screen for screen in self.screen_stack if isinstance(screen, Place)]) > 1:
            self.pop_screen()
        else:
            self.exit()

    def action_browse(self) -> None:
        """Back to the files, from anywhere."""
        while len(self.screen_stack) > 1 and not isinstance(self.screen, Browse):
            self.pop_screen()

    def action_runs(self) -> None:
        """All runs, from anywhere."""
        self.open_runs()

    # What works everywhere -----------------------------------------------------------------------------

    def action_help(self) -> None:
        if isinstance(self.screen, Place):
            self.push_screen(Help(self.screen))

    def action_command_palette(self) -> None:
        """All actions of this place, to be found by their name."""
        if not isinstance(self.screen, CommandPalette):
            self.push_screen(CommandPalette(placeholder="Search for actions", id="--command-palette"))

    def search_themes(self) -> None:
        """All themes, to be found by their name: as Textual shows them, in ASCII."""
        self.push_screen(CommandPalette(providers=[ThemeProvider], placeholder="Search for themes"))

    def action_jump(self) -> None:
        if isinstance(self.screen, Place):
            self.push_screen(Jump(targets_of(self.screen)), _focus)

    def action_press(self, key: str) -> None:
        """Let a letter stand for a key of movement."""
        self.simulate_key(key)

    def action_paint_again(self) -> None:
        """Send the whole screen: something else has written on the terminal."""
        self.painted.forget()
        self.screen.refresh()

    async def on_event(self, event: events.Event) -> None:
        """A key is taken up once the one before it is done with: of several that come together, as over a slow line,
        each is for what has the focus by then."""
        if isinstance(event, events.Key) and not event.is_forwarded:
            self._keys.append(event)
            if self._key_since is None:
                await self._take_key()
            elif len(self._keys) == 1:
                self.set_timer(LONGEST_KEY_S, self._go_on)
        else:
            await super().on_event(event)

    def simulate_key(self, key: str) -> None:
        """Press a key, before those that wait: it stands for the one that is being dealt with."""
        self._keys.appendleft(events.Key(key, None))
        if self._key_since is None:
            self.call_later(self._take_key)

    async def _take_key(self) -> None:
        if self._keys:
            self._key_since = time.monotonic()
            target = self.screen.focused or self.screen
            await super().on_event(self._keys.popleft())
            self._come_after(target)

    def _come_after(self, node: DOMNode | None) -> None:
        """Go the way of a key, from what has the focus up to the app, behind it."""
        if node is None or node is self or not node.call_later(self._come_after, node.parent):
            self.call_later(self._key_done)

    async def _key_done(self) -> None:
        self._key_since = None
        await self._take_key()

    async def _go_on(self) -> None:
        """What had the focus has gone with the key that it was given: nothing came back."""
        if self._key_since is not None and time.monotonic() - self._key_since >= LONGEST_KEY_S:
            await self._key_done()
        elif self._keys:
            self.set_timer(LONGEST_KEY_S, self._go_on)

    def on_resize(self) -> None:
        self.painted.forget()  # the terminal may have moved or cut its lines

    def updated(self, update: CompositorUpdate) -> CompositorUpdate:
        """Only cells that change."""
        return self.painted.changes(update)

    def export_screenshot(self, *, title: str | None = None, simplify: bool = False) -> str:
        """The screen as SVG, without the pictures that only the terminal draws."""
        return MARK.sub(
            lambda marks: " " * len(marks[0]), super().export_screenshot(title=title, simplify=simplify)
        )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "command_palette" and isinstance(self.screen, CommandPalette):
            return False
        return super().check_action(action, parameters)

    def watch_theme(self, theme: str) -> None:
        self.session.theme = theme

    def on_unmount(self) -> None:
        self.thumbnails.close()
        save_session(self.session)

    def _listen(self) -> None:
        """Ended from without, it leaves the terminal as it was and remembers as much as after quitting."""
        loop = asyncio.get_running_loop()
        with suppress(NotImplementedError, RuntimeError, ValueError):  # Windows; another thread
            loop.add_signal_handler(signal.SIGTERM, partial(self.exit, return_code=128 + signal.SIGTERM))
            loop.add_signal_handler(signal.SIGHUP, self._hang_up)

    def _hang_up(self) -> None:
        """The terminal is gone: nothing can be written to it any more."""
        self.thumbnails.close()
        save_session(self.session)
        wait_for_starts()
        os._exit(128 + signal.SIGHUP)


def _focus(widget: Widget | None) -> None:
    if widget is not None:
        widget.screen.set_focus(widget)


class AsciiEllipsis(LineFilter):
    """Textual cuts titles of panels with an ellipsis where they have no room."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [Segment(s.text.replace("\u2026", "~"), s.style, s.control) for s in segments]


class AsciiScrollBar(ScrollBarRender):
    """Ends of whole cells: no partial blocks."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "]
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "]
