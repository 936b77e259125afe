"""A place: one full screen with the line that says where we are, the footer, and the keys that work everywhere."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.reactive import Reactive, var
from textual.widget import Widget
from textual.worker import Worker

from anymole_tui.safe_text import plain
from anymole_tui.terminal.patches import SparingScreen
from anymole_tui.tui.host import Host, host
from anymole_tui.tui.lists.filter import Filter
from anymole_tui.tui.widgets.breadcrumbs import Crumbs
from anymole_tui.tui.widgets.key_bar import KeyBar
from engine import SHOWN_ERRORS, is_damage, message_of

T = TypeVar("T")
Stopped = Callable[[], bool]
"""Called by work in the background between its steps: True once nobody waits for its result."""


class Place(SparingScreen[None]):
    """Base of all places.

    A place sets ``TITLE`` (one word for the header) and ``HELP`` (a few lines for ``?``), yields its widgets from
    :meth:`compose_place` and says in :attr:`subject` what it shows. Every binding has an ``id``
    (``place.action``), by which users give it another key, and a description, by which the palette and ``?`` list it;
    the bindings of its widgets, too. A place gives the focus to a widget of its own when it is mounted.
    """

    HELP: ClassVar[str] = ""
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "unfilter", "Show all", id="place.unfilter"),
        Binding("escape,q", "leave", "Back", id="place.leave"),
        Binding("q", "quit", "Quit", id="place.quit"),
        Binding("slash", "filter", "Filter", id="place.filter"),
        Binding("tab", "panel(1)", "Next panel", show=False, id="place.next_panel"),
        Binding("shift+tab", "panel(-1)", "Previous panel", show=False, id="place.previous_panel"),
        Binding("j", "press('down')", "Down", show=False, id="place.down"),
        Binding("k", "press('up')", "Up", show=False, id="place.up"),
        Binding("h", "press('left')", "Left", show=False, id="place.left"),
        Binding("l", "press('right')", "Right", show=False, id="place.right"),
        Binding("g", "press('home')", "First", show=False, id="place.first"),
        Binding("G", "press('end')", "Last", show=False, id="place.last"),
        Binding("ctrl+d", "press('pagedown')", "Page down", show=False, id="place.page_down"),
        Binding("ctrl+u", "press('pageup')", "Page up", show=False, id="place.page_up"),
    ]

    focused: Reactive[Widget | None] = Reactive(None, repaint=False)
    """As in any screen; but the widgets that lose and get the focus paint themselves, and nothing else changes."""
    subject: var[str] = var("")
    """What the place shows (a file, a run), for the header."""
    busy: var[int] = var(0)
    """How many pieces of work are under way in the background."""

    @property
    def anymole(self) -> Host:
        """The app, as places see it."""
        return host(self.app)

    @property
    def closing(self) -> bool:
        """Whether the place is being taken away. Its widgets go first, one by one, and only then its workers are
        cancelled: what has waited for something asks this before it looks for a widget."""
        return not self.display

    def compose(self) -> ComposeResult:
        yield Crumbs()
        yield from self.compose_place()
        yield KeyBar()

    def compose_place(self) -> ComposeResult:
        """The widgets between header and footer."""
        yield from ()

    def action_leave(self) -> None:
        """Go back to the place before."""
        self.anymole.leave()

    def action_quit(self) -> None:
        """Quit from the first place, by its own key: escape never does."""
        self.anymole.leave()

    def action_unfilter(self) -> None:
        """Show again what a filter has left out."""
        for field in self.query(Filter):
            field.action_clear()

    @property
    def is_first(self) -> bool:
        """Whether nothing lies below."""
        return next((s for s in self.app.screen_stack if isinstance(s, Place)), self) is self

    def action_press(self, key: str) -> None:
        """Let a letter stand for a key of movement, in whatever has the focus."""
        self.app.simulate_key(key)

    def action_panel(self, by: int) -> None:
        """Focus the next panel or the one before: in one with many fields, arrows go from field to field."""
        panels = self.panels()
        if not panels:
            return
        names = list(panels)
        here = names.index(panel_of(self.focused)) if self.focused in self.focus_chain else -by
        self.set_focus(panels[names[(here + by) % len(names)]])

    def panels(self) -> dict[Widget, Widget]:
        """Every panel, and what in it gets the focus."""
        first: dict[Widget, Widget] = {}
        for widget in self.focus_chain:
            first.setdefault(panel_of(widget), widget)
        return first

    def action_filter(self) -> None:
        """Show and focus the filter of the place: its first widget of the class ``filter``."""
        for field in self.query(".filter"):
            field.display = True
            self.set_focus(field)
            return

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "filter":
            return bool(self.query(".filter"))
        if action == "unfilter":
            return any(field.value for field in self.query(Filter))
        if action in ("leave", "quit"):
            return (action == "quit") == self.is_first
        return super().check_action(action, parameters)

    def in_background(
        self,
        job: Callable[[Stopped], T],
        done: Callable[[T], Any],
        *,
        group: str,
        failed: Callable[[str], Any] | None = None,
    ) -> Worker[None]:
        """Do something slow in a thread and hand what it gives to the place; nothing here ever waits for it.

        A later job of the same group replaces the one at work: that one is stopped and its answer is dropped,
        as are those of all groups when the place closes. The thread is a daemon: quitting never waits for it.

        Args:
            job: Called in the thread; asks its argument between steps whether to stop. It must not touch widgets.
            done: Called in the app with what the job returned.
            group: One job at a time of each.
            failed: Called in the app with the sentence of an error that a user can fix; None shows it as a notice.
        """

        async def wait() -> None:
            self.busy += 1
            stop = threading.Event()
            try:
                result = await in_thread(lambda: job(stop.is_set))
            except Exception as error:
                if not (isinstance(error, SHOWN_ERRORS) or is_damage(error)):
                    raise
                if not self.closing:
                    (failed or self.say_error)(message_of(error))
            else:
                if not self.closing:
                    done(result)
            finally:
                stop.set()
                self.busy -= 1

        return self.run_worker(wait, group=group, exclusive=True, exit_on_error=True)

    def give_up(self, sentence: str) -> None:
        """Leave the place, which has nothing to show, and say why in the one below."""
        self.anymole.leave()
        self.app.call_later(self.say_error, sentence)

    def say(self, text: str) -> None:
        """A notice that goes by itself."""
        self.app.notify(plain(text, 400, ascii_only=self.anymole.ascii), markup=False, timeout=4)

    def say_error(self, text: str) -> None:
        """A notice of something that went wrong."""
        said = plain(text, 600, ascii_only=self.anymole.ascii)
        self.app.notify(said, markup=False, severity="error", title="Error", timeout=12)


def panel_of(widget: Widget) -> Widget:
    """The panel around a widget, or itself."""
    return next(
        (w for w in widget.ancestors_with_self if isinstance(w, Widget) and w.has_class("panel")), widget
    )


async def in_thread(job: Callable[[], T]) -> T:
    """What a job returns or raises in a thread that nobody has to join."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def target() -> None:
        result, error = None, None
        try:
            result = job()
        except BaseException as caught:
            error = caught
        with suppress(RuntimeError):  # the app has ended meanwhile
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=target, daemon=True, name="anymole-job").start()
    return await future
