"""Several bodies in one skeleton are filled as each would be alone, one as without the still joints far above."""

from dataclasses import replace

import numpy as np

from engine.geometry import rotations, skeleton
from engine.planning.plan import make_plan
from engine.priors.learned.bodies import alone, bodies_of, seen_of, with_joints
from engine.priors.learned.prior import draft_fills, fill
from engine.priors.learned.weights import Network
from tests.engine.conftest import make_character, make_motion
from usd_io.model import Character, Motion

ONE = (-1, 0, 1, 2, 1, 4, 0, 6)
FRAMES = range(73)
UPPER = {"translations": [0.3, 0.2, -0.4], "rotations": [0.8, 0.6, 0, 0], "scales": 1.5}


def two() -> tuple[Character, Motion]:
    """Two bodies, two units apart, below a reference that stays, and a handle beside the second."""
    parents = (-1, *(p + 1 for p in ONE), *(p + 9 if p >= 0 else 0 for p in ONE), 0)
    character = make_character(parents)
    motions = [make_motion(make_character(ONE), FRAMES, seed=seed) for seed in (1, 2)]
    whole = make_motion(character, FRAMES)
    rotations, translations = whole.rotations.copy(), whole.translations.copy()
    rotations[:, 0], translations[:, 0] = [1, 0, 0, 0], 0
    for first, shift, motion in zip((1, 9), (0, 2), motions, strict=True):
        rotations[:, first : first + 8] = motion.rotations
        translations[:, first : first + 8] = motion.translations
        translations[:, first, 2] += shift
    translations[:, 17] = translations[:, 9] + [0, -1, 0]
    return character, replace(whole, rotations=rotations, translations=translations)


def test_bodies_are_told_apart() -> None:
    character, motion = two()
    bodies = bodies_of(character, motion)
    assert [own.tolist() for own in bodies] == [[*range(9)], [0, *range(9, 18)]]
    one = make_character(ONE)
    assert len(bodies_of(one, make_motion(one, FRAMES))) == 1


def test_each_body_is_filled_as_if_it_were_alone(lively_network: Network) -> None:
    character, motion = two()
    plan = make_plan(character, motion, contexts=[(0, 36)], keys=[36, 54, 72], fill_at_samples=True)
    known = motion.at(plan.known(motion.times))
    whole = fill(character, known, plan)
    assert np.isfinite(whole.position_error).all()
    for own in bodies_of(character, known):
        alone_filled = fill(*alone(character, known, own), plan)
        np.testing.assert_array_equal(
            with_joints(whole.motion, own[1:]).rotations, alone_filled.motion.rotations[:, 1:]
        )
        np.testing.assert_array_equal(whole.ideas[:, :, own[1:]], alone_filled.ideas[:, :, 1:])
    assert (whole.motion.rotations[:, 0] == [1, 0, 0, 0]).all()


def test_drafts_are_of_each_body_too(lively_network: Network) -> None:
    character, motion = two()
    plan = make_plan(character, motion, contexts=[(0, 36)], keys=[36, 54], fill_at_samples=True)
    known = motion.at(plan.known(motion.times))
    (draft,) = draft_fills(character, [(known, plan)])
    own = bodies_of(character, known)[1]
    (by_itself,) = draft_fills(alone(character, known, own)[0], [(with_joints(known, own), plan)])
    places = [
        skeleton.joint_positions(character, draft.motion)[:, own],
        skeleton.joint_positions(alone(character, known, own)[0], by_itself.motion),
    ]
    np.testing.assert_allclose(places[0], places[1], atol=1e-5)


def below_still(count: int) -> tuple[Character, Motion]:
    """One body below a chain of joints that stay, turned, scaled and away from the origin but for the last."""
    character = make_character((-1, *range(count - 1), *(p + count for p in ONE)))
    body, whole = make_motion(make_character(ONE), FRAMES, seed=1), make_motion(character, FRAMES)
    made = {name: getattr(whole, name).copy() for name in ("translations", "rotations", "scales")}
    for name, values in made.items():
        values[:, : count - 1] = UPPER[name]
        values[:, count - 1] = {"translations": 0, "rotations": [1, 0, 0, 0], "scales": 1}[name]
        values[:, count:] = getattr(body, name)
    return character, replace(whole, **made)


def placed_alike(count: int) -> tuple[Character, Motion]:
    """The body of :func:`below_still` below one joint that stays, where the skeleton itself is turned and scaled."""
    upper, (character, motion) = below_still(count), below_still(1)
    T_world_skel = skeleton.joint_transforms(*upper)[:, count - 2]
    return character, replace(motion, T_world_skel=T_world_skel)


def test_further_still_joints_above_change_nothing(lively_network: Network) -> None:
    fills, drafts = [], []
    for character, motion in (placed_alike(4), below_still(4)):
        plan = make_plan(character, motion, contexts=[(0, 36)], keys=[36, 54, 72], fill_at_samples=True)
        known = motion.at(plan.known(motion.times))
        fills.append((character, fill(character, known, plan)))
        part = make_plan(character, motion, contexts=[(0, 36)], keys=[36, 54], fill_at_samples=True)
        drafts += draft_fills(character, [(motion.at(part.known(motion.times)), part)])
    (one, alike), (many, further) = fills
    expected = skeleton.joint_positions(one, alike.motion)
    got = skeleton.joint_positions(many, further.motion)[:, 3:]
    np.testing.assert_allclose(got, expected, atol=1e-4)
    np.testing.assert_allclose(drafts[1].motion.rotations[:, 3:], drafts[0].motion.rotations, atol=1e-4)
    assert (further.motion.rotations[:, :2] == np.array(UPPER["rotations"], np.float32)).all()
    np.testing.assert_allclose(further.ideas[:, :, 3:], alike.ideas, atol=1e-3)
    assert not further.ideas[:, :, :3].any()
    assert not further.position_error[:, :3].any()
    assert not further.rotation_error[:, :3].any()
    np.testing.assert_allclose(further.rotation_error[:, 3:], alike.rotation_error, rtol=1e-3, atol=1e-5)
    assert (further.confidence[:, :3] == 1).all()
    assert (further.confidence[:, 4:] < 1).all()


def test_one_still_joint_above_is_shown_and_all_that_move_in_any_piece() -> None:
    character, motion = below_still(3)
    assert seen_of(character, motion)[0].tolist() == [*range(2, 11)]
    turned = motion.rotations.copy()
    turned[5:, 1] = rotations.exp(np.array([0.0, 0.1, 0]))
    moving = replace(motion, rotations=turned)
    assert seen_of(character, motion, moving)[0].tolist() == [*range(11)]
    character, motion = below_still(1)
    assert seen_of(character, motion)[0].tolist() == [*range(9)]
    character = make_character(ONE)
    assert seen_of(character, make_motion(character, FRAMES))[0].tolist() == [*range(8)]
