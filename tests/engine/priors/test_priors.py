"""What every prior promises: keys met, nothing invented, nothing that depends on place, heading or unit."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from engine.errors import ConfigError
from engine.evaluation.rows import split_dense
from engine.geometry import rotations, skeleton
from engine.planning.plan import Plan, make_plan
from engine.priors import auto as auto_prior
from engine.priors import offsets
from engine.priors.auto import auto
from engine.priors.baselines import hold, slerp
from engine.priors.context.prior import context
from engine.priors.fill import fill, seconds
from engine.priors.learned import layout
from engine.priors.learned import prior as learned
from engine.priors.self_test import Prior
from engine.priors.spline import spline
from tests.engine.conftest import make_character, make_motion
from usd_io.model import Character, Motion

PRIORS: dict[str, Prior] = {f.__name__: f for f in (hold, slerp, spline, context, auto)}
SMOOTH = {name: prior for name, prior in PRIORS.items() if name != "hold"}
BLENDED = {name: prior for name, prior in SMOOTH.items() if name != "auto"}
every_prior = pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)
smooth_priors = pytest.mark.parametrize("prior", SMOOTH.values(), ids=SMOOTH)
blended_priors = pytest.mark.parametrize("prior", BLENDED.values(), ids=BLENDED)
"""What auto blends: what holds for all of these holds for it."""
TREE = (-1, 0, 1, 1, 0, -1)


def shot(
    parents: Sequence[int] = TREE,
    *,
    contexts: Sequence[tuple[float, float]] = ((0, 48),),
    keys: Sequence[float] = (48, 72, 90),
    step: float = 1.0,
    rate: float = 24.0,
) -> tuple[Character, Motion, Plan]:
    character = make_character(parents)
    last = max([*keys, *(end for _, end in contexts)])
    motion = make_motion(character, np.arange(0, last + step / 2, step).tolist(), seed=1, rate=rate)
    plan = make_plan(character, motion, contexts=contexts, keys=keys, fill_at_samples=True)
    return character, motion, plan


def known(motion: Motion, plan: Plan) -> Motion:
    return motion.at(plan.known(motion.times))


def turned(
    character: Character, motion: Motion, angle: float, move: Sequence[float], scale: float = 1
) -> Motion:
    """The shot turned about the up axis, moved and in another unit."""
    turn = rotations.about_axis(np.eye(3)["XYZ".index(character.up_axis)], np.array([angle]))
    roots = character.parents < 0
    result = turned_by(character, replace(motion, translations=motion.translations * scale), turn)
    result.translations[:, roots] += np.array(move)
    return result


def turned_by(character: Character, motion: Motion, turn: np.ndarray) -> Motion:
    roots = character.parents < 0
    translations, quaternions = motion.translations.astype(float), motion.rotations.astype(float)
    turns = np.broadcast_to(turn, quaternions[:, roots].shape)
    translations[:, roots] = rotations.rotate(turns, translations[:, roots])
    quaternions[:, roots] = rotations.multiply(turns, quaternions[:, roots])
    return replace(motion, translations=translations, rotations=quaternions)


def doubled(motion: Motion) -> Motion:
    """In float64, so that comparisons need not allow for rounding."""
    names = ("translations", "rotations", "scales")
    return replace(motion, **{name: getattr(motion, name).astype(float) for name in names})


def assert_same(a: Motion, b: Motion, tolerance: float) -> None:
    np.testing.assert_allclose(a.translations, b.translations, atol=tolerance)
    assert rotations.angle_between(a.rotations.astype(float), b.rotations.astype(float)).max() < tolerance


LAYOUTS: dict[str, Callable[[], tuple[Character, Motion, Plan]]] = {
    "context before": shot,
    "context after": lambda: shot(contexts=[(60, 110)], keys=[0, 30, 60]),
    "context on both sides": lambda: shot(contexts=[(0, 40), (60, 100)], keys=[40, 60]),
    "only keys": lambda: _only_keys(),
    "one frame to fill": lambda: shot(keys=[48, 50]),
    "several seconds": lambda: shot(keys=[48, 54, 200]),
    "off the frames": lambda: shot(contexts=[(0, 50)], keys=[50, 75, 100], step=1.25),
    "100 time codes a second": lambda: shot(contexts=[(0, 200)], keys=[200, 300], rate=100.0),
    "one joint": lambda: shot([-1]),
    "a context too short to search": lambda: shot(contexts=[(40, 46)], keys=[46, 80]),
}
every_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)


def _only_keys() -> tuple[Character, Motion, Plan]:
    character = make_character(TREE)
    motion = make_motion(character, np.arange(0, 73).tolist(), seed=2)
    return character, motion, make_plan(character, motion.at(slice(None, None, 12)))


@every_prior
@every_layout
def test_fills_all_times_with_unit_quaternions_in_the_precision_given(
    prior: Prior, layout: Callable[[], tuple[Character, Motion, Plan]]
) -> None:
    character, motion, plan = layout()
    got = prior(character, known(motion, plan), plan)
    np.testing.assert_array_equal(got.times, plan.fill_times)
    assert got.rotations.dtype == np.float32
    assert np.isfinite(got.translations).all()
    np.testing.assert_allclose(np.linalg.norm(got.rotations, axis=-1), 1, atol=1e-5)


@smooth_priors
@every_layout
def test_runs_into_every_key(prior: Prior, layout: Callable[[], tuple[Character, Motion, Plan]]) -> None:
    character, motion, plan = layout()
    seen = known(doubled(motion), plan)
    near = 1e-5 * motion.frame_step
    gaps = tuple(replace(gap, times=(gap.start + near, gap.end - near)) for gap in plan.gaps)
    got = prior(character, seen, replace(plan, gaps=gaps))
    ends = np.array([time for gap in plan.gaps for time in (gap.start, gap.end)])
    assert_same(got, seen.at(offsets.frames_at(seen, ends)), 1e-3)


@blended_priors
def test_turning_and_moving_the_shot_turns_and_moves_the_result(prior: Prior) -> None:
    character, motion, plan = shot()
    motion = doubled(motion)
    got = prior(character, known(turned(character, motion, 2.1, [3, 0, -7]), plan), plan)
    assert_same(got, turned(character, prior(character, known(motion, plan), plan), 2.1, [3, 0, -7]), 1e-6)


@blended_priors
def test_the_unit_does_not_matter(prior: Prior) -> None:
    character, motion, plan = shot()
    motion = doubled(motion)
    large = replace(motion, translations=100 * motion.translations)
    a, b = (prior(character, known(m, plan), plan) for m in (motion, large))
    assert_same(replace(a, translations=100 * a.translations), b, 1e-6)


@blended_priors
def test_the_order_of_siblings_does_not_matter(prior: Prior) -> None:
    character, motion, plan = shot([-1, 0, 0, 0])
    order = np.array([0, 3, 1, 2])
    shuffled = replace(
        motion, **{n: getattr(motion, n)[:, order] for n in ("translations", "rotations", "scales")}
    )
    a, b = (prior(character, known(doubled(m), plan), plan) for m in (motion, shuffled))
    np.testing.assert_allclose(a.rotations[:, order], b.rotations, atol=1e-9)


@blended_priors
def test_up_may_be_z(prior: Prior) -> None:
    character, motion, plan = shot()
    motion = doubled(motion)
    raised = rotations.about_axis(np.array([1.0, 0, 0]), np.array([np.pi / 2]))
    got = prior(replace(character, up_axis="Z"), known(turned_by(character, motion, raised), plan), plan)
    assert_same(got, turned_by(character, prior(character, known(motion, plan), plan), raised), 1e-6)


@every_prior
def test_what_does_not_move_stays_bit_for_bit(prior: Prior) -> None:
    character, motion, plan = shot()
    names = ("translations", "rotations", "scales")
    still = {name: getattr(motion, name).copy() for name in names}
    for values in still.values():
        values[:, 2:] = values[:1, 2:]
    got = prior(character, known(replace(motion, **still), plan), plan)
    for name in names:
        expected = np.broadcast_to(still[name][0, 2:], getattr(got, name)[:, 2:].shape)
        np.testing.assert_array_equal(getattr(got, name)[:, 2:], expected)


@every_prior
def test_a_motionless_clip_stays_motionless(prior: Prior) -> None:
    character, motion, plan = shot()
    frozen = motion.at(np.zeros(len(motion.times), int))
    frozen = replace(frozen, times=motion.times)
    got = prior(character, known(frozen, plan), plan)
    np.testing.assert_array_equal(got.rotations, frozen.rotations[: len(got.times)])
    np.testing.assert_array_equal(got.translations, frozen.translations[: len(got.times)])


@every_prior
def test_gives_the_same_twice(prior: Prior) -> None:
    character, motion, plan = shot()
    a, b = (prior(character, known(motion, plan), plan) for _ in range(2))
    np.testing.assert_array_equal(a.rotations, b.rotations)


@every_prior
def test_does_not_see_what_is_hidden(prior: Prior) -> None:
    character, motion, plan = shot()
    hidden = ~plan.known(motion.times)
    spoilt = motion.translations.copy()
    spoilt[hidden] = np.nan
    a, b = (prior(character, known(m, plan), plan) for m in (motion, replace(motion, translations=spoilt)))
    np.testing.assert_array_equal(a.translations, b.translations)


@every_prior
def test_root_motion_on_an_xform_and_blend_shapes_go_in_straight_lines(prior: Prior) -> None:
    character, motion, plan = shot()
    T_world_skel = motion.T_world_skel.copy()
    T_world_skel[:, 0, 3] = motion.times
    moved = replace(motion, T_world_skel=T_world_skel)
    got = prior(character, known(moved, plan), plan)
    np.testing.assert_allclose(got.T_world_skel[:, 0, 3], got.times)


@blended_priors
def test_animated_scales_are_filled(prior: Prior) -> None:
    character, motion, plan = shot()
    scales = motion.scales.copy()
    scales[:, 1, 0] = 1 + motion.times / 100
    got = prior(character, known(replace(motion, scales=scales), plan), plan)
    np.testing.assert_allclose(got.scales[:, 1, 0], 1 + got.times / 100, atol=0.02)
    assert skeleton.joint_positions(character, got).shape == (len(got.times), len(TREE), 3)


def test_joints_that_stay_above_do_not_hide_the_context() -> None:
    """A walk away from the origin, below none, one and three joints that stay there, is filled alike."""
    found = []
    for above in (0, 1, 3):
        character = make_character([*range(-1, above - 1), *(p + above for p in (-1, 0, 1, 1, 0))])
        times = np.arange(0, 121)
        motion = make_motion(character, times.tolist())
        swings = 0.6 * np.sin(times[:, None, None] * np.pi / 12 + np.arange(15).reshape(5, 3))
        translations, quaternions = motion.translations.copy(), motion.rotations.copy()
        translations[:, : above + 1], quaternions[:, :above] = 0, [1, 0, 0, 0]
        translations[:, above, 0] = 0.2 * times + np.sin(times * np.pi / 12)
        quaternions[:, above:] = rotations.exp(swings)
        motion = replace(motion, translations=translations, rotations=quaternions)
        plan = make_plan(character, motion, contexts=[(0, 72)], keys=[72, 96, 120], fill_at_samples=True)
        filled = context(character, known(motion, plan), plan)
        places = skeleton.joint_positions(character, filled)[:, above:]
        truth = motion.at(offsets.frames_at(motion, plan.fill_times))
        apart = places - skeleton.joint_positions(character, truth)[:, above:]
        assert np.linalg.norm(apart, axis=-1).mean() < 0.1
        found.append(places)
    np.testing.assert_allclose(found[1], found[0], atol=1e-3)
    np.testing.assert_allclose(found[2], found[0], atol=1e-3)


def test_large_skeletons_are_filled_without_the_learned_prior() -> None:
    character, motion, plan = shot([-1, *range(30)] + [0] * learned.MOST_JOINTS, keys=(0, 3), contexts=())
    made, test = auto_prior.fill(character, known(motion, plan), plan, auto_prior.CANDIDATES)
    assert [name for name, _ in test.choices[0].weights] == ["spline", "context"]
    assert len(made.times) == 2
    with pytest.raises(ConfigError, match=r"1031 joints .* another prior"):
        learned.learned(character, known(motion, plan), plan)


def test_what_moves_is_found_in_whatever_block() -> None:
    values = np.zeros((offsets._BLOCK + 10, 3, 4), np.float32)
    values[2:, 0, 1], values[-1, 2, 3] = 1, np.nan
    assert offsets._differs(values).tolist() == [True, False, True]


def test_gaps_are_filled_in_one_thread_of_linear_algebra() -> None:
    character, motion, plan = shot()
    threads = set()

    def look(part: float) -> None:
        threads.update(
            library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"
        )

    with threadpool_limits(2, user_api="blas"):
        look(0)
        outside = {*threads}
        threads.clear()
        fill(character, split_dense(motion, plan), plan, "auto", on_part=look)
        assert threads == {1}
        threads.clear()
        look(1)
        assert threads == outside  # as before


@pytest.mark.parametrize(("prior", "takes"), [("auto", 3), ("spline", 1), ("slerp", 1)])
def test_progress_grows_with_each_take_that_is_done(prior: str, takes: int) -> None:
    character, motion, plan = shot()
    parts: list[float] = []
    fill(character, split_dense(motion, plan), plan, prior, takes=takes, on_part=parts.append)
    assert parts == sorted(parts)
    assert parts[-1] == pytest.approx(1)
    finding, shaping = seconds(character, plan, prior, takes)
    if finding:
        share = finding / (finding + shaping)
        ends = [share + (1 - share) * (n + 1) / takes for n in range(takes)]
        assert parts[-2 * takes + 1 :: 2] == pytest.approx(ends)


def test_the_network_looks_no_further_than_what_is_joined_for_it() -> None:
    _, motion, plan = shot(contexts=((0, 400), (520, 900)), keys=(400, 440, 480, 520), step=0.5)
    frames = known(motion, plan)
    near = learned._in_view(frames, plan)
    assert len(near) < len(frames.times) / 2
    filled = offsets.straight(frames, plan)
    whole, part = learned._joined(frames, filled), learned._joined(frames.at(near), filled)
    for gap in plan.gaps:
        times = gap.start + (gap.end - gap.start) * layout.TIMES
        ours, theirs = offsets.sample(part, times), offsets.sample(whole, times)
        np.testing.assert_array_equal(ours.rotations, theirs.rotations)
        np.testing.assert_array_equal(ours.translations, theirs.translations)


@pytest.mark.parametrize(("prior", "step"), [(context, 13.3), (auto, 13.3), (auto, 16.7), (auto, 30.0)])
def test_joints_that_turn_by_half_a_circle_and_more_do_not_swing(prior: Prior, step: float) -> None:
    """Steadily, by 160, 200 and 360 degrees from key to key; windows of the context turn further than slerp goes round,
    and so may the answers of the network."""
    character = make_character((-1, 0, 0))
    motion = make_motion(character, range(97))
    turned = motion.rotations.copy()
    angle = np.deg2rad(step) * motion.times
    turned[:, 2] = np.stack([np.cos(angle / 2), 0 * angle, 0 * angle, np.sin(angle / 2)], -1)
    motion = replace(motion, rotations=rotations.continuous(turned))
    plan = make_plan(character, motion, contexts=[(0, 48)], keys=[48, 60, 72], fill_at_samples=True)
    known = motion.at(plan.known(motion.times))
    made = prior(character, known, plan)
    q = np.concatenate([known.rotations[[48]], made.rotations[:11], known.rotations[[49]]])[:, 2].astype(
        float
    )
    steps = rotations.angle_between(q[1:], q[:-1])
    assert np.rad2deg(steps).max() < (1.3 if prior is context else 2) * step
