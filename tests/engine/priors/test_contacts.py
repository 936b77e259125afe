"""Joints that rest stay where they are, nothing else moves, and nothing depends on place, heading, unit or order."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from engine.evaluation.evaluate import plans_of, read_suite
from engine.evaluation.rows import split_dense
from engine.geometry import metrics, rotations, skeleton
from engine.planning.plan import Plan, make_plan
from engine.priors import offsets
from engine.priors.baselines import slerp
from engine.priors.catalogue import PRIORS
from engine.priors.contacts import contacts
from engine.priors.contacts.hinges import STRAIGHT, find_hinges, unbend
from engine.priors.contacts.planting import QUICK, WRONG, _moved, find_limbs, plant, spreads
from engine.priors.contacts.rests import carries_most
from engine.priors.contacts.slopes import rise_of, rises_of
from engine.priors.contacts.supports import HIGHEST_UNSEEN, find_supports
from engine.priors.contacts.trajectory import CORRECTION_SPEED, Trajectory, blended
from engine.priors.context.prior import context
from engine.priors.fill import fill, fill_plainly, merge
from engine.priors.learned.bodies import bodies_of, with_joints
from engine.priors.shaping.velocity import carry_velocity
from engine.priors.spline import spline
from tests.conftest import ASSETS
from tests.engine.conftest import make_character, make_motion
from tests.engine.priors.test_priors import assert_same, doubled, turned
from usd_io.model import Character, Motion
from usd_io.read.stage import read_shot

SUITE = ASSETS.parent / "suite.toml"

RATE = 30.0
LEVEL = np.array([0.02, 0.02])
HIPS, SPINE, LEFT, RIGHT = 0, 1, (2, 3, 4), (5, 6, 7)
REST = np.array(
    [
        *([0, 0.95, 0], [0, 0.6, 0], [0.1, 0, 0], [0, -0.5, 0], [0, -0.5, 0]),
        *([-0.1, 0, 0], [0, -0.5, 0], [0, -0.5, 0]),
    ]
)


def biped() -> Character:
    """Hips with a spine and two legs of thigh, shin and foot; Y up."""
    legs = [
        f"Hips/{s}Thigh{below}" for s in ("Left", "Right") for below in ("", f"/{s}Shin", f"/{s}Shin/{s}Foot")
    ]
    return replace(
        make_character((-1, 0, 0, 2, 3, 0, 5, 6)),
        joints=("Hips", "Hips/Spine", *legs),
        rest_translations=REST.astype(np.float32),
    )


def pose(character: Character, hips: np.ndarray, feet: Sequence[np.ndarray]) -> Motion:
    """The legs bent so that both feet are where they should be, in the planes x = +-0.1.

    Args:
        character: As of :func:`biped`.
        hips: Height and way along z by frame, (frame, 2).
        feet: The same of the left and the right foot.
    """
    turns = np.zeros((len(hips), 8, 3))
    turns[:, SPINE, 0] = 0.2 * np.sin(np.arange(len(hips)) / 5)
    for leg, foot in zip((LEFT, RIGHT), feet, strict=True):
        way = foot - hips
        bend = np.arccos(np.minimum(np.linalg.norm(way, axis=1), 0.999))
        turns[:, leg[0], 0] = np.arctan2(-way[:, 1], -way[:, 0]) - bend
        turns[:, leg[1], 0] = 2 * bend
        turns[:, leg[2], 0] = -turns[:, leg[0], 0] - turns[:, leg[1], 0]
    translations = np.repeat(REST[None], len(hips), 0)
    translations[:, HIPS, 1:] = hips
    return replace(
        make_motion(character, np.arange(len(hips)).tolist(), rate=RATE),
        translations=translations.astype(np.float32),
        rotations=rotations.continuous(rotations.exp(turns)).astype(np.float32),
    )


def walk(character: Character, frames: int = 151, period: float = 40.0) -> Motion:
    """Feet planted for 0.6 of a cycle, half a cycle apart."""
    t = np.arange(frames) / period
    feet = []
    for shift in (0.0, 0.5):
        cycle, phase = np.divmod(t + shift, 1)
        swing = np.clip((phase - 0.6) / 0.4, 0, 1)
        along = cycle - shift + swing * swing * (3 - 2 * swing)
        feet.append(np.stack([0.02 + 0.15 * np.sin(np.pi * swing) ** 2, 0.8 * (along + 0.3)], -1))
    hips = np.stack([0.88 + 0.02 * np.cos(4 * np.pi * t), 0.8 * t], -1)
    return pose(character, hips, feet)


def step_and_sway(character: Character, frames: int = 151) -> Motion:
    """A few steps, then the hips sway deep over feet that stay."""
    walked = walk(character, 61)
    places = skeleton.joint_positions(character, walked)[:, [HIPS, LEFT[2], RIGHT[2]], 1:]
    places = np.concatenate([places, np.repeat(places[-1:], frames - 61, 0)])
    t = np.arange(frames - 60)
    places[60:, 1:, 0] = 0.02
    places[60:, 0, 0] -= 0.4 * np.sin(np.pi * t / 54) ** 2
    places[60:, 0, 1] += 0.3 * np.sin(2 * np.pi * t / 54)
    return pose(character, places[:, 0], (places[:, 1], places[:, 2]))


def planned(character: Character, motion: Motion, keys: Sequence[float]) -> tuple[Plan, Motion]:
    plan = make_plan(character, motion, contexts=[(0, keys[0])], keys=keys, fill_at_samples=True)
    return plan, motion.at(plan.known(motion.times))


def strayed(character: Character, made: Motion, truth: Motion, joint: int) -> float:
    """Largest distance of a joint from the truth [heights]."""
    frames = offsets.frames_at(truth, made.times)
    apart = [skeleton.joint_positions(character, m)[:, joint] for m in (made, truth.at(frames))]
    return float(np.linalg.norm(apart[0] - apart[1], axis=-1).max() / metrics.height(character, truth, 0))


@pytest.mark.parametrize("prior", [spline, context])
def test_feet_that_stand_stay_within_a_hundredth_of_the_height(prior) -> None:  # type: ignore[no-untyped-def]
    character = biped()
    motion = step_and_sway(character)
    plan, known = planned(character, motion, [70, 97, 125])
    made = prior(character, known, plan)
    assert max(strayed(character, made, motion, foot) for foot in (LEFT[2], RIGHT[2])) > 0.03
    planted = plant(character, known, plan, made)
    for foot in (LEFT[2], RIGHT[2]):
        assert strayed(character, planted, motion, foot) < 0.01


def test_feet_of_a_walk_slide_less_and_all_joints_are_nearer_to_the_truth() -> None:
    character = biped()
    motion = walk(character)
    plan, _ = planned(character, motion, [60, 84, 108, 132])
    parts = split_dense(motion, plan)
    slid, planted = (
        metrics.score(character, motion, fill_plainly("spline", character, parts, plan, contacts=on), plan)
        for on in (False, True)
    )
    assert slid.foot_skate is not None
    assert planted.foot_skate is not None
    assert planted.foot_skate < 0.6 * slid.foot_skate
    assert planted.l2p < slid.l2p
    assert planted.key_error == 0


def test_only_limbs_of_resting_joints_turn_and_locked_joints_stay() -> None:
    character = biped()
    motion = walk(character)
    plan, known = planned(character, motion, [60, 84, 108])
    made = spline(character, known, plan)
    planted = plant(character, known, plan, made)
    assert (planted.rotations != made.rotations).any(axis=(0, 2)).tolist() == [False] * 2 + [True] * 6
    np.testing.assert_array_equal(planted.translations, made.translations)
    locked = plant(character, known, replace(plan, locked=tuple(character.joints[j] for j in LEFT)), made)
    np.testing.assert_array_equal(locked.rotations[:, LEFT], made.rotations[:, LEFT])
    np.testing.assert_array_equal(locked.rotations[:, RIGHT], planted.rotations[:, RIGHT])


def test_runs_into_the_keys_without_a_jump() -> None:
    character = biped()
    motion = walk(character)
    plan, known = planned(character, motion, [60, 84, 108, 132])
    made = spline(character, known, plan)
    steps = []
    for filled in (made, plant(character, known, plan, made)):
        whole = skeleton.joint_positions(character, motion).copy()
        whole[offsets.frames_at(motion, plan.fill_times)] = skeleton.joint_positions(character, filled)
        steps.append(np.linalg.norm(np.diff(whole[60:133], axis=0), axis=-1).max())
    true = np.linalg.norm(np.diff(skeleton.joint_positions(character, motion), axis=0), axis=-1).max()
    assert steps[1] < 1.2 * max(steps[0], true)


def test_does_not_depend_on_place_heading_and_unit() -> None:
    character = biped()
    motion = doubled(walk(character))
    plan, known = planned(character, motion, [60, 84, 108])
    made = spline(character, known, plan)
    planted = plant(character, known, plan, made)
    move, scale = np.array([3.0, -2.0, 5.0]), 100.0
    again = [turned(character, m, 1.1, move, scale) for m in (known, made, planted)]
    moved = plant(character, again[0], plan, again[1])
    assert_same(moved, again[2], 1e-5)


def test_does_not_depend_on_the_order_of_joints() -> None:
    character = biped()
    motion = doubled(walk(character))
    plan, known = planned(character, motion, [60, 84, 108])
    order = np.array([0, 5, 6, 7, 1, 2, 3, 4])
    place = np.argsort(order)
    other = replace(
        character,
        joints=tuple(character.joints[j] for j in order),
        parents=np.array([place[p] if p >= 0 else -1 for p in character.parents[order]]),
    )

    def reordered(m: Motion) -> Motion:
        return replace(
            m,
            translations=m.translations[:, order],
            rotations=m.rotations[:, order],
            scales=m.scales[:, order],
        )

    made = spline(character, known, plan)
    got = plant(other, reordered(known), plan, reordered(made))
    assert_same(got, reordered(plant(character, known, plan, made)), 1e-9)


def test_a_foot_that_hangs_on_a_handle_is_moved() -> None:
    character = replace(
        make_character((-1, 0, 0)), rest_translations=np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], np.float32)
    )
    foot = skeleton.joint_positions(biped(), walk(biped()))[:, LEFT[2]]
    motion = make_motion(character, np.arange(len(foot)).tolist(), rate=RATE)
    motion = replace(
        motion,
        translations=np.stack([0 * foot, foot + np.array([0, 0.95, 0]), foot], 1).astype(np.float32),
        rotations=np.tile(np.array([1, 0, 0, 0], np.float32), (len(foot), 3, 1)),
    )
    plan, known = planned(character, motion, [60, 84, 108])
    made = spline(character, known, plan)
    planted = plant(character, known, plan, made)
    assert (planted.translations != made.translations).any(axis=(0, 2)).tolist() == [False, False, True]
    np.testing.assert_array_equal(planted.rotations, made.rotations)
    before, after = (
        metrics.score(character, motion, merge(known, filled), plan).foot_skate for filled in (made, planted)
    )
    assert before is not None
    assert after is not None
    assert after < 0.7 * before


@pytest.mark.parametrize("travelling", [False, True])
def test_a_foot_that_hangs_on_a_handle_is_put_down_and_lifted(travelling: bool) -> None:
    # root, hips, head and tail, a group of handles that stays as it is, and the foot
    rest = np.array([[0, 0, 0], [0, 1, 0], [0, 0.5, 0], [0, 0, -0.5], [0, 0, 0], [0, 0, 0]], np.float32)
    character = replace(make_character((-1, 0, 1, 1, 0, 4)), rest_translations=rest)
    places = skeleton.joint_positions(biped(), walk(biped()))
    foot, root = places[:, LEFT[2]], places[:, HIPS] * [0, 0, travelling]
    motion = make_motion(character, np.arange(len(foot)).tolist(), rate=RATE)
    moved = np.repeat(rest[None], len(foot), 0)
    moved[:, 0], moved[:, 5] = root, foot - root
    motion = replace(
        motion,
        translations=moved,
        rotations=np.tile(np.array([1, 0, 0, 0], np.float32), (len(foot), 6, 1)),
    )
    # keys at rest, the first two a step apart
    plan, known = planned(character, motion, [60, 84, 104])
    made = spline(character, known, plan)
    planted = skeleton.joint_positions(character, plant(character, known, plan, made))[:, 5]
    heights = dict(zip(plan.fill_times, planted[:, 1] - 0.02, strict=True))
    assert max(abs(heights[t]) for t in [*range(61, 65), *range(81, 84), *range(85, 104)]) < 0.001
    assert 0.14 < max(heights[t] for t in range(65, 81)) < 0.16


@pytest.mark.parametrize("in_place", [False, True])
def test_feet_that_glide_stay_above_the_floor(in_place: bool) -> None:
    # on a treadmill, or taken off the ground by the plan
    character = biped()
    motion = walk(character)
    if not in_place:
        there = motion.translations.copy()
        there[:, HIPS, 2] = 0
        motion = replace(motion, translations=there)
    plan, known = planned(character, motion, [60, 84, 108])
    plan = replace(plan, in_place=in_place)
    made = spline(character, known, plan)
    before, after = (
        skeleton.joint_positions(character, m)[:, [LEFT[2], RIGHT[2]]]
        for m in (made, plant(character, known, plan, made))
    )
    assert before[..., 1].min() < 0
    assert after[..., 1].min() > 0.019
    # they are raised and nothing else
    assert np.abs(after - before)[..., [0, 2]].max() < 0.005
    assert np.abs(after - before)[before[..., 1] > 0.021].max() < 1e-6


def test_a_root_on_the_floor_and_what_sways_slowly_do_not_rest() -> None:
    # a root under a head, a foot that stands and a tail that goes a tenth of the height a second
    rest = np.array([[0, 0, 0], [0, 1.5, 0], [0.2, 0, 0], [0, 0.05, 0]], np.float32)
    character = replace(make_character((-1, 0, 0, 0)), rest_translations=rest)
    motion = make_motion(character, np.arange(121).tolist(), rate=RATE)
    t = np.arange(121) / RATE
    moved = np.repeat(rest[None], 121, 0)
    moved[:, 3, 0] += 0.15 * t
    # after two seconds all go off, and stop
    moved[:, 0, 2] = np.clip(t - 2, 0, 1)
    motion = replace(
        motion,
        translations=moved,
        rotations=np.tile(np.array([1, 0, 0, 0], np.float32), (121, 4, 1)),
    )
    plan, known = planned(character, motion, [60, 90, 120])
    assert find_supports(character, known, plan, 1.5).joints.tolist() == [2]
    made = spline(character, known, plan)
    planted = plant(character, known, plan, made)
    np.testing.assert_array_equal(planted.translations[:, [0, 1, 3]], made.translations[:, [0, 1, 3]])


def swimming(character: Character) -> Motion:
    """The whole body waves and travels."""
    motion = make_motion(character, np.arange(151).tolist(), seed=3, rate=RATE)
    wave = 0.4 * np.sin(0.2 * np.arange(151)[:, None] + np.arange(len(character.joints)))
    turns = np.zeros((151, len(character.joints), 3))
    turns[..., 1] = wave
    return replace(motion, rotations=rotations.exp(turns).astype(np.float32))


def test_nothing_happens_where_nothing_rests() -> None:
    chain = make_character([-1, 0, 1, 2, 3, 4, 5])
    motion = swimming(chain)
    plan, known = planned(chain, motion, [60, 90, 120])
    made = spline(chain, known, plan)
    assert plant(chain, known, plan, made) is made


def test_a_foot_that_two_keys_have_on_the_floor_in_one_place_stays_there_without_context_too() -> None:
    character = biped()
    motion = walk(character).at(slice(None, None, 15))
    plan = make_plan(character, motion)
    made = spline(character, motion, plan)
    assert not plan.contexts
    before, after = (
        skeleton.joint_positions(character, m) for m in (made, plant(character, motion, plan, made))
    )
    stands = contacts.kept_by_keys(character, motion, plan, made, 1.5)
    assert set(np.flatnonzero(stands.any(0))) == {LEFT[2], RIGHT[2]}
    first = 0
    for gap, standing in zip(plan.gaps, stands, strict=True):
        part = slice(first, first + len(gap.times))
        first = part.stop
        place = skeleton.joint_positions(character, motion.at(motion.times == gap.start))[0]
        for leg in (LEFT, RIGHT):
            if standing[leg[2]]:
                strayed_by = [
                    np.linalg.norm(p[part, leg[2]] - place[leg[2]], axis=-1).max() for p in (before, after)
                ]
                assert strayed_by[1] < 0.012 < strayed_by[0]
            else:
                np.testing.assert_array_equal(before[part][:, leg], after[part][:, leg])


def test_a_foot_that_is_taken_away_and_brought_back_between_two_keys_is_let_go() -> None:
    character = biped()
    t = np.arange(31) / 30
    hips = np.stack([np.full(31, 0.88), np.zeros(31)], -1)
    stand = np.stack([np.full(31, 0.02), np.zeros(31)], -1)
    kick = stand + np.stack([0.1 * np.sin(np.pi * t) ** 2, 0.3 * np.sin(np.pi * t) ** 2], -1)
    motion = pose(character, hips, (kick, stand))
    plan = make_plan(character, motion.at(np.array([0, 30])))
    known = motion.at(plan.known(motion.times))
    made = motion.at(offsets.frames_at(motion, plan.fill_times))
    stands = contacts.kept_by_keys(character, known, plan, made, 1.5)
    assert set(np.flatnonzero(stands[0])) >= {RIGHT[2]}
    assert not stands[0, LEFT[2]]


@pytest.mark.parametrize("case", ["manta_ray_swim", "eagle_idle", "snake_idle"])
def test_nothing_happens_to_what_flies_swims_or_crawls(case: str) -> None:
    if not SUITE.exists():
        pytest.skip("the suite is not there")
    found = next(entry for entry in read_suite(SUITE) if entry.id == case)
    shot = read_shot(found.stage, (), meshes=False)
    character, motion, plan = plans_of(shot, found.context, found.keys, strict=True)[0]
    known = motion.at(plan.known(motion.times))
    made = spline(character, known, plan)
    assert plant(character, known, plan, made) is made


def test_a_chain_is_no_limb() -> None:
    character = make_character([-1, *range(99)])
    limbs = find_limbs(character, np.array([99]))
    assert len(limbs[0].joints) == 40


def test_pinned_frames_are_met_and_what_is_far_from_them_is_left_alone() -> None:
    seconds = np.arange(121) / RATE
    pinned = {0: np.zeros(3), **{i: np.array([0.1, 0, 0]) for i in range(50, 61)}, 120: np.zeros(3)}
    trajectory = blended(seconds, pinned)
    np.testing.assert_allclose(trajectory[50:61, 0], 0.1)
    np.testing.assert_array_equal(trajectory[:38], 0)
    np.testing.assert_array_equal(trajectory[73:], 0)
    assert np.abs(np.diff(trajectory[:, 0])).max() < 0.1 / 5


def test_a_glide_between_keys_becomes_rest_swing_and_rest() -> None:
    character = biped()
    motion = walk(character)
    # the left foot rests up to frame 24 and from 40 on; keys at rest, one step apart, and a path that glides evenly
    plan, known = planned(character, motion, [60, 62, 82])
    supports = find_supports(character, known, plan, metrics.height(character, known, 60))
    left = supports.joints.tolist().index(LEFT[2])
    seconds, lift, way = supports.swings[left]
    assert 0.2 < seconds < 16 / RATE + 0.1
    assert 0.1 < lift < 0.16
    assert 0.7 < way < 0.82
    times = np.arange(31) / RATE
    path = np.linspace([0.1, 0.02, 0], [0.1, 0.02, 0.5], 31)
    trajectory = Trajectory(
        path, times, LEVEL, supports.swing_speeds[left], 0.0, supports.swings[left], 1.5, 1
    )
    stepped = path + trajectory.correction()
    speed = np.linalg.norm(np.diff(stepped, axis=0), axis=-1) * RATE
    np.testing.assert_array_equal(stepped[[0, -1]], path[[0, -1]])
    # still for more than a fifth of a second after the first key and before the second, quick and lifted in between
    assert speed[:7].max() < 1e-9
    assert speed[-7:].max() < 1e-9
    assert speed.max() > 1
    assert lift / 2 < stepped[:, 1].max() - 0.02 < 1.01 * lift
    assert (stepped[:, 1] > 0.019).all()


def trajectory(path: np.ndarray) -> Trajectory:
    """Of a foot 1.5 high above the floor's level 0.02, whose swings are as in :func:`walk`; Y up."""
    return Trajectory(
        path, np.arange(len(path)) / RATE, LEVEL, 3.0, 0.0, np.array([16 / RATE, 0.15, 0.8]), 1.5, 1
    )


def glide(*along: tuple[float, float]) -> np.ndarray:
    """A low path along z through what is given as frame and place."""
    frames, places = np.transpose(along)
    path = np.tile([0.1, 0.02, 0.0], (int(frames[-1]) + 1, 1))
    path[:, 2] = np.interp(np.arange(len(path)), frames, places)
    return path


def test_between_two_rests_a_foot_is_lifted_and_given_the_time_of_a_swing() -> None:
    # at rest at both keys and in between; the ways from rest to rest are short in time and low
    path = glide((0, 0), (15, 0.05), (20, 0.5), (40, 0.55), (45, 1.0), (60, 1.05))
    walked = path + trajectory(path).correction()
    speed = np.linalg.norm(np.diff(walked, axis=0), axis=-1) * RATE
    for middle in (17, 42):
        # as a swing of fewer frames than the context's is: not as high
        assert 0.3 * 0.15 < walked[middle - 2 : middle + 4, 1].max() - 0.02 < 0.15
    assert speed.max() < 1.1 * 3.0
    for still in (slice(0, 12), slice(24, 36), slice(48, 60)):
        assert speed[still].max() < 0.15
    np.testing.assert_array_equal(walked[[0, -1]], path[[0, -1]])
    # rests that glide too, as averages have them: where they were held to their ends the foot would have to jump
    path = glide((0, 0), (12, 0.05), (17, 0.45), (28, 0.95), (33, 1.35), (44, 1.85), (49, 2.25), (60, 2.3))
    speed = np.linalg.norm(np.diff(path + trajectory(path).correction(), axis=0), axis=-1) * RATE
    assert speed.max() < 1.2 * 3.0
    # where the rests are at one place nothing is lifted
    path = glide((0, 0), (15, 0.0), (20, 0.2), (25, 0.0), (60, 0.0))
    assert np.abs(trajectory(path).correction()[:, 1]).max() < 1e-9


def test_a_rest_begins_no_sooner_after_a_key_than_the_foot_gets_there() -> None:
    # quick through the first key, then back to where it rests at the second one
    path = glide((0, 0), (2, 0.1), (4, 0.12), (30, -0.15))
    correction = trajectory(path).correction()
    corrected = path + correction
    # it goes on the way that it came before it turns back, no quicker than half as fast again as on average
    assert corrected[1, 2] > 0
    assert np.abs(np.diff(correction[:, 2])).max() < 1.5 * 1.5 * CORRECTION_SPEED / RATE
    np.testing.assert_allclose(corrected[15:], np.tile(path[-1], (16, 1)), atol=1e-9)


def test_a_step_in_a_short_gap_is_not_as_high() -> None:
    path = glide((0, 0), (4, 0.1))
    lifted = (path + trajectory(path).correction())[:, 1].max() - 0.02
    assert 0 < lifted < 0.15 * 4 / 16


def test_a_step_of_a_short_way_is_not_as_high() -> None:
    # a tenth of the context's way; a step as long as those is as high
    for way, lift in ((0.08, 0.015), (0.8, 0.15)):
        path = glide((0, 0), (30, way))
        lifted = (path + trajectory(path).correction())[:, 1].max() - 0.02
        assert 0.9 * lift < lifted < 1.01 * lift
    # nor is a swing between rests inside of a gap
    path = glide((0, 0), (15, 0.0), (17, 0.08), (43, 0.08), (45, 0.16), (60, 0.16))
    assert 0.001 < (path + trajectory(path).correction())[:, 1].max() - 0.02 < 1.01 * 0.015


@pytest.mark.parametrize(
    ("first", "last"),
    [
        # the right foot lands in the first half of the context, the left one is lifted in the second
        (10, 34),
        # the left foot stands, the right one takes a whole step
        (0, 24),
        # the right foot rests for an eighth of a second, then swings up to the end
        (0, 18),
    ],
)
def test_a_context_without_a_whole_swing_of_a_foot_shows_how_it_steps(first: int, last: int) -> None:
    character = biped()
    motion = walk(character)
    keys = [last, last + 20, last + 40, last + 60]
    plan = make_plan(character, motion, contexts=[(first, last)], keys=keys, fill_at_samples=True)
    known = motion.at(plan.known(motion.times))
    supports = find_supports(character, known, plan, metrics.height(character, known, last))
    feet = [LEFT[2], RIGHT[2]]
    assert supports.joints.tolist() == feet
    for seconds, lift, way in supports.swings:
        assert seconds > 0.3
        assert 0.12 < lift < 0.16
        assert 0.3 < way < 0.82
    made = spline(character, known, plan)
    got = skeleton.joint_positions(character, plant(character, known, plan, made))[:, feet, 1]
    true = skeleton.joint_positions(character, motion)[offsets.frames_at(motion, plan.fill_times)][:, feet, 1]
    assert (got.max(0) > 0.02 + 0.5 * (true.max(0) - 0.02)).all()


def test_what_leaves_the_context_high_in_the_air_is_no_step_so_high() -> None:
    character = biped()
    motion = walk(character)
    places = skeleton.joint_positions(character, motion)[:, [HIPS, LEFT[2], RIGHT[2]], 1:].copy()
    places[:, 2] = [0.02, 0.2]
    places[:, 0] = [0.85, 0.1]
    places[:15, 1] = [0.02, 0.0]
    places[15:, 1] = [0.02, 0.0] + np.minimum(np.arange(136) / 9, 1)[:, None] * [0.6, 0.4]
    kick = pose(character, places[:, 0], (places[:, 1], places[:, 2]))
    plan, known = planned(character, kick, [24, 54])
    supports = find_supports(character, known, plan, metrics.height(character, known, 24))
    lift, way = supports.swings[supports.joints.tolist().index(LEFT[2]), 1:]
    assert 0 < lift <= HIGHEST_UNSEEN * way


def test_what_slips_while_it_rests_is_no_swing() -> None:
    character = biped()
    motion = walk(character)
    places = skeleton.joint_positions(character, motion)[:, [HIPS, LEFT[2], RIGHT[2]], 1:].copy()
    for begin in (9, 49):  # the left foot rests from there for half a second
        places[begin:, 1, 1] += 0.06 * np.clip(np.arange(151 - begin) / 4, 0, 1)
    slipping = pose(character, places[:, 0], (places[:, 1], places[:, 2]))
    swings = []
    for shot in (motion, slipping):
        plan, known = planned(character, shot, [80, 110])
        supports = find_supports(character, known, plan, metrics.height(character, known, 80))
        swings.append(supports.swings[supports.joints.tolist().index(LEFT[2])])
    np.testing.assert_allclose(swings[1], swings[0], rtol=0.15)


def test_a_foot_that_a_key_catches_in_the_air_comes_down_and_stands() -> None:
    # 0.04 above its rests at the first key, and so at first in the path, which is slow all the way
    path = glide((0, 0.0), (30, 0.02))
    path[:, 1] += 0.045
    held = path + trajectory(path).correction()
    np.testing.assert_array_equal(held[[0, -1]], path[[0, -1]])
    assert np.abs(held[8:23, 1] - 0.02).max() < 0.003
    # a key that is no higher than a rest is one: the foot stays at its height
    low = path - [0, 0.03, 0]
    assert np.abs((low + trajectory(low).correction())[:, 1] - low[0, 1]).max() < 1e-9


def test_a_joint_that_turns_by_rounding_alone_does_not_turn() -> None:
    character = biped()
    motion = walk(character)
    toe = RIGHT[2]
    rest = np.array([1.0, 0, 0, 0], np.float32)
    shaken = rotations.normalise(rest + 4e-9 * np.arange(len(motion.times))[:, None])
    turned = motion.rotations.copy()
    turned[:, toe] = shaken
    plan, known = planned(character, replace(motion, rotations=turned), [60, 84, 108])
    turning = spreads(character, known, plan)
    assert (turning[toe, :3, :3] == 0).all()
    assert (turning[RIGHT[1], :3, :3] != 0).any()


def test_keys_at_one_place_make_no_step() -> None:
    times = np.arange(31) / RATE
    path = np.tile([0.1, 0.02, 0.0], (31, 1))
    path[:, 2] += 0.03 * np.sin(np.pi * times)
    trajectory = Trajectory(path, times, LEVEL, 2.0, 0.0, np.array([0.4, 0.1, 0.8]), 1.5, 1)
    stepped = path + trajectory.correction()
    np.testing.assert_allclose(stepped, np.tile(path[0], (31, 1)), atol=1e-9)


@pytest.mark.parametrize(("way", "steps"), [(0.8, True), (1.6, False)])
def test_a_way_of_two_steps_is_not_taken_in_one(way: float, steps: bool) -> None:
    """The second of two swings was smeared, low and slow, so that it looks like a rest that glides."""
    foot = trajectory(glide((0, 0.0), (6, 0.0), (14, way / 2), (44, way), (50, way)))
    first = foot.path[14, 2] + foot.correction()[14, 2]  # where the first swing ends
    assert (first < 0.2 * way) == steps
    assert steps or first > 0.45 * way


def test_slerp_stays_bare_and_the_setting_turns_it_off() -> None:
    character = biped()
    motion = walk(character)
    plan, known = planned(character, motion, [60, 84, 108])
    parts = split_dense(motion, plan)
    bare = slerp(character, known, plan)
    inside = np.isin(motion.times, plan.fill_times)
    for prior, on in (("slerp", True), ("spline", False)):
        made = PRIORS[prior](character, known, plan)
        if prior != "slerp":
            made = carry_velocity(known, plan, made)
        got = fill(character, parts, plan, prior, contacts=on, style="calm").motion.at(inside)
        np.testing.assert_array_equal(got.rotations, made.rotations)
    assert not np.array_equal(
        fill(character, parts, plan, "spline").motion.at(inside).rotations, bare.rotations
    )


def knees(motion: Motion) -> np.ndarray:
    """Of :func:`biped`, left and right: degrees bent to the side of :func:`pose`."""
    q = motion.rotations[:, [LEFT[1], RIGHT[1]]].astype(float)
    return np.asarray(np.degrees(2 * np.arctan2(q[..., 1], q[..., 0])))


def straightened(motion: Motion, plan: Plan, by: float = 1.0) -> Motion:
    """Of :func:`biped`, filled, with knees that go backward between keys, by so much less bent [rad]: an average of
    what is plausible straightens the legs there too far."""
    true = motion.at(offsets.frames_at(motion, plan.fill_times))
    away = np.sin(np.pi * (true.times % 40 - 20) / 40) ** 2
    turns = rotations.log(true.rotations.astype(float))
    turns[:, [LEFT[1], RIGHT[1]]] -= by * away[:, None, None] * [1, 0, 0]
    return replace(true, rotations=rotations.exp(turns).astype(np.float32))


def test_a_knee_that_a_prior_straightens_too_far_bends_to_the_side_that_known_poses_show() -> None:
    character = biped()
    motion = walk(character)
    places = skeleton.joint_positions(character, motion)[:, [HIPS, LEFT[2], RIGHT[2]], 1:].copy()
    places[:, 0, 0] += 0.07
    motion = pose(character, places[:, 0], (places[:, 1], places[:, 2]))
    # keys a cycle apart
    plan, known = planned(character, motion, [60, 100, 140])
    made = straightened(motion, plan)
    assert knees(made).min() < -20
    planted = merge(known, plant(character, known, plan, made))
    assert knees(planted).min() > np.degrees(STRAIGHT) - 0.1
    assert np.abs(np.diff(knees(planted), axis=0)).max() < 2 * np.abs(np.diff(knees(motion), axis=0)).max()


def on_a_slope(character: Character, rise: float, glide: float = 0.0) -> Motion:
    """:func:`walk` on ground that rises by so much along the way, or falls, and glides by so much in every frame."""
    motion = walk(character)
    places = skeleton.joint_positions(character, motion)[:, [HIPS, LEFT[2], RIGHT[2]], 1:].copy()
    places[..., 0] += rise * places[..., 1]
    places[:, 0, 0] -= 0.05  # both legs reach
    places[..., 1] += glide * motion.times[:, None]
    return pose(character, places[:, 0], (places[:, 1], places[:, 2]))


@pytest.mark.parametrize("rise", [-0.2, 0.3])
def test_a_knee_bends_to_its_side_where_the_context_climbs_and_nothing_rests(rise: float) -> None:
    character = biped()
    # on a moving walkway
    motion = on_a_slope(character, rise, glide=0.02)
    plan, known = planned(character, motion, [60, 100, 140])
    size = metrics.height(character, known, 60)
    assert not len(find_supports(character, known, plan, size).joints)
    made = straightened(motion, plan, 1.3)
    assert knees(made).min() < -20
    planted = plant(character, known, plan, made)
    bent = knees(merge(known, planted))
    assert bent.min() > np.degrees(STRAIGHT - WRONG) - 0.1
    assert np.abs(np.diff(bent, axis=0)).max() < 2 * np.abs(np.diff(knees(motion), axis=0)).max()
    # feet stay where they are and as they are turned, and so do legs where nothing is wrong, bit for bit
    before, after = (skeleton.joint_transforms(character, m)[:, [LEFT[2], RIGHT[2]]] for m in (made, planted))
    far = np.linalg.norm(after[..., :3, 3] - before[..., :3, 3], axis=-1)
    assert far.max() < 0.02 * size
    np.testing.assert_allclose(after[..., :3, :3], before[..., :3, :3], atol=1e-5)
    for leg, bends in zip((LEFT, RIGHT), knees(made).T, strict=True):
        right = bends > np.degrees(STRAIGHT)
        assert right.any()
        assert not right.all()
        np.testing.assert_array_equal(planted.rotations[right][:, leg], made.rotations[right][:, leg])
    true = motion.at(offsets.frames_at(motion, plan.fill_times))
    assert plant(character, known, plan, true) is true


def test_hinges_bend_to_one_side_in_known_poses() -> None:
    character = biped()
    motion = walk(character)
    turns = np.ones(len(character.joints), bool)
    limbs = np.isin(np.arange(len(character.joints)), [*LEFT, *RIGHT])
    found = find_hinges(character, motion, limbs, turns)
    assert [hinge.joint for hinge in found] == [LEFT[1], RIGHT[1]]
    for hinge in found:
        np.testing.assert_allclose(hinge.axis, [1, 0, 0], atol=1e-6)
        bent = knees(motion)[:, found.index(hinge)]
        np.testing.assert_allclose(
            np.degrees(hinge.bent(motion.rotations, motion.translations)), bent, atol=1e-3
        )
    # what known poses bend to both sides, or about any axis, or do not turn, is none
    both = motion.rotations.copy()
    both[::2, LEFT[1]] *= np.array([1, -1, 1, 1], np.float32)
    both[::2, RIGHT[1]] = rotations.exp(np.array([0, 0, 1.0]))
    assert not find_hinges(character, replace(motion, rotations=both), limbs, turns)
    assert not find_hinges(character, motion, limbs, ~turns)


def test_a_hinge_that_bends_more_than_half_a_turn_is_not_taken_for_straightened() -> None:
    character = biped()
    motion = walk(character)
    limbs = ~carries_most(character)
    knee = find_hinges(character, motion, limbs, np.ones(8, bool))[0]
    # as an ankle that is bent further than it ever is in known poses, through the half turn
    turns = np.linspace(100, 190, 31)
    q = np.repeat(motion.rotations[:1], 31, 0).astype(float)
    q[:, LEFT[1]] = rotations.exp(np.radians(turns)[:, None] * knee.axis)
    translations = np.repeat(motion.translations[:1], 31, 0)
    np.testing.assert_allclose(np.degrees(knee.bent(q, translations)), turns, atol=1e-3)
    before = q.copy()
    unbend([knee], q, translations)
    np.testing.assert_array_equal(q, before)


def test_a_leg_that_cannot_reach_does_not_turn_faster_than_known() -> None:
    character = biped()
    motion = walk(character)
    plan, known = planned(character, motion, [60, 90])
    made = motion.at(offsets.frames_at(motion, plan.fill_times))
    away = np.sqrt(np.sin(np.pi * (made.times - 60) / 30))[:, None, None]
    joints = np.array([LEFT[2], RIGHT[2]])
    moved = _moved(character, known, plan, made, joints, np.repeat(0.42 * away * [0, -1, -0.1], 2, 1))
    q = moved.rotations.astype(float)
    assert not np.array_equal(moved.rotations, made.rotations)
    assert rotations.angle_between(q[1:], q[:-1]).max() * RATE < QUICK


def test_a_foot_that_never_moves_stays_where_it_is_beside_one_that_gets_lower() -> None:
    character = biped()
    t = np.arange(121) / RATE
    hips = np.stack([0.86 + 0.02 * np.sin(2 * t), 0.03 * np.sin(1.3 * t)], -1)
    left = np.tile([0.06, 0.0], (121, 1))
    # the right one swings free, slow where it turns back; lower at the keys than it ever gets in the context
    right = np.stack([0.05 + 0.04 * np.cos(6 * t), 0.25 * np.sin(3 * t)], -1)
    right[60:, 0] -= 0.045
    motion = pose(character, hips, (left, right))
    plan, known = planned(character, motion, [60, 74, 90, 106, 120])
    supports = find_supports(character, known, plan, metrics.height(character, known, 60))
    assert set(supports.joints) >= {LEFT[2]}
    made = spline(character, known, plan)
    before, after = (
        skeleton.joint_positions(character, m)[:, LEFT[2]]
        for m in (made, plant(character, known, plan, made))
    )
    assert np.abs(before - [0.1, 0.06, 0]).max() < 0.005
    assert np.abs(after - [0.1, 0.06, 0]).max() < 0.005


def stairs(character: Character, rise: float) -> Motion:
    """:func:`walk`, flat at first, from frame 42 on over stairs of which each place of a foot is the next."""
    motion = walk(character)
    places = skeleton.joint_positions(character, motion)[:, [HIPS, LEFT[2], RIGHT[2]], 1:].copy()
    places[..., 0] += rise * np.maximum((places[..., 1] - 1.04) / 0.4, 0)
    places[:, 0, 0] -= abs(rise)  # both legs reach
    return pose(character, places[:, 0], (places[:, 1], places[:, 2]))


@pytest.mark.parametrize("rise", [-0.12, -0.05, 0.06, 0.12])
def test_feet_on_stairs_rest_at_the_heights_of_the_keys(rise: float) -> None:
    character = biped()
    motion = stairs(character, rise)
    # both feet stand at the keys, each in its place at two in a row
    plan, known = planned(character, motion, [42, 62, 82, 102, 122])
    made = spline(character, known, plan)
    true = skeleton.joint_positions(character, motion.at(offsets.frames_at(motion, plan.fill_times)))
    before, after = (
        np.linalg.norm(skeleton.joint_positions(character, m) - true, axis=-1)[:, [LEFT[2], RIGHT[2]]]
        for m in (made, plant(character, known, plan, made))
    )
    assert after.mean() < 0.6 * before.mean()


def side_by_side(apart: float) -> tuple[Character, Motion]:
    """Two walkers under one root that stays, the second a few frames ahead; far to the left and the right of it."""
    one = biped()
    count = len(one.joints)
    parents = [-1, *(p + first if p >= 0 else 0 for first in (1, 1 + count) for p in one.parents)]
    names = ("Root", *(f"Root/{name}/{joint}" for name in "AB" for joint in one.joints))
    character = replace(make_character(parents), joints=names)
    walked = walk(one, 160)
    whole = make_motion(character, range(151), rate=RATE)
    turns, translations = whole.rotations.copy(), whole.translations.copy()
    turns[:, 0], translations[:, 0] = [1, 0, 0, 0], 0
    for first, begin, side in ((1, 0, -apart / 2), (1 + count, 9, apart / 2)):
        its = walked.at(slice(begin, begin + 151))
        turns[:, first : first + count], translations[:, first : first + count] = (
            its.rotations,
            its.translations,
        )
        translations[:, first, 0] += side
    return character, replace(whole, rotations=turns, translations=translations)


def test_the_feet_of_two_bodies_in_one_skeleton_rest_however_far_they_are_apart() -> None:
    character, motion = side_by_side(40)
    plan, known = planned(character, motion, [60, 80, 100, 120])
    made = spline(character, known, plan)
    planted = plant(character, known, plan, made)
    for own in bodies_of(character, known):
        # without the root, at the floor, which is the lowest joint here
        seen, its, theirs = (with_joints(m, own[1:]) for m in (known, made, planted))
        assert np.abs(theirs.rotations - its.rotations).max() > 0.05
        np.testing.assert_allclose(theirs.rotations, plant(biped(), seen, plan, its).rotations, atol=0.01)


def slides(character: Character, truth: Motion, plan: Plan, made: Motion) -> float:
    """Mean speed of feet in the gaps while they are still in the truth [stage units/frame]."""
    frames = offsets.frames_at(truth, made.times)
    true, its = (
        skeleton.joint_positions(character, m)[:, [LEFT[2], RIGHT[2]]] for m in (truth.at(frames), made)
    )
    speeds = [np.linalg.norm(np.diff(places, axis=0), axis=-1) for places in (true, its)]
    return float(speeds[1][speeds[0] < 1e-4].mean())


@pytest.mark.parametrize("rise", [-0.25, 0.03, 0.15, 0.3])
def test_feet_rest_on_a_slope_that_the_context_climbs(rise: float) -> None:
    character = biped()
    motion = on_a_slope(character, rise)
    plan, known = planned(character, motion, [70, 90, 110, 130])
    found = rise_of(character, known, plan)
    np.testing.assert_allclose(found, [0, 0, rise], atol=0.02)
    supports = find_supports(character, known, plan, metrics.height(character, known, 70))
    assert supports.joints.tolist() == [LEFT[2], RIGHT[2]]
    made = spline(character, known, plan)
    after = plant(character, known, plan, made)
    assert slides(character, motion, plan, after) < 0.7 * slides(character, motion, plan, made)


@pytest.mark.parametrize(("rise", "first", "last"), [(0.3, 0, 60), (-0.3, 20, 150)])
def test_feet_rest_where_a_part_of_the_context_is_beside_its_slope(
    rise: float, first: int, last: int
) -> None:
    character = biped()
    motion = walk(character)
    places = skeleton.joint_positions(character, motion)[:, [HIPS, LEFT[2], RIGHT[2]], 1:].copy()
    # up to level ground before the first key, or down from it
    slope = np.clip(places[..., 1], places[first, 0, 1], places[last, 0, 1])
    places[..., 0] += rise * slope - [[0.05, 0, 0]]
    motion = pose(character, places[:, 0], (places[:, 1], places[:, 2]))
    plan, known = planned(character, motion, [80, 100, 120, 140])
    assert rise_of(character, known, plan)[2] / rise > 0.7
    supports = find_supports(character, known, plan, metrics.height(character, known, 80))
    assert supports.joints.tolist() == [LEFT[2], RIGHT[2]]
    made = spline(character, known, plan)
    after = plant(character, known, plan, made)
    assert slides(character, motion, plan, after) < 0.7 * slides(character, motion, plan, made)


def with_toes(character: Character, motion: Motion) -> tuple[Character, Motion]:
    """The same with a toe below and before each foot, which rests lower than it."""
    feet, toe = (LEFT[2], RIGHT[2]), np.array([[0, -0.06, 0.15]] * 2, np.float32)
    both, frames = (len(character.joints), len(character.joints) + 1), len(motion.times)
    whole = replace(
        make_character((*character.parents.tolist(), *feet)),
        joints=(*character.joints, *(f"{character.joints[foot]}/Toe" for foot in feet)),
        rest_translations=np.concatenate([character.rest_translations, toe]),
    )
    made = make_motion(whole, range(frames), rate=RATE)
    turns, places = made.rotations.copy(), np.repeat(whole.rest_translations[None], frames, 0)
    turns[:, list(both)] = [1, 0, 0, 0]
    turns[:, : both[0]], places[:, : both[0]] = motion.rotations, motion.translations
    return whole, replace(made, rotations=turns, translations=places)


@pytest.mark.parametrize("deep", [0.05, 0.16])
def test_no_ankle_gets_under_the_floor_while_its_toe_is_on_it(deep: float) -> None:
    character, motion = with_toes(biped(), walk(biped()))
    plan, known = planned(character, motion, [60, 80, 100, 120])
    plan = replace(plan, in_place=True)
    # between the keys legs stretch, straight at last, and feet are turned for the toes to stay
    true = motion.at(offsets.frames_at(motion, plan.fill_times))
    away = np.sin(np.pi * (true.times % 20) / 20) ** 2
    places = skeleton.joint_positions(character, true)[:, [HIPS, LEFT[2], RIGHT[2]], 1:].copy()
    places[:, 1:, 0] -= deep * away[:, None]
    legs = pose(biped(), places[:, 0], (places[:, 1], places[:, 2]))
    turns = rotations.log(legs.rotations.astype(float))
    turns[:, [LEFT[2], RIGHT[2]], 0] -= 6 * deep * away[:, None]
    made = replace(with_toes(biped(), replace(legs, rotations=rotations.exp(turns)))[1], times=true.times)
    rest, before, after = (
        skeleton.joint_positions(character, m)[:, [LEFT[2], RIGHT[2]], 1].min()
        for m in (known, made, plant(character, known, plan, made))
    )
    assert before < rest - 0.9 * deep
    assert after > rest - 0.02


@pytest.mark.parametrize("rise", [-0.09, 0.06, 0.09])
def test_that_a_toe_rests_lower_than_its_ankle_hides_no_slope(rise: float) -> None:
    character, motion = with_toes(biped(), on_a_slope(biped(), rise))
    plan, known = planned(character, motion, [70, 90, 110, 130])
    np.testing.assert_allclose(rise_of(character, known, plan), [0, 0, rise], atol=0.02)
    made = spline(character, known, plan)
    after = plant(character, known, plan, made)
    assert slides(character, motion, plan, after) < 0.7 * slides(character, motion, plan, made)
    character, motion = with_toes(biped(), walk(biped()))
    assert not rise_of(character, motion.at(plan.known(motion.times)), plan).any()


def test_level_ground_has_no_slope_and_what_was_climbed_ends() -> None:
    character = biped()
    level = walk(character)
    plan, known = planned(character, level, [70, 90, 110, 130])
    assert not rise_of(character, known, plan).any()
    # up to where the context ends, and level from there
    places = skeleton.joint_positions(character, level)[:, [HIPS, LEFT[2], RIGHT[2]], 1:].copy()
    places[..., 0] += 0.3 * np.minimum(places[..., 1], places[70, 0, 1]) - 0.05
    motion = pose(character, places[:, 0], (places[:, 1], places[:, 2]))
    known = motion.at(plan.known(motion.times))
    assert rise_of(character, known, plan).any()
    assert not rises_of(character, known, plan)[1:].any()
    # two joints that each rest once, one above the other
    still = replace(known, translations=np.repeat(known.translations[:1], len(known.times), 0))
    assert not rise_of(character, still, plan).any()


def jumps(character: Character, way: float, smear: int = 1) -> Motion:
    """Every 45 frames a jump of 14 with both feet; an average over so many frames of it."""
    n, phase = np.divmod(np.arange(181.0), 45)
    fly = np.clip((phase - 18) / 14, 0, 1)
    feet = np.stack([0.02 + 0.3 * 4 * fly * (1 - fly) + 0.08 * np.sin(np.pi * fly) ** 2, way * (n + fly)], -1)
    crouch = 0.12 * (np.exp(-(((phase - 12) / 4) ** 2)) + np.exp(-(((phase - 36) / 4) ** 2)))
    along = way * (n + np.clip((phase - 16) / 18, 0, 1))
    hips = np.stack([0.9 + 0.3 * 4 * fly * (1 - fly) - crouch, along], -1)
    taps = np.full(smear, 1 / smear)
    hips, feet = (
        np.stack([np.convolve(np.pad(p, smear // 2, mode="edge"), taps, "valid") for p in path.T], -1)
        for path in (hips, feet)
    )
    return pose(character, hips, (feet, feet))


@pytest.mark.parametrize(("way", "keys"), [(0.0, [90, 135, 180]), (0.3, [78, 102, 123, 147, 168])])
def test_a_jump_stays_as_high_as_it_is_made(way: float, keys: list[float]) -> None:
    character = biped()
    truth, smeared = jumps(character, way), jumps(character, way, 13)
    plan, known = planned(character, truth, keys)
    made = smeared.at(offsets.frames_at(smeared, plan.fill_times))
    true, before, after = (
        skeleton.joint_positions(character, m)[:, [LEFT[2], RIGHT[2]]]
        for m in (truth.at(offsets.frames_at(truth, made.times)), made, plant(character, known, plan, made))
    )
    assert after[..., 1].max() > before[..., 1].max() - 0.02
    errors = [np.linalg.norm(p - true, axis=-1).mean() for p in (before, after)]
    assert errors[1] < errors[0]


@pytest.mark.parametrize("last", [90, 73])
def test_a_jump_is_no_step(last: int) -> None:
    character = biped()
    motion = jumps(character, 0.3)
    # the second one seen to its end, or up to its middle
    begin = 0 if last == 90 else 40
    plan = make_plan(character, motion, contexts=[(begin, last)], keys=[last, 135, 180], fill_at_samples=True)
    known = motion.at(plan.known(motion.times))
    supports = find_supports(character, known, plan, metrics.height(character, known, last))
    assert {LEFT[2], RIGHT[2]} <= set(supports.joints.tolist())
    assert (supports.swings == 0).all()
