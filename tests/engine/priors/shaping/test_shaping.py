"""Pinned joints, motion in place, on arrays and through USD."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine import run as engine_run
from engine.config import RunConfig
from engine.errors import ConfigError, NothingToFill
from engine.geometry import metrics, rotations, skeleton
from engine.planning.pins import PIN_TOLERANCE as TOLERANCE
from engine.planning.plan import Plan, make_plan
from engine.priors.contacts.hinges import STRAIGHT
from engine.priors.fill import fill_motion
from engine.priors.shaping.pins import hold_pins, missed_pins
from tests.engine.conftest import make_character, make_motion
from tests.engine.priors.test_contacts import LEFT, biped, knees, straightened, walk
from usd_io.model import Character, Motion
from usd_io.read.motion import read_motion
from usd_io.read.stage import read_shot

CHARACTER = make_character((-1, 0, 1, 2, 0))
MOTION = make_motion(CHARACTER, range(73))
HAND = "a/b/c/d"
SHOT = {"context": [(0, 36)], "keys": [36, 54, 72], "prior": "spline"}


def hand(character: Character, motion: Motion, joint: str, start: float, end: float) -> np.ndarray:
    inside = (motion.times >= start) & (motion.times <= end)
    return skeleton.joint_positions(character, motion.at(inside))[:, character.joints.index(joint)]


def test_a_root_is_pinned_as_any_joint() -> None:
    size = metrics.height(CHARACTER, MOTION, 36)
    free = fill_motion(CHARACTER, MOTION, **SHOT).motion  # type: ignore[arg-type]
    held = fill_motion(CHARACTER, MOTION, pin=["a@40:50"], **SHOT).motion  # type: ignore[arg-type]
    assert np.ptp(hand(CHARACTER, free, "a", 40, 50), axis=0).max() > 10 * TOLERANCE * size
    places = hand(CHARACTER, held, "a", 40, 50)
    assert np.linalg.norm(places - places[0], axis=-1).max() < TOLERANCE * size


@pytest.mark.parametrize(("start", "end"), [(40, 50), (54, 60), (38, 53)])
def test_a_pinned_joint_stays_and_keys_are_exact(start: float, end: float) -> None:
    size = metrics.height(CHARACTER, MOTION, 36)
    free = fill_motion(CHARACTER, MOTION, **SHOT).motion  # type: ignore[arg-type]
    held = fill_motion(CHARACTER, MOTION, pin=[f"d@{start}:{end}"], **SHOT).motion  # type: ignore[arg-type]
    assert np.ptp(hand(CHARACTER, free, HAND, start, end), axis=0).max() > 10 * TOLERANCE * size
    places = hand(CHARACTER, held, HAND, start, end)
    assert np.linalg.norm(places - places[0], axis=-1).max() < TOLERANCE * size
    for key in (36, 54, 72):
        np.testing.assert_array_equal(
            held.rotations[held.times == key], MOTION.rotations[MOTION.times == key]
        )


def test_only_the_root_of_what_is_pinned_gives_way() -> None:
    pair = make_character((-1, 0, 1, -1, 3))  # a body and a handle beside it
    motion = make_motion(pair, range(73))
    free = fill_motion(pair, motion, **SHOT).motion  # type: ignore[arg-type]
    held = fill_motion(pair, motion, pin=["c@38:53"], **SHOT).motion  # type: ignore[arg-type]
    body, handle = pair.joints.index("a"), [pair.joints.index(joint) for joint in ("d", "d/e")]
    assert (held.translations[:, body] != free.translations[:, body]).any()
    np.testing.assert_array_equal(held.translations[:, handle], free.translations[:, handle])
    np.testing.assert_array_equal(held.rotations[:, handle], free.rotations[:, handle])
    locked, pinned = (
        fill_motion(pair, motion, pin=pin, lock=["a"], **SHOT).motion  # type: ignore[arg-type]
        for pin in ([], ["c@38:53"])
    )
    np.testing.assert_array_equal(pinned.translations[:, body], locked.translations[:, body])


@pytest.mark.parametrize(("pinned", "travels"), [("c", True), ("e", True), ("e", False)])
def test_still_control_joints_above_what_is_pinned_stay(pinned: str, travels: bool) -> None:
    controlled = make_character(
        (-1, 0, 1, 2, 3, 2)
    )  # the body c hangs on two controls that are turned, a and b
    motion = make_motion(controlled, range(73))
    if travels:
        motion.translations[:, 2] += motion.translations[:, 0]
    for values in (motion.translations, motion.rotations):
        values[:, :2] = values[0, :2]
    size = metrics.height(controlled, motion, 36)
    free = fill_motion(controlled, motion, **SHOT).motion  # type: ignore[arg-type]
    held = fill_motion(controlled, motion, pin=[f"{pinned}@40:50"], **SHOT).motion  # type: ignore[arg-type]
    joint = next(joint for joint in controlled.joints if joint.endswith(pinned))
    assert np.ptp(hand(controlled, free, joint, 40, 50), axis=0).max() > 10 * TOLERANCE * size
    places = hand(controlled, held, joint, 40, 50)
    assert np.linalg.norm(places - places[0], axis=-1).max() < TOLERANCE * size
    np.testing.assert_array_equal(held.translations[:, :2], free.translations[:, :2])
    np.testing.assert_array_equal(held.rotations[:, :2], free.rotations[:, :2])


def test_a_pinned_joint_leaves_its_way_without_a_jump() -> None:
    held = fill_motion(CHARACTER, MOTION, pin=["d@44:48"], **SHOT).motion  # type: ignore[arg-type]
    free = fill_motion(CHARACTER, MOTION, **SHOT).motion  # type: ignore[arg-type]
    steps = [
        np.linalg.norm(np.diff(hand(CHARACTER, m, HAND, 36, 54), axis=0), axis=-1).max() for m in (held, free)
    ]
    assert steps[0] < 3 * steps[1]


@pytest.mark.parametrize(
    "pins", [["*@40:50"], ["*@50:54"], ["[bcd]@40:50"], ["d@40:43", "d@46:52"], ["*@38:46", "*@58:66"]]
)
def test_many_pins_at_once_and_one_after_another_are_all_held(pins: list[str]) -> None:
    held = fill_motion(CHARACTER, MOTION, pin=pins, **SHOT).motion  # type: ignore[arg-type]
    size = metrics.height(CHARACTER, MOTION, 36)
    plan = make_plan(CHARACTER, MOTION, contexts=[(0, 36)], keys=[36, 54, 72], pin=pins)
    for pin in plan.pins:
        places = hand(CHARACTER, held, pin.joint, pin.start, pin.end)
        assert np.linalg.norm(places - places[0], axis=-1).max() < TOLERANCE * size


def test_no_joint_jumps_where_the_root_has_helped_to_hold_others() -> None:
    # the root travels, so that the limb alone cannot hold its end
    travelling = MOTION.translations.copy()
    travelling[:, 0, 2] += 0.3 * np.arange(73)
    moving = replace(MOTION, translations=travelling)
    shot = {**SHOT, "keys": [36, 72]}
    free, held = (
        skeleton.joint_positions(CHARACTER, fill_motion(CHARACTER, moving, pin=pin, **shot).motion)  # type: ignore[arg-type]
        for pin in ([], ["d@46:54"])
    )
    steps = [np.linalg.norm(np.diff(places, axis=0), axis=-1)[36:].max() for places in (free, held)]
    assert steps[1] < 2 * steps[0]


def test_a_knee_that_was_stretched_bends_to_its_own_side_again() -> None:
    character = biped()
    motion = walk(character)
    free, held = (
        fill_motion(character, motion, context=[(0, 60)], keys=[60, 120], prior="spline", pin=pin).motion
        for pin in ([], ["LeftFoot@74:88"])
    )
    steps = [
        np.linalg.norm(np.diff(skeleton.joint_positions(character, m), axis=0), axis=-1)[60:120].max()
        for m in (free, held)
    ]
    assert rotations.log(held.rotations[60:120, LEFT[1]].astype(float))[:, 0].min() > 0
    assert steps[1] < 2.5 * steps[0]


def test_a_knee_above_a_pin_bends_to_the_side_that_known_poses_show() -> None:
    character = biped()
    motion = walk(character)
    shot = {"contexts": [(0, 60)], "keys": [60, 100]}
    plan = make_plan(character, motion, pin=["LeftFoot@66:94"], **shot)  # type: ignore[arg-type]
    made, known = straightened(motion, plan, 1.4), motion.at(plan.known(motion.times))
    assert knees(made)[:, 0].min() < -20
    held = hold_pins(character, known, plan, made)
    pinned = (held.times >= 66) & (held.times <= 94)
    assert knees(held)[pinned, 0].min() > np.degrees(STRAIGHT) - 0.1
    places = hand(character, held, character.joints[LEFT[2]], 66, 94)
    assert np.linalg.norm(places - places[0], axis=-1).max() < TOLERANCE * 1.5


def test_keys_that_move_the_joint_refuse_the_pin() -> None:
    with pytest.raises(ConfigError, match="cannot be pinned from 50 to 72"):
        fill_motion(CHARACTER, MOTION, pin=["d@50:72"], **SHOT)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["d", "d@4", "@4:5", "d@5:4", "d@x:5", "d@nan:5"])
def test_a_pin_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="JOINT@A:B"):
        RunConfig(stage="shot.usda", pin=(text,))


def test_a_pin_outside_of_the_gaps_or_of_no_joint_is_refused() -> None:
    for text in ("d@0:10", "nobody@40:50"):
        with pytest.raises(ConfigError):
            make_plan(CHARACTER, MOTION, contexts=[(0, 36)], keys=[36, 54, 72], pin=[text])


def test_a_joint_that_is_locked_or_pinned_already_is_refused() -> None:
    shot = {"contexts": [(0, 36)], "keys": [36, 54, 72]}
    with pytest.raises(ConfigError, match=r"a/b/c/d is locked and cannot be pinned from 40 to 50: .* one of"):
        make_plan(CHARACTER, MOTION, **shot, pin=["d@40:50"], lock=["d"])  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"a/b/c/d is pinned twice at 44; pin it once"):
        make_plan(CHARACTER, MOTION, **shot, pin=["d@40:48", "a/b/c/d@44:50"])  # type: ignore[arg-type]
    plan = make_plan(CHARACTER, MOTION, **shot, pin=["d@40:43", "d@44:50"])  # type: ignore[arg-type]
    assert [(pin.start, pin.end) for pin in plan.pins] == [(40, 43), (44, 50)]


def test_a_pin_that_nothing_can_hold_is_refused_and_one_of_a_single_frame_stays() -> None:
    shot = {"contexts": [(0, 36)], "keys": [36, 54, 72]}
    with pytest.raises(ConfigError, match="all joints above it are locked, so that nothing can hold it"):
        make_plan(CHARACTER, MOTION, **shot, pin=["d@40:50"], lock=["a", "b", "c"])  # type: ignore[arg-type]
    with pytest.raises(NothingToFill, match="all joints are locked; lock fewer"):
        make_plan(CHARACTER, MOTION, **shot, lock=["*"])  # type: ignore[arg-type]
    free = fill_motion(CHARACTER, MOTION, **SHOT).motion  # type: ignore[arg-type]
    held = fill_motion(CHARACTER, MOTION, pin=["d@40.5:41.5"], **SHOT).motion  # type: ignore[arg-type]
    np.testing.assert_array_equal(held.rotations, free.rotations)


def test_what_is_pinned_and_not_held_is_said() -> None:
    held = fill_motion(CHARACTER, MOTION, pin=["d@40:50"], **SHOT)  # type: ignore[arg-type]
    assert missed_pins(CHARACTER, held.motion, plan_with("d@40:50")) == []
    # a free motion holds nothing
    free = fill_motion(CHARACTER, MOTION, **SHOT).motion  # type: ignore[arg-type]
    (said,) = missed_pins(CHARACTER, free, plan_with("d@40:50"))
    places = hand(CHARACTER, free, HAND, 40, 50)
    off = np.linalg.norm(places - places[0], axis=-1).max()
    assert said.startswith(f"a/b/c/d, pinned from 40 to 50, is {off:.3g} stage units (")
    # the place of a known pose counts, wherever in the range it is
    (said,) = missed_pins(CHARACTER, free, plan_with("d@50:56"))
    places = hand(CHARACTER, free, HAND, 50, 56)
    assert f"is {np.linalg.norm(places - places[4], axis=-1).max():.3g} stage units" in said


def test_why_a_pin_is_not_held_is_said() -> None:
    free = fill_motion(CHARACTER, MOTION, **SHOT).motion  # type: ignore[arg-type]
    reasons = {
        "no pose near the motion reaches it; pin another joint of the limb": plan_with("d@40:50"),
        "what is pinned was not all held together; pin fewer joints": plan_with("d@40:50", "c@45:50"),
        "the limb alone does not reach it, and a above it is locked; unlock that": replace(
            plan_with("d@40:50", "c@45:50"), locked=("a",)
        ),
    }
    for reason, plan in reasons.items():
        assert missed_pins(CHARACTER, free, plan)[0].endswith(f": {reason}, or pin a shorter range.")


def test_a_pin_that_ends_next_to_a_key_is_said_to_jump() -> None:
    held = fill_motion(CHARACTER, MOTION, pin=["d@38:53"], **SHOT)  # type: ignore[arg-type]
    said, *_ = missed_pins(CHARACTER, held.motion, plan_with("d@38:53"))
    assert said.startswith("a/b/c/d, pinned from 38 to 53, moves by ")
    assert (
        "from 53 to 54, much quicker than elsewhere: a key is too near; end the pin further from it" in said
    )


def test_a_joint_above_a_pin_that_flips_is_said() -> None:
    held = fill_motion(CHARACTER, MOTION, pin=["d@40:50"], **SHOT).motion  # type: ignore[arg-type]
    frame, elbow = int(np.flatnonzero(held.times == 45)[0]), CHARACTER.joints.index("a/b/c")
    q = held.rotations.copy()
    quarter = rotations.exp(np.array([np.pi / 2, 0, 0])).astype(q.dtype)
    q[frame:, elbow] = rotations.multiply(q[frame:, elbow], np.broadcast_to(quarter, q[frame:, elbow].shape))
    said = missed_pins(CHARACTER, replace(held, rotations=q), plan_with("d@40:50"))
    (flip,) = [sentence for sentence in said if "turns by" in sentence]
    assert flip.startswith("a/b/c, above a/b/c/d pinned from 40 to 50, turns by ")
    assert "degrees from 44 to 45" in flip


ARMS = make_character((-1, 0, 1, 2, 3, 1, 5, 6))  # two chains of three joints above a body


def straight_arms(seed: int, bend: float, speed: float) -> Motion:
    """Arms that are almost straight, of a body that travels so far along z a frame."""
    motion = make_motion(ARMS, range(73), seed=seed)
    turns, translations = rotations.log(motion.rotations.astype(float)), motion.translations.copy()
    turns[:, 2:] *= bend
    translations[:, 0, 2] += speed * np.arange(73)
    return replace(motion, rotations=rotations.exp(turns).astype(np.float32), translations=translations)


@pytest.mark.parametrize(("seed", "pin"), [(2, "e@42:60"), (3, "e@42:60"), (7, "e@46:56")])
def test_an_arm_that_is_almost_straight_does_not_flip(seed: int, pin: str) -> None:
    motion, shot = straight_arms(seed, 0.2, 0.3), {**SHOT, "keys": [36, 72]}
    held = fill_motion(ARMS, motion, pin=[pin], **shot).motion  # type: ignore[arg-type]
    plan = make_plan(ARMS, motion, contexts=[(0, 36)], keys=[36, 72], pin=[pin])
    assert missed_pins(ARMS, held, plan) == []


@pytest.mark.parametrize(("bend", "speed"), [(0.03, 0.3), (0.1, 0.3), (0.2, 0.1)])
def test_the_root_gives_way_to_a_straight_arm_and_the_body_moves_on(bend: float, speed: float) -> None:
    motion, shot = straight_arms(0, bend, speed), {**SHOT, "keys": [36, 72]}
    free, held = (
        fill_motion(ARMS, motion, pin=pin, **shot).motion  # type: ignore[arg-type]
        for pin in ([], ["e@42:60"])
    )
    places = hand(ARMS, held, "a/b/c/d/e", 42, 60)
    assert np.linalg.norm(places - places[0], axis=-1).max() < TOLERANCE * metrics.height(ARMS, motion, 36)
    # what carries the arm turns as it does without the pin
    np.testing.assert_array_equal(held.rotations[:, :2], free.rotations[:, :2])


def plan_with(*pins: str) -> Plan:
    return make_plan(CHARACTER, MOTION, contexts=[(0, 36)], keys=[36, 54, 72], pin=pins)


def test_in_place_the_root_goes_straight_between_the_keys() -> None:
    filled = fill_motion(CHARACTER, MOTION, in_place=True, **SHOT).motion  # type: ignore[arg-type]
    inside = (filled.times >= 36) & (filled.times <= 54)
    way = filled.translations[inside, 0]
    part = (filled.times[inside] - 36) / 18
    straight = way[:1] + (way[-1:] - way[:1]) * part[:, None]
    np.testing.assert_allclose(way[:, [0, 2]], straight[:, [0, 2]], atol=1e-5)
    free = fill_motion(CHARACTER, MOTION, contacts=False, **SHOT).motion  # type: ignore[arg-type]
    np.testing.assert_array_equal(way[:, 1], free.translations[inside, 0, 1])


def test_a_run_pins_a_joint_as_usd_sees_it(data: Path, tmp_path: Path) -> None:
    source = str(data / "edge" / "fox_survey_keys.usda")
    paw = "b_RightHand_08"
    result = engine_run.run(
        RunConfig(
            stage=source,
            out=str(tmp_path / "run"),
            preview=False,
            report=False,
            prior="spline",
            pin=(f"{paw}@1:11",),
        )
    )
    shot = read_shot(result.result, meshes=False)
    character, motion = (
        shot.characters[0],
        read_motion(read_stage(result.result), shot.characters[0].skeleton_path),
    )
    joint = next(j for j in character.joints if j.endswith(paw))
    places = hand(character, motion, joint, 1, 11)
    assert np.linalg.norm(places - places[0], axis=-1).max() < TOLERANCE * metrics.height(
        character, motion, 0
    )


def read_stage(path: str) -> object:
    from usd_io.read.stage import open_stage

    return open_stage(path)
