"""The time of a skeleton on one line: what is authored, what the run keeps and fills, and a cursor to choose with."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message

from anymole_tui.tui.widgets.cells import Cells

Ranges = Sequence[tuple[float, float]]
SHORTEST_VIEW = 8
"""Frames that stay in view at the closest zoom."""
LABEL_CELLS = 8


@dataclass(frozen=True)
class Timing:
    """What is known of one skeleton's time; all in time codes."""

    first: float = 0.0
    last: float = 1.0
    """Ends of the authored samples."""
    step: float = 1.0
    """Length of a frame."""
    dense: tuple[tuple[float, float], ...] = ()
    sparse: tuple[float, ...] = ()
    contexts: tuple[tuple[float, float], ...] = ()
    """As the plan has them."""
    keys: tuple[float, ...] = ()
    gaps: tuple[tuple[float, float], ...] = ()


class KeyLine(Cells, can_focus=True):
    """Chooses keys and context by keyboard and mouse; says so with messages, changes nothing itself."""

    TITLE = "Motion"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "step(-1)", "Frame back", show=False, id="keys.back"),
        Binding("right,l", "step(1)", "Frame on", show=False, id="keys.on"),
        Binding("up,b,k", "jump(-1)", "Sample before", show=False, id="keys.before"),
        Binding("down,w,j", "jump(1)", "Sample after", show=False, id="keys.after"),
        Binding("home,g", "ends(-1)", "First sample", show=False, id="keys.first"),
        Binding("end,G", "ends(1)", "Last sample", show=False, id="keys.last"),
        Binding("space", "key", "Key", tooltip="set or take away a key here", id="keys.key"),
        Binding("m", "mark", "Mark context", tooltip="one end here, then the other", id="keys.mark"),
        Binding("delete,d", "clear", "Take away", tooltip="key or context here", show=False, id="keys.clear"),
        Binding(
            "u", "detect", "Detected", tooltip="back to what the samples say", show=False, id="keys.detect"
        ),
        Binding("plus,equals_sign", "zoom(0.5)", "Closer", show=False, id="keys.closer"),
        Binding("minus", "zoom(2.0)", "Wider", show=False, id="keys.wider"),
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

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.timing = Timing()
        self.time = 0.0
        """Of the cursor."""
        self.mark: float | None = None
        self._view = (0.0, 1.0)

    def tell(self, timing: Timing) -> None:
        """Show another skeleton or plan."""
        same = (timing.first, timing.last) == (self.timing.first, self.timing.last)
        self.timing = timing
        if not same:
            self._view, self.time, self.mark = (timing.first, timing.last), timing.first, None
        self._paint()

    def fit(self) -> None:
        self._paint()

    def on_focus(self) -> None:
        self._paint()

    def on_blur(self) -> None:
        self._paint()

    # Drawing -------------------------------------------------------------------------------------------------------

    def _paint(self) -> None:
        width = self.size.width
        if width < 2:
            return
        ascii_only = bool(getattr(self.app, "ascii", False))
        dense, key, context, gap, cursor = "=|#.^" if ascii_only else "━│█·▲"
        t = self.timing
        authored, plan = [(" ", "")] * width, [(" ", "")] * width
        for start, end in t.dense:
            self._fill(authored, start, end, dense, "$secondary")
        self._put(authored, t.sparse, key, "$secondary")
        for start, end in t.gaps:
            self._fill(plan, start, end, gap, "dim")
        for start, end in t.contexts:
            self._fill(plan, start, end, context, "$success")
        self._put(plan, t.keys, "K" if ascii_only else "◆", "bold $primary")
        if self.mark is not None:
            start, end = sorted((self.mark, self.time))
            self._fill(plan, start, end, context, "$warning")
        self.show(
            [
                Content.styled(self._ruler(width), "dim"),
                _line(authored),
                _line(plan),
                self._pointer(cursor, width),
                self._legend(key, context, gap, dense, ascii_only),
            ]
        )

    def _column(self, time: float) -> int:
        start, end = self._view
        share = (time - start) / (end - start) if end > start else 0.0
        return round(share * (self.size.width - 1))

    def _fill(self, cells: list[tuple[str, str]], start: float, end: float, sign: str, style: str) -> None:
        first, last = max(0, self._column(start)), min(len(cells) - 1, self._column(end))
        if first <= last:
            cells[first : last + 1] = [(sign, style)] * (last + 1 - first)

    def _put(self, cells: list[tuple[str, str]], times: Iterable[float], sign: str, style: str) -> None:
        for time in times:
            column = self._column(time)
            if 0 <= column < len(cells):
                cells[column] = (sign, style)

    def _ruler(self, width: int) -> str:
        line = [" "] * width
        start, end = self._view
        count = max(1, width // (3 * LABEL_CELLS))
        for i in range(count + 1):
            time = start + (end - start) * i / count
            time = round(time / self.timing.step) * self.timing.step if 0 < i < count else time
            text = f"{time:.6g}"
            at = max(0, min(width - len(text), self._column(time)))
            line[at : at + len(text)] = text
        return "".join(line)[:width]

    def _pointer(self, sign: str, width: int) -> Content:
        said = f"{self.time:g}  {self._what()}"
        column = min(max(0, self._column(self.time)), width - 1)
        style = "bold $accent" if self.has_focus else "$accent"
        if column + 2 + len(said) <= width:
            return Content.assemble(" " * column, (sign, style), f" {said}")
        at = max(0, column - 1 - len(said))
        return Content.assemble(" " * at, said[: max(0, column - 1)], " ", (sign, style))

    def _what(self) -> str:
        t, time = self.timing, self.time
        words = []
        if self.mark is not None:
            words.append(f"context from {self.mark:g}: m ends it")
        if any(_near(time, key, t.step) for key in t.keys):
            words.append("key")
        if any(start <= time <= end for start, end in t.contexts):
            words.append("context")
        elif any(start < time < end for start, end in t.gaps) and "key" not in words:
            words.append("to fill")
        return ", ".join(words) or "left alone"

    def _legend(self, key: str, context: str, gap: str, dense: str, ascii_only: bool) -> Content:
        return Content.assemble(
            (f"{dense}{key}", "$secondary"),
            (" authored  ", "dim"),
            (context, "$success"),
            (" context  ", "dim"),
            ("K" if ascii_only else "◆", "bold $primary"),
            (f" key  {gap} to fill", "dim"),
        )

    # Actions -------------------------------------------------------------------------------------------------------

    def go(self, time: float) -> None:
        """Move the cursor; the view follows."""
        t = self.timing
        self.time = min(max(time, t.first), t.last)
        start, end = self._view
        if not start <= self.time <= end:
            shift = self.time - (start if self.time < start else end)
            self._view = (start + shift, end + shift)
        self._paint()

    def action_step(self, by: int) -> None:
        t = self.timing
        self.go((round(self.time / t.step) + by) * t.step)

    def action_jump(self, by: int) -> None:
        t = self.timing
        stops = sorted({*t.sparse, *t.keys, *(end for pair in (*t.dense, *t.contexts) for end in pair)})
        ahead = [s for s in stops if (s > self.time if by > 0 else s < self.time)]
        if ahead:
            self.go(ahead[0] if by > 0 else ahead[-1])

    def action_ends(self, by: int) -> None:
        self.go(self.timing.last if by > 0 else self.timing.first)

    def action_zoom(self, factor: float) -> None:
        t, (start, end) = self.timing, self._view
        length = min(max((end - start) * factor, SHORTEST_VIEW * t.step), t.last - t.first)
        start = min(max(self.time - length / 2, t.first), t.last - length)
        self._view = (start, start + length)
        self._paint()

    def action_key(self) -> None:
        self.post_message(self.KeyToggled(self._snapped(self.time)))

    def action_mark(self) -> None:
        if self.mark is None:
            self.mark = self._snapped(self.time)
        else:
            start, end = sorted((self.mark, self._snapped(self.time)))
            self.mark = None
            if start < end:
                self.post_message(self.ContextMarked(start, end))
        self._paint()

    def action_clear(self) -> None:
        if self.mark is not None:
            self.mark = None
            self._paint()
        else:
            self.post_message(self.Cleared(self._snapped(self.time)))

    def action_detect(self) -> None:
        self.mark = None
        self.post_message(self.Detected())

    def _snapped(self, time: float) -> float:
        """The key or sample that is meant: the one within half a frame."""
        t = self.timing
        ends = [end for pair in (*t.dense, *t.contexts) for end in pair]
        near = [s for s in (*t.keys, *t.sparse, *ends) if abs(s - time) < t.step / 2]
        return min(near, key=lambda s: abs(s - time)) if near else time

    # Mouse ---------------------------------------------------------------------------------------------------------

    def _time_at(self, x: int) -> float:
        """Time of a column: a sample that is drawn there, else the nearest frame."""
        t = self.timing
        drawn = [s for s in (*t.keys, *t.sparse) if self._column(s) == x]
        if drawn:
            return drawn[0]
        start, end = self._view
        time = start + (end - start) * x / max(self.size.width - 1, 1)
        return round(time / t.step) * t.step

    def on_mouse_down(self, event: events.MouseDown) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        self.capture_mouse()
        self.mark = None
        self.go(self._time_at(offset.x))
        self._pressed = self.time

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self.app.mouse_captured is self:
            x = event.x - self.gutter.left
            self.go(self._time_at(min(max(x, 0), self.size.width - 1)))
            if self.time != self._pressed:
                self.mark = self._pressed
                self._paint()

    def on_mouse_up(self, event: events.MouseUp) -> None:
        del event
        if self.app.mouse_captured is self:
            self.release_mouse()
            if self.mark is not None:
                self.action_mark()

    def on_click(self, event: events.Click) -> None:
        if event.chain == 2:
            self.action_key()

    _pressed = 0.0


def _near(a: float, b: float, step: float) -> bool:
    return abs(a - b) < 1e-6 * step


def _line(cells: Sequence[tuple[str, str]]) -> Content:
    """Cells with their styles, equal neighbours as one piece."""
    parts: list[tuple[str, str]] = []
    for sign, style in cells:
        if parts and parts[-1][1] == style:
            parts[-1] = (parts[-1][0] + sign, style)
        else:
            parts.append((sign, style))
    return Content.assemble(*parts)
