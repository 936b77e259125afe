"""Progress in the dialect of the place: a bar for people, lines for logs, JSON for programs, OpenJD for farms.

``rich`` and ``plain`` talk on stderr, and ``none`` says warnings there. ``json`` and ``openjd`` are protocols: they go
to stdout, unless ``--json`` has claimed it for the answer.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Literal, TextIO, get_args

from anymole_tui.cli import output as out
from anymole_tui.wording import describe_plan, duration, one_line
from engine import (
    ConfigError,
    Event,
    Note,
    Overall,
    PlanReady,
    RunFailed,
    RunFinished,
    RunStarted,
    StageFinished,
    StageProgress,
    StageStarted,
    to_json_line,
)

ProgressKind = Literal["auto", "rich", "plain", "json", "openjd", "none"]
View = Callable[[Event, float], None]
"""Shows an event that was reported at a time [s since 1970]."""

PLAIN_INTERVAL_S = 5.0
"""A stage that takes long says so in a log this often."""
OPENJD_INTERVAL_S = 1.0
OPENJD_ENV = "OPENJD_SESSION_WORKING_DIR"
"""Set by every Open Job Description session."""


def progress_kind(name: str) -> ProgressKind:
    """The dialect to speak; ``auto`` finds out where we are.

    Raises:
        ConfigError: No dialect has this name.
    """
    if name not in get_args(ProgressKind):
        raise ConfigError(
            f"{name!r} is no way to show progress; choose {', '.join(get_args(ProgressKind))}.",
            settings=("progress",),
        )
    if name != "auto":
        return name  # type: ignore[return-value]  # checked above
    if os.environ.get(OPENJD_ENV):
        return "openjd"
    return "rich" if sys.stderr.isatty() else "plain"


def is_protocol(kind: ProgressKind) -> bool:
    """Whether stdout carries progress, so that an answer for people belongs on stderr."""
    return kind in ("json", "openjd")


@contextmanager
def progress_view(kind: ProgressKind, *, as_json: bool = False) -> Iterator[View]:
    """A view for the length of a run, which goes on where nobody can see it any more, and past events that a damaged
    log holds."""
    stream = sys.stderr if as_json else sys.stdout
    with _bar() if kind == "rich" else nullcontext(_view(kind, stream)) as shown_by:

        def view(event: Event, at: float) -> None:
            with suppress(OSError, *NONSENSE):
                shown_by(event, at)

        yield view


NONSENSE = (TypeError, ValueError, KeyError, AttributeError, IndexError, ArithmeticError)
"""What events raise whose values are of other kinds than ours."""


def _view(kind: ProgressKind, stream: TextIO) -> View:
    if kind == "plain":
        return _Plain()
    if kind == "json":
        return lambda event, at: _line(stream, to_json_line(event, at))
    if kind == "openjd":
        return _OpenJd(stream)
    return _warn


def _warn(event: Event, at: float) -> None:
    """Without progress, warnings alone: they are about the result."""
    if isinstance(event, Note) and event.level == "warning":
        out.narrate(event)


def _line(stream: TextIO, text: str) -> None:
    stream.write(text + "\n")
    stream.flush()


class _Plain:
    """One line per event worth one, and where a long stage stands every few seconds."""

    def __init__(self) -> None:
        self._overall, self._last = Overall(), time.monotonic()

    def __call__(self, event: Event, at: float) -> None:
        self._overall.take(event, at)
        out.narrate(event)
        if isinstance(event, StageProgress) and time.monotonic() - self._last >= PLAIN_INTERVAL_S:
            self._last = time.monotonic()
            out.say(f"{event.stage}: {event.done} of {event.total}; {overall_text(self._overall)}")


def overall_text(overall: Overall) -> str:
    """``37 % done, 2 min left``."""
    left = "" if overall.remaining_s is None else f", {duration(overall.remaining_s)} left"
    return f"{overall.percent:.0f} % done{left}"


class _OpenJd:
    """``openjd_progress``, ``openjd_status`` and ``openjd_fail`` lines, at column 0 and never falling."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._overall = stream, Overall()
        self._percent, self._last = -1.0, 0.0

    def __call__(self, event: Event, at: float) -> None:
        self._overall.take(event, at)
        match event:
            case StageStarted(stage):
                _line(self._stream, f"openjd_status: {one_line(stage)}")
            case Note(level, text):
                _line(self._stream, one_line(f"{level}: {text}"))
            case RunFailed(message):
                _line(self._stream, f"openjd_fail: {one_line(message)}")
            case RunFinished():
                _line(self._stream, "openjd_status: done")
        self._tell_percent(at_once=isinstance(event, StageFinished | RunFinished))

    def _tell_percent(self, *, at_once: bool) -> None:
        now = time.monotonic()
        if self._overall.percent > self._percent and (at_once or now - self._last >= OPENJD_INTERVAL_S):
            self._percent, self._last = self._overall.percent, now
            _line(self._stream, f"openjd_progress: {self._percent:.1f}")


@contextmanager
def _bar() -> Iterator[View]:
    """A bar at the foot of the terminal; what else is said scrolls above it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.text import Text

    console = Console(stderr=True, highlight=False, markup=False)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[status]}", markup=False),
    )
    bar = Progress(*columns, console=console, transient=True)
    with suppress(OSError):
        bar.start()
    try:
        task = bar.add_task("plan", total=100.0, status="")
        overall = Overall()

        def view(event: Event, at: float) -> None:
            overall.take(event, at)
            for line in _talk(event):
                console.print(Text(line))
            bar.update(
                task,
                completed=overall.percent,
                description=one_line(overall.stage or "plan"),
                status=overall_text(overall),
            )

        yield view
    finally:
        with suppress(OSError):  # the terminal may be gone
            bar.stop()


def _talk(event: Event) -> list[str]:
    """What a person reads above the bar."""
    match event:
        case PlanReady(plans):
            return [one_line(line) for plan in plans for line in describe_plan(plan).split("\n")]
        case Note(level, text):
            return [one_line(f"{level}: {text}")]
        case _:
            return []


def listener(view: View, *, known: bool = True) -> Callable[[Event], Any]:
    """The view as an ``on_event`` of a run in this process.

    Args:
        view: What shows the events.
        known: Whether the run is entered into the list of runs, so that other shells find it by its id.
    """

    def tell(event: Event) -> None:
        if known and isinstance(event, RunStarted):
            from engine.runs import remember  # a plan shows no events

            remember(Path(event.run))
        view(event, time.time())

    return tell
