"""Poses keyed twice are held; a cycle that comes round to its pose is not one."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from engine.geometry import rotations
from engine.geometry.resample import resample
from engine.priors import offsets
from engine.priors.fill import Filled, fill_motion
from tests.engine.conftest import make_character, make_motion
from usd_io.model import Motion

CHARACTER = make_character((-1, 0, 1, 2, 0))
MOTION = make_motion(CHARACTER, range(97))
CONTEXT = range(37)
HOLDS = ((40, 50), (54, 64), (68, 78))


def posed(times: Sequence[float], poses: Sequence[int]) -> Motion:
    """The motion's poses of some frames at other times."""
    return replace(MOTION.at(np.array(poses)), times=np.array(times, float))


def blocked() -> Motion:
    """Context, then poses that are keyed twice with a quick move between."""
    pairs = [time for hold in HOLDS for time in hold]
    poses = [pose for pose in (50, 65, 80) for _ in range(2)]
    return posed([*CONTEXT, *pairs], [*CONTEXT, *poses])


def strays(filled: Filled, hold: tuple[float, float]) -> float:
    """How far the pose goes away from that at the start of a hold."""
    motion = filled.motion
    inside = motion.at((motion.times >= hold[0]) & (motion.times <= hold[1]))
    assert len(inside.times) == hold[1] - hold[0] + 1
    return max(
        float(np.ptp(inside.rotations, axis=0).max()), float(np.ptp(inside.translations, axis=0).max())
    )


@pytest.mark.parametrize("prior", ["auto", "learned", "context", "spline"])
def test_a_pose_keyed_twice_is_held(prior: str) -> None:
    filled = fill_motion(CHARACTER, blocked(), context=[(0, 36)], prior=prior, takes=2, style="lively")
    for hold in HOLDS:
        assert strays(filled, hold) == 0
    assert (filled.others[0].times == filled.motion.times).all()
    choices = filled.self_test.choices
    assert [choice.expected_l2p == 0 for choice in choices] == [False, True, False, True, False, True]
    assert [(c.start, c.end) for c in choices if "held" in c.reason] == list(HOLDS)


def test_moves_between_holds_are_filled() -> None:
    motion = fill_motion(CHARACTER, blocked(), context=[(0, 36)]).motion
    assert {51.0, 52.0, 53.0, 65.0, 66.0, 67.0} <= {*motion.times.tolist()}


def test_a_cycle_that_the_context_shows_is_no_hold() -> None:
    """A walk on the spot, its pose keyed after a whole cycle and then after half of one."""
    cycle = [*range(12), *range(12, 0, -1)]
    shot = posed([*range(49), 72, 84, 96], [*(cycle[t % 24] for t in range(49)), 0, 12, 0])
    held = fill_motion(CHARACTER, shot, context=[(0, 48)]).motion
    inside = held.at((held.times > 48) & (held.times < 72))
    assert np.ptp(inside.rotations, axis=0).max() > 0.01


CYCLE = [*range(12), *range(12, 0, -1)]
"""Frames that go there and back, a walk on the spot."""


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("context", [24, 30, 60])
def test_the_cycle_of_the_context_goes_on_between_keys_whole_cycles_apart(count: int, context: int) -> None:
    first = context + 5
    keys = [first, first + 24 * count]
    frames = [*range(context + 1), *keys]
    shot = posed(frames, [CYCLE[t % 24] for t in frames])
    filled = fill_motion(CHARACTER, shot, context=[(0, context)]).motion
    inside = filled.at((filled.times >= keys[0]) & (filled.times <= keys[1]))
    assert np.ptp(inside.rotations, axis=0).max() > 0.01


def test_between_keys_off_the_beat_of_the_context_the_pose_is_held() -> None:
    frames = [*range(31), 35]
    shot = posed([*frames, 35 + 59], [*(CYCLE[t % 24] for t in frames), CYCLE[35 % 24]])
    assert strays(fill_motion(CHARACTER, shot, context=[(0, 30)]), (35, 35 + 59)) == 0


@pytest.mark.parametrize("length", [20, 40, 200])
def test_a_pose_in_which_a_short_context_settles_is_held(length: int) -> None:
    """It comes to rest there, so that nothing says that it would move on; nor is it held for as long as a cycle."""
    settling = np.round(40 * (1 - (1 - np.arange(17) / 16) ** 3)).astype(int).tolist()
    shot = posed([*range(17), 16 + length, 30 + length], [*settling, 40, 60])
    filled = fill_motion(CHARACTER, shot, context=[(0, 16)])
    assert strays(filled, (16, 16 + length)) == 0


def test_a_short_context_says_nothing_of_a_cycle_many_times_as_long() -> None:
    shot = posed([*range(9), 80, 90], [*range(9), 8, 40])
    assert strays(fill_motion(CHARACTER, shot, context=[(0, 8)]), (8, 80)) == 0


def test_who_comes_to_a_pose_of_the_context_from_afar_and_leaves_it_again_holds_it() -> None:
    """As in blocking behind an idle, which is in all of its poses again and again."""
    idle = [CYCLE[t % 24] // 4 for t in range(49)]
    shot = posed([*range(49), 54, 60, 84, 90], [*idle, 80, 0, 0, 80])
    filled = fill_motion(CHARACTER, shot, context=[(0, 48)])
    assert strays(filled, (60, 84)) == 0


def test_a_context_too_short_to_show_a_cycle_is_believed_to_move_on() -> None:
    shot = posed([*range(13), 36, 48], [*range(13), 12, 40])
    filled = fill_motion(CHARACTER, shot, context=[(0, 12)]).motion
    inside = filled.at((filled.times >= 12) & (filled.times <= 36))
    assert np.ptp(inside.rotations, axis=0).max() > 1e-3


def test_such_a_cycle_goes_on_in_all_gaps_of_the_same_pose() -> None:
    shot = posed([*range(13), 36, 60, 84], [*range(13), 12, 12, 12])
    filled = fill_motion(CHARACTER, shot, context=[(0, 12)]).motion
    for start, end in ((12, 36), (36, 60), (60, 84)):
        inside = filled.at((filled.times >= start) & (filled.times <= end))
        assert np.ptp(inside.rotations, axis=0).max() > 1e-3


def test_poses_keyed_many_times_are_held() -> None:
    """Three times behind a context that ends in the pose, and between two contexts, where no gap is left to fill."""
    shot = posed([*CONTEXT, 48, 60, 72], [*CONTEXT, 36, 36, 36])
    assert strays(fill_motion(CHARACTER, shot, context=[(0, 36)]), (36, 72)) == 0
    around = posed([*CONTEXT, *range(48, 85)], [*CONTEXT, *range(36, 73)])
    filled = fill_motion(CHARACTER, around, context=[(0, 36), (48, 84)], takes=3)
    assert [len(motion.times) for motion in filled.takes] == [85] * 3
    assert strays(filled, (36, 48)) == 0


@pytest.mark.parametrize("far", [0, 1000])
def test_how_far_from_the_origin_a_pose_is_held_does_not_matter(far: float) -> None:
    """A walk that goes on does not come back to its pose, however little that is of the way from the origin."""
    walk = posed([*range(49), 60, 84, 96], [*range(49), 60, 60, 80])
    shift = np.zeros((5, 3), np.float32)
    shift[0, 0] = far
    shot = replace(walk, translations=walk.translations + shift)
    assert strays(fill_motion(CHARACTER, shot, context=[(0, 48)]), (60, 84)) == 0


def test_a_pose_is_held_in_what_moves() -> None:
    shot = blocked()
    carried = shot.T_world_skel.copy()
    carried[:, 0, 3] = 0.2 * shot.times
    filled = fill_motion(CHARACTER, replace(shot, T_world_skel=carried), context=[(0, 36)])
    assert max(strays(filled, hold) for hold in HOLDS) == 0


def waved(shot: Motion, joints: Sequence[int]) -> Motion:
    """The shot with joints turned by half a radian at the end of every hold."""
    turned = shot.rotations.copy()
    half = np.array([np.cos(0.25), 0, 0, np.sin(0.25)], np.float32)
    for _, end in HOLDS:
        at = np.ix_(shot.times == end, joints)
        turned[at] = rotations.multiply(turned[at], np.broadcast_to(half, turned[at].shape))
    return replace(shot, rotations=turned)


@pytest.mark.parametrize("prior", ["auto", "spline"])
def test_what_is_keyed_twice_is_held_while_a_joint_moves(prior: str) -> None:
    filled = fill_motion(CHARACTER, waved(blocked(), [3]), context=[(0, 36)], prior=prior, takes=2)
    rest, last = [0, 1, 2, 4], filled.motion
    for start, end in HOLDS:
        inside = last.at((last.times >= start) & (last.times <= end))
        assert np.ptp(inside.rotations[:, rest], axis=0).max() == 0
        assert np.ptp(inside.translations, axis=0).max() == 0
        turns = inside.rotations[:, 3].astype(float)
        left = rotations.angle_between(turns, np.broadcast_to(turns[-1], turns.shape))
        assert left[0] == pytest.approx(0.5, abs=1e-3)
        straight = np.linspace(0.5, 0, len(left))
        assert 0 < np.abs(left - straight)[1:-1].max() < 0.2
    held = [choice for choice in filled.self_test.choices if "held but for 1 joint" in choice.reason]
    assert [(choice.start, choice.end) for choice in held] == list(HOLDS)
    # the last joint turns in its own place, so that no joint is off
    assert [choice.expected_l2p for choice in held] == [0.0] * 3


def test_what_moves_beside_a_hold_is_not_called_sure() -> None:
    """Joint 2 carries joint 3 with it."""
    filled = fill_motion(CHARACTER, waved(blocked(), [2]), context=[(0, 36)])
    held = [choice for choice in filled.self_test.choices if "held but for 1 joint" in choice.reason]
    assert len(held) == 3
    assert all(0.02 < (choice.expected_l2p or 0) < 0.05 for choice in held)
    assert filled.confidence is not None
    inside = filled.confidence[(filled.motion.times > HOLDS[0][0]) & (filled.motion.times < HOLDS[0][1])]
    assert (inside[:, [0, 1, 2, 4]] == 1).all()
    assert (inside[:, 3] < 0.8).all()


def drifted(shot: Motion, drift: float, ends: Sequence[float]) -> Motion:
    """The shot with all joints but the root turned at some keys, each about its own axis."""
    turned, axes = shot.rotations.copy(), np.random.default_rng(3).normal(size=(len(ends), 4, 3))
    axes *= drift / np.linalg.norm(axes, axis=-1, keepdims=True)
    at = np.isin(shot.times, ends)
    turned[at, 1:] = rotations.multiply(turned[at, 1:].astype(float), rotations.exp(axes))
    return replace(shot, rotations=turned)


def astray(filled: Filled, start: float, end: float, joints: Sequence[int] = range(5)) -> float:
    """How far joints turn away from straight in a gap [rad]."""
    motion = filled.motion.at((filled.motion.times >= start) & (filled.motion.times <= end))
    part = (motion.times - start) / (end - start)
    ends = np.zeros(len(part), int), np.full(len(part), len(part) - 1)
    line = offsets.between(motion, *ends, part, motion.times)
    angles = rotations.angle_between(motion.rotations.astype(float), line.rotations)
    return float(angles[:, joints].max())


@pytest.mark.parametrize("prior", ["auto", "learned", "spline"])
def test_between_keys_that_are_nearly_one_pose_a_prior_has_the_less_of_a_say(prior: str) -> None:
    """What drifts by 0.01 degrees is no move, and nothing changes at once as the keys come together."""
    ends = [end for _, end in HOLDS]
    found = []
    for drift in (5e-4, 2e-3, 0.01, 0.03):
        filled = fill_motion(CHARACTER, drifted(blocked(), drift, ends), context=[(0, 36)], prior=prior)
        found.append(max(astray(filled, *hold) for hold in HOLDS))
        choices = {c.start: c for c in filled.self_test.choices}
        assert all("nearly held" in choices[start].reason for start, _ in HOLDS)
        assert all(0 < (choices[start].expected_l2p or 0) < drift for start, _ in HOLDS)
    assert (np.array(found) < np.array([5e-4, 2e-3, 0.01, 0.03])).all()
    assert found == sorted(found)


def test_most_of_a_pose_that_is_nearly_the_same_is_held_beside_a_joint_that_moves() -> None:
    """In rows alone: a body that stays nearly as it is while a limb comes back is no hold."""
    shot = drifted(waved(blocked(), [2]), 1e-3, [end for _, end in HOLDS])
    alone = shot.at(np.isin(shot.times, [*CONTEXT, *HOLDS[0], HOLDS[1][1], HOLDS[2][1]]))
    rest = [0, 1, 3, 4]
    filled = fill_motion(CHARACTER, shot, context=[(0, 36)])
    for start, end in HOLDS:
        assert astray(filled, start, end, rest) < 1e-3
        assert 0.01 < astray(filled, start, end) < 0.2
    assert not any(
        "nearly" in c.reason for c in fill_motion(CHARACTER, alone, context=[(0, 36)]).self_test.choices
    )


def test_keys_clearly_apart_are_a_move() -> None:
    shot = drifted(blocked(), 1.0, [end for _, end in HOLDS])
    reasons = [c.reason for c in fill_motion(CHARACTER, shot, context=[(0, 36)]).self_test.choices]
    assert not any("nearly" in reason for reason in reasons)


def test_a_cycle_that_comes_back_nearly_is_no_hold() -> None:
    """The walk on the spot, a cycle later turned a little otherwise."""
    cycle = [*range(12), *range(12, 0, -1)]
    shot = posed([*range(49), 72, 84, 96], [*(cycle[t % 24] for t in range(49)), 0, 12, 0])
    filled = fill_motion(CHARACTER, drifted(shot, 0.01, [72]), context=[(0, 48)])
    assert astray(filled, 48, 72) > 0.02
    assert not any("nearly" in choice.reason for choice in filled.self_test.choices)


def test_a_single_gap_nearer_than_usual_is_no_hold_unless_others_are_keyed_twice() -> None:
    drift, ends = 0.15, [end for _, end in HOLDS]
    several = drifted(blocked(), drift, ends)
    alone = several.at(np.isin(several.times, [*CONTEXT, *HOLDS[0], HOLDS[1][1], HOLDS[2][1]]))
    counts = [
        sum("nearly" in choice.reason for choice in fill_motion(CHARACTER, shot).self_test.choices)
        for shot in (several, alone)
    ]
    assert counts == [3, 0]


def test_what_is_expected_of_moves_does_not_shrink_beside_holds() -> None:
    shot = blocked()
    filled = fill_motion(CHARACTER, shot, context=[(0, 36)])
    lengths = np.cumsum([0, *(end - start for start, end in HOLDS)])
    times = [*CONTEXT, *(start - length for (start, _), length in zip(HOLDS, lengths, strict=False))]
    through = replace(
        shot.at(np.isin(shot.times, [*CONTEXT, *(s for s, _ in HOLDS)])), times=np.array(times, float)
    )
    usual = [c.expected_l2p for c in fill_motion(CHARACTER, through, context=[(0, 36)]).self_test.choices]
    told = [c.expected_l2p for c in filled.self_test.choices if "held" not in c.reason]
    for own, without in zip(told, usual, strict=True):
        assert (own or 0) > 0.8 * (without or 1)


@pytest.mark.parametrize("joints", [[0], [1, 2, 3]])
def test_no_hold_is_seen_where_the_root_or_most_joints_move(joints: list[int]) -> None:
    filled = fill_motion(CHARACTER, waved(blocked(), joints), context=[(0, 36)])
    assert not any("held" in choice.reason for choice in filled.self_test.choices)


def test_a_cycle_with_another_turn_of_the_head_is_no_hold() -> None:
    """The walk on the spot of above, a joint of which is turned otherwise after a cycle."""
    cycle = [*range(12), *range(12, 0, -1)]
    shot = posed([*range(49), 72, 84, 96], [*(cycle[t % 24] for t in range(49)), 0, 12, 0])
    shot.rotations[-3, 3] = shot.rotations[12, 3]
    filled = fill_motion(CHARACTER, shot, context=[(0, 48)])
    assert not any("held" in choice.reason for choice in filled.self_test.choices)


def by_channel(**own: tuple[Sequence[float], Sequence[int]]) -> Motion:
    """A motion whose channels have poses of some frames at times of their own, straight in between."""
    times = sorted({time for own_times, _ in own.values() for time in own_times})
    values = {
        channel: getattr(resample(posed(*its), np.array(times, float)), channel)
        for channel, its in own.items()
    }
    channel_times = {channel: tuple(map(float, its[0])) for channel, its in own.items()}
    return replace(posed(times, [0] * len(times)), **values, channel_times=channel_times)


def strays_in(filled: Filled, channel: str, start: float, end: float) -> float:
    motion = filled.motion
    inside = motion.at((motion.times >= start) & (motion.times <= end))
    assert len(inside.times) == end - start + 1
    return float(np.ptp(getattr(inside, channel), axis=0).max())


PAIRS, POSES = [time for hold in HOLDS for time in hold], [pose for pose in (50, 65, 80) for _ in range(2)]
ROTATED = [*CONTEXT, *PAIRS], [*CONTEXT, *POSES]


@pytest.mark.parametrize(("before", "after"), [(0, 0), (-1, 1), (1, 1), (1, -1)])
@pytest.mark.parametrize("prior", ["auto", "spline"])
def test_channels_that_are_keyed_at_times_of_their_own_are_held(before: int, after: int, prior: str) -> None:
    moved = [time + (before, after)[place % 2] for place, time in enumerate(PAIRS)]
    shot = by_channel(rotations=ROTATED, translations=([*CONTEXT, *moved], [*CONTEXT, *POSES]))
    filled = fill_motion(CHARACTER, shot, prior=prior)
    for start, end in HOLDS:
        assert strays_in(filled, "rotations", start, end) < 1e-6
        assert strays_in(filled, "translations", start + before, end + after) < 1e-6


def test_turns_that_come_again_are_no_hold_where_the_body_goes_on() -> None:
    moved = [*CONTEXT, 39, 79], [*CONTEXT, 50, 80]
    filled = fill_motion(CHARACTER, by_channel(rotations=ROTATED, translations=moved))
    assert min(strays_in(filled, "rotations", *hold) for hold in HOLDS) > 1e-3


def test_a_key_that_a_channel_has_of_its_own_in_a_hold_stays() -> None:
    scaled = by_channel(rotations=ROTATED, translations=ROTATED, scales=([0, 40, 45, 50, 78], [0] * 5))
    scaled.scales[scaled.times == 45] = 2
    filled = fill_motion(CHARACTER, scaled)
    assert (filled.motion.scales[filled.motion.times == 45] == 2).all()
    assert all(strays_in(filled, "rotations", *hold) < 1e-6 for hold in HOLDS)


@pytest.mark.parametrize("joints", [[], [3]])
def test_poses_are_held_in_a_loop(joints: list[int]) -> None:
    shot = posed([*CONTEXT, *PAIRS, 90], [*CONTEXT, *POSES, 0])
    filled = fill_motion(CHARACTER, waved(shot, joints), context=[(0, 36)], loop=True)
    rest = [joint for joint in range(5) if joint not in joints]
    for start, end in HOLDS:
        inside = filled.motion.at((filled.motion.times >= start) & (filled.motion.times <= end))
        assert np.ptp(inside.rotations[:, rest], axis=0).max() == 0
    assert sum("held" in choice.reason for choice in filled.self_test.choices) == 3
