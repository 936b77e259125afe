"""What has happened in a run, folded from its events: the same for one that works, has ended, or is far away."""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from engine import (
    Event,
    ExitCode,
    Note,
    Overall,
    PlanReady,
    PreviewWritten,
    RunFailed,
    RunFinished,
    RunStarted,
    StageFinished,
    StageProgress,
    StageReused,
    StageStarted,
    Telemetry,
)

MOST_LINES = 2000
"""Lines of the log that are kept; the file has all of them."""
MOST_VALUES = 4096
"""Values of one series that are kept; of longer ones every second is dropped, again and again."""
MOST_NAMES = 64
"""Stages, and series of a stage, that are followed; a log with more is not one of ours."""

StageState = Literal["waiting", "working", "done", "as before"]
Level = Literal["info", "warning", "error", "stage"]


@dataclass
class StageStory:
    """How one stage of the run went."""

    name: str
    state: StageState = "waiting"
    done: int = 0
    total: int = 0
    started: float = 0.0
    """Seconds since 1970."""
    seconds: float | None = None
    """How long it took."""
    series: dict[str, list[float]] = field(default_factory=dict)
    """Values it has reported, by name, oldest first."""


@dataclass(frozen=True)
class Line:
    """A line of the log."""

    at: float
    level: Level
    text: str


class RunStory:
    """Takes events in their order; those that make no sense are left out."""

    def __init__(self) -> None:
        self._begin()
        self.log: deque[Line] = deque(maxlen=MOST_LINES)
        self.told = 0
        """Lines of the log so far, those that were dropped included."""

    def _begin(self) -> None:
        self.overall = Overall()
        self.settings: Mapping[str, Any] = {}
        self.stages: dict[str, StageStory] = {}
        self.plans: tuple[Mapping[str, Any], ...] = ()
        self.previews: list[str] = []
        self.telemetry: Telemetry | None = None
        self.outcome: RunFinished | RunFailed | None = None
        self.started = self.last = 0.0

    def take(self, event: Event, at: float) -> None:
        """Fold one event, reported at a time [s since 1970]. Whatever a damaged log holds, this does not fail."""
        try:
            self._take(event, at)
        except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError):
            self._say(at, "warning", f"an event could not be understood: {type(event).__name__}")

    def _take(self, event: Event, at: float) -> None:
        if isinstance(event, RunStarted):
            self._begin()
            self.started = at
        self.last = at
        self.overall.take(event, at)
        match event:
            case RunStarted():
                self.settings = dict(event.settings)
                self.stages = {str(name): StageStory(str(name)) for name in list(event.weights)[:MOST_NAMES]}
                self._say(at, "stage", "the run begins")
            case PlanReady(plans):
                self.plans = tuple(plan for plan in plans if isinstance(plan, Mapping))
            case Telemetry():
                self.telemetry = event
            case Note(level, text):
                self._say(at, "warning" if level == "warning" else "info", str(text))
            case PreviewWritten(path=path):
                self.previews.append(str(path))
                self._say(at, "info", f"preview {path}")
            case RunFinished(result=result, seconds=seconds):
                self.outcome = event
                self._say(at, "stage", f"done in {float(seconds):.1f} s: {result}")
            case RunFailed(message):
                self.outcome = event
                self._say(at, "stage" if self.was_stopped else "error", str(message))
            case _:
                self._take_stage(event, at)

    def _take_stage(self, event: Event, at: float) -> None:
        match event:
            case StageStarted(name):
                stage = self._stage(name)
                stage.state, stage.started, stage.done = "working", at, 0
            case StageProgress(name, done, total, values):
                stage = self._stage(name)
                stage.done, stage.total = int(done), int(total)
                for key, value in values.items():
                    _append(stage.series, str(key), float(value))
            case StageReused(name):
                self._stage(name).state = "as before"
            case StageFinished(name, seconds):
                stage = self._stage(name)
                stage.seconds = float(seconds)
                as_before = stage.state == "as before"
                stage.state = "as before" if as_before else "done"
                self._say(at, "stage", f"{name}: {'as before' if as_before else f'{stage.seconds:.1f} s'}")

    def _stage(self, name: Any) -> StageStory:
        name = str(name)
        if name not in self.stages and len(self.stages) >= MOST_NAMES:
            raise ValueError("too many stages")
        return self.stages.setdefault(name, StageStory(name))

    def _say(self, at: float, level: Level, text: str) -> None:
        self.told += 1
        self.log.append(Line(at, level, text))

    @property
    def was_stopped(self) -> bool:
        """Whether it ended because somebody wanted it to."""
        stopped = (ExitCode.INTERRUPTED, ExitCode.TERMINATED)
        return isinstance(self.outcome, RunFailed) and self.outcome.exit_code in stopped

    @property
    def working(self) -> StageStory | None:
        """The stage at work."""
        at_work = [stage for stage in self.stages.values() if stage.state == "working"]
        return at_work[-1] if at_work and self.outcome is None else None


def _append(series: dict[str, list[float]], name: str, value: float) -> None:
    if name not in series and len(series) >= MOST_NAMES:
        return
    values = series.setdefault(name, [])
    values.append(value if math.isfinite(value) else math.nan)
    if len(values) > MOST_VALUES:
        del values[::2]
