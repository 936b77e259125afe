"""Events as JSON lines, and the rate of progress."""

import json

import pytest

from engine.errors import RunCancelled
from engine.events import (
    Event,
    Note,
    PlanReady,
    PreviewWritten,
    RunFailed,
    RunFinished,
    RunStarted,
    StageFinished,
    StageProgress,
    StageStarted,
    from_json_line,
    to_json_line,
)
from engine.progress import Progress

ALL: list[Event] = [
    RunStarted("runs/1", {"stage": "a.usd", "keys": [1.0]}),
    PlanReady(({"skeleton_path": "/A", "keys": [0.0]},)),
    StageStarted("fill"),
    StageProgress("fill", 1, 3, {"loss": 0.5}),
    PreviewWritten("preview", "preview.mp4"),
    Note("warning", "text with \u202e and \n newline"),
    StageFinished("fill", 1.5),
    RunFinished("a.usda", "a.usdc", {"/A": {"key_error": 0.0}}, 2.0),
    RunFailed("no stage", 2),
]


@pytest.mark.parametrize("event", ALL, ids=lambda e: type(e).__name__)
def test_an_event_survives_its_line(event: Event) -> None:
    line = to_json_line(event, 12.3456)
    assert "\n" not in line
    assert from_json_line(line) == (event, 12.346)


@pytest.mark.parametrize(
    "line", ["", "{", '{"event": "StageStar', "[]", "3", '{"event": "Later", "time": 1}', "null"]
)
def test_torn_and_unknown_lines_are_skipped(line: str) -> None:
    assert from_json_line(line) is None


def test_fields_of_a_newer_version_are_ignored() -> None:
    line = json.dumps({"event": "StageStarted", "time": 1, "stage": "fill", "mood": "good"})
    assert from_json_line(line) == (StageStarted("fill"), 1.0)


def test_progress_is_rate_limited_but_never_drops_the_last_step() -> None:
    events: list[Event] = []
    progress = Progress(events.append)
    with progress.stage("fill"):
        for i in range(1000):
            progress.step(i + 1, 1000)
    steps = [event for event in events if isinstance(event, StageProgress)]
    assert steps[-1].done == 1000
    assert len(steps) < 100
    assert events[0] == StageStarted("fill")
    assert isinstance(events[-1], StageFinished)


def test_cancel_stops_at_the_next_step() -> None:
    asked = False
    progress = Progress(cancel=lambda: asked)
    with progress.stage("fill"):
        progress.step(1, 3)
        asked = True
        with pytest.raises(RunCancelled):
            progress.step(2, 3)
