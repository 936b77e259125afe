"""The timeline of a plan: what is authored above what the run keeps and fills, with keys and contexts to be chosen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message

from anymole_tui.tui.widgets.timeline import Timeline, Track, stops_of
from usd_io import timecode


class PlanTimeline(Timeline):
    """Two tracks, authored and planned. It says with messages what is wanted, and changes nothing itself."""

    TITLE = "Motion"
    DEFAULT_CSS = """
    PlanTimeline { min-height: 5; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,b,k", "key(-1)", "Sample before", show=False, id="keys.before"),
        Binding("down,w,j", "key(1)", "Sample after", show=False, id="keys.after"),
        Binding("space", "set_key", "Key", tooltip="set or take away a key here", id="keys.key"),
        Binding("m", "mark", "Mark context", tooltip="one end here, then the other", id="keys.mark"),
        Binding("delete,d", "clear", "Take away", tooltip="key or context here", show=False, id="keys.clear"),
        Binding(
            "u", "detect", "Detected", tooltip="back to what the samples say", show=False, id="keys.detect"
        ),
    ]

    @dataclass
    class KeyToggled(Message):
        """A key is wanted at a time code, or not any more."""

        at: float

    @dataclass
    class ContextMarked(Message):
        """A range of finished motion was marked."""

        start: float
        end: float

    @dataclass
    class Cleared(Message):
        """Key or context at a time code are not wanted."""

        at: float

    class Detected(Message):
        """What the samples say is wanted again."""

    mark: float | None = None
    """One end of the context that is being marked."""

    def tell(self, authored: Track, planned: Track, frame_step: float, rate: float) -> None:
        """Show another skeleton or plan."""
        if self.tracks[:1] and (self.tracks[0].start, self.tracks[0].end) != (authored.start, authored.end):
            self.mark = None
        self.show_again((authored, planned), frame_step, rate)

    # Keys ---------------------------------------------------------------------------------------------

    def stops(self) -> set[float]:
        return {stop for track in self.tracks for stop in stops_of(track)}

    def is_chosen(self, index: int) -> bool:
        return False

    def action_set_key(self) -> None:
        self.post_message(self.KeyToggled(self._snapped(self.time)))

    def action_mark(self) -> None:
        if self.mark is None:
            self.mark = self._snapped(self.time)
        else:
            start, end = sorted((self.mark, self._snapped(self.time)))
            self.mark = None
            if start < end:
                self.post_message(self.ContextMarked(start, end))
        self.refresh()

    def action_clear(self) -> None:
        if self.mark is not None:
            self.mark = None
            self.refresh()
        else:
            self.post_message(self.Cleared(self._snapped(self.time)))

    def action_detect(self) -> None:
        self.mark = None
        self.post_message(self.Detected())

    def _snapped(self, time: float) -> float:
        """The key or sample that is meant: the one within half a frame."""
        near = [stop for stop in self.stops() if abs(stop - time) < self.frame_step / 2]
        return min(near, key=lambda stop: abs(stop - time)) if near else time

    # Mouse --------------------------------------------------------------------------------------------

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self.mark = None
        super().on_mouse_down(event)
        event.prevent_default()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        super().on_mouse_move(event)
        event.prevent_default()
        if self._pressed is not None and self.time != self._pressed:
            self.mark = self._pressed
            self.refresh()

    def on_mouse_up(self) -> None:
        dragged = self._pressed is not None and self.mark is not None
        super().on_mouse_up()
        if dragged:
            self.action_mark()

    def on_click(self, event: events.Click) -> None:
        if event.chain == 2:
            self.action_set_key()

    # Drawing ------------------------------------------------------------------------------------------

    def marked(self, index: int) -> Sequence[tuple[float, float]]:
        if self.mark is None or index != len(self.tracks) - 1:
            return ()
        return [(min(self.mark, self.time), max(self.mark, self.time))]

    def legend(self) -> Content:
        """What is planned at the time that is looked at, and what the signs mean."""
        signs = self.signs
        return Content.assemble(
            (f"  {self._what()}  ".ljust(self._name_width), "bold $accent"),
            (signs.dense * 2, "$success"),
            (" finished  ", "dim"),
            (signs.key, "bold $accent"),
            (" key  ", "dim"),
            (signs.gap * 2, "$warning"),
            (" to fill", "dim"),
        )

    def _what(self) -> str:
        if not self.tracks:
            return ""
        plan, time = self.tracks[-1], self.time
        words = []
        if self.mark is not None:
            words.append(f"context from {timecode(self.mark)}: m ends it")
        if any(abs(time - key) < 1e-6 * self.frame_step for key in plan.keys):
            words.append("key")
        if any(start <= time <= end for start, end in plan.dense):
            words.append("context")
        elif any(start < time < end for start, end in plan.gaps) and "key" not in words:
            words.append("to fill")
        return ", ".join(words) or "left alone"
