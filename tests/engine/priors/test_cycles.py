"""Context that comes round: whether it does, what is played on, and long gaps behind it."""

from dataclasses import replace

import numpy as np
import pytest

from engine.evaluation.rows import split_dense
from engine.geometry import metrics, rotations, skeleton
from engine.planning.plan import make_plan
from engine.priors import ground, offsets
from engine.priors.context.cycles import played_on
from engine.priors.context.prior import fill
from engine.priors.fill import fill_plainly
from engine.priors.self_test import times_as_fast
from engine.priors.trials import hidden_pieces
from tests.engine.conftest import make_character, make_motion
from tests.engine.priors.test_contacts import HIPS, LEFT, RIGHT, biped, on_a_slope, pose, walk
from usd_io.model import Character, Motion

PERIOD = 40.0
"""Frames of a cycle of :func:`walk`, at 30 a second."""


def in_a_circle(character: Character, motion: Motion, degrees: float) -> Motion:
    """The same on a way that turns by so much in every cycle."""
    angle = np.radians(degrees) * motion.times / PERIOD
    turned = rotations.exp(angle[:, None] * np.array([0, 1.0, 0]))
    q, translations = motion.rotations.astype(float), motion.translations.astype(float)
    q[:, HIPS] = rotations.multiply(turned, q[:, HIPS])
    step = np.diff(translations[:, HIPS], axis=0, prepend=0)
    step[:, [0, 2]] = rotations.rotate(turned, step)[:, [0, 2]]
    translations[:, HIPS] = np.cumsum(step, axis=0)
    return replace(motion, rotations=q.astype(np.float32), translations=translations.astype(np.float32))


def under_a_root(character: Character, motion: Motion) -> tuple[Character, Motion]:
    """The same below a root that stands still, is turned on its side and twice as large."""
    count = len(motion.times)
    root = np.array([np.sqrt(0.5), np.sqrt(0.5), 0, 0], np.float32)

    def above(values: np.ndarray, of_root: np.ndarray) -> np.ndarray:
        return np.concatenate([np.broadcast_to(of_root, (count, 1, len(of_root))), values], 1).astype(
            np.float32
        )

    below = replace(
        make_character((-1, *(character.parents + 1).tolist())),
        joints=("Root", *(f"Root/{joint}" for joint in character.joints)),
        rest_translations=np.concatenate([np.zeros((1, 3)), character.rest_translations]).astype(np.float32),
        up_axis="Z",
    )
    moved = replace(
        motion,
        translations=above(motion.translations, np.zeros(3)),
        rotations=above(motion.rotations, root),
        scales=above(motion.scales, np.full(3, 2.0)),
    )
    return below, moved


@pytest.mark.parametrize("degrees", [0.0, 50.0])
@pytest.mark.parametrize("rooted", [False, True])
def test_a_walk_is_played_on_where_it_goes(degrees: float, rooted: bool) -> None:
    character = biped()
    truth = in_a_circle(character, walk(character, 151), degrees)
    if rooted:
        character, truth = under_a_root(character, truth)
    known = truth.at(truth.times <= 60)
    on = played_on(character, known, known, 2.0)
    assert on is not None
    assert on.seconds * 30 == pytest.approx(PERIOD, abs=0.3)
    assert on.motion.times[-1] >= 60 + 2 * 30
    legs = np.flatnonzero([not joint.endswith("Spine") for joint in character.joints])  # it sways by itself
    true, made = (
        skeleton.joint_positions(character, m)[:, legs]
        for m in (truth.at(slice(61, 121)), offsets.sample(on.motion, np.arange(61.0, 121.0)))
    )
    assert np.linalg.norm(made - true, axis=-1).mean() < 0.03 * metrics.height(character, truth, 0)
    # no joint jumps where a cycle begins again
    steps = [np.diff(skeleton.joint_positions(character, m), axis=0) for m in (on.motion, truth)]
    largest, usual = (np.linalg.norm(step, axis=-1).max() for step in steps)
    assert largest < 1.2 * usual


@pytest.mark.parametrize("rooted", [False, True])
@pytest.mark.parametrize("rise", [-0.2, 0.05, 0.3])
def test_a_walk_on_a_slope_is_played_on_along_it(rise: float, rooted: bool) -> None:
    character = biped()
    truth = on_a_slope(character, rise)
    if rooted:
        character, truth = under_a_root(character, truth)
    plan = make_plan(character, truth, contexts=[(0, 60)], keys=[60, 150], fill_at_samples=True)
    parts = split_dense(truth, plan)
    errors = {
        prior: metrics.score(
            character, truth, fill_plainly(prior, character, parts, plan, contacts=False), plan
        ).l2p
        for prior in ("slerp", "auto")
    }
    assert errors["auto"] < 0.3 * errors["slerp"]


def test_a_context_whose_pieces_are_cycles_does_not_stand_still() -> None:
    character = biped()
    truth = walk(character, 201)
    hips = truth.translations[:, HIPS].copy()
    hips[:, 2] = 0  # on the spot: each hidden piece, as long as a cycle, ends where it began
    translations = truth.translations.copy()
    translations[:, HIPS] = hips
    truth = replace(truth, translations=translations)
    plan = make_plan(character, truth, contexts=[(0, 100)], keys=[100, 120, 180], fill_at_samples=True)
    known = split_dense(truth, plan).known
    assert PERIOD in {piece.gaps[0].end - piece.gaps[0].start for piece in hidden_pieces(known, plan)}
    assert (times_as_fast(character, known, plan) < 4).all()


def test_what_does_not_come_round_is_not_played_on() -> None:
    character = biped()
    rng = np.random.default_rng(3)
    # rises slowly; turns its joints each in its own time
    hips = np.stack([np.linspace(0.6, 0.9, 61), np.zeros(61)], -1)
    rising = pose(character, hips, [np.tile([0.02, 0.0], (61, 1))] * 2)
    rates = rng.uniform(0.02, 0.16, 8)
    turns = np.sin(np.arange(61)[:, None] * rates)[..., None] * rng.normal(size=(8, 3))
    wild = replace(rising, rotations=rotations.exp(turns).astype(np.float32))
    still = rising.at(np.zeros(61, int))
    for motion in (rising, wild, replace(still, times=rising.times)):
        assert played_on(character, motion, motion, 2.0) is None
    # a part of a cycle, and a blow from a guard, where it rests, and back to it
    part = walk(character, 36)
    assert played_on(character, part, part, 2.0) is None
    there = np.concatenate([np.zeros(10), np.sin(np.linspace(0, np.pi, 21)) ** 2, np.zeros(10)])
    turns = np.zeros((41, 8, 3))
    turns[:, 4, 0] = there
    blow = replace(
        walk(character, 41).at(np.zeros(41, int)), rotations=rotations.exp(turns).astype(np.float32)
    )
    blow = replace(blow, times=np.arange(41.0))
    assert played_on(character, blow, blow, 2.0) is None


def test_one_whole_cycle_and_no_more_is_played_on() -> None:
    character = biped()
    once = walk(character, 41)
    found = played_on(character, once, once, 2.0)
    assert found is not None
    assert found.seconds == pytest.approx(40 / 30)


def test_a_trembling_context_is_not_played_on() -> None:
    character = make_character()
    motion = make_motion(character, range(61), rate=30.0)
    turns = np.zeros((61, len(character.joints), 3))
    turns[:, 1, 0] = 0.3 * (-1.0) ** np.arange(61)
    trembling = replace(motion, rotations=rotations.exp(turns).astype(np.float32))
    found = played_on(character, trembling, trembling, 2.0)
    assert found is None or found.seconds > 0.3


@pytest.mark.parametrize(("cycles", "part"), [(3.0, 1.0), (3.4, 1.0), (3.0, 0.8)])
def test_a_gap_longer_than_the_context_goes_on_as_the_walk_does(cycles: float, part: float) -> None:
    """Also where its steps get shorter."""
    character = biped()
    end = 60 + round(cycles * PERIOD)
    walked = walk(character, end + 1)
    places = skeleton.joint_positions(character, walked)[:, [HIPS, LEFT[2], RIGHT[2]], 1:].copy()
    at = np.maximum(walked.times - 60, 0)[:, None]
    places[..., 1] -= (1 - part) * 0.8 * at / PERIOD
    truth = pose(character, places[:, 0], (places[:, 1], places[:, 2]))
    plan = make_plan(character, truth, contexts=[(0, 60)], keys=[60, end], fill_at_samples=True)
    parts = split_dense(truth, plan)
    assert fill(character, parts.known, plan).fits[0] > 0.6
    error, straight = (
        metrics.score(character, truth, fill_plainly(prior, character, parts, plan), plan).l2p
        for prior in ("context", "slerp")
    )
    assert error < 0.45 * straight


def test_two_contexts_of_which_one_comes_round_are_both_searched() -> None:
    character = biped()
    truth = walk(character, 301)
    # behind a walk it goes down on the spot, as it does again in the gap
    spot = skeleton.joint_positions(character, truth)[150, [HIPS, LEFT[2], RIGHT[2]], 1:]
    places = np.repeat(spot[None], 151, 0)
    places[:, 1:, 0] = 0.02
    places[:, 0, 0] -= 0.4 * np.sin(np.pi * np.arange(151) / 30) ** 2
    down = pose(character, places[:, 0], (places[:, 1], places[:, 2]))
    motion = replace(
        truth,
        translations=np.concatenate([truth.translations[:150], down.translations]),
        rotations=rotations.continuous(np.concatenate([truth.rotations[:150], down.rotations])),
    )
    plan = make_plan(character, motion, contexts=[(0, 60), (160, 220)], keys=[220, 250], fill_at_samples=True)
    parts = split_dense(motion, plan)
    error, straight = (
        metrics.score(character, motion, fill_plainly(prior, character, parts, plan), plan).per_gap_l2p[-1]
        for prior in ("context", "slerp")
    )
    assert error < 0.3 * straight


def test_moving_over_the_ground_keeps_the_pose() -> None:
    character, motion = under_a_root(biped(), walk(biped(), 61))
    R, shift = ground.turn(np.array([0.7]))[0], np.array([3.0, -2.0, 0.0])
    moved = ground.move(character, motion, motion, R, shift)
    before, after = (ground.positions(character, motion, m) for m in (motion, moved))
    np.testing.assert_allclose(after, before @ R.T + shift, atol=1e-5)
    found = ground.moved(before[7], after[7])
    np.testing.assert_allclose(found[0], R, atol=1e-6)
    np.testing.assert_allclose(found[1], shift, atol=1e-4)
