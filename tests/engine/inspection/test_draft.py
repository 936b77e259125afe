"""A draft plans and expects what the run then does and reports."""

from pathlib import Path

import pytest

from engine import run as engine_run
from engine.config import RunConfig
from engine.errors import ConfigError, RunCancelled
from engine.inspection.draft import Draft


@pytest.fixture
def walk(data: Path) -> RunConfig:
    return RunConfig(
        stage=str(data / "fox" / "fox_survey.usda"),
        context=((0, 48),),
        keys=(58, 70),
        prior="spline",
        preview=False,
    )


def test_plans_as_the_run_does(walk: RunConfig) -> None:
    assert Draft(walk.stage).plan(walk).plans == engine_run.plan(walk).plans


def test_reads_the_stage_once(walk: RunConfig, tmp_path: Path) -> None:
    draft = Draft(walk.stage)
    assert draft.plan(walk).shot.motions[0] is draft.plan(walk).shot.motions[0]


def test_expects_what_the_run_reports(walk: RunConfig, tmp_path: Path) -> None:
    from dataclasses import asdict, replace

    from engine.files.json_values import as_json

    draft = Draft(walk.stage)
    (test,) = draft.expect(walk, draft.plan(walk)).values()
    (scores,) = engine_run.run(replace(walk, out=str(tmp_path / "run"))).scores.values()
    assert test.expected_l2p is not None
    assert as_json(asdict(test)) == scores["self_test"]


def test_stops_between_predictions(walk: RunConfig) -> None:
    draft = Draft(walk.stage)
    with pytest.raises(RunCancelled):
        draft.expect(walk, draft.plan(walk), lambda: True)


def test_says_what_cannot_be_planned(walk: RunConfig) -> None:
    from dataclasses import replace

    with pytest.raises(ConfigError, match="outside"):
        Draft(walk.stage).plan(replace(walk, keys=(58, 900)))
