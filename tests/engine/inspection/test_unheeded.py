"""Settings that change nothing are said."""

from pathlib import Path

import numpy as np
import pytest

from engine import run as engine_run
from engine.config import RunConfig
from engine.events import Event, Note
from engine.inspection.unheeded import makes_no_video, unheeded
from engine.priors.fill import fill_motion
from engine.settings.choices import StyleName
from tests.engine.conftest import make_character, make_motion


@pytest.fixture(autouse=True)
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where no video model was fetched."""
    for variable in ("ANYMOLE_MODELS", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.setenv(variable, str(tmp_path / "empty"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, []),
        ({"style": "calm"}, []),
        ({"style": "lively", "prior": "learned"}, []),
        ({"prior": "slerp"}, []),
        ({"seed": 3, "takes": 2}, []),
        ({"seed": 3, "engine": "video"}, []),
        ({"seed": 3, "video": "film"}, []),
        (
            {"seed": 3},
            [
                "seed 3: of no effect, as the first take of the motion engine is its best estimate; only further "
                "takes are random."
            ],
        ),
        ({"engine": "video", "prompt": "a fox", "steps": 3}, []),
        ({"video": "film", "camera": "left", "solver": "paper"}, []),
        (
            {"engine": "motion", "prompt": "a fox", "camera": "left"},
            ["prompt, camera: of no effect, as the motion engine makes no video."],
        ),
        (
            {"engine": "motion", "self_test": True},
            ["self-test: of no effect, as the motion engine makes no video."],
        ),
        ({"steps": 3}, ["steps: of no effect, as the motion engine, which auto takes here, makes no video."]),
        (
            {"style": "calm", "prior": "slerp"},
            ["style calm: of no effect, as the prior slerp is left as it is."],
        ),
        (
            {"style": "lively", "prior": "spline"},
            ["style lively: as natural, since the prior spline knows one way to move only."],
        ),
    ],
)
def test_what_changes_nothing_is_said(given: dict[str, object], said: list[str]) -> None:
    assert list(unheeded(RunConfig(stage="shot.usda", **given))) == said


@pytest.mark.parametrize("style", ["calm", "natural", "lively"])
def test_the_first_take_of_the_motion_engine_has_nothing_random(style: StyleName) -> None:
    character = make_character((-1, 0, 1))
    shot = {"context": [(0, 36)], "keys": [36, 54], "takes": 2, "style": style}
    one, other = (
        fill_motion(character, make_motion(character, range(61)), seed=seed, **shot) for seed in (0, 7)
    )
    np.testing.assert_array_equal(one.motion.rotations, other.motion.rotations)
    assert not np.array_equal(one.others[0].rotations, other.others[0].rotations)


def test_the_tiny_model_makes_a_video_where_it_is_tested_first() -> None:
    assert makes_no_video(RunConfig(stage="shot.usda", model="tiny"))
    assert not makes_no_video(RunConfig(stage="shot.usda", model="tiny", self_test=True))
    assert not makes_no_video(RunConfig(stage="shot.usda", video="film"))


def test_a_run_warns_of_it(two_bone_arm: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    config = RunConfig(
        stage=str(two_bone_arm),
        out=str(tmp_path / "run"),
        engine="motion",
        prompt="an arm",
        preview=False,
        report=False,
    )
    engine_run.run(config, events.append)
    warnings = [event.text for event in events if isinstance(event, Note) and event.level == "warning"]
    assert "prompt: of no effect, as the motion engine makes no video." in warnings
