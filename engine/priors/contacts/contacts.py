"""How support joints have to move in a gap to rest where they should.

Which joints rest the context shows (:mod:`engine.priors.contacts.supports`), and how each moves through a gap is told
by its trajectory (:mod:`engine.priors.contacts.trajectory`). What the context does not show the keys may: the end of a
limb that is low at both keys of a gap, and in one place, rests from the one to the other. The constants were settled on
characters that the learned prior was not trained on (docs/experiments.md).
"""

from itertools import pairwise

import numpy as np

from engine.geometry import metrics, skeleton
from engine.planning.plan import Plan
from engine.priors import offsets
from engine.priors.contacts.rests import carries_most
from engine.priors.contacts.slopes import at_times, rises_of
from engine.priors.contacts.supports import SAME_PLACE, Supports, all_fly, find_supports
from engine.priors.contacts.trajectory import STANDING_HEIGHT, Trajectory, line_between
from engine.priors.ground import levelled
from usd_io.model import Character, Motion
from usd_io.shapes import Bool, Float, Int

KEPT_PLACE, KEPT_WITHIN = 0.015, 0.1
"""What no context shows at rest is held between keys that have it low and less than the first apart [heights], unless
the filled motion takes it further than the second from there, as a swing does."""
LOOSE = 0.005
"""Nearer than this to its place [heights] it is left as it is."""
DOWN = 1 / 3
"""What gets below this part of its height at two keys comes down in between."""


def corrections(
    character: Character, known: Motion, plan: Plan, made: Motion, size: float
) -> tuple[Int[np.ndarray, " support"], Float[np.ndarray, "fill support 3"]]:
    """How the support joints have to move to rest where they should: smooth, and going to zero at the keys.

    Args:
        character: The skeleton.
        known: The known frames only.
        plan: Gives context, keys and gaps.
        made: A filled motion at ``plan.fill_times``.
        size: The character's height [stage units].

    Returns:
        The joints, and for each the vector from where it is to where it should be [stage units, world].
    """
    supports = find_supports(character, known, plan, size)
    # world positions at the fill times, and at the two keys of every gap, over a slope [stage units]
    up = "XYZ".index(character.up_axis)
    inside, at_keys, rises = _over_slopes(character, known, plan, made)
    kept = _kept(character, plan, inside, at_keys, size)
    kept[:, supports.joints] = False
    joints = np.union1d(supports.joints, np.flatnonzero(kept.any(0)))
    result = np.zeros((len(made.times), len(joints), 3))
    if not len(joints):
        return joints, result
    levels = _ground(plan, supports, inside[:, supports.joints], at_keys, up, size, rises)
    first = 0
    for gap, keys, held, ground in zip(plan.gaps, at_keys, kept, levels, strict=True):
        part = slice(first, first + len(gap.times))
        # key, fill times, key: the trajectory of each joint through this gap, with its times in seconds
        paths = np.concatenate([keys[:1], inside[part], keys[1:]])
        seconds = np.array([gap.start, *gap.times, gap.end]) / known.time_codes_per_second
        for joint in np.flatnonzero(held):
            # to the line from key to key, but for what is near enough to it
            missing = line_between(paths[:, joint], seconds) - paths[:, joint]
            far = np.linalg.norm(missing, axis=-1, keepdims=True)
            missing *= np.maximum(1 - LOOSE * size / np.where(far > 0, far, 1), 0)
            result[part, np.searchsorted(joints, joint)] = missing[1:-1]
        flies = all_fly(paths[:, supports.joints, up] - ground.max(1), size)
        for joint, level, swing_speed, deviation, swing in zip(
            supports.joints,
            ground,
            supports.swing_speeds,
            supports.deviations,
            supports.swings,
            strict=True,
        ):
            trajectory = Trajectory(
                paths[:, joint], seconds, level, swing_speed, deviation, swing, size, up, flies
            )
            result[part, np.searchsorted(joints, joint)] = trajectory.correction()[1:-1]
        first = part.stop
    return joints, levelled(result, -at_times(plan, rises), up)


def _ground(
    plan: Plan,
    supports: Supports,
    inside: Float[np.ndarray, "fill support 3"],
    at_keys: Float[np.ndarray, "gap 2 joint 3"],
    up: int,
    size: float,
    rises: Float[np.ndarray, "gap 3"],
) -> Float[np.ndarray, "gap support 2"]:
    """Where the supports rest at the two keys of every gap, along the up axis [stage units].

    That is the context's level. But a joint that is lower at a key rests there, and one that is higher does if it is in
    its place at the key before or after; what is higher and is not is in its swing, over what the lowest of the others
    stands on.
    """
    if not len(supports.joints):
        return np.zeros((len(plan.gaps), 0, 2))
    places, stands = at_keys[:, :, supports.joints, up], STANDING_HEIGHT * size
    usual = np.broadcast_to(supports.floor + supports.levels, places.shape)
    above = places - usual
    if supports.rise.any():
        # somebody who has climbed stands on the lowest foot; on level ground after a slope at whatever height
        raised = above.min(2, keepdims=True)
        climbing = np.abs(rises).sum(1)[:, None, None] > 0
        raised = np.where(climbing, np.maximum(raised, 0), raised)
        above, usual = above - raised, usual + raised
    # what two keys have up in one place while the body goes on, and what does not come down in between, stands there; a
    # jump on the spot leaves the body where it is
    ways = at_keys[:, 1] - at_keys[:, 0]
    along = np.linalg.norm(np.delete(ways, up, -1), axis=-1).mean(1, keepdims=True)
    near = np.linalg.norm(ways[:, supports.joints], axis=-1) < metrics.CONTACT_HEIGHT * size
    stays = near & (above.min(1) > stands) & (along > SAME_PLACE * size)
    first = 0
    for gap, level, lower, stay in zip(plan.gaps, usual.max(1), above.min(1), stays, strict=True):
        stay &= (inside[first : first + len(gap.times), :, up] - level > DOWN * lower).all(0)
        first += len(gap.times)
    known = (above < stands) | stays[:, None]
    for index, (gap, after) in enumerate(pairwise(plan.gaps)):
        if gap.end == after.start:
            known[index, 1] = known[index + 1, 0] = known[index, 1] | known[index + 1, 0]
    off = np.where(np.abs(above) < stands, 0, above)
    lowest = np.where(known, off, np.inf).min(2, keepdims=True)
    off = np.where(known, off, np.minimum(off, np.where(np.isfinite(lowest), lowest, 0)))
    return np.asarray((usual + off).swapaxes(1, 2))


def kept_by_keys(
    character: Character, known: Motion, plan: Plan, made: Motion, size: float
) -> Bool[np.ndarray, "gap joint"]:
    """Joints of limbs that are low at both keys of a gap and in one place, and that the filled motion leaves near it.

    Args:
        character: Gives the up axis.
        known: The known frames only.
        plan: Gives the gaps.
        made: A filled motion at ``plan.fill_times``.
        size: The character's height [stage units].
    """
    inside, at_keys, _ = _over_slopes(character, known, plan, made)
    return _kept(character, plan, inside, at_keys, size)


def _kept(
    character: Character,
    plan: Plan,
    inside: Float[np.ndarray, "fill joint 3"],
    at_keys: Float[np.ndarray, "gap 2 joint 3"],
    size: float,
) -> Bool[np.ndarray, "gap joint"]:
    """:func:`kept_by_keys` from world positions at the fill times and at the keys [stage units]."""
    height = at_keys[..., "XYZ".index(character.up_axis)]
    low = (height < height.min((1, 2), keepdims=True) + metrics.CONTACT_HEIGHT * size).all(1)
    apart = np.linalg.norm(at_keys[:, 1] - at_keys[:, 0], axis=-1)
    kept: Bool[np.ndarray, "gap joint"] = low & (apart < KEPT_PLACE * size) & ~carries_most(character)
    first = 0
    for gap, keys, held in zip(plan.gaps, at_keys, kept, strict=True):
        part = slice(first, first + len(gap.times))
        first = part.stop
        if held.any():
            far = np.linalg.norm(inside[part][:, held] - keys[0, held], axis=-1).max(0, initial=0.0)
            held[held] = far < KEPT_WITHIN * size
    return kept


def _over_slopes(
    character: Character, known: Motion, plan: Plan, made: Motion
) -> tuple[Float[np.ndarray, "fill joint 3"], Float[np.ndarray, "gap 2 joint 3"], Float[np.ndarray, "gap 3"]]:
    """World positions of all joints at the fill times and at the two keys of every gap [stage units], with the slope
    of each gap taken out, and the slopes."""
    up, rises = "XYZ".index(character.up_axis), rises_of(character, known, plan)
    at_keys = skeleton.joint_positions(character, known.at(offsets.frames_at_ends(known, plan.gaps)))
    at_keys = at_keys.reshape(-1, 2, *at_keys.shape[1:])
    inside = skeleton.joint_positions(character, made)
    return (
        levelled(inside, at_times(plan, rises), up),
        levelled(at_keys, rises[:, None, None], up),
        rises,
    )
