"""What single priors are good for: spline's velocities and bounds, what the context teaches, what auto trusts."""

from dataclasses import replace

import numpy as np
import pytest

from engine.geometry import metrics, rotations, skeleton
from engine.planning.plan import Plan, make_plan
from engine.priors import auto as auto_prior
from engine.priors import offsets, spline
from engine.priors.auto import auto
from engine.priors.baselines import slerp
from engine.priors.context import mirror, windows
from engine.priors.context import prior as context_prior
from engine.priors.context.prior import context
from engine.priors.learned.prior import learned
from engine.priors.self_test import Prior
from tests.engine.conftest import make_character, make_motion
from usd_io.model import Character, Motion

RATE = 24.0


def walker() -> Character:
    """Hips with a spine and two legs of two joints, left and right of x = 0; Y up."""
    parents = np.array([-1, 0, 0, 2, 0, 4])
    legs = [f"Hips/{side}Leg{foot}" for side in ("Left", "Right") for foot in ("", f"/{side}Foot")]
    rest = np.array(
        [[0, 1, 0], [0, 0.3, 0], [0.1, 0, 0], [0, -0.5, 0], [-0.1, 0, 0], [0, -0.5, 0]], np.float32
    )
    bind = np.tile(np.eye(4), (6, 1, 1))
    bind[:, :3, 3] = rest
    return replace(
        make_character(parents.tolist()),
        joints=("Hips", "Hips/Spine", *legs),
        rest_translations=rest,
        T_skel_joint_bind=skeleton.chain(parents, bind),
    )


def walk(character: Character, frames: int, *, period: float = 24.0, heading: float = 0.0) -> Motion:
    """A gait with legs half a period apart, the hips bobbing and travelling along the heading."""
    t = np.arange(frames, dtype=float)
    phase = 2 * np.pi * t / period
    turns = np.zeros((frames, 6, 3))
    for joint, shift in ((2, 0.0), (4, np.pi)):
        turns[:, joint, 0] = 0.6 * np.sin(phase + shift)
        turns[:, joint + 1, 0] = 0.4 * (1 + np.sin(phase + shift - 1))
    turns[:, 1, 1] = 0.2 * np.sin(phase)
    turns[:, 0, 1] = heading
    translations = np.repeat(character.rest_translations[None], frames, 0)
    travel = 0.05 * t
    translations[:, 0] += np.stack(
        [np.sin(heading) * travel, 0.04 * np.cos(2 * phase), np.cos(heading) * travel], -1
    )
    return replace(
        make_motion(character, t.tolist(), rate=RATE),
        translations=translations.astype(np.float32),
        rotations=rotations.continuous(rotations.exp(turns)).astype(np.float32),
    )


def ratio(
    character: Character, motion: Motion, plan: Plan, prior: Prior, fitting: Motion | None = None
) -> float:
    """L2P of a prior over slerp's."""
    true = skeleton.joint_positions(character, metrics.select(motion, tuple(plan.fill_times)))
    known = motion.at(plan.known(motion.times))
    errors = [
        metrics.l2p(true, skeleton.joint_positions(character, p(character, known, plan)))
        for p in (prior, slerp)
    ]
    return errors[0] / errors[1]


def test_context_finds_a_hidden_cycle_again() -> None:
    character = walker()
    motion = walk(character, 121)
    plan = make_plan(character, motion, contexts=[(0, 54)], keys=[54, 78, 102], fill_at_samples=True)
    assert ratio(character, motion, plan, context) < 0.25
    assert ratio(character, motion, plan, auto) < 0.25


def test_a_joint_that_turned_once_does_not_turn_again_with_the_cycle() -> None:
    character = walker()
    motion = walk(character, 121)
    look = 0.9 / (1 + np.exp(-(motion.times - 36) / 2))
    turns = motion.rotations.copy()
    turns[:, 1] = rotations.about_axis(np.array([0, 1.0, 0]), look)
    motion = replace(motion, rotations=turns)
    plan = make_plan(character, motion, contexts=[(0, 54)], keys=[54, 78, 102], fill_at_samples=True)
    filled = context(character, motion.at(plan.known(motion.times)), plan)
    true = metrics.select(motion, tuple(plan.fill_times)).rotations.astype(float)
    off = rotations.log(rotations.multiply(rotations.conjugate(true), filled.rotations.astype(float)))
    errors = np.linalg.norm(off, axis=-1).mean(0)
    assert errors[1] < 0.01  # the spine, which looked to the side once; 0.12 if it goes with the legs
    assert errors[2:].max() < 0.06  # the legs


def test_a_gap_that_repeats_the_context_is_left_to_it() -> None:
    character = walker()
    motion = walk(character, 121)
    plan = make_plan(character, motion, contexts=[(0, 54)], keys=[54, 78, 102], fill_at_samples=True)
    known = motion.at(plan.known(motion.times))
    assert min(context_prior.fill(character, known, plan).fits) > 0.6
    choices = auto_prior.fill(character, known, plan, auto_prior.CANDIDATES)[1].choices
    for choice in choices:
        shares = dict(choice.weights)
        assert shares["learned"] == 0
        assert shares["context"] > 0.7
        assert "the context holds motion like this" in choice.reason


def test_a_gap_unlike_the_context_is_blended_as_the_corpus_says() -> None:
    character = walker()
    motion, other = walk(character, 121), make_motion(character, np.arange(121.0).tolist(), seed=3, rate=RATE)
    late = (motion.times >= 54)[:, None, None]
    mixed = replace(motion, rotations=np.where(late, other.rotations, motion.rotations))
    plan = make_plan(character, mixed, contexts=[(0, 54)], keys=[54, 78, 102], fill_at_samples=True)
    known = mixed.at(plan.known(mixed.times))
    assert max(context_prior.fill(character, known, plan).fits) < 0.3
    for choice in auto_prior.fill(character, known, plan, auto_prior.CANDIDATES)[1].choices:
        assert dict(choice.weights)["learned"] > 0


def test_behind_a_context_that_stands_still_little_is_left_to_the_learned_prior() -> None:
    """It takes the gap for still as well, and what it adds is mostly wrong."""
    character = walker()
    motion = walk(character, 121)
    standing = np.where(motion.times < 54, 54, np.arange(121))
    still = replace(motion.at(standing), times=motion.times)
    plan = make_plan(character, still, contexts=[(0, 54)], keys=[54, 73, 92], fill_at_samples=True)
    known = still.at(plan.known(still.times))
    for choice in auto_prior.fill(character, known, plan, auto_prior.CANDIDATES)[1].choices:
        assert 0 < dict(choice.weights)["learned"] <= auto_prior.LEFT_BESIDE_STILLNESS
        assert choice.reason == "the context stands still and tells little"


def test_context_finds_the_cycle_in_another_direction() -> None:
    character = walker()
    motion = walk(character, 121)
    away = walk(character, 121, heading=1.3)
    late = motion.times >= 54
    mixed = replace(
        motion,
        translations=np.where(late[:, None, None], away.translations, motion.translations),
        rotations=np.where(late[:, None, None], away.rotations, motion.rotations),
    )
    plan = make_plan(character, mixed, contexts=[(0, 53)], keys=[53, 54, 78, 102], fill_at_samples=True)
    assert ratio(character, mixed, plan, context) < 0.4


def test_half_a_cycle_is_enough_where_left_and_right_mirror_each_other() -> None:
    character = walker()
    motion = walk(character, 41, period=32)
    plan = make_plan(character, motion, contexts=[(0, 18)], keys=[18, 34], fill_at_samples=True)
    lame = replace(
        character, joints=tuple(name.replace("Left", "A").replace("Right", "B") for name in character.joints)
    )
    assert ratio(character, motion, plan, context) < 0.5 * ratio(lame, motion, plan, context)


def test_the_mirror_image_of_the_mirror_image_is_the_motion() -> None:
    character = walker()
    motion = walk(character, 30, heading=0.7)
    symmetry = mirror.find_symmetry(character)
    assert symmetry is not None
    np.testing.assert_array_equal(symmetry.twin, [0, 1, 4, 5, 2, 3])
    once = mirror.mirrored(character, motion, symmetry)
    positions = [skeleton.joint_positions(character, m) for m in (motion, once)]
    reflected = positions[0][:, symmetry.twin] * np.array([-1, 1, 1])
    np.testing.assert_allclose(positions[1], reflected, atol=1e-5)
    twice = mirror.mirrored(character, once, symmetry)
    np.testing.assert_allclose(skeleton.joint_positions(character, twice), positions[0], atol=1e-5)


@pytest.mark.parametrize("pair", [("l_arm", "r_arm"), ("Arm.L", "Arm.R"), ("ArmL", "ArmR"), ("LArm", "RArm")])
def test_left_and_right_are_known_by_common_names(pair: tuple[str, str]) -> None:
    character = walker()
    joints = tuple(name.replace("LeftLeg", pair[0]).replace("RightLeg", pair[1]) for name in character.joints)
    symmetry = mirror.find_symmetry(replace(character, joints=joints))
    assert symmetry is not None
    assert symmetry.twin[2] == 4


def test_a_crooked_bind_pose_is_not_mirrored() -> None:
    character = walker()
    bind = character.T_skel_joint_bind.copy()
    bind[2:4, :3, 3] += [0.5, 0.2, 0.3]
    assert mirror.find_symmetry(replace(character, T_skel_joint_bind=bind)) is None


def test_a_body_that_keys_turn_steadily_does_not_swing_to_and_fro() -> None:
    character = walker()
    motion = walk(character, 121)
    yaw = np.radians(10) * np.maximum(motion.times - 48, 0)  # the context has no turn
    turns = motion.rotations.astype(float)
    turns[:, 0] = rotations.about_axis(np.array([0, 1.0, 0]), yaw)
    motion = replace(motion, rotations=rotations.continuous(turns).astype(np.float32))
    plan = make_plan(character, motion, contexts=[(0, 48)], keys=range(48, 121, 12), fill_at_samples=True)
    filled = learned(character, motion.at(plan.known(motion.times)), plan)
    true = metrics.select(motion, tuple(plan.fill_times)).rotations[:, 0].astype(float)
    off = np.degrees(rotations.angle_between(true, filled.rotations[:, 0].astype(float)))
    assert off[filled.times > 60].max() < 2  # 33 of the network alone


def end_velocity(
    motion: Motion, plan: Plan, prior: Prior, character: Character
) -> tuple[np.ndarray, np.ndarray]:
    """Velocities just before and just after the end of the context, per time code."""
    known = motion.at(plan.known(motion.times))
    gap = plan.gaps[0]
    near = 1e-4
    got = prior(character, known, replace(plan, gaps=(replace(gap, times=(gap.start + near,)),)))
    anchor = known.at(offsets.frames_at(known, np.array([gap.start])))
    after = offsets.offsets_from(anchor, got)[0] / near
    context = (plan.contexts[0][0], plan.contexts[0][1])
    before = spline.context_velocity(known, context, at_end=True) / known.time_codes_per_second
    return before, after


def test_spline_leaves_the_context_with_its_velocity() -> None:
    character = make_character()
    motion = make_motion(character, np.arange(0, 80).tolist(), seed=3)
    motion = replace(
        motion, rotations=motion.rotations.astype(float), translations=motion.translations.astype(float)
    )
    plan = make_plan(character, motion, contexts=[(0, 48)], keys=[48, 72], fill_at_samples=True)
    before, after = end_velocity(motion, plan, spline.spline, character)
    np.testing.assert_allclose(after, before, atol=1e-4)
    slerp_after = end_velocity(motion, plan, slerp, character)[1]
    assert np.abs(slerp_after - before).max() > 100 * np.abs(after - before).max()


def test_spline_is_smooth_across_a_key_between_gaps() -> None:
    character = make_character()
    motion = make_motion(character, np.arange(0, 100).tolist(), seed=4)
    plan = make_plan(character, motion, contexts=[(0, 48)], keys=[48, 66, 96], fill_at_samples=True)
    near = 1e-3
    gaps = (replace(plan.gaps[0], times=(66 - near,)), replace(plan.gaps[1], times=(66 + near,)))
    known = motion.at(plan.known(motion.times))
    known = replace(
        known, rotations=known.rotations.astype(float), translations=known.translations.astype(float)
    )
    got = spline.spline(character, known, replace(plan, gaps=gaps))
    key = known.at(offsets.frames_at(known, np.array([66.0, 66.0])))
    before, after = offsets.offsets_from(key, got)
    np.testing.assert_allclose(-before, after, atol=1e-5 * near + 1e-6)


def test_spline_never_strays_further_from_slerp_than_it_says() -> None:
    character = make_character()
    motion = make_motion(character, np.arange(0, 120).tolist(), seed=5)
    plan = make_plan(character, motion, contexts=[(0, 48)], keys=[48, 112], fill_at_samples=True)
    known = motion.at(plan.known(motion.times))
    bend = np.linalg.norm(spline.bend(character, known, plan)[..., offsets.ROTATION], axis=-1).max(0)
    starts, ends = (offsets.frames_at(known, np.array([t])) for t in (48.0, 112.0))
    change = (
        spline.context_velocity(known, (0, 48), at_end=True) - spline.mean_velocities(known, starts, ends)[0]
    )
    (reach,) = spline.reaches(character, known, plan)
    assert reach <= spline.REACH_S
    bound = 4 / 27 * reach * np.linalg.norm(change[:, offsets.ROTATION], axis=-1)
    assert (bend <= bound + 1e-12).all()
    assert (bend > 0.9 * bound).all()


def test_a_swing_that_is_about_to_stop_is_followed_for_a_shorter_time() -> None:
    character = make_character()
    motion = make_motion(character, np.arange(0, 60).tolist(), seed=5)
    stopped = motion.at(np.minimum(np.arange(60), 49))
    stopped = replace(stopped, times=motion.times)
    plan = make_plan(character, motion, contexts=[(0, 48)], keys=[48, 58], fill_at_samples=True)
    seen = [m.at(plan.known(m.times)) for m in (motion, stopped)]
    reaches = [spline.reaches(character, k, plan)[0] for k in seen]
    assert reaches[1] < 0.6 * reaches[0]


def test_a_key_that_is_an_extreme_stays_one() -> None:
    character = make_character([-1])
    times = [0.0, 24.0, 48.0]
    motion = replace(
        make_motion(character, times),
        rotations=np.tile(np.array([1, 0, 0, 0], np.float32), (3, 1, 1)),
        translations=np.array([[[0, 0, 0]], [[0, 1, 0]], [[0, 0, 0]]], np.float32),
    )
    plan = make_plan(character, motion, keys=times)
    assert spline.spline(character, motion, plan).translations[..., 1].max() <= 1


def test_a_long_context_costs_no_more_than_what_is_near() -> None:
    character = make_character()
    motion = make_motion(character, np.arange(0, 24 * 120).tolist())
    plan = make_plan(character, motion, contexts=[(0, 2800)], keys=[2800, 2830], fill_at_samples=True)
    known = motion.at(plan.known(motion.times))
    grids = windows.grids_near(known, plan, plan.gaps[0])
    assert sum(map(len, grids)) <= windows.SEARCH_REACH_S * windows.SEARCH_RATE + 1


def test_a_prior_that_is_always_right_earns_its_share() -> None:
    character = walker()
    motion = walk(character, 121, period=13.7)  # the learned prior leaves two thirds of the error
    plan = make_plan(character, motion, contexts=[(0, 60)], keys=[60, 90, 120], fill_at_samples=True)

    def oracle(character: Character, known: Motion, plan: Plan) -> Motion:
        return offsets.sample(motion, plan.fill_times)

    candidates = {**auto_prior.CANDIDATES, "oracle": oracle}
    known = motion.at(plan.known(motion.times))
    made, test = auto_prior.fill(character, known, plan, candidates)
    assert test.choices[0].prior == "oracle"
    assert made.times.shape == plan.fill_times.shape
