"""Finding and checking context, keys and gaps."""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError, NothingToFill
from engine.planning.plan import ChannelPlan, Gap, Plan, dense_ranges, make_plan, sparse_keys
from tests.engine.conftest import make_character, make_motion
from usd_io.model import Character, Motion

MotionAt = Callable[..., Motion]


def gap_times(plan: Plan) -> list[list[float]]:
    return [list(gap.times) for gap in plan.gaps]


def test_dense_samples_are_context_and_lone_samples_are_keys(motion_at: MotionAt) -> None:
    motion = motion_at([*range(0, 49), 60, 72, 90])
    assert dense_ranges(motion) == ((0, 48),)
    assert sparse_keys(motion) == (60, 72, 90)


def test_motion_on_twos_is_dense(motion_at: MotionAt) -> None:
    assert dense_ranges(motion_at(range(0, 50, 2))) == ((0, 48),)


def test_two_keys_side_by_side_are_no_context(motion_at: MotionAt) -> None:
    motion = motion_at([0, 1, 24, 25, 48])
    assert dense_ranges(motion) == ()
    assert sparse_keys(motion) == (0, 1, 24, 25, 48)


def test_found_plan_fills_whole_frames_between_context_and_keys(
    character: Character, motion_at: MotionAt
) -> None:
    plan = make_plan(character, motion_at([*range(0, 49), 52, 55]))
    assert plan.contexts == ((0, 48),)
    assert plan.keys == (48, 52, 55)
    assert gap_times(plan) == [[49, 50, 51], [53, 54]]


def test_context_may_lie_behind_and_on_both_sides(character: Character, motion_at: MotionAt) -> None:
    plan = make_plan(character, motion_at([*range(0, 25), 30, *range(36, 61)]))
    assert plan.contexts == ((0, 24), (36, 60))
    assert [(gap.start, gap.end) for gap in plan.gaps] == [(24, 30), (30, 36)]
    behind = make_plan(character, motion_at([0, 12, *range(24, 49)]))
    assert [(gap.start, gap.end) for gap in behind.gaps] == [(0, 12), (12, 24)]


def test_finished_motion_with_a_step_of_its_own_is_filled_at_it(
    character: Character, motion_at: MotionAt
) -> None:
    plan = make_plan(character, motion_at(np.arange(0, 50) * 1.25), contexts=[(0, 12.5)], keys=[15])
    assert gap_times(plan) == [[13.75]]
    # 24 samples per second in a shot of 23.976 frames per second: frames drift off the samples, and off the keys
    motion = replace(motion_at([*range(1001, 1050), 1052, 1055]), frame_rate=23.976)
    assert gap_times(make_plan(character, motion)) == [[1050, 1051], [1053, 1054]]
    # as other programs write such times
    times = np.round(np.arange(49) * 24 / 23.976, 3)
    motion = replace(motion_at([*times, 52, 55]), time_codes_per_second=24.0)
    filled = make_plan(character, motion).fill_times
    np.testing.assert_allclose(filled, np.array([49, 50, 51, 52, 53, 54]) * 24 / 23.976, atol=1e-3)
    # where two pieces do not share one step, or one that frames have too, frames are what is shared
    motion = replace(motion_at([*range(49), 52, *(np.arange(10) + 54.3)]), frame_rate=23.976)
    assert gap_times(make_plan(character, motion))[0] == pytest.approx(np.array([48, 49, 50, 51]) * 1.001001)


@pytest.mark.parametrize("step", [0.3, 0.5, 2, 2.2])
def test_much_finer_and_coarser_samples_are_filled_on_whole_frames(
    step: float, character: Character, motion_at: MotionAt
) -> None:
    plan = make_plan(character, motion_at([*(np.arange(50) * step), 120, 123]))
    assert gap_times(plan)[1] == [121, 122]


def test_uneven_samples_off_whole_frames_are_filled_on_whole_frames(
    character: Character, motion_at: MotionAt
) -> None:
    times = np.cumsum(np.random.default_rng(4).uniform(0.8, 1.7, 50))
    plan = make_plan(character, motion_at(times), contexts=[(times[0], times[10])], keys=[times[12]])
    assert gap_times(plan) == [[float(t) for t in range(int(times[10]) + 1, int(times[12]) + 1)]]


def test_a_shot_between_whole_frames_is_filled_on_its_own_frames(
    character: Character, motion_at: MotionAt
) -> None:
    plan = make_plan(character, motion_at([*(np.arange(49) + 1.5), 53.5, 57.5]))
    assert gap_times(plan) == [[50.5, 51.5, 52.5], [54.5, 55.5, 56.5]]
    # a key off those frames, and named keys without samples, move none of them
    plan = make_plan(character, motion_at([*(np.arange(49) + 1.5), 52.0, 55.5]))
    assert gap_times(plan) == [[50.5, 51.5], [52.5, 53.5, 54.5]]
    plan = make_plan(character, motion_at(np.arange(49) + 1.5), keys=[12, 14, 17.5])
    assert gap_times(plan) == [[12.5, 13.5], [14.5, 15.5, 16.5]]


def test_frames_of_many_time_codes_count_from_the_first_sample(character: Character) -> None:
    motion = make_motion(character, 1 + 200.0 * np.array([*range(49), 52, 54]))
    motion = replace(motion, time_codes_per_second=4800.0)
    assert gap_times(make_plan(character, motion)) == [[9801, 10001, 10201], [10601]]


@pytest.mark.parametrize(
    ("times", "filled"),
    [
        ([*range(25), 27.5, 30.5, 33.5], [25, 26, 27, 28, 29, 30, 31, 32, 33]),  # it begins on a whole frame
        ([0.25, 3.5, 6, 8, 9.75], [1, 2, 3, 4, 5, 7, 9]),  # the keys share no part of a frame
        ([-0.5, 3, 6, 9], [0, 1, 2, 4, 5, 7, 8]),  # most keys lie on whole frames
    ],
)
def test_other_shots_are_filled_on_whole_frames(
    times: list[float], filled: list[float], character: Character, motion_at: MotionAt
) -> None:
    assert make_plan(character, motion_at(times)).fill_times.tolist() == filled


def test_evaluation_fills_the_authored_samples(character: Character, motion_at: MotionAt) -> None:
    motion = motion_at(np.arange(0, 50) * 1.25)
    plan = make_plan(character, motion, contexts=[(0, 12.5)], keys=[17.5], fill_at_samples=True)
    assert gap_times(plan) == [[13.75, 15, 16.25]]


def test_key_at_the_end_of_the_context_is_no_error(character: Character, motion_at: MotionAt) -> None:
    plan = make_plan(character, motion_at(range(0, 100)), contexts=[(0, 60)], keys=[60, 90])
    assert plan.keys == (60, 90)
    assert len(plan.fill_times) == 29


def test_given_keys_split_a_dense_clip(character: Character, motion_at: MotionAt) -> None:
    plan = make_plan(character, motion_at(range(0, 49)), keys=[0, 24, 48])
    assert plan.contexts == ()
    assert [(gap.start, gap.end) for gap in plan.gaps] == [(0, 24), (24, 48)]


def test_given_keys_leave_the_dense_rest_as_context(character: Character, motion_at: MotionAt) -> None:
    plan = make_plan(character, motion_at(range(0, 101)), keys=[48, 60, 72])
    assert plan.contexts == ((0, 48), (72, 100))
    assert [(gap.start, gap.end) for gap in plan.gaps] == [(48, 60), (60, 72)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"keys": [30, 500]}, "key 500 lies outside"),
        ({"contexts": [(0, 24)], "keys": [12, 48]}, "key 12 lies inside the context"),
        ({"contexts": [(24, 24)], "keys": [48]}, "is empty"),
        ({"contexts": [(0, 500)]}, "reaches outside"),
        ({"contexts": [(0, 20), (10, 30)], "keys": [48]}, "overlap at 10"),
        (
            {"keys": [24]},
            "the one key 24 has only finished motion, which is kept, on either side; name two keys",
        ),
        ({"keys": [0, 48], "lock": ["nose"]}, "no joint is called nose"),
    ],
)
def test_unusable_times_and_joints_are_refused_in_one_sentence(
    character: Character, motion_at: MotionAt, options: dict[str, list[float]], words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        make_plan(character, motion_at(range(0, 49)), **options)
    assert str(caught.value).startswith("/Test/Skel")
    assert set(caught.value.settings) <= {"keys", "context", "lock"}
    assert caught.value.settings


def test_dense_clip_without_keys_has_nothing_to_fill(character: Character, motion_at: MotionAt) -> None:
    with pytest.raises(NothingToFill, match="nothing to fill"):
        make_plan(character, motion_at(range(0, 49)))


@pytest.mark.parametrize(
    ("times", "options", "said"),
    [
        (range(49), {}, "every frame is authored already; name the context and the keys"),
        ([5], {}, "only one pose is set; set another one"),
        ([0, 1, 2], {}, "no frame lies between the keys 0 and 1, 1 and 2; set keys"),
        (
            [0, 12, 24],
            {"keys": [12]},
            "the one key 12 has no finished motion beside it; name two keys or more.",
        ),
        (
            range(49),
            {"keys": [4, 5]},
            "no frame lies between the keys 4 and 5; set keys two frames or more apart.",
        ),
    ],
)
def test_why_there_is_nothing_to_fill(
    character: Character, motion_at: MotionAt, times: list[float], options: dict[str, list[float]], said: str
) -> None:
    with pytest.raises(NothingToFill, match=f"nothing to fill between .*: {said}"):
        make_plan(character, motion_at(times), **options)


def test_lone_keys_give_an_evaluation_nothing_to_compare_with(
    character: Character, motion_at: MotionAt
) -> None:
    motion = motion_at([*range(49), 60, 72])
    for options in ({}, {"contexts": [(0, 48)], "keys": [60, 72]}):
        with pytest.raises(
            NothingToFill, match="no sample lies between the keys 48 and 60, 60 and 72, so that"
        ):
            make_plan(character, motion, fill_at_samples=True, **options)
    with pytest.raises(NothingToFill, match="no frame lies between the keys 4 and 5; set keys"):
        make_plan(character, motion, keys=[4, 5], fill_at_samples=True)


def test_keys_of_one_pose_are_said(character: Character, motion_at: MotionAt) -> None:
    still = motion_at([0, 30]).at(np.array([0, 0]))
    still = replace(still, times=np.array([0.0, 30.0]), channel_times={"rotations": (0.0, 30.0)})
    with pytest.raises(NothingToFill, match="all 2 samples have the same pose; name the context"):
        make_plan(character, still)


def test_absurd_times_are_refused_before_any_work(character: Character, motion_at: MotionAt) -> None:
    with pytest.raises(ConfigError, match="frames to fill"):
        make_plan(character, motion_at([0, 1e12]))


def test_locked_joints_are_found_by_name_path_and_pattern(character: Character, motion_at: MotionAt) -> None:
    motion = motion_at([0, 24])
    assert make_plan(character, motion, lock=["b"]).locked == ("a/b",)
    assert make_plan(character, motion, lock=["a/b/*"]).locked == ("a/b/c", "a/b/d")


@given(
    steps=st.lists(st.one_of(st.integers(1, 2), st.integers(6, 40)), min_size=1, max_size=60),
    rate=st.sampled_from([24.0, 30.0, 60.0]),
)
def test_known_and_filled_times_cover_every_frame_once(steps: list[int], rate: float) -> None:
    character = make_character()
    motion = make_motion(character, np.cumsum([0, *steps]), rate=rate)
    try:
        plan = make_plan(character, motion)
    except NothingToFill:
        return
    filled = plan.fill_times
    assert len(np.unique(filled)) == len(filled)
    assert not plan.known(filled).any()
    assert plan.known(motion.times).all()
    inside = [(gap.start, gap.end) for gap in plan.gaps]
    for frame in np.arange(motion.times[0], motion.times[-1] + 1):
        assert (frame in filled) == any(start < frame < end for start, end in inside)


def test_keys_of_the_pose_are_those_inside_no_gap_of_any_channel() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        ends = np.sort(rng.integers(0, 40, 8).astype(float)).reshape(2, -1, 2).tolist()
        gaps, own = (tuple(Gap(start, end, ()) for start, end in part) for part in ends)
        keys = tuple(sorted(rng.integers(0, 40, 10).astype(float).tolist()))
        plan = Plan("/Rig", (), keys, gaps, channels={"scales": ChannelPlan((), own)})
        inside = [(gap.start, gap.end) for gap in (*gaps, *own)]
        assert plan.pose_keys == tuple(k for k in keys if not any(a < k < b for a, b in inside))
    assert Plan("/Rig", (), (1.0,), ()).pose_keys == (1.0,)


def test_keys_of_the_pose_take_no_longer_by_far_for_many_keys() -> None:
    keys = tuple(np.arange(50_000.0).tolist())
    gaps = tuple(Gap(start, start + 1, (start + 0.5,)) for start in keys[:-1])
    began = time.process_time()
    assert Plan("/Rig", (), keys, gaps).pose_keys == keys
    assert time.process_time() - began < 5  # hours, when every key was held against every gap


def test_keys_that_are_nearly_at_one_time_are_told_apart(character: Character, motion_at: MotionAt) -> None:
    said = make_plan(character, motion_at([*range(49), 61, 61.0000001, 73])).warnings
    assert any(
        "the keys 61 and 61.0000001 are less than a frame apart: that jump stays" in each for each in said
    )


@pytest.mark.parametrize(("joint", "place", "said"), [(1, 1e30, True), (0, 1e30, True), (0, 1e3, False)])
def test_a_place_out_of_all_proportion_is_said(
    joint: int, place: float, said: bool, character: Character, motion_at: MotionAt
) -> None:
    motion = motion_at([*range(49), 61, 73])
    translations = motion.translations.copy()
    translations[-2, joint] = place
    warnings = make_plan(character, replace(motion, translations=translations)).warnings
    name = character.joints[joint].rsplit("/", 1)[-1]
    assert (
        any(f"at 61 the translation of {name} is out of all proportion" in each for each in warnings) == said
    )
