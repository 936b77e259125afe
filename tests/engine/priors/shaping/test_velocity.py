"""Velocity at keys: carried through them, kept where the context stops and starts, the same at the keys."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from engine.geometry import skeleton
from engine.geometry.resample import resample
from engine.planning.plan import Plan, make_plan
from engine.priors import offsets
from engine.priors.fill import fill_motion, split
from engine.priors.shaping import velocity
from engine.priors.shaping.velocity import carry_velocity
from tests.engine.conftest import make_character, make_motion
from usd_io.model import Motion

CHARACTER = make_character((-1, 0, 1, 2, 0))
MOTION = make_motion(CHARACTER, range(97))


def parts_of(motion: Motion, plan: Plan) -> tuple[Motion, Motion]:
    """The known frames, and straight motion in the gaps: it turns a corner at every key."""
    known = split(motion, plan, partial(resample, motion)).known
    return known, offsets.straight(known, plan)


def jump(known: Motion, made: Motion, key: float, step: float = 1.0) -> float:
    """Mean change of the joints' velocity at a key."""
    times = np.concatenate([known.times, made.times])
    order = np.argsort(times)
    places = np.concatenate([skeleton.joint_positions(CHARACTER, m) for m in (known, made)])[order]
    at = int(np.searchsorted(times[order], key))
    assert times[order][at] == key
    steps = np.diff(places[at - 1 : at + 2], axis=0)
    return float(np.linalg.norm(steps[1] - steps[0], axis=-1).mean())


@pytest.mark.parametrize("key", [54, 72])
def test_velocity_goes_on_through_keys(key: float) -> None:
    plan = make_plan(CHARACTER, MOTION, contexts=[(0, 36)], keys=[54, 72, 90])
    known, straight = parts_of(MOTION, plan)
    carried = carry_velocity(known, plan, straight)
    assert jump(known, carried, key) < 0.4 * jump(known, straight, key)


def test_beside_finished_motion_and_at_the_ends_of_the_shot_nothing_changes() -> None:
    for contexts, keys in ([[(0, 36)], [54]], [[(0, 36), (60, 96)], []], [[], [10, 30]]):
        plan = make_plan(CHARACTER, MOTION, contexts=contexts, keys=keys)  # type: ignore[arg-type]
        known, straight = parts_of(MOTION, plan)
        np.testing.assert_array_equal(carry_velocity(known, plan, straight).rotations, straight.rotations)


def test_a_context_that_stops_and_starts_keeps_its_stops() -> None:
    held = np.repeat(np.arange(0, 97, 6), 6)[:97]  # on sixes: velocity changes at many frames
    steppy = replace(MOTION.at(np.clip(held, 0, 96)), times=MOTION.times)
    steppy = replace(
        steppy,
        rotations=np.where((np.arange(97) < 37)[:, None, None], _shaken(steppy), MOTION.rotations),
    )
    plan = make_plan(CHARACTER, steppy, contexts=[(0, 36)], keys=[54, 72, 90])
    known, straight = parts_of(steppy, plan)
    carried = carry_velocity(known, plan, straight)
    calm, smooth = parts_of(MOTION, plan)
    kept, free = jump(known, carried, 72), jump(calm, carry_velocity(calm, plan, smooth), 72)
    assert kept > 2 * free


def _shaken(motion: Motion) -> np.ndarray:
    """Every second frame turned back to the first one's pose."""
    result = motion.rotations.copy()
    result[::2] = motion.rotations[0]
    return result


@pytest.mark.parametrize("prior", ["spline", "context", "learned", "auto"])
def test_keys_stay_exact(prior: str) -> None:
    filled = fill_motion(CHARACTER, MOTION, context=[(0, 36)], keys=[36, 54, 72], prior=prior).motion
    for key in (36, 54, 72):
        np.testing.assert_array_equal(
            filled.rotations[filled.times == key], MOTION.rotations[MOTION.times == key]
        )


def test_gaps_of_one_frame_are_carried_too() -> None:
    plan = make_plan(CHARACTER, MOTION, contexts=[(0, 36)], keys=[38, 40])
    known, straight = parts_of(MOTION, plan)
    assert np.isfinite(carry_velocity(known, plan, straight).rotations).all()


def test_what_is_usual_is_found_in_blocks_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan(CHARACTER, MOTION, contexts=[(0, 36), (80, 96)], keys=[54, 72])
    known = split(MOTION, plan, partial(resample, MOTION)).known
    whole = velocity._usual_changes(known, plan)
    monkeypatch.setattr(velocity, "_BLOCK", 5)
    again = replace(known)
    np.testing.assert_array_equal(velocity._usual_changes(again, plan), whole)
    changes = []
    for start, end in plan.contexts:
        seen = known.at((known.times >= start) & (known.times <= end))
        moved = offsets.offsets_from(seen.at(slice(0, -1)), seen.at(slice(1, None)))
        changes.append(np.diff(moved * known.time_codes_per_second, axis=0))
    sizes = np.linalg.norm(np.concatenate(changes).reshape(-1, len(CHARACTER.joints), 3, 3), axis=-1)
    np.testing.assert_allclose(whole, np.quantile(sizes, velocity.USUAL, axis=0), rtol=1e-12)
    assert velocity._usual_changes(again, plan) is velocity._usual_changes(again, plan)
