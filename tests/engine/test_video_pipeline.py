"""The video engine as a run does it: stages, files, what is reused, what is refused."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from engine import run as engine_run
from engine import video_pipeline as video_run
from engine.config import RunConfig
from engine.errors import ConfigError, DataError, OutOfMemory, ResourceMissing, RunCancelled
from engine.events import Event, Note, StageProgress, StageReused, StageStarted
from engine.files.video import Video
from engine.mimic.settings import MimicSettings
from engine.pipeline import RunResult
from engine.planning.plan import Gap, Plan
from engine.progress import StageReached
from engine.scene import footage
from engine.stages import estimate_joints
from engine.video.backends import Backend, backend
from tests.engine.fading import Fading
from tests.engine.few import Few

CONTEXT, KEYS = ((0.0, 40.0),), (50.0, 60.0)
FIRST, LAST, RATE = 40.0, 60.0, 12.0
"""Time codes that the video shows, at 24 a second."""


@pytest.fixture(scope="module")
def fox(request: pytest.FixtureRequest) -> str:
    return str(Path(__file__).parents[1] / "data" / "fox" / "fox.usdc")


@pytest.fixture(scope="module")
def drawn(fox: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The true motion, seen from the front."""
    from engine.render_command.config import RenderConfig
    from engine.render_command.run import render_stage

    folder = tmp_path_factory.mktemp("drawn")
    times = tuple(np.arange(FIRST, LAST + 1, 24 / RATE).tolist())
    render_stage(RenderConfig(fox, str(folder), times=times, views=("front",), size=(48, 80)))
    return folder


@pytest.fixture(autouse=True, scope="module")
def quick() -> Iterator[None]:
    """Little work."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(video_run, "EstimatorSettings", Few)
        monkeypatch.setattr(video_run, "MimicSettings", partial(MimicSettings, heights=(24,), steps=2))
        monkeypatch.setattr(estimate_joints, "CHECK_POSES", 4)
        yield


@pytest.fixture
def config(fox: str, drawn: Path, tmp_path: Path) -> RunConfig:
    return given_video(fox, drawn, tmp_path)


@dataclass(frozen=True)
class Whole:
    """A run that was not stopped, and what it told."""

    result: RunResult
    events: list[Event]
    layer: bytes


@pytest.fixture(scope="module")
def whole(fox: str, drawn: Path, quick: None, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """The run of a given video, for all to look at."""
    events: list[Event] = []
    result = engine_run.run(given_video(fox, drawn, tmp_path_factory.mktemp("whole")), events.append)
    return Whole(result, events, Path(result.layer).read_bytes())


def given_video(fox: str, drawn: Path, folder: Path) -> RunConfig:
    return RunConfig(
        stage=fox,
        context=CONTEXT,
        keys=KEYS,
        engine="video",
        prior="slerp",
        video=str(drawn / "front"),
        video_fps=RATE,
        camera=str(drawn / "render.json"),
        out=str(folder / "run"),
        preview=False,
        report=False,
    )


def stages(events: list[Event]) -> list[str]:
    return [event.stage for event in events if isinstance(event, StageStarted)]


@pytest.mark.slow
def test_a_given_video_is_fitted_scored_and_authored(whole: Whole) -> None:
    result, events = whole.result, whole.events
    assert stages(events) == ["fill", "estimate_joints", "mimic", "score", "author", "check"]
    losses = [e.values["loss"] for e in events if isinstance(e, StageProgress) and "loss" in e.values]
    assert len(losses) >= 4
    (scores,) = result.scores.values()
    assert scores["prior"] == "video"
    assert scores["key_error"] == 0
    assert set(scores["truth"]) == {"video", "slerp", "spline"}
    assert scores["confidence"]["mean"] < 1
    provenance = json.loads((Path(result.run) / "report.json").read_text())
    assert provenance["scores"]["/Fox/Skeleton"]["prior"] == "video"


@pytest.mark.slow
def test_a_second_time_nothing_is_done_again_not_even_what_lies_behind_is_drawn(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[Event] = []
    monkeypatch.setattr(footage, "seen_backdrop", lambda *_: pytest.fail("drawn for nothing"))
    again = engine_run.resume(Path(whole.result.run), events.append)
    assert Path(again.layer).read_bytes() == whole.layer
    assert [e.stage for e in events if isinstance(e, StageReused)] == stages(events)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["estimate_joints", "mimic"])
def test_stopped_in_a_long_stage_it_goes_on_to_the_same_layer(
    config: RunConfig, stage: str, whole: Whole
) -> None:
    steps: list[int] = []

    def note(event: Event) -> None:
        if isinstance(event, StageProgress) and event.stage == stage:
            steps.append(event.done)

    with pytest.raises(RunCancelled):
        engine_run.run(config, note, lambda: bool(steps))
    assert Path(engine_run.resume(Path(config.out)).layer).read_bytes() == whole.layer


@pytest.mark.slow
def test_a_generating_run_with_a_few_step_lora_goes_on_to_the_same_layer(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.engine.video.pipelines import save_wan_vace

    save_wan_vace(tmp_path / "models" / "wan-vace")
    monkeypatch.setenv("ANYMOLE_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(video_run, "backend", partial(backend, device="cpu"))
    lora, layer = tmp_path / "few.safetensors", "diffusion_model.blocks.0.self_attn.q"
    generator = torch.Generator().manual_seed(1)
    shapes = {"lora_down": (2, 24), "lora_up": (24, 2)}
    save_file({f"{layer}.{k}.weight": torch.randn(s, generator=generator) for k, s in shapes.items()}, lora)
    config = replace(
        config,
        video="",
        video_fps=0.0,
        camera="",
        model="wan-vace",
        resolution=(32, 48),
        adapt="off",
        few_step_lora=(f"{lora}@{sha256(lora.read_bytes()).hexdigest()}",),
    )
    steps: list[int] = []

    def note(event: Event) -> None:
        if isinstance(event, StageProgress) and event.stage == "generate":
            steps.append(event.done)

    whole = engine_run.run(replace(config, out=str(tmp_path / "whole")), note)
    assert max(steps) == 4  # without the LoRA it is 50
    steps.clear()
    with pytest.raises(RunCancelled):
        engine_run.run(config, note, lambda: bool(steps))
    assert not (Path(config.out) / "artefacts" / "video-1.npz").exists()
    resumed = engine_run.resume(Path(config.out))
    assert Path(resumed.layer).read_bytes() == Path(whole.layer).read_bytes()


@pytest.mark.slow
def test_a_run_can_stop_after_a_stage_and_go_on(config: RunConfig) -> None:
    folder = engine_run.prepare(config)
    with pytest.raises(StageReached):
        engine_run.resume(folder, until="estimate_joints")
    assert json.loads((folder / "state.json").read_text())["state"] == "waiting"
    assert (folder / "artefacts" / "estimator.safetensors").is_file()
    events: list[Event] = []
    engine_run.resume(folder, events.append)
    assert StageReused("estimate_joints") in events
    with pytest.raises(ConfigError, match=r"no stage .*adapt"):
        engine_run.advance(folder, "adapt")


def test_a_video_that_ends_early_is_refused(config: RunConfig) -> None:
    with pytest.raises(ConfigError, match=r"shows 52 to .* wanted from 40 to 60.* its beginning"):
        engine_run.run(replace(config, video_offset=0.5))


def test_a_camera_of_another_aspect_is_refused(config: RunConfig, tmp_path: Path) -> None:
    camera = json.loads(Path(config.camera).read_text())
    camera["views"][0]["cameras"]["width"] = 48
    (tmp_path / "render.json").write_text(json.dumps(camera))
    with pytest.raises(DataError, match="is of 48 x 48 pixels; the video has 80 x 48"):
        engine_run.run(replace(config, camera=str(tmp_path / "render.json")))


@pytest.mark.parametrize("text", ["", "[]", '{"views": []}', '{"views": [{"cameras": 1}]}', "[" * 5000])
def test_a_camera_file_that_is_none_is_refused(config: RunConfig, tmp_path: Path, text: str) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(DataError, match=r"no render\.json"):
        engine_run.run(replace(config, camera=str(tmp_path / "c.json")))


def test_without_weights_the_missing_is_named_before_any_work(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYMOLE_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    events: list[Event] = []
    with pytest.raises(ResourceMissing, match="dynamicrafter"):
        engine_run.run(replace(config, video="", video_fps=0.0, camera=""), events.append)
    assert stages(events) == []


@pytest.mark.slow
def test_exhausted_memory_ends_in_code_5_and_what_was_done_is_kept(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Fading()
    monkeypatch.setattr(video_run, "backend", lambda *args, **kwargs: model)
    config = replace(config, video="", video_fps=0.0, camera="", model="tiny")
    whole = model.generate

    def exhausted(*args: Any, **kwargs: Any) -> Video:
        raise OutOfMemory("Memory of the device ran out; try --memory low.")

    monkeypatch.setattr(model, "generate", exhausted)
    with pytest.raises(OutOfMemory, match="memory low"):
        engine_run.run(config)
    state = json.loads((Path(config.out) / "state.json").read_text())
    assert (state["state"], state["exit_code"]) == ("failed", 5)
    monkeypatch.setattr(model, "generate", whole)
    events: list[Event] = []
    engine_run.resume(Path(config.out), events.append)
    assert [e.stage for e in events if isinstance(e, StageReused)] == ["fill", "render", "adapt"]


def test_one_video_is_one_take(config: RunConfig) -> None:
    with pytest.raises(ConfigError, match="one take, not 2"):
        replace(config, takes=2)


def test_the_tiny_model_goes_the_whole_way_also_without_context(data: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    stage = str(data / "edge" / "fox_survey_keys.usda")
    config = RunConfig(stage=stage, keys=(0.0, 12.0, 24.0), engine="video", model="tiny", prior="slerp")
    config = replace(config, out=str(tmp_path / "run"), preview=False, report=False, takes=2)
    result = engine_run.run(config, events.append)
    fitted = ["render", "adapt", "generate", "estimate_joints", "mimic"]
    assert stages(events) == ["fill", *fitted, "score", "author", "check"]
    assert any(isinstance(e, Note) and "not adapted" in e.text for e in events)
    (scores,) = result.scores.values()
    assert [take["key_error"] for take in scores["takes"]] == [0, 0]
    assert (tmp_path / "run" / "generated-2.mp4").is_file()
    first = Path(result.layer).read_bytes()
    events.clear()
    again = engine_run.resume(tmp_path / "run", events.append)
    assert Path(again.layer).read_bytes() == first
    reused = [e.stage for e in events if isinstance(e, StageReused)]
    assert set(fitted) - {"adapt"} <= set(reused)


def test_a_gap_that_the_model_does_not_hold_at_once_is_refused_with_keys_that_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    stand_in = video_run.backend("tiny")

    def model(name: str, **_: Any) -> Backend:
        asked.append(name)
        return stand_in

    monkeypatch.setattr(video_run, "backend", model)
    plan = Plan("/A", ((0, 20),), (20, 320), (Gap(20, 320, (21.0,)),))
    wan = RunConfig("a.usda", model="wan-vace")
    with pytest.raises(
        ConfigError, match=r"gap 20 to 320 is longer than the 122.4 .* at 120, 220 for example"
    ):
        video_run.check_ready(wan, [plan], 24.0)
    assert not asked
    video_run.check_ready(wan, [plan], 60.0)  # 5 s
    video_run.check_ready(replace(wan, model="dynamicrafter"), [plan], 24.0)
    assert asked == ["wan-vace", "dynamicrafter"]


def test_longest_gaps_are_those_that_one_call_holds() -> None:
    from engine.video.backends import ltx, ltx2, wan_vace
    from engine.video.backends.calls import intervals
    from engine.video.catalogue.models import card

    for name, rules in (("wan-vace", wan_vace.RULES), ("ltx", ltx.RULES), ("ltx2", ltx2.RULES)):
        longest = card(name).longest_gap_s

        def frames(seconds: float, rules: Any = rules) -> int:
            return 1 + intervals((0.0, seconds), rules) + (rules.group - 1 if rules.pause else 0)

        assert frames(longest) <= rules.most < frames(longest + 0.1)
