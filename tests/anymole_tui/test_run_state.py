"""A run folded from its events: what has happened, however damaged the log is."""

import math
from dataclasses import MISSING, fields
from typing import Any

import pytest

from anymole_tui.run_state import MOST_LINES, MOST_NAMES, MOST_VALUES, RunStory
from engine.events import (
    Event,
    Note,
    PreviewWritten,
    RunFailed,
    RunFinished,
    RunStarted,
    StageFinished,
    StageProgress,
    StageReused,
    StageStarted,
)

START = RunStarted("run", {"prior": "auto"}, {"fill": 5.0, "score": 1.0}, "abcd1234")


def told(*events: Event) -> RunStory:
    story = RunStory()
    for at, event in enumerate(events):
        story.take(event, float(at))
    return story


def test_stages_go_from_waiting_to_done() -> None:
    story = told(START, StageStarted("fill"), StageProgress("fill", 3, 9, {"loss": 0.5}))
    assert [stage.state for stage in story.stages.values()] == ["working", "waiting"]
    assert story.working is story.stages["fill"]
    assert (story.stages["fill"].done, story.stages["fill"].total) == (3, 9)
    story.take(StageFinished("fill", 2.5), 9.0)
    assert (story.stages["fill"].state, story.stages["fill"].seconds) == ("done", 2.5)
    assert story.working is None


def test_stage_that_was_reused_says_so() -> None:
    story = told(START, StageStarted("fill"), StageReused("fill"), StageFinished("fill", 0.0))
    assert story.stages["fill"].state == "as before"


def test_series_keep_their_order_and_are_thinned_out() -> None:
    story = told(START, StageStarted("fill"))
    for step in range(3 * MOST_VALUES):
        story.take(StageProgress("fill", step, 0, {"loss": float(step)}), 1.0)
    values = story.stages["fill"].series["loss"]
    assert len(values) <= MOST_VALUES
    assert values == sorted(values)
    assert values[-1] == 3 * MOST_VALUES - 1


def test_resumed_run_begins_anew_and_keeps_its_log() -> None:
    story = told(START, Note("warning", "first"), RunFailed("stopped", 130), START)
    assert story.outcome is None
    assert "first" in [line.text for line in story.log]


def test_end_is_the_outcome() -> None:
    finished = RunFinished("r.usda", "l.usdc", {}, 2.0)
    assert told(START, finished).outcome is finished
    assert told(START, StageStarted("fill"), RunFailed("disk full", 1)).log[-1].level == "error"


def test_log_of_a_long_run_is_bounded() -> None:
    story = told(START)
    for number in range(MOST_LINES + 50):
        story.take(Note("info", str(number)), 1.0)
    assert len(story.log) == MOST_LINES
    assert story.told == MOST_LINES + 51


def forged(kind: type[Any], **values: Any) -> Any:
    """An event as a damaged log gives it: of its kind, with values of any type."""
    event = object.__new__(kind)
    for field in fields(kind):
        default = None if field.default is MISSING else field.default
        object.__setattr__(event, field.name, values.get(field.name, default))
    return event


def test_events_that_make_no_sense_are_survived() -> None:
    broken = [
        forged(RunStarted, weights={"fill": "x"}),
        forged(RunStarted, settings={}),
        forged(StageProgress, stage="fill", done="a", values=7),
        forged(StageProgress, stage="fill", done=1, total=2, values={"loss": "high"}),
        forged(StageFinished, seconds="long"),
        forged(PreviewWritten, path=None),
        forged(StageStarted, stage=["fill"]),
        forged(RunFinished, result="r", seconds=None),
    ]
    story = told(START, *broken, StageStarted("score"))
    assert story.stages["score"].state == "working"


def test_flood_of_names_is_held_back() -> None:
    story = told(START, StageStarted("fill"))
    for number in range(3 * MOST_NAMES):
        story.take(StageStarted(f"s{number}"), 1.0)
        story.take(StageProgress("fill", 1, 2, {f"v{number}": math.inf}), 1.0)
    assert len(story.stages) == MOST_NAMES
    assert len(story.stages["fill"].series) == MOST_NAMES
    assert all(math.isnan(v) for values in story.stages["fill"].series.values() for v in values)


@pytest.mark.parametrize(("code", "level"), [(130, "stage"), (143, "stage"), (1, "error"), (5, "error")])
def test_what_somebody_wanted_to_end_is_no_error(code: int, level: str) -> None:
    story = RunStory()
    story.take(RunFailed("stopped by the user.", code), 1.0)
    assert story.log[-1].level == level
    assert story.was_stopped is (level == "stage")
