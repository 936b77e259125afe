"""Feet that a filled motion puts under the floor, on which the context sets them: raised to it.

What rests in the world is held in its place (:mod:`engine.priors.contacts.contacts`); feet that glide, as under motion
in place, are not. So what of the context is the floor is seen by heights alone: where the lowest joints are again and
again as low as ever, which the lowest points of a stroke or a wing beat are not.
"""

import numpy as np

from engine.geometry import metrics, skeleton
from engine.planning.plan import Plan
from engine.priors import offsets
from engine.priors.contacts.rests import carries_most
from engine.priors.contacts.slopes import at_times, rise_of, rises_of
from engine.priors.ground import levelled
from engine.priors.trials import in_nearby_contexts
from usd_io.model import Character, Motion
from usd_io.shapes import Float, Int

TOUCHING = 0.02
"""A joint touches the floor that gets so near the lowest of the context [heights]."""
FLAT, FLAT_SHARE = 0.01, 0.3
"""It does so where it is within this of its own lowest level [heights] in at least this part of the context."""


def raises(
    character: Character, known: Motion, plan: Plan, made: Motion, size: float
) -> tuple[Int[np.ndarray, " touching"], Float[np.ndarray, "fill touching 3"]]:
    """How the joints that touch the floor have to be raised to it: zero at the keys.

    Args:
        character: The skeleton.
        known: The known frames only.
        plan: Gives context, keys and gaps.
        made: A filled motion at ``plan.fill_times``.
        size: The character's height [stage units].

    Returns:
        The joints, and for each the vector from where it is to where it should be [stage units, world].
    """
    up = "XYZ".index(character.up_axis)
    near = in_nearby_contexts(known, plan)
    if not near.any():
        return np.zeros(0, int), np.zeros((len(made.times), 0, 3))
    rise, rises = rise_of(character, known, plan), rises_of(character, known, plan)
    seen = levelled(skeleton.joint_positions(character, known.at(near)), rise, up)[..., up]
    lowest, limbs = seen.min(0), ~carries_most(character)
    # a root that stays behind lies anywhere beside a slope
    ground = limbs if rise.any() else np.ones(len(limbs), bool)
    flat = (seen < lowest + FLAT * size).mean(0) >= FLAT_SHARE
    over = lowest - lowest[ground].min()
    touching = flat & limbs & (over < TOUCHING * size)
    # an ankle over its toes is as much in the floor where it gets below its own level
    above = np.zeros(len(limbs), bool)
    above[[p for p in character.parents[touching] if p >= 0]] = True
    joints = np.flatnonzero(touching | (above & flat & limbs & (over < metrics.CONTACT_HEIGHT * size)))
    # a single one may as well be the lowest of what hovers
    if touching.sum() < 2:
        joints = joints[:0]
    result = np.zeros((len(made.times), len(joints), 3))
    places, first = skeleton.joint_positions(character, made)[:, joints], 0
    inside = levelled(places, at_times(plan, rises), up)[..., up]
    at_keys = skeleton.joint_positions(character, known.at(offsets.frames_at_ends(known, plan.gaps)))
    at_keys = levelled(at_keys, np.repeat(rises, 2, axis=0)[:, None], up)[..., up]
    for index, gap in enumerate(plan.gaps):
        part, ends = slice(first, first + len(gap.times)), at_keys[2 * index : 2 * index + 2]
        # the keys may reach lower: a step down takes the floor with it, a foot that tips over only itself
        off = ends[:, ground].min() - lowest[ground].min()
        if not rise.any() or rises[index].any():  # beyond a slope the floor is where the keys have it
            off = min(off, 0)
        floor = np.minimum(lowest[joints] + off, ends[:, joints].min(0))
        result[part, :, up] = np.maximum(floor - inside[part], 0)
        first = part.stop
    return joints, result
