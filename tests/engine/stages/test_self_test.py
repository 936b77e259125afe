"""The video engine on a hidden piece of the context: what it compares, and what a run makes of it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from anymole_tui.run_report import UNCHANGED, run_report
from engine import run as engine_run
from engine import video_pipeline as video_run
from engine.config import RunConfig
from engine.errors import ConfigError, RunCancelled
from engine.events import Event, Note, StageProgress, StageReused, StageStarted
from engine.geometry.metrics import height
from engine.mimic.settings import MimicSettings
from engine.pipeline import RunResult
from engine.priors.fill import Filled, complete
from engine.progress import Progress
from engine.scene.footage import Footage
from engine.stages import estimate_joints
from engine.stages.self_test import VideoTest, _best, variants
from tests.engine.fading import Fading
from tests.engine.few import Few

KEYS, CONTEXT = (50.0, 60.0), (20.0, 50.0)
FITTED = ["render", "adapt", "generate", "estimate_joints", "mimic"]


@dataclass(frozen=True)
class Fewer(Few):
    """Even less: a test trains twice."""

    steps: int = 2


@pytest.fixture(scope="module")
def fox(request: pytest.FixtureRequest) -> str:
    return str(Path(__file__).parents[2] / "data" / "fox" / "fox.usdc")


@pytest.fixture
def config(fox: str, tmp_path: Path) -> RunConfig:
    return settings(fox, tmp_path / "run")


def settings(fox: str, out: Path) -> RunConfig:
    return RunConfig(
        stage=fox,
        context=(CONTEXT,),
        keys=KEYS,
        engine="video",
        model="tiny",
        prior="slerp",
        out=str(out),
        preview=False,
        report=False,
        self_test=True,
    )


def make_quick(monkeypatch: pytest.MonkeyPatch) -> Fading:
    """Little work."""
    made = Fading()
    monkeypatch.setattr(video_run, "backend", lambda *args, **kwargs: made)
    monkeypatch.setattr(video_run, "EstimatorSettings", Fewer)
    monkeypatch.setattr(video_run, "MimicSettings", partial(MimicSettings, heights=(24,), steps=2))
    monkeypatch.setattr(estimate_joints, "CHECK_POSES", 4)
    return made


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Fading:
    return make_quick(monkeypatch)


@dataclass(frozen=True)
class Whole:
    """A run that nothing has stopped."""

    result: RunResult
    events: list[Event]
    asked: list[tuple[str, list[float]]]


@pytest.fixture(scope="module")
def whole(fox: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    events: list[Event] = []
    with pytest.MonkeyPatch.context() as monkeypatch:
        model = make_quick(monkeypatch)
        result = engine_run.run(settings(fox, tmp_path_factory.mktemp("whole")), events.append)
        yield Whole(result, events, model.asked)


def stages(events: list[Event]) -> list[str]:
    return [event.stage for event in events if isinstance(event, StageStarted)]


def test_a_piece_of_the_context_is_filled_and_both_engines_errors_are_told(whole: Whole) -> None:
    events = whole.events
    assert stages(events) == ["fill", "self_test", *FITTED, "score", "author", "check"]
    (scores,) = whole.result.scores.values()
    test = scores["video_test"]
    assert (test["start"], test["end"], test["frames"]) == (40, 50, 9)
    assert set(test["errors"]) == {"video", "slerp", "spline"}
    assert all(each["l2p"] > 0 for each in test["errors"].values())
    assert "hidden frames of the context, 40 to 50" in run_report(whole.result, metrics=True)
    assert any(isinstance(e, Note) and "hidden frames 40 to 50" in e.text for e in events)
    done = [e.done for e in events if isinstance(e, StageProgress) and e.stage == "self_test"]
    assert done == sorted(done)
    assert done[-1] == 1000


def test_what_is_hidden_is_not_looked_at(whole: Whole) -> None:
    tested, own = whole.asked[:2], whole.asked[2:]
    for stage, times in tested:
        assert not [t for t in times if 40 < t < 50], stage
        assert max(times) <= 50
    assert [stage for stage, _ in own] == ["adapt", "generate"]
    assert any(40 < t < 50 for t in own[0][1])


def test_a_test_that_was_stopped_goes_on_and_one_that_is_done_is_not_done_again(
    whole: Whole, config: RunConfig, model: Fading
) -> None:
    seen: list[Event] = []

    def late() -> bool:
        return any(isinstance(e, StageProgress) and e.done > 700 for e in seen)

    with pytest.raises(RunCancelled):
        engine_run.run(config, seen.append, late)
    assert stages(seen) == ["fill", "self_test"]
    again = engine_run.resume(Path(config.out), seen.append)
    assert [stage for stage, _ in model.asked] == ["adapt", "generate"] * 2
    for name in ("mimic-1.npz", "self_test/mimic-1.npz", "self_test/score.json"):
        own, other = (Path(run) / "artefacts" / name for run in (again.run, whole.result.run))
        assert own.read_bytes() == other.read_bytes()
    seen.clear()
    engine_run.resume(Path(config.out), seen.append)
    assert StageReused("self_test") in seen
    assert len(model.asked) == 4


def test_the_run_itself_is_the_same_without_its_test(whole: Whole, fox: str, model: Fading) -> None:
    events: list[Event] = []
    config = replace(settings(fox, Path(whole.result.run)), self_test=False)
    engine_run.resume(Path(whole.result.run), events.append, config=config)
    reused = [e.stage for e in events if isinstance(e, StageReused)]
    assert reused == ["fill", *FITTED]


@pytest.mark.parametrize("error", [0.0, 0.5])
def test_auto_takes_the_engine_that_does_better(
    config: RunConfig, model: Fading, monkeypatch: pytest.MonkeyPatch, error: float
) -> None:
    """The fit gives the truth, or it with an error [heights], whatever the video shows."""

    def fitted(footage: Footage, *args: Any, **options: Any) -> dict[str, Filled]:
        (subject,) = footage.scene.subjects
        true = subject.start.parts.hidden
        moved = true.translations.copy()
        moved[:, 0] += error * height(subject.character, subject.start.parts.known, subject.plan.keys[0])
        motion = complete(
            subject.character, subject.start.parts, subject.plan, replace(true, translations=moved)
        )
        return {subject.path: replace(subject.start, prior="video", motion=motion)}

    monkeypatch.setattr(video_run, "estimate_joints", lambda *args: None)
    monkeypatch.setattr(video_run, "fit_motion", fitted)
    events: list[Event] = []
    result = engine_run.run(replace(config, engine="auto"), events.append)
    (scores,) = result.scores.values()
    taken = "slerp" if error else "video"
    assert scores["prior"] == taken
    assert stages(events)[2:-3] == ([] if error else FITTED)
    said = [e.level for e in events if isinstance(e, Note) and "the video engine is off by" in e.text]
    assert said == ["warning" if error else "info"]


def test_without_context_the_tiny_model_is_not_taken_untested(
    config: RunConfig, model: Fading, data: Path
) -> None:
    events: list[Event] = []
    stage = str(data / "edge" / "fox_survey_keys.usda")
    result = engine_run.run(replace(config, stage=stage, context=(), keys=(), engine="auto"), events.append)
    (scores,) = result.scores.values()
    assert scores["video_test"] is None
    assert scores["prior"] == "slerp"
    assert any(isinstance(e, Note) and "was not tested" in e.text for e in events)


def test_a_given_video_cannot_be_tested(config: RunConfig) -> None:
    with pytest.raises(ConfigError, match="no hidden piece of the context"):
        replace(config, video="clip.mp4")


def test_strength_of_a_control_is_what_does_best_on_the_hidden_piece(
    fox: str, tmp_path: Path, model: Fading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The video gets better with the guess that the model is shown, up to a middle strength."""
    monkeypatch.setattr(engine_run, "_check_files", lambda *_: None)  # the model stands in for weights
    plain = settings(fox, tmp_path / "run")
    config = replace(plain, self_test=False, model="wan-vace", control="depth")
    assert [(c.control, c.control_strength) for c in variants(config)] == [
        ("none", 0.0), ("depth", 0.3), ("depth", 0.6), ("depth", 1.0)
    ]  # fmt: skip
    assert variants(replace(config, control_strength=0.5)) == (replace(config, control_strength=0.5),)
    events: list[Event] = []
    result = engine_run.run(config, events.append)
    tried = [strength for strength, _ in model.shown]
    assert tried[:3] == [0.3, 0.6, 1.0]
    (told,) = (e.text for e in events if isinstance(e, Note) and "by strength of the control" in e.text)
    errors = {
        name: float(error) for name, error in re.findall(r"(no control|depth [\d.]+) (\d\.\d{4})", told)
    }
    assert list(errors) == ["no control", "depth 0.3", "depth 0.6", "depth 1"]
    best = min(errors, key=errors.__getitem__)
    assert f"; {best} is taken" in told
    own = tried[3:]  # of the run itself: none where no control did best
    assert own == ([] if best == "no control" else [float(best.removeprefix("depth "))])
    done = [e.done for e in events if isinstance(e, StageProgress) and e.stage == "self_test"]
    assert done == sorted(done)
    assert done[-1] == 1000
    (scores,) = result.scores.values()
    changed = scores["changed"]
    assert len(changed["joints"]) == scores["joints"]
    assert changed["joints"][0]["change"] >= changed["mean"] > 0
    report, followed = run_report(result), changed["mean"] > UNCHANGED
    assert ("from the prior's guess, most" in report) == followed
    assert ("not followed: the motion is the prior's" in report) != followed


def test_best_strength_is_that_of_least_error_and_the_middle_one_where_nothing_is_told(fox: str) -> None:
    config = RunConfig(fox, model="wan-vace", control="pose")
    tried, notes = variants(config), []
    progress = Progress(notes.append)

    def tests(error: float) -> dict[str, VideoTest]:
        return {"/A": VideoTest(0, 1, 1, {"video": {"l2p": error}})}

    assert _best(tried, [tests(e) for e in (0.2, 0.1, 0.05, 0.3)], progress) == 2
    assert _best(tried, [tests(e) for e in (0.01, 0.1, 0.05, 0.3)], progress) == 0
    assert tried[_best(tried, [{}] * 4, progress)].control_strength == 0.6
    assert [note.level for note in notes] == ["info", "info", "warning"]
