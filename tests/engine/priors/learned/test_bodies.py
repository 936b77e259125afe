"""Several bodies in one skeleton are filled as each would be alone."""

from dataclasses import replace

import numpy as np

from engine.geometry import skeleton
from engine.planning.plan import make_plan
from engine.priors.learned.bodies import alone, bodies_of, with_joints
from engine.priors.learned.prior import draft_fills, fill
from engine.priors.learned.weights import Network
from tests.engine.conftest import make_character, make_motion
from usd_io.model import Character, Motion

ONE = (-1, 0, 1, 2, 1, 4, 0, 6)
FRAMES = range(73)


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
