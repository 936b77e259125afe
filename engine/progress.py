"""Progress of a run stage, rate-limited at the source, the way to stop a run, and how far it is over all."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.errors import RunCancelled
from engine.events import (
    Event,
    Note,
    OnEvent,
    PlanReady,
    PreviewWritten,
    RunFinished,
    RunStarted,
    StageFinished,
    StageProgress,
    StageReused,
    StageStarted,
    ignore,
)

SHORTEST_INTERVAL_S = 0.1
"""At most ten progress events a second leave a stage."""
SHORTEST_FORECAST_S = 1.0
"""No remaining time is reported before so much has passed: the first steps of a stage say little."""
ENOUGH = 0.05
"""Of a run or a stage: as much as is done of this its measured pace counts beside what the weights say, then alone."""


def never() -> bool:
    """A ``cancel`` that never asks to stop."""
    return False


class StageReached(Exception):
    """The stage up to which a run was wanted is done."""


class Progress:
    """Handed to a run stage; ``step`` reports and raises :class:`RunCancelled` when asked to stop."""

    def __init__(
        self, on_event: OnEvent = ignore, cancel: Callable[[], bool] = never, until: str = ""
    ) -> None:
        """``until`` names the stage after which :class:`StageReached` is raised; empty: none."""
        self._on_event = on_event
        self._cancel = cancel
        self._until = until
        self._stage = ""
        self._last = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Report the start and the end of a run stage."""
        self._stage, self._last = name, 0.0
        self.check()
        started = time.monotonic()
        self._on_event(StageStarted(name))
        yield
        self._on_event(StageFinished(name, round(time.monotonic() - started, 3)))
        if name == self._until:
            raise StageReached(name)

    def step(self, done: int, total: int, **values: float) -> None:
        """Report that ``done`` of ``total`` steps of the stage are complete."""
        self.check()
        now = time.monotonic()
        if done >= total or now - self._last >= SHORTEST_INTERVAL_S:
            self._last = now
            self._on_event(StageProgress(self._stage, done, total, values))

    def reused(self) -> None:
        """Report that the outputs of the stage are those of an earlier run."""
        self._on_event(StageReused(self._stage))

    def preview(self, path: Path) -> None:
        """Report an image or video to look at."""
        self._on_event(PreviewWritten(self._stage, str(path)))

    def tell_plan(self, plans: tuple[Mapping[str, Any], ...], weights: Mapping[str, float]) -> None:
        """Show what will be done, and what its stages cost, before it is done."""
        self._on_event(PlanReady(plans, weights))

    def note(self, text: str, level: str = "info") -> None:
        """Tell the user something."""
        self._on_event(Note(level, text))

    def check(self) -> None:
        """Stop here when the user asked for it."""
        if self._cancel():
            raise RunCancelled("the run was cancelled; nothing was written beside its folder.")


class Overall:
    """How far a run is, folded from its events: the same in every face, live or replayed.

    The percentage never falls within one process of a run: stages count by their share of the cost. The time to go is
    what the pace so far says: of the stage at work its own, of those to come that of the whole run.
    """

    def __init__(self) -> None:
        self.stage = ""
        """Stage at work."""
        self.percent = 0.0
        """0 to 100."""
        self.remaining_s: float | None = None
        """Time to go [s], None where it cannot be said yet."""
        self._weights: dict[str, float] = {}
        self._done: dict[str, float] = {}
        self._reused: set[str] = set()
        self._started = 0.0
        self._stage_started = 0.0

    def take(self, event: Event, at: float) -> None:
        """Count an event that was reported at a time [s]."""
        match event:
            case RunStarted(weights=weights):
                self.__init__()  # type: ignore[misc]  # a resumed run starts over in the same log
                self._weigh(weights)
                self._started = at
            case PlanReady(weights=weights):
                self._weigh(weights)
            case StageStarted(stage):
                self.stage, self._stage_started = stage, at
                self._weights.setdefault(stage, 0.0)
            case StageProgress(stage, done, total) if total > 0:
                self._count(stage, min(1.0, max(0.0, done / total)), at)
            case StageReused(stage):
                self._reused.add(stage)
            case StageFinished(stage):
                self._count(stage, 1.0, at)
            case RunFinished():
                self.percent, self.remaining_s = 100.0, 0.0

    def _weigh(self, weights: Mapping[str, float]) -> None:
        self._weights |= {name: max(0.0, float(weight)) for name, weight in weights.items()}

    def _count(self, stage: str, part: float, at: float) -> None:
        part = self._done[stage] = max(part, self._done.get(stage, 0.0))
        total = sum(self._weights.values())
        share = sum(self._weights.get(name, 0.0) * done for name, done in self._done.items())
        self.percent = max(self.percent, 100.0 * share / total if total > 0 else 0.0)
        gained = sum(self._weights.get(name, 0.0) for name in self._reused)
        worked, passed = share - gained, at - self._started
        if worked <= 0 or passed < SHORTEST_FORECAST_S:
            return
        pace = _measured(passed / worked, 1.0, worked / (total - gained))
        rest = self._weights.get(stage, 0.0) * (1 - part)
        here, own = at - self._stage_started, pace * rest
        if part > 0 and stage == self.stage and stage not in self._reused and here >= SHORTEST_FORECAST_S:
            own = _measured(here * (1 - part) / part, own, part)
        self.remaining_s = own + pace * max(0.0, total - share - rest)


def _measured(value: float, expected: float, part: float) -> float:
    """A value that was measured over a part of what it is of, drawn to what is expected where that is little."""
    trust = min(1.0, part / ENOUGH)
    return trust * value + (1 - trust) * expected
