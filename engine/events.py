"""What a run tells: small frozen dataclasses of plain values, one JSON line each.

The same lines go to ``events.jsonl`` in the run folder, to both faces and into tests, so that a run in this
process, in another one, on a farm and a replayed recording all look alike.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class RunStarted:
    """The run folder exists and the work begins."""

    run: str
    settings: Mapping[str, Any]
    weights: Mapping[str, float] = field(default_factory=dict)
    """Stages to come with what they cost, about [s]."""
    id: str = ""
    """Short name of the run, the same when it is resumed."""


@dataclass(frozen=True)
class PlanReady:
    """What will be done, before it is done: one mapping per skeleton (:class:`engine.planning.plan.Plan`)."""

    plans: tuple[Mapping[str, Any], ...]
    weights: Mapping[str, float] = field(default_factory=dict)
    """As of :class:`RunStarted`, now that it is known how much there is to fill."""


@dataclass(frozen=True)
class StageStarted:
    """A stage of the run (a file of :mod:`engine.stages`: fill, score, author, ...) begins."""

    stage: str


@dataclass(frozen=True)
class StageReused:
    """A run stage was done before with the same inputs and settings; its outputs are taken from the run folder."""

    stage: str


@dataclass(frozen=True)
class StageProgress:
    """Part of a run stage is done."""

    stage: str
    done: int
    total: int
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class PreviewWritten:
    """An image or video to look at lies in the run folder."""

    stage: str
    path: str


@dataclass(frozen=True)
class Note:
    """Something the user should know; ``level`` is info or warning."""

    level: str
    text: str


@dataclass(frozen=True)
class StageFinished:
    """A run stage is complete."""

    stage: str
    seconds: float


@dataclass(frozen=True)
class Telemetry:
    """The load of the machine and of this run, once a second; None where it cannot be known."""

    cpu_percent: float | None
    """Of the whole machine."""
    memory_used_mb: float | None
    memory_total_mb: float | None
    process_cpu_percent: float | None
    """Of the run; 100 is one core."""
    process_memory_mb: float | None
    gpus: tuple[Mapping[str, Any], ...] = ()
    """One per GPU: the fields of :class:`engine.runs.telemetry.Gpu`."""
    note: str = ""
    """Why no GPU is seen, where one might be."""


@dataclass(frozen=True)
class RunFinished:
    """The result is in place."""

    result: str
    layer: str
    scores: Mapping[str, Any]
    seconds: float


@dataclass(frozen=True)
class RunFailed:
    """The run ended without a result; the message is fit to be shown."""

    message: str
    exit_code: int


Event = (
    RunStarted
    | PlanReady
    | StageStarted
    | StageReused
    | StageProgress
    | Telemetry
    | PreviewWritten
    | Note
    | StageFinished
    | RunFinished
    | RunFailed
)
OnEvent = Callable[[Event], None]

_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in Event.__args__}


def ignore(event: Event) -> None:
    """An ``on_event`` that listens to nothing."""


def to_json_line(event: Event, time: float) -> str:
    """One line of ``events.jsonl``, without the newline; ``time`` is seconds since 1970 UTC."""
    # an event holds plain values alone, which are not copied: the plan of a long shot has hundreds of thousands
    return json.dumps({"event": type(event).__name__, "time": round(time, 3), **vars(event)}, allow_nan=False)


def from_json_line(line: str) -> tuple[Event, float] | None:
    """Read a line back; None for a torn line or an event of a newer version."""
    try:
        values = json.loads(line)
        kind = _KINDS[values.pop("event")]
        time = float(values.pop("time"))
        if not math.isfinite(time):
            return None
        names = {f.name for f in fields(kind)}
        values = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items() if name in names}
        return kind(**values), time
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
