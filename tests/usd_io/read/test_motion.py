from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pxr import Gf, Sdf, Usd, UsdGeom, UsdSkel

from usd_io import convert
from usd_io.clips import unset_times
from usd_io.errors import StageNotFoundError, StageReadError
from usd_io.model import Motion
from usd_io.read.motion import read_motion
from usd_io.read.stage import find_skeletons, open_stage, read_motion_at, read_shot

ARM = "/Arm/Skel"


def wave(stage: Usd.Stage) -> UsdSkel.Animation:
    return UsdSkel.Animation(stage.GetPrimAtPath("/Arm/Skel/Wave"))


def test_reads_the_authored_samples(arm_stage: Usd.Stage) -> None:
    motion = read_motion(arm_stage, ARM)
    np.testing.assert_array_equal(motion.times, [1, 5, 9])
    assert motion.rotations.dtype == np.float32
    assert motion.animation_path == "/Arm/Skel/Wave"
    assert motion.animated is None
    # bit for bit, but for the sign: what is not changed can be written back unchanged
    stored = np.stack([convert.quaternions(wave(arm_stage).GetRotationsAttr().Get(t)) for t in (1, 5, 9)])
    np.testing.assert_array_equal(np.abs(motion.rotations), np.abs(stored))


def test_joint_order_of_the_animation_does_not_matter(two_bone_arm: Path, shuffled_joints: Path) -> None:
    straight, shuffled = (read_motion(open_stage(p), ARM) for p in (two_bone_arm, shuffled_joints))
    np.testing.assert_array_equal(straight.rotations, shuffled.rotations)
    np.testing.assert_array_equal(straight.translations, shuffled.translations)


def test_joints_the_animation_lacks_take_the_rest_pose(tmp_path: Path, make_arm: Callable[..., Path]) -> None:
    motion = read_motion(open_stage(make_arm(tmp_path / "elbow.usda", animated=["Shoulder/Elbow"])), ARM)
    assert motion.animated is not None
    np.testing.assert_array_equal(motion.animated, [False, True])
    np.testing.assert_array_equal(motion.rotations[:, 0], [[1, 0, 0, 0]] * 3)
    np.testing.assert_array_equal(motion.scales, np.ones((3, 2, 3)))


def test_joints_the_skeleton_lacks_are_left_out(tmp_path: Path, make_arm: Callable[..., Path]) -> None:
    stage = open_stage(make_arm(tmp_path / "arm.usda"))
    animation = wave(stage)
    animation.GetJointsAttr().Set(["Shoulder", "Tail"])
    motion = read_motion(stage, ARM)
    np.testing.assert_array_equal(motion.animated, [True, False])


def test_rotations_are_unit_and_continuous_in_sign(arm_stage: Usd.Stage) -> None:
    attribute = wave(arm_stage).GetRotationsAttr()
    q = attribute.Get(5)
    attribute.Set([-x * 1.0005 for x in q], 5)
    motion = read_motion(arm_stage, ARM)
    np.testing.assert_allclose(np.linalg.norm(motion.rotations, axis=-1), 1, atol=1e-6)
    assert (np.einsum("fjc,fjc->fj", motion.rotations[1:], motion.rotations[:-1]) > 0).all()


def test_samples_at_other_times_as_usd_does(two_bone_arm: Path) -> None:
    motion = read_motion_at(two_bone_arm, ARM, np.array([0.0, 3.0, 100.0]))
    authored = read_motion(open_stage(two_bone_arm), ARM)
    middle = authored.rotations[:2].astype(float).sum(0)
    middle /= np.linalg.norm(middle, axis=-1, keepdims=True)
    np.testing.assert_allclose(motion.rotations[1], middle, atol=1e-6)
    np.testing.assert_array_equal(np.abs(motion.rotations[[0, 2]]), np.abs(authored.rotations[[0, 2]]))


def test_held_interpolation_is_honoured(arm_stage: Usd.Stage) -> None:
    arm_stage.SetInterpolationType(Usd.InterpolationTypeHeld)
    motion = read_motion(arm_stage, ARM, np.array([1.0, 4.9]))
    np.testing.assert_array_equal(motion.rotations[0], motion.rotations[1])


@pytest.mark.parametrize("times", [[], [1.0, 1.0], [2.0, 1.0], [np.nan]])
def test_times_must_increase(arm_stage: Usd.Stage, times: list[float]) -> None:
    with pytest.raises(ValueError, match="strictly increasing"):
        read_motion(arm_stage, ARM, np.array(times, float))


def test_motion_of_an_xform_above_shows_in_world_space(z_up_centimetres: Path) -> None:
    stage = open_stage(z_up_centimetres)
    assert find_skeletons(stage)[0].moving_xform == "/Arm"
    motion = read_motion(stage, ARM)
    np.testing.assert_allclose(motion.T_world_skel[:, :3, 3], [[0, 0, 0], [4, -2, 0], [8, -4, 0]], atol=1e-12)
    np.testing.assert_allclose(motion.T_world_skel[0, :3, :3] @ [0, 1, 0], [0, 0, 1], atol=1e-12)


def test_a_reset_transform_stack_stops_the_search_for_a_moving_xform(z_up_centimetres: Path) -> None:
    stage = open_stage(z_up_centimetres)
    UsdGeom.Xformable(stage.GetPrimAtPath(ARM)).SetResetXformStack(True)
    assert find_skeletons(stage)[0].moving_xform is None
    np.testing.assert_array_equal(read_motion(stage, ARM).T_world_skel, [np.eye(4)] * 3)


def reference(tmp_path: Path, arm: Path, offset: Sdf.LayerOffset, rate: float) -> Motion:
    stage = Usd.Stage.CreateNew(str(tmp_path / "shot.usda"))
    stage.SetTimeCodesPerSecond(rate)
    stage.SetFramesPerSecond(rate)
    stage.DefinePrim("/Hero").GetReferences().AddReference(str(arm), layerOffset=offset)
    return read_motion(stage, "/Hero/Skel")


def test_times_are_those_of_the_stage(tmp_path: Path, two_bone_arm: Path) -> None:
    motion = reference(tmp_path, two_bone_arm, Sdf.LayerOffset(1000.0), 30.0)
    np.testing.assert_allclose(motion.times, [1001.25, 1006.25, 1011.25])
    assert motion.time_codes_per_second == 30
    source = read_motion(open_stage(two_bone_arm), ARM)
    np.testing.assert_allclose(motion.rotations, source.rotations, atol=1e-6)


def test_inherited_bindings_are_found(arm_stage: Usd.Stage) -> None:
    UsdSkel.BindingAPI(arm_stage.GetPrimAtPath(ARM)).GetAnimationSourceRel().ClearTargets(True)
    UsdSkel.BindingAPI.Apply(arm_stage.GetPrimAtPath("/Arm")).CreateAnimationSourceRel().SetTargets(
        [Sdf.Path("/Arm/Skel/Wave")]
    )
    info = find_skeletons(arm_stage)[0]
    assert (info.binding_path, info.animation_path) == ("/Arm", "/Arm/Skel/Wave")
    assert len(read_motion(arm_stage, ARM).times) == 3


def test_blend_weights_are_read_with_the_joints(arm_stage: Usd.Stage) -> None:
    wave(arm_stage).CreateBlendShapesAttr(["smile", "frown"])
    weights = wave(arm_stage).CreateBlendShapeWeightsAttr()
    weights.Set([0, 1], 1)
    weights.Set([1, 0.5], 9)
    motion = read_motion(arm_stage, ARM)
    assert motion.blend_shapes == ("smile", "frown")
    np.testing.assert_allclose(motion.blend_weights, [[0, 1], [0.5, 0.75], [1, 0.5]])


# What cannot be read says where and what to do, in one sentence


def message_of(stage: Usd.Stage, path: str = ARM, times: np.ndarray | None = None) -> str:
    with pytest.raises(StageReadError) as error:
        read_motion(stage, path, times)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_unknown_skeleton_lists_those_there_are(arm_stage: Usd.Stage) -> None:
    with pytest.raises(StageNotFoundError, match=r"no skeleton </Leg/Skel>; it has </Arm/Skel>"):
        read_motion(arm_stage, "/Leg/Skel")


@pytest.mark.parametrize("path", ["", "not a path!", "/Arm.x[", "/Arm", "\x1b[31m"])
def test_what_is_no_skeleton_path_is_named_safely(arm_stage: Usd.Stage, path: str) -> None:
    assert "\x1b" not in message_of(arm_stage, path)


@pytest.mark.parametrize("channel", ["translations", "rotations", "scales"])
def test_a_missing_channel_is_named(arm_stage: Usd.Stage, channel: str) -> None:
    wave(arm_stage).GetPrim().GetAttribute(channel).Clear()
    said = message_of(arm_stage, times=np.array([1.0]))
    assert f"two_bone_arm.usda </Arm/Skel/Wave>: {channel} is missing" in said
    assert "shows the rest pose" in said


def test_a_wrong_length_is_named_with_its_time(arm_stage: Usd.Stage) -> None:
    wave(arm_stage).GetRotationsAttr().Set([Gf.Quatf(1)], 5)
    assert "rotations has 1 value instead of 2 at time code 5" in message_of(arm_stage)


def test_a_blocked_sample_is_a_break_and_not_a_key(arm_stage: Usd.Stage) -> None:
    wave(arm_stage).GetRotationsAttr().Set(Sdf.ValueBlock(), 5)
    motion = read_motion(arm_stage, ARM)
    assert (motion.times.tolist(), motion.breaks) == ([1, 9], ((1, 9),))


def test_where_it_is_blocked_usd_shows_the_rest_pose(arm_stage: Usd.Stage) -> None:
    wave(arm_stage).GetRotationsAttr().Set(Sdf.ValueBlock(), 5)
    motion = read_motion(arm_stage, ARM, np.array([1.0, 6.0, 9.0]))
    shown = UsdSkel.Cache().GetSkelQuery(UsdSkel.Skeleton(arm_stage.GetPrimAtPath(ARM)))
    rest = shown.ComputeJointLocalTransforms(6.0)
    np.testing.assert_array_equal(motion.translations[1], [list(m.ExtractTranslation()) for m in rest])


def test_an_animation_without_any_value_is_named(arm_stage: Usd.Stage) -> None:
    for time in (1, 5, 9):
        wave(arm_stage).GetRotationsAttr().Set(Sdf.ValueBlock(), time)
    assert "rotations has no value at time code 1" in message_of(arm_stage)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_named_with_joint_and_time(arm_stage: Usd.Stage, bad: float) -> None:
    wave(arm_stage).GetTranslationsAttr().Set([(0, 0, 0), (2, bad, 0)], 9)
    said = message_of(arm_stage)
    assert "translations of Shoulder/Elbow at time code 9 is not finite" in said


@pytest.mark.parametrize("length", [0, 0.4, 1.6, 3])
def test_quaternions_far_from_unit_are_named_with_joint_and_time(arm_stage: Usd.Stage, length: float) -> None:
    wave(arm_stage).GetRotationsAttr().Set([Gf.Quatf(1), Gf.Quatf(0, length, 0, 0)], 5)
    said = message_of(arm_stage)
    assert (
        f"rotations of Shoulder/Elbow at time code 5 is no unit quaternion, its length is {length:g}" in said
    )


@pytest.mark.parametrize("length", [0.7, 0.9, 1.3])
def test_quaternions_that_usd_bends_by_count_by_their_direction_and_are_named(
    arm_stage: Usd.Stage, length: float
) -> None:
    wave(arm_stage).GetRotationsAttr().Set([Gf.Quatf(1), Gf.Quatf(0, length, 0, 0)], 5)
    read = read_motion(arm_stage, ARM)
    np.testing.assert_allclose(np.abs(read.rotations[read.times == 5, 1]), [[0, 1, 0, 0]], atol=1e-6)
    (said,) = read.warnings
    assert f"of Shoulder/Elbow at time code 5 the length is {length:g}" in said
    assert "USD bends such joints out of shape" in said


def test_bad_values_of_joints_that_are_not_used_do_no_harm(arm_stage: Usd.Stage) -> None:
    wave(arm_stage).GetJointsAttr().Set(["Shoulder", "Tail"])
    wave(arm_stage).GetRotationsAttr().Set([Gf.Quatf(1), Gf.Quatf(0)], 5)
    wave(arm_stage).GetTranslationsAttr().Set([(0, 0, 0), (float("nan"), 0, 0)], 5)
    assert np.isfinite(read_motion(arm_stage, ARM).rotations).all()


def test_a_skeleton_without_animation_says_so_but_can_be_posed(arm_stage: Usd.Stage) -> None:
    UsdSkel.BindingAPI(arm_stage.GetPrimAtPath(ARM)).GetAnimationSourceRel().ClearTargets(True)
    assert "has no animation; bind one with skel:animationSource" in message_of(arm_stage)
    still = read_motion(arm_stage, ARM, np.array([1.0, 2.0]))
    np.testing.assert_array_equal(still.translations[1], [[0, 0, 0], [2, 0, 0]])
    assert still.animated is not None
    assert not still.animated.any()


def test_a_binding_to_what_is_no_animation_says_so(arm_stage: Usd.Stage) -> None:
    UsdSkel.BindingAPI(arm_stage.GetPrimAtPath(ARM)).GetAnimationSourceRel().SetTargets(
        [Sdf.Path("/Nowhere")]
    )
    assert "names </Nowhere>, which is no active SkelAnimation" in message_of(arm_stage)


def test_an_animation_of_another_skeleton_says_so(arm_stage: Usd.Stage) -> None:
    wave(arm_stage).GetJointsAttr().Set(["Hip", "Hip/Knee"])
    assert "none of its 2 joints belongs to </Arm/Skel>" in message_of(arm_stage)


def test_a_subset_without_rest_pose_says_so(arm_stage: Usd.Stage) -> None:
    wave(arm_stage).GetJointsAttr().Set(["Shoulder", "Tail"])
    UsdSkel.Skeleton(arm_stage.GetPrimAtPath(ARM)).GetRestTransformsAttr().Clear()
    assert (
        "lacks 1 of its joints (Shoulder/Elbow) and the skeleton has no valid restTransforms"
        in message_of(arm_stage)
    )


@pytest.mark.parametrize(("kept", "said"), [([], "no time samples"), ([5], "one sample, at time code 5")])
def test_too_few_samples_say_so_but_can_be_posed(arm_stage: Usd.Stage, kept: list[int], said: str) -> None:
    for attribute in (wave(arm_stage).GetTranslationsAttr(), wave(arm_stage).GetRotationsAttr()):
        value = attribute.Get(5)
        attribute.Clear()
        attribute.Set(value)
        for time in kept:
            attribute.Set(value, time)
    assert said in message_of(arm_stage)
    still = read_motion(arm_stage, ARM, np.array([1.0, 2.0]))
    np.testing.assert_array_equal(still.rotations[0], still.rotations[1])


@pytest.mark.parametrize(
    ("active", "times", "kept"),
    [
        ([(0, 0)], [(100, 1), (184, 85)], [109, 119, 149]),  # USD reports 0, 100 and 184, too
        ([(0, 0)], [(100, 10), (140, 50)], [100, 110, 140]),
        ([(0, 0)], [(0, 0), (200, 200)], [10, 20, 50]),
        ([(0, 0)], [(0, 0), (30, 30), (200, 200)], [10, 20, 30, 50]),  # 30 paces the motion
        ([(30, 0)], [], [10, 20, 50]),
        ([(0, 0), (60, 1)], [(0, 0), (200, 200)], [10, 20, 50, 80, 120]),
        ([(0, 0), (100, 1)], [(0, 0), (200, 200)], [10, 20, 50, 120]),  # between two samples of the second
        (
            [(0, 0), (160, 1)],
            [(0, 0), (200, 200)],
            [10, 20, 50, 160],
        ),  # behind them: its pose is first seen there
        ([(0, 0), (60, 1)], [(0, 0), (60, 60), (60, 80), (200, 220)], [10, 20, 50, 60, 100]),
    ],
)
def test_samples_that_no_value_clip_has_are_found(
    active: list[tuple[float, float]], times: list[tuple[float, float]], kept: list[float], tmp_path: Path
) -> None:
    for name, samples in (("a", {10: 1, 20: 2, 50: 3}), ("b", {80: 5, 120: 7})):
        held = "".join(f"{time}: {value}, " for time, value in samples.items())
        (tmp_path / f"{name}.usda").write_text(
            f'#usda 1.0\ndef "A" {{\ndouble x.timeSamples = {{{held}}}\n}}\n'
        )
    mapped = f"double2[] times = {times}" if times else ""
    (tmp_path / "shot.usda").write_text(
        '#usda 1.0\ndef "A" (clips = { dictionary default = { asset[] assetPaths = [@./a.usda@, @./b.usda@]\n'
        f'string primPath = "/A"\ndouble2[] active = {active}\n{mapped}\n}} }}) {{\ndouble x\n}}\n'
    )
    (tmp_path / "later.usda").write_text(
        "#usda 1.0\n(subLayers = [@./shot.usda@ (offset = 1000; scale = 2)])\n"
    )
    for name, scale, offset in (("shot", 1, 0), ("later", 2, 1000)):
        stage = Usd.Stage.Open(str(tmp_path / f"{name}.usda"))
        attribute = stage.GetAttributeAtPath("/A.x")
        reported = np.array(attribute.GetTimeSamples())
        rest = np.setdiff1d(reported, unset_times(attribute))
        assert 0 < len(rest) < len(reported)
        assert ((rest - offset) / scale).tolist() == kept


def test_hostile_joint_names_are_shown_escaped(arm_stage: Usd.Stage) -> None:
    name = "Bad\x1b[2J\nname\u202e"
    arm_stage.GetPrimAtPath(ARM).GetAttribute("joints").Set(["Shoulder", name])
    wave(arm_stage).GetJointsAttr().Set(["Shoulder", name])
    wave(arm_stage).GetRotationsAttr().Set([Gf.Quatf(1), Gf.Quatf(0)], 5)
    said = message_of(arm_stage)
    assert said.isprintable()
    assert r"Bad\x1b[2J\nname\u202e" in said


def test_nothing_is_printed_by_usd(arm_stage: Usd.Stage, capfd: pytest.CaptureFixture[str]) -> None:
    UsdSkel.Skeleton(arm_stage.GetPrimAtPath(ARM)).GetRestTransformsAttr().Clear()
    read_motion(arm_stage, ARM)
    find_skeletons(arm_stage)
    assert capfd.readouterr() == ("", "")


def test_fox_keys_and_layered_and_packed_foxes(data: Path) -> None:
    keys = read_shot(data / "edge" / "fox_survey_keys.usda").motions[0]
    np.testing.assert_array_equal(keys.times, [0, 12, 24, 36, 48, 60, 72, 82])
    full = read_motion_at(data / "edge" / "fox_survey.usdz", "/Fox/Skeleton", keys.times)
    np.testing.assert_allclose(keys.rotations, full.rotations, atol=1e-6)
    layered = read_shot(data / "edge" / "fox_shot_layered.usda").motions[0]
    assert (layered.times[0], layered.times[-1]) == (1001, 1018)
