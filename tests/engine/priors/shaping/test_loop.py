"""Shots that cycle: on arrays, and through USD as UsdSkel reads it back."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pxr import Gf, Usd, UsdGeom, UsdSkel, Vt

from engine import run as engine_run
from engine.config import RunConfig
from engine.errors import ConfigError, ExitCode, exit_code
from engine.geometry import rotations, skeleton
from engine.planning.plan import make_plan
from engine.priors.fill import fill_motion
from tests.engine.conftest import make_character
from usd_io.model import Character, Motion

PERIOD = 48
CHARACTER = make_character((-1, 0, 1, 2, 0))


def walk(character: Character, travel: float = 2.0) -> Motion:
    """Two and a half cycles of a motion that repeats itself, the root travelling along x."""
    random = np.random.default_rng(3)
    t, count = np.arange(2.5 * PERIOD + 1), len(character.joints)
    phase = random.uniform(0, 6, (count, 3))
    turns = 0.5 * np.sin(2 * np.pi * t[:, None, None] / PERIOD + phase)
    translations = np.repeat(character.rest_translations[None], len(t), 0)
    translations[:, 0, 0] += travel * t / PERIOD
    translations[:, 0, 1] += 0.2 * np.sin(4 * np.pi * t / PERIOD)
    return Motion(
        times=t,
        translations=translations,
        rotations=rotations.continuous(rotations.exp(turns)).astype(np.float32),
        scales=np.ones((len(t), count, 3), np.float32),
        T_world_skel=np.tile(np.eye(4), (len(t), 1, 1)),
        time_codes_per_second=24.0,
        frame_rate=24.0,
        animation_path="/Test/Anim",
    )


WALK = walk(CHARACTER)
ONE = WALK.at(slice(0, PERIOD + 1))
TWO_KEYS = {"context": [(0, 20)], "keys": [20, 34, 48]}
"""Finished motion meets a gap at the seam."""
ALL_KEYS = {"context": [(16, 30)], "keys": [0, 16, 30, 39, 48]}
"""A gap meets a gap at the seam."""


def seam(motion: Motion) -> tuple[float, float]:
    """By how much the pose and its velocity differ at the seam, as seen from what carries the character."""
    places = skeleton.joint_positions(CHARACTER, motion)
    places -= places[:, :1]
    steps = places[1] - places[0], places[-1] - places[-2]
    pose = np.linalg.norm(places[-1] - places[0], axis=-1).max()
    return float(pose), float(np.linalg.norm(steps[1] - steps[0], axis=-1).mean())


@pytest.mark.parametrize("shot", [TWO_KEYS, ALL_KEYS])
@pytest.mark.parametrize("prior", ["spline", "auto"])
def test_velocity_runs_through_the_seam(shot: dict[str, list[float]], prior: str) -> None:
    free, looped = (
        fill_motion(CHARACTER, ONE, prior=prior, loop=loop, **shot).motion  # type: ignore[arg-type]
        for loop in (False, True)
    )
    assert seam(looped)[0] < 1e-5
    # half of the jump is gone, or what is left is less than the motion itself changes from frame to frame
    assert seam(looped)[1] < seam(free)[1]
    assert seam(looped)[1] < max(0.5 * seam(free)[1], seam(ONE)[1])
    np.testing.assert_array_equal(looped.times, free.times)
    for key in (0, 20 if shot is TWO_KEYS else 39, PERIOD):
        np.testing.assert_array_equal(looped.rotations[looped.times == key], ONE.rotations[ONE.times == key])
        np.testing.assert_array_equal(
            looped.translations[looped.times == key], ONE.translations[ONE.times == key]
        )


def test_the_neighbours_travel_on() -> None:
    looped = fill_motion(CHARACTER, ONE, prior="spline", loop=True, **TWO_KEYS).motion  # type: ignore[arg-type]
    speed = np.diff(looped.translations[:, 0, 0])
    assert speed[-1] == pytest.approx(2.0 / PERIOD, rel=0.1)
    free = fill_motion(CHARACTER, replace(ONE, T_world_skel=ONE.T_world_skel), prior="spline", **TWO_KEYS)  # type: ignore[arg-type]
    assert (
        np.abs(np.diff(looped.translations[:, 0, 0]) - np.diff(free.motion.translations[:, 0, 0])).max()
        < 0.05
    )


def test_what_lies_outside_of_the_cycle_stays_bit_for_bit() -> None:
    filled = fill_motion(
        CHARACTER, WALK, context=[(24, 40)], keys=[40, 56, 72], prior="spline", loop=True, takes=2
    )
    outside = (WALK.times < 24) | (WALK.times > 72)
    for motion in filled.takes:
        np.testing.assert_array_equal(motion.times, WALK.times)
        np.testing.assert_array_equal(motion.rotations[outside], WALK.rotations[outside])
    assert [(c.start, c.end) for c in filled.self_test.choices] == [(40, 56), (56, 72)]


def lifted(motion: Motion) -> Motion:
    translations = motion.translations.copy()
    translations[-1, 0, 1] += 0.5
    return replace(motion, translations=translations)


def turned(motion: Motion) -> Motion:
    turns = motion.rotations.copy()
    turns[-1, 2] = rotations.multiply(turns[-1, 2], rotations.exp(np.array([0.1, 0, 0], np.float32)))
    return replace(motion, rotations=turns)


def shifted(motion: Motion) -> Motion:
    translations = motion.translations.copy()
    translations[-1, 4, 0] += 0.3
    return replace(motion, translations=translations)


@pytest.mark.parametrize(
    ("change", "why"), [(lifted, "higher or lower"), (turned, "a/b/c is turned"), (shifted, "a/e is moved")]
)
def test_a_last_pose_that_is_not_the_first_is_refused(change: object, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as refused:
        make_plan(CHARACTER, change(ONE), contexts=[(0, 20)], keys=[34, 48], loop=True)  # type: ignore[operator]
    assert "pose at 48 is not the one at 0" in str(refused.value)
    assert exit_code(refused.value) == ExitCode.USAGE


def test_a_run_loops_as_usdskel_sees_it(tmp_path: Path) -> None:
    source = tmp_path / "walk.usda"
    write(source, keyed=[*range(21), 34, 48])
    jumps = {}
    for loop in (False, True):
        result = engine_run.run(
            RunConfig(
                stage=str(source),
                out=str(tmp_path / f"run{loop}"),
                prior="spline",
                loop=loop,
                preview=False,
                report=False,
            )
        )
        first, second, before, last = (local(result.result, time) for time in (0, 1, 47, 48))
        travelled = last[0, 3, :3] - first[0, 3, :3]
        np.testing.assert_allclose(travelled, [2, 0, 0], atol=1e-5)
        last[0, 3, :3] -= travelled
        np.testing.assert_allclose(last, first, atol=1e-5)
        before[0, 3, :3] -= travelled
        jumps[loop] = np.abs((second - first) - (last - before)).mean()
    assert jumps[True] < 0.5 * jumps[False]


def test_a_run_whose_last_pose_is_another_is_refused_before_it_begins(tmp_path: Path) -> None:
    source = tmp_path / "walk.usda"
    write(source, keyed=[*range(21), 34, 44])
    with pytest.raises(ConfigError, match="does not loop"):
        engine_run.plan(RunConfig(stage=str(source), loop=True))


def write(path: Path, keyed: list[int]) -> None:
    """The walk as a stage, with samples at some of its frames."""
    stage = Usd.Stage.CreateNew(str(path))
    stage.SetTimeCodesPerSecond(24)
    stage.SetFramesPerSecond(24)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdSkel.Root.Define(stage, "/Test")
    skel = UsdSkel.Skeleton.Define(stage, "/Test/Skel")
    anim = UsdSkel.Animation.Define(stage, "/Test/Anim")
    joints = Vt.TokenArray(list(CHARACTER.joints))
    rest = [Gf.Matrix4d(1).SetTranslate(Gf.Vec3d(*map(float, t))) for t in CHARACTER.rest_translations]
    skel.CreateJointsAttr(joints)
    skel.CreateRestTransformsAttr(Vt.Matrix4dArray(rest))
    skel.CreateBindTransformsAttr(Vt.Matrix4dArray(rest))
    UsdSkel.BindingAPI.Apply(skel.GetPrim()).CreateAnimationSourceRel().SetTargets([anim.GetPath()])
    anim.CreateJointsAttr(joints)
    anim.CreateScalesAttr(Vt.Vec3hArray([Gf.Vec3h(1, 1, 1)] * len(joints)))
    for frame in keyed:
        anim.CreateTranslationsAttr().Set(Vt.Vec3fArray.FromNumpy(WALK.translations[frame].copy()), frame)
        quaternions = [Gf.Quatf(*map(float, q)) for q in WALK.rotations[frame]]
        anim.CreateRotationsAttr().Set(Vt.QuatfArray(quaternions), frame)
    stage.Save()


def local(path: str, time: float) -> np.ndarray:
    """Local joint transforms as UsdSkel computes them, row vectors."""
    stage = Usd.Stage.Open(path)
    query = UsdSkel.Cache().GetSkelQuery(UsdSkel.Skeleton(stage.GetPrimAtPath("/Test/Skel")))
    return np.array(query.ComputeJointLocalTransforms(time))
