"""The whole job on real files: plan, run, result."""

import hashlib
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from pxr import Usd, UsdSkel

from engine import run as engine_run
from engine.config import RunConfig
from engine.errors import ConfigError, EngineError, NothingToFill, RunCancelled
from engine.events import Event, Note, RunFailed, RunFinished, Telemetry, from_json_line
from engine.runs.workspace import read_settings
from usd_io.errors import StageNotFoundError, UsdIoError

QuickConfig = partial(RunConfig, preview=False, report=False)
"""Previews take most of the time of a small run, and are tested elsewhere."""
KEYS = (0, 12, 24, 36, 48, 60, 72, 82)


@pytest.fixture
def fox_keys(data: Path) -> str:
    return str(data / "edge" / "fox_survey_keys.usda")


@pytest.fixture
def fox_truth(data: Path) -> str:
    return str(data / "fox" / "fox.usdc")


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def world_joints(stage_path: str, skeleton: str, time: float) -> np.ndarray:
    """Joint positions as UsdSkel sees them."""
    stage = Usd.Stage.Open(stage_path)
    query = UsdSkel.Cache().GetSkelQuery(UsdSkel.Skeleton(stage.GetPrimAtPath(skeleton)))
    return np.array(query.ComputeJointSkelTransforms(time))[:, 3, :3]


@pytest.mark.slow
def test_fox_keys_become_motion_that_equals_the_keys(fox_keys: str, data: Path, tmp_path: Path) -> None:
    before = hashes(data)
    result = engine_run.run(QuickConfig(stage=fox_keys, out=str(tmp_path / "run")))
    assert hashes(data) == before
    for key in KEYS:
        at_source = world_joints(fox_keys, "/Fox/Skeleton", key)
        np.testing.assert_array_equal(world_joints(result.result, "/Fox/Skeleton", key), at_source)
    layer = Usd.Stage.Open(result.layer)
    animation = layer.GetPrimAtPath("/Fox/Anim/Survey_inbetween")
    assert animation.GetAttribute("rotations").GetTimeSamples() == list(range(83))
    assert result.scores["/Fox/Skeleton"]["key_error"] == 0


def test_run_folder_tells_the_whole_story(fox_keys: str, tmp_path: Path) -> None:
    events: list[Event] = []
    config = RunConfig(stage=fox_keys, out=str(tmp_path / "run"))
    result = engine_run.run(config, events.append)
    folder = tmp_path / "run"
    assert read_settings(folder) == config
    assert json.loads((folder / "state.json").read_text())["state"] == "done"
    assert json.loads((folder / "report.json").read_text())["result"] == Path(result.result).name
    written = [from_json_line(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [type(entry[0]) for entry in written if entry] == [type(event) for event in events]
    assert isinstance(events[-1], RunFinished)


def test_stages_come_in_order(fox_keys: str, tmp_path: Path) -> None:
    events: list[Event] = []
    engine_run.run(QuickConfig(stage=fox_keys, out=str(tmp_path / "run")), events.append)
    names = [type(event).__name__ for event in events if not isinstance(event, Note | Telemetry)]
    assert names[:3] == ["RunStarted", "PlanReady", "StageStarted"]
    started = [event.stage for event in events if type(event).__name__ == "StageStarted"]  # type: ignore[union-attr]
    assert started == ["fill", "score", "author", "check"]


def test_score_against_the_truth_names_slerp_and_spline(
    fox_keys: str, fox_truth: str, tmp_path: Path
) -> None:
    result = engine_run.run(QuickConfig(stage=fox_keys, truth=fox_truth, out=str(tmp_path / "run")))
    truth = result.scores["/Fox/Skeleton"]["truth"]
    assert truth.keys() == {"auto", "slerp", "spline"}
    assert 0 < truth["auto"]["l2p"] < 0.05
    assert truth["auto"]["key_error"] < 1e-6


def test_remaking_part_of_a_dense_clip_is_scored_against_it(fox_truth: str, tmp_path: Path) -> None:
    config = QuickConfig(stage=fox_truth, context=((10, 58),), keys=(58, 82), out=str(tmp_path / "run"))
    result = engine_run.run(config)
    scores = result.scores["/Fox/Skeleton"]
    assert scores["truth"]["slerp"]["l2p"] == pytest.approx(0.0341, abs=6e-5)
    for time in (0, 10, 40, 58, 82):
        was = world_joints(fox_truth, "/Fox/Skeleton", time)
        np.testing.assert_array_equal(world_joints(result.result, "/Fox/Skeleton", time), was)


def test_locked_joints_keep_what_is_authored(fox_truth: str, tmp_path: Path) -> None:
    config = QuickConfig(
        stage=fox_truth, keys=(0, 40, 82), lock=("b_Tail*",), prior="hold", out=str(tmp_path / "run")
    )
    result = engine_run.run(config)

    def locals_at(path: str, time: float) -> tuple[list[str], np.ndarray]:
        stage = Usd.Stage.Open(path)
        query = UsdSkel.Cache().GetSkelQuery(UsdSkel.Skeleton(stage.GetPrimAtPath("/Fox/Skeleton")))
        return list(query.GetJointOrder()), np.array(query.ComputeJointLocalTransforms(time))

    joints, was = locals_at(fox_truth, 20)
    _, made = locals_at(result.result, 20)
    tail = np.array(["b_Tail" in joint.rsplit("/", 1)[-1] for joint in joints])
    assert tail.sum() == 3
    np.testing.assert_allclose(made[tail], was[tail], atol=1e-5)
    assert np.abs(made[~tail] - was[~tail]).max() > 0.01


def test_several_skeletons_are_filled_in_one_run(arm_pair: Path, tmp_path: Path) -> None:
    result = engine_run.run(QuickConfig(stage=str(arm_pair), out=str(tmp_path / "run")))
    assert set(result.scores) == {"/World/Left/Skel", "/World/Right/Skel"}
    assert [len(plan["gaps"]) for plan in result.plan] == [2, 2]


def test_skeleton_that_the_times_do_not_suit_is_left_out_with_a_note(arm_pair: Path) -> None:
    planned = engine_run.plan(QuickConfig(stage=str(arm_pair), keys=(1, 9)))
    assert [plan.skeleton_path for plan in planned.plans] == ["/World/Left/Skel"]
    assert "/World/Right/Skel: key 1 lies outside" in planned.notes[0]
    with pytest.raises(ConfigError, match="/World/Right/Skel"):
        engine_run.plan(QuickConfig(stage=str(arm_pair), keys=(1, 9), skeletons=("/World/Right/Skel",)))


def test_default_folder_lies_beside_the_stage_and_is_numbered(two_bone_arm: Path) -> None:
    folders = [Path(engine_run.run(QuickConfig(stage=str(two_bone_arm))).run) for _ in range(2)]
    assert [folder.name for folder in folders] == ["two_bone_arm_inbetween", "two_bone_arm_inbetween_002"]
    assert folders[0].parent == two_bone_arm.parent


def test_no_number_left_for_the_default_folder(two_bone_arm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.runs.workspace.MOST_FOLDERS", 2)
    for name in ("two_bone_arm_inbetween", "two_bone_arm_inbetween_002"):
        (two_bone_arm.parent / name).mkdir()
    with pytest.raises(ConfigError, match=r"all numbered ones up to 2 are taken"):
        engine_run.plan(QuickConfig(stage=str(two_bone_arm)))


def test_existing_result_is_kept_unless_forced(two_bone_arm: Path, tmp_path: Path) -> None:
    config = QuickConfig(stage=str(two_bone_arm), out=str(tmp_path / "run"))
    engine_run.run(config)
    before = hashes(tmp_path / "run")
    with pytest.raises(ConfigError, match="have it replaced"):
        engine_run.run(config)
    assert hashes(tmp_path / "run") == before
    engine_run.run(QuickConfig(stage=str(two_bone_arm), out=str(tmp_path / "run"), force=True))


def test_same_settings_give_the_same_layer(fox_keys: str, tmp_path: Path) -> None:
    first, second = (engine_run.run(QuickConfig(stage=fox_keys, out=str(tmp_path / name))) for name in "ab")
    stages = [Usd.Stage.Open(r.layer) for r in (first, second)]
    a, b = (stage.GetPrimAtPath("/Fox/Anim/Survey_inbetween") for stage in stages)
    for time in (1, 30, 81):
        for name in ("translations", "rotations", "scales"):
            assert a.GetAttribute(name).Get(time) == b.GetAttribute(name).Get(time)


def test_cancelled_run_leaves_no_result(fox_keys: str, tmp_path: Path) -> None:
    events: list[Event] = []
    with pytest.raises(RunCancelled):
        engine_run.run(
            QuickConfig(stage=fox_keys, out=str(tmp_path / "run")), events.append, cancel=lambda: True
        )
    assert json.loads((tmp_path / "run" / "state.json").read_text())["state"] == "cancelled"
    assert not list((tmp_path / "run").glob("*.usd*"))
    assert events[-1] == RunFailed(events[-1].message, 130)  # type: ignore[union-attr]


def test_dense_clip_alone_has_nothing_to_fill(fox_truth: str) -> None:
    with pytest.raises(NothingToFill, match="/Fox/Skeleton: nothing to fill"):
        engine_run.plan(QuickConfig(stage=fox_truth))


def test_truth_of_another_rig_is_refused(fox_keys: str, two_bone_arm: Path, tmp_path: Path) -> None:
    with pytest.raises((EngineError, UsdIoError), match="Skel"):
        engine_run.run(QuickConfig(stage=fox_keys, truth=str(two_bone_arm), out=str(tmp_path / "run")))
    assert not list((tmp_path / "run").glob("*.usd*"))


def test_inspect_shows_keys_and_joints_without_weight(fox_keys: str) -> None:
    report = engine_run.inspect(fox_keys)
    (fox,) = report.skeletons
    assert fox.sparse == KEYS
    assert fox.dense == ()
    assert (fox.joint_count, len(fox.unobservable)) == (24, 2)
    assert (report.up_axis, report.meters_per_unit, report.frame_rate) == ("Y", 0.01, 24)


def test_inspect_names_the_keys_of_the_plan() -> None:
    shot = str(Path(__file__).parents[2] / "examples" / "boxer" / "shot.usda")
    (boxer,) = engine_run.inspect(shot).skeletons
    (plan,) = engine_run.plan(QuickConfig(stage=shot)).plans
    assert boxer.keys == plan.keys == (216, 246, 276, 306)
    assert boxer.sparse == (246, 276, 306)


def test_inspect_shows_what_it_can_of_a_stage_without_skeletons(tmp_path: Path) -> None:
    path = tmp_path / "empty.usda"
    Usd.Stage.CreateNew(str(path)).Save()
    assert engine_run.inspect(str(path)).skeletons == ()


def test_missing_stage_is_named() -> None:
    with pytest.raises(StageNotFoundError, match=r"no_such\.usda"):
        engine_run.plan(QuickConfig(stage="no_such.usda"))
