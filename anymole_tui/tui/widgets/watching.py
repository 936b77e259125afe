"""Panels of a run at work: where it stands, its stages, its losses, the load of its machine. Each is frugal on the
wire (:mod:`anymole_tui.tui.widgets.cells`)."""

from collections.abc import Callable, Mapping
from functools import partial
from textwrap import wrap
from typing import Any

from textual.content import Content

from anymole_tui.run_state import RunStory, StageStory
from anymole_tui.safe_text import plain
from anymole_tui.tui.signs import sign, style
from anymole_tui.tui.widgets.cells import Cells
from anymole_tui.tui.widgets.plots import bar, curve
from anymole_tui.wording import duration
from engine import RunFinished, Telemetry
from engine.runs import RunRecord

NAME_CELLS = 12
LONGEST_NAME = 16
"""Names of stages have at least the first, at most the second many cells: all of ours are shown whole."""
NARROWEST_PLOT = 24
LARGEST_READING = 1e15
MOST_REASON_LINES = 5
"""A reason of 400 characters has room in so many lines of 80."""
PLOT_EVERY = 5
"""Looks at a run between two paintings of a curve."""


class _Panel(Cells):
    """Tells the same again when its size is another one."""

    _again: Callable[[], None] | None = None

    def fit(self) -> None:
        if self._again is not None:
            self._again()

    @property
    def ascii(self) -> bool:
        return bool(getattr(self.app, "ascii", False))

    def name_of(self, text: object, most: int = NAME_CELLS) -> str:
        """A name from a file, of a fixed length."""
        return plain(text, most, ascii_only=self.ascii).ljust(most)


class RunHead(_Panel):
    """State, stage, percent and time left, and a bar over the whole width."""

    def tell(self, record: RunRecord, story: RunStory) -> None:
        """Show how a run stands."""
        self._again = partial(self.tell, record, story)
        state = record.state
        percent = story.overall.percent if record.live else (record.percent or story.overall.percent)
        words = [(f"{sign(state, ascii_only=self.ascii)} {state}", f"bold {style(state)}".strip())]
        if story.working and state == "running":
            words.append((f"  {plain(story.working.name, 20, ascii_only=self.ascii)}", "bold"))
        words.append((f"  {percent:.0f} %", ""))
        left = story.overall.remaining_s
        if record.live and left is not None and percent < 100:
            words.append((f"  {duration(left)} left", ""))
        line, below = Content.assemble(*words), list[Content]()
        if record.message and not record.live:
            reason = plain(record.message, 400, ascii_only=self.ascii)
            if line.cell_length + 2 + len(reason) <= self.size.width:
                line = Content.assemble(line, (f"  {reason}", style(state)))
            else:  # whole, on lines of its own: it ends with what to do
                below = [
                    Content.styled(part, style(state)) for part in wrap(reason, max(self.size.width, 20))
                ]
        where = f"{record.id or 'no id'} on {plain(record.host or '?', 24, ascii_only=self.ascii)}"
        room = self.size.width - len(where) - 1
        if room > line.cell_length:
            line = Content.assemble(line.pad_right(room - line.cell_length), " ", (where, "dim"))
        line = line.truncate(self.size.width, ellipsis=not self.ascii)  # the log has all of it
        done = Content.styled(
            bar(percent / 100, self.size.width, ascii_only=self.ascii), style(state) or "dim"
        )
        below = below[:MOST_REASON_LINES]
        self.styles.height = 2 + len(below)
        self.show([line, *below, done])


class StageList(_Panel):
    """One line per stage: sign, name, bar, count, seconds."""

    _name_cells = NAME_CELLS

    def tell(self, story: RunStory, live: bool) -> None:
        """Show how far every stage is; where they have no room, the one at work (or at last) and what comes next."""
        self._again = partial(self.tell, story, live)
        stages = list(story.stages.values())
        self._name_cells = min(LONGEST_NAME, max([NAME_CELLS, *(len(stage.name) for stage in stages)]))
        begun = [number for number, stage in enumerate(stages) if stage.state != "waiting"]
        first = max(0, min(len(stages) - self.size.height, begun[-1] - 1 if begun else 0))
        self.show([self._line(stage, story, live) for stage in stages[first:]])

    def _line(self, stage: StageStory, story: RunStory, live: bool) -> Content:
        state: str = stage.state
        if state == "working" and not live:
            state = "stopped" if story.outcome is None or story.was_stopped else "failed"
        elif state == "waiting" and isinstance(story.outcome, RunFinished):
            state = "left out"  # the run is done without it
        seconds = stage.seconds
        if state == "working":
            seconds = max(0.0, story.last - stage.started)
        share = (
            1.0 if state in ("done", "as before") else stage.done / stage.total if stage.total > 0 else 0.0
        )
        count = f"{stage.done}/{stage.total}" if stage.total > 1 and state != "as before" else ""
        text = f"{count:>11} {state if seconds is None else _seconds(seconds):>9}"
        room = max(4, self.size.width - self._name_cells - len(text) - 4)
        return Content.assemble(
            (sign(state, ascii_only=self.ascii), style(state)),
            f" {self.name_of(stage.name, self._name_cells)} ",
            (bar(share, room, ascii_only=self.ascii), style(state) or "dim"),
            " ",
            (text, "" if state == "working" else "dim"),
        )


class LossPlot(_Panel):
    """The series that a stage tells, side by side, each with its last and lowest value."""

    _names: tuple[str, ...] = ()
    _plots: tuple[list[Content], ...] = ()

    def tell(self, stage: StageStory | None, first: int = 0, turn: int | None = None) -> None:
        """Show the series of a stage from one of them on.

        Args:
            stage: Its values.
            first: Number of the series on the left.
            turn: Counts the seconds: all cells of a curve change, so that one is painted at a time, each of them
                every ``PLOT_EVERY`` turns; None: all at once.
        """
        self._again = partial(self.tell, stage, first)
        if stage is None or not stage.series or self.size.height < 2:
            self._names = ()
            self.show([Content.styled("no losses yet: this run has reported none", "dim")])
            return
        names = list(stage.series)
        first %= len(names)
        names = names[first:] + names[:first]
        across = max(1, min(len(names), self.size.width // (NARROWEST_PLOT + 2)))
        cells = self.size.width // across - 2
        shown = tuple(names[:across])
        due = None if turn is None or shown != self._names else turn % max(across, PLOT_EVERY)
        self._plots = tuple(
            self._plot(name, stage.series[name], cells) if due in (None, place) else self._plots[place]
            for place, name in enumerate(shown)
        )
        self._names = shown
        self.show([Content("  ").join(row) for row in zip(*self._plots, strict=True)])

    def _plot(self, name: str, values: list[float], cells: int) -> list[Content]:
        finite = [value for value in values if value == value]
        text = f" {finite[-1]:.4g}  min {min(finite):.4g}" if finite else " nothing finite"
        title = Content.assemble((plain(name, 16, ascii_only=self.ascii), "bold"), text).truncate(cells)
        lines = curve(values, cells, self.size.height - 1, ascii_only=self.ascii)
        return [
            title.pad_right(cells - title.cell_length),
            *(Content.styled(line.ljust(cells), "$secondary") for line in lines),
        ]


class Load(_Panel):
    """Processor, memory and GPUs of the machine the run is on, wherever that is."""

    def tell(self, telemetry: Telemetry | None, live: bool) -> None:
        """Show the last reading, of a run at work: what it was in the end is no load any more."""
        self._again = partial(self.tell, telemetry, live)
        if telemetry is None or not live:
            self.show([Content.styled("no reading yet" if live else "the run is not at work", "dim")])
            return
        t = telemetry
        lines = [
            self._meter(
                "cpu", t.cpu_percent, 100, f"{_percent(t.cpu_percent)}  run {_percent(t.process_cpu_percent)}"
            ),
            self._meter(
                "memory",
                t.memory_used_mb,
                t.memory_total_mb,
                f"{_gb(t.memory_used_mb)}/{_gb(t.memory_total_mb)} GB  run {_gb(t.process_memory_mb)}",
            ),
        ]
        for gpu in t.gpus[:8]:
            lines += self._gpu(gpu)
        if not t.gpus:
            lines.append(Content.styled(plain(t.note or "no GPU", 200, ascii_only=self.ascii), "dim"))
        self.show(lines)

    def _gpu(self, gpu: Mapping[str, Any]) -> list[Content]:
        get = gpu.get
        name = plain(get("name") or "GPU", 40, ascii_only=self.ascii)
        heat = f"{_whole(get('temperature_c'))} C  {_whole(get('power_w'))}/{_whole(get('power_limit_w'))} W"
        head = Content.assemble((f"gpu {_whole(get('index'))} ", "bold"), name)
        room = head.cell_length + 2 + len(heat) <= self.size.width
        return [
            Content.assemble(head, f"  {heat}") if room else head,
            self._meter("  use", get("utilisation_percent"), 100, _percent(get("utilisation_percent"))),
            self._meter(
                "  memory",
                get("memory_used_mb"),
                get("memory_total_mb"),
                f"{_gb(get('memory_used_mb'))}/{_gb(get('memory_total_mb'))} GB  run {_gb(get('process_memory_mb'))}",
            ),
            *([] if room else [Content(f"  heat   {heat}")]),
        ]

    def _meter(self, name: str, value: Any, whole: Any, text: str) -> Content:
        share = value / whole if _is_number(value) and _is_number(whole) and whole > 0 else 0.0
        room = min(20, self.size.width - 9 - len(text) - 1)
        if room < 3:  # the numbers say more than a bar
            return Content(f"{name.ljust(9)}{text}")
        high = share > 0.9
        return Content.assemble(
            name.ljust(9),
            (bar(share, room, ascii_only=self.ascii), "$warning" if high else "$secondary"),
            " ",
            text,
        )


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else duration(seconds)


def _is_number(value: Any) -> bool:
    """Whether a reading can be one: not what a damaged log holds, as NaN or an integer beyond all floats."""
    plain_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return plain_number and abs(value) < LARGEST_READING


def _whole(value: Any) -> str:
    return f"{value:.0f}" if _is_number(value) else "n/a"


def _percent(value: Any) -> str:
    return f"{value:3.0f} %" if _is_number(value) else "n/a"


def _gb(megabytes: Any) -> str:
    return f"{megabytes / 1024:.{0 if megabytes >= 10240 else 1}f}" if _is_number(megabytes) else "n/a"
