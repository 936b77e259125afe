"""Inputs after public reports, each for a kind of fault; what is right is judged by UsdSkel alone.

Nothing of the project reads the stages here but the run itself.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pxr import Gf, Sdf, Usd, UsdGeom, UsdSkel, Vt

from engine import run as engine_run
from engine.config import RunConfig
from engine.errors import ConfigError
from engine.render_command.config import RenderConfig
from engine.render_command.run import render_stage
from engine.rendering.numpy_renderer import posed_points
from tests.engine.outcome import CHANNELS, SKEL, Outcome, skinned_points
from usd_io.check.rules import check_file
from usd_io.errors import StageReadError
from usd_io.read.character import read_character
from usd_io.read.motion import read_motion

CASES = Path(__file__).parents[1] / "data/cases/usd"


def case(name: str, tmp_path: Path, **options: Any) -> Outcome:
    return Outcome(CASES / f"{name}.usda", tmp_path, **options)


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("array_edit", (1, 13, 25)),
        ("baked_channel", (1, 13, 25)),
        ("joint_names", (1, 13, 25)),
        ("quat_three_digits", (1, 13, 25)),
        ("rest_not_affine", (1, 13, 25)),
        ("rest_scale_half", (1, 13, 25)),
        ("shared_animation", (*range(1, 49), 60, 72, 84)),
        ("stepped_keys", (1, 13, 25)),
        ("unmapped_joint", (1, 13, 25)),
        ("visibility", (1, 13, 25)),
        ("weights_block", (1, 13, 25)),
    ],
)
def test_kept_samples_and_poses_are_the_source_s_to_the_last_bit(
    name: str, keys: tuple[float, ...], tmp_path: Path
) -> None:
    done = case(name, tmp_path)
    for time in (*keys, keys[0] - 3, keys[-1] + 3):
        assert done.differs(SKEL, time) == 0, time
    for channel in CHANNELS:
        ours, theirs = (done.samples(stage, channel) for stage in (done.source, done.result))
        assert all(theirs[time] == ours[time] for time in keys if time in ours), channel
    assert done.run.scores[SKEL]["source"]["exact"]


@pytest.mark.parametrize("name", ["rest_scale_half", "rest_not_affine"])
def test_joints_left_to_rest_stay_so(name: str, tmp_path: Path) -> None:
    """They follow a rest pose that changes later as well."""
    done = case(name, tmp_path)
    joints = [done.animation(stage).GetAttribute("joints").Get() for stage in (done.source, done.result)]
    assert joints[0] == joints[1]
    for stage in (done.source, done.result):
        rest = stage.GetPrimAtPath(SKEL).GetAttribute("restTransforms")
        moved = list(rest.Get())
        moved[2] = Gf.Matrix4d(1).SetTranslate((0, 5, 0))
        with Usd.EditContext(stage, stage.GetSessionLayer()):
            rest.Set(Vt.Matrix4dArray(moved))
    assert done.differs(SKEL, 13) == 0


def test_dense_channel_stays_and_the_keyed_one_is_filled(tmp_path: Path) -> None:
    done = case("baked_channel", tmp_path)
    assert done.samples(done.result, "translations") == done.samples(done.source, "translations")
    assert list(done.samples(done.source, "rotations")) == [1, 13, 25]
    assert list(done.samples(done.result, "rotations")) == [float(time) for time in range(1, 26)]


def test_each_channel_has_its_own_keys(tmp_path: Path) -> None:
    """Translations are keyed at 1 and 25, rotations at 13 as well: what lies at 13 is no key of the translations."""
    layer = Sdf.Layer.OpenAsAnonymous(str(CASES / "rest_scale_half.usda"))
    layer.EraseTimeSample("/Char/Anim.translations", 13)
    layer.Export(str(tmp_path / "own.usda"))
    done = Outcome(tmp_path / "own.usda", tmp_path)
    source, result = (done.samples(each, "translations") for each in (done.source, done.result))
    assert [time for time in source if result[time] == source[time]] == [1, 25]
    assert 13 in result
    rotations = done.samples(done.result, "rotations")
    assert all(rotations[time] == value for time, value in done.samples(done.source, "rotations").items())


def test_steps_are_filled_from_pose_to_pose(tmp_path: Path) -> None:
    done = case("stepped_keys", tmp_path)
    rotations = done.samples(done.result, "rotations")
    assert 12.99 not in rotations
    assert any("authored at 12.99 and 24.99 only holds" in said for said in done.run.plan[0]["warnings"])
    half = [Gf.Slerp(0.5, a, b) for a, b in zip(rotations[1], rotations[13], strict=True)]
    assert np.allclose([q.GetReal() for q in rotations[7]], [q.GetReal() for q in half], atol=1e-5)


def test_blocks_among_weights_stay_blocks(tmp_path: Path) -> None:
    done = case("weights_block", tmp_path)
    assert done.samples(done.result, "blendShapeWeights") == done.samples(done.source, "blendShapeWeights")
    assert done.samples(done.result, "blendShapeWeights")[13] is None


def test_blocked_rotations_stay_blocked_and_are_not_filled_across(tmp_path: Path) -> None:
    layer = Sdf.Layer.OpenAsAnonymous(str(CASES / "quat_three_digits.usda"))
    layer.SetTimeSample("/Char/Anim.rotations", 19, Sdf.ValueBlock())
    layer.Export(str(tmp_path / "blocked.usda"))
    done = Outcome(tmp_path / "blocked.usda", tmp_path)
    rotations = done.samples(done.result, "rotations")
    assert [time for time in rotations if time >= 13] == [13, 19, 25]
    assert rotations[19] is None
    assert [done.differs(SKEL, time) for time in (13, 16.5, 19, 22, 25)] == [0] * 5


def test_skeletons_of_one_animation_go_on_sharing_one(tmp_path: Path) -> None:
    done = case("shared_animation", tmp_path)
    bound = {done.animation(done.result, path) for path in (SKEL, "/Char/SkelLow")}
    assert len(bound) == 1
    for time in (50.0, 55.5, 66.0):
        a, b = (
            done.query(done.result, path).ComputeJointSkelTransforms(time) for path in (SKEL, "/Char/SkelLow")
        )
        assert list(a)[: len(b)] == list(b)


def test_a_joint_that_is_not_in_the_skeleton_moves_nothing(tmp_path: Path) -> None:
    """As UsdSkel skins: the identity for such a joint, also in what is drawn."""
    done = case("unmapped_joint", tmp_path)
    assert done.points_differ(13) == 0
    character = read_character(done.source, SKEL)
    times = np.array([1.0, 7.0, 13.0, 25.0])
    (points,) = posed_points([character], [read_motion(done.source, SKEL, times)])
    for frame, time in enumerate(times):
        (theirs,) = skinned_points(done.source, float(time)).values()
        np.testing.assert_allclose(points[frame], theirs, atol=1e-5)


def test_what_is_drawn_is_the_mesh_that_is_seen_at_each_time(tmp_path: Path) -> None:
    """The green mesh gives way to the red one at 12."""
    picture = RenderConfig(
        stage=str(CASES / "visibility.usda"),
        out=str(tmp_path / "drawn"),
        views=("front",),
        times=(1.0, 11.5, 12.0, 25.0),
        size=(48, 48),
        ground=False,
    )
    render_stage(picture)
    drawn = [
        np.asarray(Image.open(path).convert("RGB"), int)
        for path in sorted((tmp_path / "drawn/front").iterdir())
    ]
    red, green = ([int((p[..., i] > p[..., 1 - i] + 60).sum()) for p in drawn] for i in (0, 1))
    assert min(green[:2]) > 50
    assert max(red[:2]) == 0
    assert min(red[2:]) > 50
    assert max(green[2:]) == 0


def test_crowd_of_instances_is_filled_once(tmp_path: Path) -> None:
    hero = CASES / "late_refusal/hero.usda"
    instance = 'def "I{}" (instanceable = true\n references = @{}@) {{\n}}\n'
    prims = "".join(instance.format(number, hero) for number in range(30))
    source = tmp_path / "crowd.usda"
    source.write_text('#usda 1.0\n(upAxis = "Y"\n metersPerUnit = 1)\n' + prims)
    done = Outcome(source, tmp_path, author="variant")
    assert len(done.run.plan) == 1
    bound = {done.animation(done.result, f"/I{n}/Skel").GetPath() for n in range(30)}
    assert len(bound) == 1
    assert all(done.differs(f"/I{n}/Skel", 13) == 0 for n in range(30))


def test_instance_within_an_instance_is_named_with_what_helps(tmp_path: Path) -> None:
    hero = CASES / "late_refusal/hero.usda"
    (tmp_path / "prop.usda").write_text(
        '#usda 1.0\n(defaultPrim = "G")\ndef "G" {\n '
        f'def "C" (instanceable = true\n references = @{hero}@) {{\n}}\n}}\n'
    )
    source = tmp_path / "shot.usda"
    source.write_text('#usda 1.0\ndef "W" (instanceable = true\n references = @./prop.usda@) {\n}\n')
    for mode in ("rebind", "over", "variant"):
        with pytest.raises(ConfigError, match="Set instanceable = false on </W/C> and </W>"):
            engine_run.plan(RunConfig(stage=str(source), author=mode))


@pytest.mark.parametrize(
    "name",
    [
        *("a:b", ".hidden", "-dash", "a b [c]@#%20", "$HOME`'\"", "漢" * 78, "x" * 235),
        *("a\u00a0b", "\u200b", "\u202ea", "a\u2028b", "\ue000", "\uffff"),  # what terminals do not show
    ],
)
def test_any_name_of_a_stage_gives_a_result_that_opens(name: str, tmp_path: Path) -> None:
    source = tmp_path / f"{name}.usda"
    source.write_bytes((CASES / "baked_channel.usda").read_bytes())
    assert Outcome(source, tmp_path).differs(SKEL, 13) == 0
    done = engine_run.run(RunConfig(stage=str(source), preview=False))
    again = engine_run.resume(Path(done.run))
    assert Path(again.result).read_bytes() == Path(done.result).read_bytes()
    assert [found for found in engine_run.check(again.result) if found.severity == "error"] == []


@pytest.mark.parametrize("name", ["a\nb", "a\x01b", "a\x7fb", "a\x85b", "a\udc80b"])
def test_a_folder_that_no_layer_can_name_is_refused(name: str, tmp_path: Path) -> None:
    source = tmp_path / "shot.usda"
    source.write_bytes((CASES / "baked_channel.usda").read_bytes())
    with pytest.raises(ConfigError, match=r"USD opens no files in a folder of the name .*; name another"):
        engine_run.plan(RunConfig(stage=str(source), out=str(tmp_path / name)))


def test_sample_before_a_jump_of_value_clips_is_no_key(tmp_path: Path) -> None:
    done = Outcome(clips_with_a_jump(tmp_path), tmp_path)
    assert done.run.plan[0]["keys"] == (49, 61, 73, 85)
    path = "/R/S"
    assert done.differs(path, 55) > 1e-3  # the source holds its pose up to the jump
    assert [done.differs(path, time) for time in (7, 30.5, 49, 61, 73, 85)] == [0] * 6


def clips_with_a_jump(folder: Path) -> Path:
    """Dense samples 1 to 49 in one clip, keys 61, 73 and 85 in another, and clip times that jump at 61."""

    def turn(axis: int, degrees: float) -> Gf.Quatf:
        return Gf.Quatf(Gf.Rotation(Gf.Vec3d(*np.eye(3)[axis].tolist()), degrees).GetQuat())

    for name, times in (("c0", range(1, 50)), ("c1", (61, 73, 85))):
        clip = Usd.Stage.CreateNew(str(folder / f"{name}.usda"))
        animation = UsdSkel.Animation.Define(clip, "/A")
        for time in times:
            x = time / 12
            turns = [turn(2, 10 * np.sin(x)), turn(2, 40 * np.sin(x + 0.5)), turn(0, 60 * np.sin(x + 1))]
            animation.CreateRotationsAttr().Set(Vt.QuatfArray(turns), time)
            animation.CreateTranslationsAttr().Set(
                Vt.Vec3fArray([(0.05 * time, 0, 0), (0, 1, 0), (0, 1, 0)]), time
            )
            animation.CreateScalesAttr().Set(Vt.Vec3hArray([Gf.Vec3h(1)] * 3), time)
        clip.Save()
    manifest = Usd.Stage.CreateNew(str(folder / "man.usda"))
    animation = UsdSkel.Animation.Define(manifest, "/A")
    for create in (
        animation.CreateTranslationsAttr,
        animation.CreateRotationsAttr,
        animation.CreateScalesAttr,
    ):
        create()
    manifest.Save()
    stage = Usd.Stage.CreateNew(str(folder / "root.usda"))
    UsdGeom.SetStageUpAxis(stage, "Y")
    UsdGeom.SetStageMetersPerUnit(stage, 1)
    stage.SetDefaultPrim(UsdSkel.Root.Define(stage, "/R").GetPrim())
    skeleton, joints = UsdSkel.Skeleton.Define(stage, "/R/S"), ["A", "A/B", "A/B/C"]
    skeleton.CreateJointsAttr(joints)
    up = Gf.Matrix4d(1).SetTranslate((0, 1, 0))
    skeleton.CreateRestTransformsAttr(Vt.Matrix4dArray([Gf.Matrix4d(1), up, up]))
    skeleton.CreateBindTransformsAttr(Vt.Matrix4dArray([Gf.Matrix4d(1), up, up * up]))
    animation = UsdSkel.Animation.Define(stage, "/R/Anim")
    animation.CreateJointsAttr(joints)
    UsdSkel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets(["/R/Anim"])
    clips = Usd.ClipsAPI(animation.GetPrim())
    clips.SetClipAssetPaths(Sdf.AssetPathArray(["./c0.usda", "./c1.usda"]))
    clips.SetClipPrimPath("/A")
    clips.SetClipManifestAssetPath("./man.usda")
    clips.SetClipActive([(1, 0), (61, 1)])
    clips.SetClipTimes([(1, 1), (61, 61), (61, 61), (85, 85)])
    stage.Save()
    return folder / "root.usda"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("api_not_applied", "SkelBindingAPI is not applied to </Char/Skel>, so USD ignores the binding"),
        ("missing_api_wrong_reason", "SkelBindingAPI is not applied to </R/S>, so USD ignores the binding"),
        ("check_passes_ignored_sparse_animation", "no valid restTransforms for them, so USD ignores it"),
        ("check_passes_invalid_joint_order", "joints are no valid hierarchy"),
        ("wrong_type_read_as_if_it_counted", "USD reads quatf"),
        ("quaternion_shown_in_other_order", r"A/B at time code 20 is no unit quaternion, .* \(0, 2, 0, 0\)"),
    ],
)
def test_what_usd_ignores_or_cannot_turn_by_is_not_filled(name: str, said: str) -> None:
    """Quaternions are shown as the file has them, real part first."""
    with pytest.raises(StageReadError, match=said.replace("[", r"\[")):
        engine_run.plan(RunConfig(stage=str(CASES / f"{name}.usda")))


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("api_not_applied", "SA013"),
        ("missing_api_wrong_reason", "SA013"),
        ("check_passes_ignored_sparse_animation", "SA016"),
        ("check_passes_invalid_joint_order", "SA014"),
        ("joint_names", "SA014"),
        ("check_passes_singular_bind", "SA015"),
        ("wrong_type_read_as_if_it_counted", "SA012"),
    ],
)
def test_what_usd_ignores_is_an_error_of_check(name: str, rule: str) -> None:
    found = [f for f in check_file(CASES / f"{name}.usda") if f.rule == rule]
    assert found
    assert all(f.severity == "error" and f.prim for f in found)


@pytest.mark.parametrize("name", ["array_edit", "weights_block", "baked_channel"])
def test_what_usd_merges_or_blocks_is_no_finding(name: str) -> None:
    assert check_file(CASES / f"{name}.usda") == ()


def test_nothing_is_said_by_usd_itself(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    case("joint_names", tmp_path)
    check_file(CASES / "joint_names.usda")
    assert capfd.readouterr().err == ""


def test_what_author_options_decide_is_said_when_planning(tmp_path: Path) -> None:
    local = RunConfig(stage=str(CASES / "late_refusal_of_variant.usda"), author="variant")
    with pytest.raises(ConfigError, match="stronger than any variant"):
        engine_run.plan(local)
    instance = RunConfig(stage=str(CASES / "late_refusal.usda"), skeletons=("/World/Extra/Skel",))
    with pytest.raises(ConfigError, match="inside the instance"):
        engine_run.plan(instance)
    (tmp_path / "file").write_text("")
    for out, why in ((tmp_path / "file/out", "is no folder"), (tmp_path / ("x" * 300), "name is too long")):
        with pytest.raises(ConfigError, match=why):
            engine_run.plan(RunConfig(stage=str(CASES / "baked_channel.usda"), out=str(out)))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_skeleton_that_cannot_be_written_does_not_lose_the_others(tmp_path: Path) -> None:
    planned = engine_run.plan(RunConfig(stage=str(CASES / "late_refusal.usda")))
    assert [made.skeleton_path for made in planned.plans] == ["/World/Free/Skel"]
    assert any("/World/Extra/Skel is left out" in note for note in planned.notes)
    done = case("late_refusal", tmp_path)
    assert done.differs("/World/Extra/Skel", 7.5) == 0
    assert done.run.scores["/World/Free/Skel"]["source"]["exact"]
