"""Time as lines of cells, one per track: finished motion, keys, gaps, and the time that is looked at."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.style import Style
from textual.visual import Visual
from textual.widget import Widget

from anymole_tui.safe_text import plain
from usd_io import timecode

NAME_WIDTH = (11, 16)
"""Cells for the names of the tracks, at least and at most."""
LEAST_SPAN = 4
"""Frames in view at the closest zoom."""
MOST_ROWS = 6
"""Tracks in view; of more the chosen one is among them."""
STEPS = (1, 2, 5)
NEAR_FRAME = 1e-6
"""So near to a frame a time is on it [frames]."""


@dataclass(frozen=True)
class Track:
    """One animation, or one thing that is said of it; all times are time codes."""

    name: str
    start: float
    end: float
    dense: tuple[tuple[float, float], ...] = ()
    """Ranges of finished motion."""
    keys: tuple[float, ...] = ()
    gaps: tuple[tuple[float, float], ...] = ()
    labels: tuple[tuple[float, str, str], ...] = ()
    """Times, what stands there, and its style."""


@dataclass(frozen=True)
class Signs:
    """What the line of a track is drawn with."""

    dense: str
    key: str
    gap: str
    bar: str
    marked: str


PLAIN = Signs(dense="=", key="o", gap=".", bar="|", marked="#")
FINE = Signs(dense="\u2501", key="\u25c6", gap="\u254c", bar="\u2502", marked="\u2592")


def track_names(skeletons: Sequence[str], animations: Sequence[str]) -> list[str]:
    """Names for tracks that are as short as they can be and still differ: of the animations, else of the characters (as
    instances share animations), else the paths of the skeletons."""
    last = [path.rsplit("/", 1)[-1] for path in animations]
    above = [path.strip("/").rpartition("/")[0].rsplit("/", 1)[-1] for path in skeletons]
    return next((names for names in (last, above) if len(set(names)) == len(names)), list(skeletons))


def _without_last_word(text: str) -> str:
    """What is left of a label is no label."""
    kept = text[: len(text) - len(text.rsplit(" ", 1)[-1])]
    return kept.ljust(len(text))


def _without_first_word(text: str) -> str:
    return text[len(text.split(" ", 1)[0]) :].rjust(len(text))


class Timeline(Widget, can_focus=True):
    """One line per track below a ruler; scrubbed by keys or mouse.

    Frames are counted from the first sample of all tracks on: a clip may begin at 1.25.
    """

    TITLE = "Timeline"
    DEFAULT_CSS = """
    Timeline { height: auto; min-height: 3; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "step(-1)", "Frame back", show=False, id="timeline.back"),
        Binding("right,l", "step(1)", "Frame on", show=False, id="timeline.on"),
        Binding("left_square_bracket", "step(-10)", "Ten frames back", show=False, id="timeline.ten_back"),
        Binding("right_square_bracket", "step(10)", "Ten frames on", show=False, id="timeline.ten_on"),
        Binding("comma", "key(-1)", "Key before", show=False, id="timeline.key_before"),
        Binding("full_stop", "key(1)", "Key after", id="timeline.key_after"),
        Binding("home,g", "edge(0)", "First frame", show=False, id="timeline.first"),
        Binding("end,G", "edge(1)", "Last frame", show=False, id="timeline.last"),
        Binding("plus,equals_sign", "zoom(0.5)", "Zoom in", show=False, id="timeline.zoom_in"),
        Binding("minus", "zoom(2)", "Zoom out", show=False, id="timeline.zoom_out"),
        Binding("0", "fit", "Show all", show=False, id="timeline.fit"),
        Binding("up,k", "track(-1)", "Animation before", show=False, id="timeline.track_before"),
        Binding("down,j", "track(1)", "Animation after", show=False, id="timeline.track_after"),
    ]

    @dataclass
    class Scrubbed(Message):
        """Another time, animation or range is looked at."""

        timeline: "Timeline"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.tracks: Sequence[Track] = ()
        self.chosen = 0
        self.time = 0.0
        self.frame_step = 1.0
        self.rate = 24.0
        """Time codes per second."""
        self.start, self.end = 0.0, 1.0
        """What is in view."""
        self.moves_by_hand = 0
        """How often a person has gone to a time."""
        self._name_width = NAME_WIDTH[0]
        self._pressed: float | None = None
        """Where the mouse was pressed, while it is."""

    def show(self, tracks: Sequence[Track], frame_step: float, rate: float) -> None:
        """Show some tracks, from the first one's first frame on."""
        self._take(tracks, frame_step, rate)
        self.chosen = min(self.chosen, max(len(tracks) - 1, 0))
        self.time = tracks[0].start if tracks else 0.0
        self.start, self.end = self._limits()
        self._changed()

    def show_again(self, tracks: Sequence[Track], frame_step: float, rate: float) -> None:
        """Show what has become of the same tracks; time and zoom stay where they can."""
        before = self._limits()
        self._take(tracks, frame_step, rate)
        if before != self._limits():
            self.show(tracks, frame_step, rate)
        else:
            self.refresh()

    def _take(self, tracks: Sequence[Track], frame_step: float, rate: float) -> None:
        self.tracks, self.frame_step, self.rate = tracks, frame_step, rate
        longest = max((len(track.name) for track in tracks), default=0)
        self._name_width = min(max(longest + 3, NAME_WIDTH[0]), NAME_WIDTH[1])
        self.refresh(layout=True)

    @property
    def track(self) -> Track | None:
        """The animation that is looked at."""
        return self.tracks[self.chosen] if self.tracks else None

    def go_to(self, time: float) -> None:
        """Look at a time, as a person asks; what is in view follows."""
        self.moves_by_hand += 1
        self.play_to(time)

    def play_to(self, time: float) -> None:
        """Look at a time that playback has come to; what is in view follows."""
        low, high = self._limits()
        self.time = min(max(time, low), high)
        span = self.end - self.start
        if not self.start <= self.time <= self.end:
            self.start = min(max(self.time - span / 2, low), max(high - span, low))
            self.end = self.start + span
        self._changed()

    @property
    def first(self) -> float:
        """Begin of the earliest track."""
        return self._limits()[0]

    @property
    def last(self) -> float:
        """End of the latest track."""
        return self._limits()[1]

    def frames(self, start: float, end: float) -> list[float]:
        """Times of the frames in a range, its ends included."""
        count = math.floor((end - start) / self.frame_step + NEAR_FRAME)
        return [start + i * self.frame_step for i in range(count + 1)]

    def gap_at(self, time: float) -> tuple[float, float] | None:
        """The gap of the chosen track that a time lies in or at an end of; the later one where two meet."""
        gaps = self.track.gaps if self.track else ()
        return next((gap for gap in reversed(gaps) if gap[0] <= time <= gap[1]), None)

    def _limits(self) -> tuple[float, float]:
        if not self.tracks:
            return 0.0, 1.0
        return min(t.start for t in self.tracks), max(t.end for t in self.tracks)

    def _changed(self) -> None:
        self.refresh()
        self.post_message(self.Scrubbed(self))

    # Keys ---------------------------------------------------------------------------------------------

    def action_step(self, frames: int) -> None:
        """So many frames on; from between two frames, to the next one."""
        at = (self.time - self._limits()[0]) / self.frame_step
        frame = math.floor(at + NEAR_FRAME) + frames if frames > 0 else math.ceil(at - NEAR_FRAME) + frames
        self.go_to(self._time_of(frame))

    def _time_of(self, frame: int) -> float:
        return self._limits()[0] + frame * self.frame_step

    def stops(self) -> set[float]:
        """Times that are worth to be gone to: keys, and ends of finished motion, of the chosen track."""
        return stops_of(self.track) if self.track else set()

    def action_key(self, direction: int) -> None:
        """To the next stop."""
        ahead = [t for t in sorted(self.stops()) if (t - self.time) * direction > 1e-6]
        if ahead:
            self.go_to(ahead[0] if direction > 0 else ahead[-1])

    def action_edge(self, last: int) -> None:
        self.go_to(self._limits()[last])

    def action_zoom(self, factor: float) -> None:
        low, high = self._limits()
        span = min(max((self.end - self.start) * factor, LEAST_SPAN * self.frame_step), high - low)
        share = (self.time - self.start) / max(self.end - self.start, 1e-9)
        self.start = min(max(self.time - share * span, low), high - span)
        self.end = self.start + span
        self._changed()

    def action_fit(self) -> None:
        self.start, self.end = self._limits()
        self._changed()

    def action_track(self, by: int) -> None:
        if self.tracks:
            self.chosen = min(max(self.chosen + by, 0), len(self.tracks) - 1)
            self._changed()

    # Mouse --------------------------------------------------------------------------------------------

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self.capture_mouse()
        row = event.y - self.gutter.top - 1 + self._first_row()
        if 0 <= row < len(self.tracks):
            self.chosen = row
        self.go_to(self.time_at(event.x))
        self._pressed = self.time

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._pressed is not None:
            self.go_to(self.time_at(event.x))

    def on_mouse_up(self) -> None:
        self.release_mouse()
        self._pressed = None

    def time_at(self, x: int) -> float:
        """Time of a column of the widget: the key that is drawn there, else the nearest frame."""
        columns = self._columns()
        place = min(max(x - self.gutter.left - self._name_width, 0), columns - 1)
        drawn = [t for t in sorted(self.stops()) if self._column(t) == place]
        if drawn:
            return drawn[0]
        time = self.start + place / max(columns - 1, 1) * (self.end - self.start)
        return self._time_of(round((time - self._limits()[0]) / self.frame_step))

    # Drawing ------------------------------------------------------------------------------------------

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return min(len(self.tracks), MOST_ROWS) + 2

    def _columns(self) -> int:
        return max(self.size.width - self._name_width, 4)

    def _column(self, time: float) -> int:
        return round((time - self.start) / max(self.end - self.start, 1e-9) * (self._columns() - 1))

    def _rows(self) -> int:
        """Lines for tracks: where not all has room, the legend goes first."""
        return max(min(self.size.height - 1, len(self.tracks), MOST_ROWS), 1)

    def _first_row(self) -> int:
        rows = self._rows()
        return min(max(self.chosen - rows + 1, 0), max(len(self.tracks) - rows, 0))

    def render_line(self, y: int) -> Strip:
        if y == 0:
            return self._strip(self._ruler())
        if y <= self._rows():
            index = self._first_row() + y - 1
            return self._strip(self._line(index) if index < len(self.tracks) else Content(""))
        return self._strip(self.legend() if y == self._rows() + 1 else Content(""))

    def _strip(self, content: Content) -> Strip:
        width = self.size.width
        style: Style = self.visual_style
        cut = content.truncate(width)
        (strip,) = Visual.to_strips(self, cut, width, 1, style, apply_selection=False) or [Strip.blank(width)]
        return strip.adjust_cell_length(width, style.rich_style)

    def _ruler(self) -> Content:
        columns = self._columns()
        step = self._tick()
        line = [" "] * (columns + self._name_width)
        tick = -(-self.start // step) * step
        while tick <= self.end + 1e-9:
            label = timecode(tick)
            place = self._name_width + self._column(tick)
            if place + len(label) <= len(line):
                line[place : place + len(label)] = label
            tick += step
        text = "".join(line)
        here = self._name_width + self._column(self.time)
        label = f" {timecode(self.time)} "
        left = min(max(here - len(label) // 2, 0), len(line) - len(label))
        right = left + len(label)
        before = text[:left] if text[left : left + 1].isspace() else _without_last_word(text[:left])
        after = text[right:] if text[right - 1].isspace() else _without_first_word(text[right:])
        return Content.assemble((before, "dim"), (label, "bold reverse $primary"), (after, "dim"))

    def _tick(self) -> float:
        """Time codes between labels: a round number of which every label has room."""
        least = (self.end - self.start) / max(self._columns() // 8, 1)
        base = 1.0
        while base > least and base > 1e-3:
            base /= 10
        while True:
            for step in STEPS:
                if base * step >= least:
                    return base * step
            base *= 10

    def _line(self, index: int) -> Content:
        track, signs = self.tracks[index], self.signs
        columns = self._columns()
        cells = [" "] * columns
        styles = ["dim"] * columns

        def draw(first: float, last: float, sign: str, style: str) -> None:
            for column in range(max(self._column(first), 0), min(self._column(last), columns - 1) + 1):
                cells[column], styles[column] = sign, style

        for start, end in track.gaps:
            draw(start, end, signs.gap, "$warning")
        for start, end in track.dense:
            draw(start, end, signs.dense, "$success")
        for key in track.keys:
            if self.start <= key <= self.end:
                draw(key, key, signs.key, "bold $accent")
        for at, text, style in track.labels:
            for column, character in enumerate(text, self._column(at) - len(text) // 2):
                if 0 <= column < columns:
                    cells[column], styles[column] = character, style
        for start, end in self.marked(index):
            draw(start, end, signs.marked, "$warning")
        here = self._column(self.time)
        if 0 <= here < columns:
            cells[here] = signs.bar if cells[here] == " " else cells[here]
            styles[here] = "bold reverse $primary"
        mark = "> " if self.is_chosen(index) else "  "
        name = plain(track.name, self._name_width - 3, ascii_only=getattr(self.app, "ascii", False))
        parts = [
            (mark, "bold $primary"),
            (
                name.ljust(self._name_width - 2),
                "bold" if self.is_chosen(index) or len(self.tracks) == 1 else "",
            ),
        ]
        return Content.assemble(*parts, *zip(cells, styles, strict=True))

    @property
    def signs(self) -> Signs:
        """What lines are drawn with on this terminal."""
        return PLAIN if getattr(self.app, "ascii", False) else FINE

    def is_chosen(self, index: int) -> bool:
        """Whether a track is distinguished from the others."""
        return index == self.chosen and len(self.tracks) > 1

    def marked(self, index: int) -> Sequence[tuple[float, float]]:
        """Ranges of a track that are being marked."""
        del index
        return ()

    def legend(self) -> Content:
        """What the signs mean, and how much there is of each in the chosen track."""
        signs, track = self.signs, self.track
        counts = (len(track.dense), len(track.keys), len(track.gaps)) if track else (0, 0, 0)
        low, high = self._limits()
        zoom = (high - low) / max(self.end - self.start, 1e-9)
        return Content.assemble(
            (f"{(self.time - low) / self.rate:7.2f} s".ljust(self._name_width), "bold"),
            (signs.dense * 2, "$success"),
            (f" finished {counts[0]}   ", "dim"),
            (signs.key, "bold $accent"),
            (f" keys {counts[1]}   ", "dim"),
            (signs.gap * 2, "$warning"),
            (f" gaps {counts[2]}   ", "dim"),
            (f"zoom {zoom:.0f}x" if zoom > 1.01 else "", "$secondary"),
        )


def stops_of(track: Track) -> set[float]:
    """Keys and ends of finished motion."""
    return {*track.keys, *(end for pair in track.dense for end in pair)}
