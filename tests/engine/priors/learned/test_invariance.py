"""What the prior must not depend on: order of joints, heading, place, unit, up axis, joint frames, frame rate."""

from dataclasses import replace

import numpy as np
import pytest

from engine.geometry import rotations, skeleton
from engine.planning.plan import Plan, make_plan
from engine.priors.learned.prior import fill, learned
from engine.priors.learned.takes import vary
from engine.priors.learned.weights import Network
from tests.engine.conftest import make_character, make_motion
from usd_io.model import Character, Motion

PARENTS = (-1, 0, 1, 1, 0, 4)
TOLERANCE = 1e-3
"""Single precision, through a network that exaggerates on purpose [lengths of one bone]."""


@pytest.fixture
def case() -> tuple[Character, Motion, Plan]:
    character = make_character(PARENTS)
    motion = make_motion(character, range(73))
    plan = make_plan(character, motion, contexts=[(0, 36)], keys=[36, 54, 72], fill_at_samples=True)
    return character, motion, plan


def known_of(motion: Motion, plan: Plan) -> Motion:
    return motion.at(plan.known(motion.times))


def positions(character: Character, motion: Motion, plan: Plan) -> np.ndarray:
    return skeleton.joint_positions(character, learned(character, known_of(motion, plan), plan))


def moved(motion: Motion, turn: np.ndarray, shift: np.ndarray) -> Motion:
    """The whole shot turned and shifted in skeleton space, through its one root."""
    q, t = motion.rotations.astype(float).copy(), motion.translations.astype(float).copy()
    q[:, 0] = rotations.multiply(np.broadcast_to(turn, q[:, 0].shape), q[:, 0])
    t[:, 0] = t[:, 0] @ rotations.to_matrix(turn).T + shift
    return replace(motion, rotations=q.astype(np.float32), translations=t.astype(np.float32))


def test_the_answer_is_not_slerp(lively_network: Network, case: tuple[Character, Motion, Plan]) -> None:
    from engine.priors.baselines import slerp

    character, motion, plan = case
    straight = skeleton.joint_positions(character, slerp(character, known_of(motion, plan), plan))
    assert np.abs(positions(character, motion, plan) - straight).max() > 0.05


def test_how_far_the_hips_are_from_a_reference_does_not_matter(lively_network: Network) -> None:
    """The reference stays at the origin, as the joint below it goes a hundred lengths away and more."""
    character = make_character((-1, 0, 1, 2, 2))
    motion = make_motion(character, range(73))
    rotated, translated = motion.rotations.copy(), motion.translations.copy()
    rotated[:, 0] = rotated[0, 0]
    translated[:, 1] += translated[:, 0] - translated[0, 0]
    translated[:, 0] = 0
    plan = make_plan(character, motion, contexts=[(0, 36)], keys=[36, 54, 72], fill_at_samples=True)
    found = []
    for far in (100.0, 200.0):
        shift = np.zeros((5, 3), np.float32)
        shift[1, 2] = far
        shot = replace(motion, rotations=rotated, translations=translated + shift)
        places = positions(character, shot, plan)[:, 1:]
        found.append(places - skeleton.joint_positions(character, shot.at(slice(0, 1)))[:, 1:2])
    assert np.abs(found[0] - found[1]).max() < TOLERANCE
    assert np.ptp(found[0], axis=0).max() > 0.1


def test_joint_order_does_not_matter(lively_network: Network, case: tuple[Character, Motion, Plan]) -> None:
    character, motion, plan = case
    order = np.array([0, 4, 1, 5, 3, 2])
    place = np.argsort(order)
    parents = np.array([-1 if p < 0 else place[p] for p in np.array(PARENTS)[order]])
    other = replace(
        character,
        joints=tuple(character.joints[j] for j in order),
        parents=parents,
        rest_translations=character.rest_translations[order],
    )
    shuffled = replace(
        motion,
        translations=motion.translations[:, order],
        rotations=motion.rotations[:, order],
        scales=motion.scales[:, order],
    )
    got = positions(other, shuffled, plan)
    assert np.allclose(got, positions(character, motion, plan)[:, order], atol=TOLERANCE)


def test_heading_and_place_turn_and_shift_the_answer(
    lively_network: Network, case: tuple[Character, Motion, Plan]
) -> None:
    character, motion, plan = case
    turn, shift = rotations.about_axis(np.array([0.0, 1, 0]), np.array(1.1)), np.array([3.0, 0, -0.7])
    expected = positions(character, motion, plan) @ rotations.to_matrix(turn).T + shift
    assert np.allclose(positions(character, moved(motion, turn, shift), plan), expected, atol=TOLERANCE)


def test_z_up_is_the_same_shot_lying_down(
    lively_network: Network, case: tuple[Character, Motion, Plan]
) -> None:
    character, motion, plan = case
    turn = rotations.about_axis(np.array([1.0, 0, 0]), np.array(np.pi / 2))
    expected = positions(character, motion, plan) @ rotations.to_matrix(turn).T
    got = positions(replace(character, up_axis="Z"), moved(motion, turn, np.zeros(3)), plan)
    assert np.allclose(got, expected, atol=TOLERANCE)


@pytest.mark.parametrize("unit", [0.01, 100.0])
def test_unit_of_length_scales_the_answer(
    lively_network: Network, case: tuple[Character, Motion, Plan], unit: float
) -> None:
    character, motion, plan = case
    scaled = replace(motion, translations=(motion.translations * unit).astype(np.float32))
    assert np.allclose(
        positions(character, scaled, plan) / unit, positions(character, motion, plan), atol=TOLERANCE
    )


def test_scale_of_the_root_is_no_other_shot(
    lively_network: Network, case: tuple[Character, Motion, Plan]
) -> None:
    character, motion, plan = case
    scales, translations = motion.scales.copy(), motion.translations.copy()
    scales[:, 0] *= 4
    translations[:, 1:] /= 4
    got = positions(character, replace(motion, scales=scales, translations=translations), plan)
    assert np.allclose(got, positions(character, motion, plan), atol=TOLERANCE)


def test_joint_frames_do_not_matter(lively_network: Network, case: tuple[Character, Motion, Plan]) -> None:
    """A leaf's frame turned by a constant: the same motion, told in other numbers."""
    character, motion, plan = case
    leaf, turn = 5, rotations.exp(np.array([0.4, -1.0, 0.7]))
    q = motion.rotations.astype(float).copy()
    q[:, leaf] = rotations.multiply(q[:, leaf], np.broadcast_to(turn, q[:, leaf].shape))
    other = replace(motion, rotations=q.astype(np.float32))
    one = learned(character, known_of(motion, plan), plan).rotations.astype(float)[:, leaf]
    two = learned(character, known_of(other, plan), plan).rotations.astype(float)[:, leaf]
    assert (
        rotations.angle_between(rotations.multiply(one, np.broadcast_to(turn, one.shape)), two).max() < 2e-3
    )


def test_frame_rate_does_not_matter(lively_network: Network, case: tuple[Character, Motion, Plan]) -> None:
    character, motion, plan = case
    fine = make_motion(character, np.arange(0, 72.1, 0.5))
    other = make_plan(character, fine, contexts=[(0, 36)], keys=[36, 54, 72], fill_at_samples=True)
    shared = np.isin(other.fill_times, plan.fill_times)
    got = positions(character, fine, other)[shared]
    assert np.abs(got - positions(character, motion, plan)).max() < 0.02


def test_keys_stay_and_the_answer_meets_them(
    lively_network: Network, case: tuple[Character, Motion, Plan]
) -> None:
    character, motion, plan = case
    near = Plan(plan.skeleton_path, plan.contexts, plan.keys, tuple(
        replace(g, times=(g.start + 1e-4, *g.times, g.end - 1e-4)) for g in plan.gaps
    ))  # fmt: skip
    filled = learned(character, known_of(motion, plan), near)
    for gap in near.gaps:
        ends = np.searchsorted(filled.times, [gap.start, gap.end - 2e-4])
        keys = np.searchsorted(motion.times, [gap.start, gap.end])
        assert np.abs(filled.rotations[ends] - motion.rotations[keys]).max() < 1e-3


def test_joints_that_do_not_move_stay_bit_for_bit(
    lively_network: Network, case: tuple[Character, Motion, Plan]
) -> None:
    character, motion, plan = case
    still = motion.rotations.copy()
    still[:, 3] = still[0, 3]
    filled = learned(character, known_of(replace(motion, rotations=still), plan), plan)
    assert (filled.rotations[:, 3] == still[0, 3]).all()
    assert (filled.translations[:, 1:] == motion.translations[0, 1:]).all()


@pytest.mark.parametrize("joints", [1, 2, 70])
def test_any_number_of_joints_is_filled(lively_network: Network, joints: int) -> None:
    character = make_character(range(-1, joints - 1)) if joints < 20 else make_character((-1, *[0] * 69))
    motion = make_motion(character, range(41))
    plan = make_plan(character, motion, contexts=[(0, 20)], keys=[40], fill_at_samples=True)
    result = fill(character, known_of(motion, plan), plan)
    assert np.isfinite(result.motion.rotations).all()
    assert result.confidence.shape == (19, joints)
    assert ((result.confidence > 0) & (result.confidence <= 1)).all()


def test_two_keys_and_no_context_are_enough(lively_network: Network) -> None:
    character = make_character(PARENTS)
    motion = make_motion(character, [0, 24, 60])
    plan = make_plan(character, motion, keys=[0, 24, 60])
    filled = learned(character, motion, plan)
    assert len(filled.times) == 23 + 35
    assert np.isfinite(filled.rotations).all()


def test_best_estimate_is_deterministic_and_takes_differ(
    lively_network: Network, case: tuple[Character, Motion, Plan]
) -> None:
    character, motion, plan = case
    known = known_of(motion, plan)
    guess, again = (fill(character, known, plan) for _ in range(2))
    assert (guess.motion.rotations == again.motion.rotations).all()

    def take(seed: int, number: int) -> np.ndarray:
        return vary(character, plan, guess, seed, number).rotations

    assert (take(1, 2) == take(1, 2)).all()
    for other in (take(2, 2), take(1, 3), guess.motion.rotations):
        assert np.abs(take(1, 2) - other).max() > 1e-3


def test_characters_of_one_shot_do_not_stray_alike(
    lively_network: Network, case: tuple[Character, Motion, Plan]
) -> None:
    character, motion, plan = case
    guess = fill(character, known_of(motion, plan), plan)
    twin = replace(character, skeleton_path="/Twin/Skel")
    one, two = (vary(c, plan, guess, 1, 2).rotations for c in (character, twin))
    assert np.abs(one - two).max() > 1e-3
