"""Texture: as quick and as large as the context's, none where the context has none, keys and supports as they were."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from engine.geometry import rotations, skeleton
from engine.geometry.resample import resample
from engine.planning.plan import Plan, make_plan
from engine.priors import offsets
from engine.priors.contacts.planting import hinges_of
from engine.priors.fill import fill_motion, split
from engine.priors.shaping.texture import put_texture
from tests.engine.conftest import make_character, make_motion
from tests.engine.priors.test_contacts import LEFT, RIGHT, biped, walk
from usd_io.model import Character, Motion
from usd_io.shapes import Float

CHARACTER = make_character((-1, 0, 1, 2, 0))
SMOOTH = make_motion(CHARACTER, range(97))
SHOT = {"contexts": [(0, 48)], "keys": [72, 96]}


def shaken(motion: Motion, size: float = 0.01, seed: int = 3) -> Motion:
    """The motion with every joint trembling [rad] from frame to frame."""
    noise = np.random.default_rng(seed).normal(scale=size, size=(*motion.rotations.shape[:2], 3))
    turned = rotations.multiply(motion.rotations.astype(float), rotations.exp(noise))
    return replace(motion, rotations=turned.astype(np.float32))


def filled(
    motion: Motion, character: Character = CHARACTER, *, standing: bool = False, **shot: object
) -> tuple[Motion, Motion, Plan]:
    """Straight motion in the gaps without and with texture."""
    plan = make_plan(character, motion, **{**SHOT, **shot})  # type: ignore[arg-type]
    known = split(motion, plan, partial(resample, motion)).known
    straight = offsets.straight(known, plan)
    return straight, put_texture(character, known, plan, straight, standing=standing), plan


def tremor(motion: Motion) -> Float[np.ndarray, " joint"]:
    """Root mean square of the second differences of local rotations, by joint [rad]."""
    q = rotations.continuous(motion.rotations.astype(float))
    steps = rotations.log(rotations.multiply(rotations.conjugate(q[:-1]), q[1:]))
    result: Float[np.ndarray, " joint"] = np.sqrt((np.diff(steps, axis=0) ** 2).sum(-1).mean(0))
    return result


def apart(a: Motion, b: Motion) -> Float[np.ndarray, "frame joint 3"]:
    """Turns from one motion to the other [rad]."""
    return offsets.offsets_from(a, b)[..., offsets.ROTATION]


def test_a_gap_trembles_as_the_context_does() -> None:
    motion = shaken(SMOOTH)
    plan = make_plan(CHARACTER, motion, **SHOT)  # type: ignore[arg-type]
    made = SMOOTH.at(np.isin(SMOOTH.times, plan.fill_times))
    textured = put_texture(
        CHARACTER, split(motion, plan, partial(resample, motion)).known, plan, made, standing=False
    )
    inside = slice(0, 23)  # of the first gap
    context = tremor(motion.at(slice(0, 49)))
    without, with_it = (tremor(m.at(inside)) / context for m in (made, textured))
    assert without.max() < 0.15
    assert (with_it > 0.3).all()
    assert 0.45 < with_it.mean() < 1.1
    # it trembles about the way it had
    assert np.abs(apart(made, textured)[inside].mean(0)).max() < 0.003


def test_a_smooth_context_gives_none() -> None:
    straight, textured, _ = filled(SMOOTH)
    swing = np.abs(apart(SMOOTH.at(np.zeros(49, int)), SMOOTH.at(slice(0, 49)))).max()
    assert np.abs(apart(straight, textured)).max() < 0.01 * swing


def test_a_blow_in_the_context_is_not_repeated() -> None:
    turned = SMOOTH.rotations.astype(float)
    turned[20:22] = rotations.multiply(turned[20:22], rotations.exp(np.full((2, 5, 3), 0.3)))
    straight, textured, _ = filled(replace(SMOOTH, rotations=turned.astype(np.float32)))
    assert np.abs(apart(straight, textured)).max() < 0.03


def test_what_stands_still_in_a_gap_stays_still() -> None:
    motion = shaken(SMOOTH)
    still = motion.at(np.r_[np.arange(49), np.full(48, 48)])
    straight, textured, _ = filled(replace(still, times=motion.times))
    np.testing.assert_array_equal(textured.rotations, straight.rotations)


@pytest.mark.parametrize(
    ("motion", "shot"),
    [
        (shaken(SMOOTH), {"contexts": [], "keys": [0, 48, 96]}),  # keys alone
        (shaken(SMOOTH), {"contexts": [(0, 4)], "keys": [48, 96]}),  # too short to tell
        (shaken(make_motion(CHARACTER, range(0, 97, 6))), {"contexts": [(0, 48)]}),  # four frames a second
    ],
)
def test_without_a_context_that_shows_it_nothing_changes(motion: Motion, shot: dict[str, object]) -> None:
    straight, textured, _ = filled(motion, **shot)
    assert textured is straight


def test_locked_joints_stay_bit_for_bit() -> None:
    straight, textured, plan = filled(shaken(SMOOTH), lock=["b"])
    locked = [CHARACTER.joints.index(joint) for joint in plan.locked]
    assert locked
    np.testing.assert_array_equal(textured.rotations[:, locked], straight.rotations[:, locked])
    assert (textured.rotations != straight.rotations).any()


def test_feet_go_their_way_under_a_trembling_body() -> None:
    character = biped()
    walked = shaken(walk(character), 0.004)
    shot = {"contexts": [(0, 80)], "keys": [104, 128]}
    strayed = {}
    for standing in (False, True):
        straight, textured, _ = filled(walked, character, standing=standing, **shot)
        places = [skeleton.joint_positions(character, m) for m in (straight, textured)]
        moved = np.linalg.norm(places[1] - places[0], axis=-1)
        strayed[standing] = moved[:, [LEFT[2], RIGHT[2]]].mean()
        assert moved.mean() > 0
    assert strayed[True] < 0.3 * strayed[False]


def test_calm_fills_without_it_and_slerp_always_does() -> None:
    motion, shot = shaken(SMOOTH), {"context": [(0, 48)], "keys": [72, 96]}
    made = {
        (prior, style): fill_motion(
            CHARACTER, motion, prior=prior, style=style, contacts=False, **shot
        ).motion  # type: ignore[arg-type]
        for prior in ("spline", "slerp")
        for style in ("calm", "natural")
    }
    inside = slice(49, 72)
    assert (
        tremor(made["spline", "natural"].at(inside)) > 2 * tremor(made["spline", "calm"].at(inside))
    ).all()
    np.testing.assert_array_equal(made["slerp", "natural"].rotations, made["slerp", "calm"].rotations)
    for motions in made.values():
        np.testing.assert_array_equal(
            motions.rotations[[*range(49), 72, 96]], motion.rotations[[*range(49), 72, 96]]
        )


def test_knees_that_are_almost_straight_do_not_tremble_to_the_other_side() -> None:
    character = biped()
    walked = walk(character)
    plan = make_plan(character, walked, contexts=[(0, 60)], keys=[60, 100, 140], fill_at_samples=True)
    made = walked.at(np.isin(walked.times, plan.fill_times))
    q = made.rotations.copy()
    q[:, [LEFT[1], RIGHT[1]]] = rotations.exp(np.array([0.06, 0, 0]))
    made = replace(made, rotations=q)
    known = shaken(walked, 0.03).at(plan.known(walked.times))
    hinges = hinges_of(character, known, plan)
    assert {hinge.joint for hinge in hinges} == {LEFT[1], RIGHT[1]}
    standing, loose = (put_texture(character, known, plan, made, standing=stands) for stands in (True, False))
    for hinge in hinges:
        bent, trembling, free = (hinge.bent(m.rotations, m.translations) for m in (made, standing, loose))
        lowest = np.minimum(bent, hinge.least)
        assert (free < lowest - 0.01).any()
        assert (trembling > lowest - 1e-5).all()
