"""Progress of a run stage, rate-limited at the source, and the way to stop a run."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from engine.errors import RunCancelled
from engine.events import Note, OnEvent, PlanReady, StageFinished, StageProgress, StageStarted, ignore

SHORTEST_INTERVAL_S = 0.1
"""At most ten progress events a second leave a stage."""


def never() -> bool:
    """A ``cancel`` that never asks to stop."""
    return False


class Progress:
    """Handed to a run stage; ``step`` reports and raises :class:`RunCancelled` when asked to stop."""

    def __init__(self, on_event: OnEvent = ignore, cancel: Callable[[], bool] = never) -> None:
        self._on_event = on_event
        self._cancel = cancel
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

    def step(self, done: int, total: int, **values: float) -> None:
        """Report that ``done`` of ``total`` steps of the stage are complete."""
        self.check()
        now = time.monotonic()
        if done >= total or now - self._last >= SHORTEST_INTERVAL_S:
            self._last = now
            self._on_event(StageProgress(self._stage, done, total, values))

    def tell_plan(self, plans: tuple[Mapping[str, Any], ...]) -> None:
        """Show what will be done before it is done."""
        self._on_event(PlanReady(plans))

    def note(self, text: str, level: str = "info") -> None:
        """Tell the user something."""
        self._on_event(Note(level, text))

    def check(self) -> None:
        """Stop here when the user asked for it."""
        if self._cancel():
            raise RunCancelled("the run was cancelled; nothing was written beside its folder.")
