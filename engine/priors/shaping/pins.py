"""Joints that stay where they are for a while: a hand on a rail, a foot in a stirrup.

The limb above a pinned joint turns so that it is there (:mod:`engine.priors.contacts.planting`); what the limb cannot
reach the root gives. Before and after, the joint leaves its trajectory and comes back to it within :data:`BLEND_S`.
"""

from dataclasses import replace

import numpy as np

from engine.geometry import metrics, skeleton
from engine.planning.pins import PIN_TOLERANCE, Pin, place_of
from engine.planning.plan import Plan
from engine.priors.contacts import planting
from engine.priors.contacts.contacts import BLEND_S
from usd_io.errors import shown
from usd_io.model import Character, Motion
from usd_io.shapes import Float

JUMP, JUMPY = 0.03, 2.0
"""A pinned joint jumps where a step from a frame to the next is longer than this [heights], and than so many times the
longest of its others."""
ROUNDS, REACHES = 12, 4
"""Of the limbs' least squares, and of the root's help between them."""


def hold_pins(character: Character, known: Motion, plan: Plan, made: Motion) -> Motion:
    """Hold the pinned joints in their places.

    Args:
        character: The skeleton.
        known: The known frames only.
        plan: Gives the pins.
        made: A filled motion at ``plan.fill_times``.

    Raises:
        ConfigError: Known poses hold a pinned joint in places that differ.
    """
    if not plan.pins:
        return made
    size = metrics.height(character, known, plan.keys[0])
    joints = np.array(sorted({character.joints.index(pin.joint) for pin in plan.pins}))
    targets = skeleton.joint_positions(character, made)[:, joints]
    held = np.zeros(targets.shape[:2], bool)
    for pin in plan.pins:
        column = int(np.searchsorted(joints, character.joints.index(pin.joint)))
        inside = (made.times >= pin.start) & (made.times <= pin.end)
        place = _place(character, known, made, pin, size)
        before = targets[:, column].copy()
        targets[:, column] += _ways(plan, made, pin, place - before)
        held[inside, column] = True
    moves = np.abs(targets - skeleton.joint_positions(character, made)[:, joints]).max((1, 2)) > 0
    if not moves.any():
        return made
    for _ in range(REACHES):
        made = _reach(character, known, plan, made, joints, targets, moves)
        missing = np.where(held[..., None], targets - skeleton.joint_positions(character, made)[:, joints], 0)
        if np.linalg.norm(missing, axis=-1).max(initial=0) < PIN_TOLERANCE / 2 * size:
            break
        made = _shifted_by_roots(character, made, missing.sum(1) / np.maximum(held.sum(1), 1)[:, None])
    return made


def missed_pins(character: Character, motion: Motion, plan: Plan) -> list[str]:
    """What to say of pinned joints that a filled motion does not hold, or that jump where a pin ends; a sentence each.

    Many joints that are pinned together may want what no pose of the skeleton gives; then they are held as nearly as
    the least squares come.

    Args:
        character: The skeleton.
        motion: As it becomes the result, known poses among it.
        plan: Gives the pins.
    """
    if not plan.pins:
        return []
    size = metrics.height(character, motion, plan.keys[0])
    known, paths = motion.at(plan.known(motion.times)), skeleton.joint_positions(character, motion)
    missed = []
    for pin in plan.pins:
        path = paths[:, character.joints.index(pin.joint)]
        inside = (motion.times >= pin.start) & (motion.times <= pin.end)
        held = motion.at(inside)
        apart = np.linalg.norm(path[inside] - _place(character, known, held, pin, size), axis=-1)
        if apart.max(initial=0) > PIN_TOLERANCE * size:
            missed.append(
                f"{shown(pin.joint)}, pinned from {pin.start:g} to {pin.end:g}, is {apart.max():.3g} stage units "
                f"({100 * apart.max() / size:.2g} % of the height) off its place at {held.times[np.argmax(apart)]:g}: "
                "what is pinned was not all held together; pin fewer joints, or a shorter range."
            )
        missed += _jumps(path / size, motion.times, inside, pin)
    return missed


def _jumps(
    path: Float[np.ndarray, "frame 3"], times: Float[np.ndarray, " frame"], inside: np.ndarray, pin: Pin
) -> list[str]:
    """What to say of a pin that begins or ends so near to a key that its joint, on its path [heights], jumps to where
    the key has it."""
    steps = np.linalg.norm(np.diff(path, axis=0), axis=-1)
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    usual = np.delete(steps, edges).max(initial=0)
    return [
        f"{shown(pin.joint)}, pinned from {pin.start:g} to {pin.end:g}, moves by {100 * steps[edge]:.2g} % of the "
        f"height from {times[edge]:g} to {times[edge + 1]:g}, much quicker than elsewhere: a key is too "
        f"near; {'begin' if inside[edge + 1] else 'end'} the pin further from it, or at it."
        for edge in edges
        if steps[edge] > max(JUMP, JUMPY * usual)
    ]


def _place(
    character: Character, known: Motion, made: Motion, pin: Pin, size: float
) -> Float[np.ndarray, "3"]:
    """Where the joint is in the first known pose of the range, or else in the first filled one."""
    place = place_of(character, known, pin, size)
    if place is not None:
        return place
    at = made.at((made.times >= pin.start) & (made.times <= pin.end))
    return np.asarray(skeleton.joint_positions(character, at)[0, character.joints.index(pin.joint)])


def _ways(
    plan: Plan, made: Motion, pin: Pin, missing: Float[np.ndarray, "fill 3"]
) -> Float[np.ndarray, "fill 3"]:
    """All that is missing inside the range, and what is left of it before and after: none at the keys."""
    result = np.zeros_like(missing)
    blend = BLEND_S * made.time_codes_per_second
    for gap in plan.gaps:
        here = (made.times > gap.start) & (made.times < gap.end)
        inside = np.flatnonzero(here & (made.times >= pin.start) & (made.times <= pin.end))
        if not len(inside):
            continue
        result[inside] = missing[inside]
        first, last = made.times[inside[0]], made.times[inside[-1]]
        for edge, limit, side in (
            (inside[0], max(gap.start, first - blend), here & (made.times < first)),
            (inside[-1], min(gap.end, last + blend), here & (made.times > last)),
        ):
            part = np.clip((made.times[side] - limit) / (made.times[edge] - limit), 0, 1)
            result[side] = (part**2 * (3 - 2 * part))[:, None] * missing[edge]
    return result


def _reach(
    character: Character,
    known: Motion,
    plan: Plan,
    made: Motion,
    joints: np.ndarray,
    targets: Float[np.ndarray, "fill pinned 3"],
    moves: np.ndarray,
) -> Motion:
    """Turn the limbs above the joints towards their targets in the frames that move."""
    spreads = planting.spreads(known, plan, np.isin(character.joints, plan.locked))
    limbs = planting.find_limbs(character, joints)
    frames = np.flatnonzero(moves)
    rotations, translations = made.rotations.copy(), made.translations.copy()
    part = made.at(frames)
    for _ in range(ROUNDS):
        ways = targets[frames] - skeleton.joint_positions(character, part)[:, joints]
        turned, shifted = part.rotations.copy(), part.translations.copy()
        planting.solve(character, part, limbs, spreads, joints, ways, (turned, shifted))
        part = replace(part, rotations=turned, translations=shifted)
    rotations[frames], translations[frames] = part.rotations, part.translations
    return replace(made, rotations=rotations, translations=translations)


def _shifted_by_roots(character: Character, made: Motion, by: Float[np.ndarray, "fill 3"]) -> Motion:
    """The whole character moved in world space, through its roots."""
    local = (np.linalg.pinv(made.T_world_skel[:, :3, :3]) @ by[..., None])[..., 0]
    translations = made.translations.copy()
    translations[:, np.asarray(character.parents) < 0] += local[:, None].astype(translations.dtype)
    return replace(made, translations=translations)
