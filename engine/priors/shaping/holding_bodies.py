"""Several bodies in one skeleton, of which some hold a pose while others move: each is looked at by itself."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.planning.plan import Plan
from engine.priors.learned.bodies import alone, bodies_of
from engine.priors.shaping.holds import HeldPose, held_frames, held_poses
from engine.priors.trials import Prior
from usd_io.model import CHANNELS, Channel, Character, Motion
from usd_io.shapes import Float, Int


@dataclass(frozen=True, eq=False)
class HoldingBody:
    """One of several bodies in a skeleton, which holds a pose in some gaps."""

    joints: Int[np.ndarray, " own"]
    held: tuple[HeldPose, ...]
    made: Motion
    """Of these joints alone, at the times to fill of those gaps."""


def holding_bodies(
    character: Character, known: Motion, plan: Plan, channels: Collection[Channel], prior: Prior
) -> tuple[HoldingBody, ...]:
    """The bodies of a skeleton with several that hold a pose in some of the gaps.

    Args:
        character: The skeleton.
        known: The known frames only.
        plan: Gives context, keys and gaps.
        channels: What of a pose is looked at.
        prior: What fills gaps.
    """
    bodies = bodies_of(character, known) if plan.gaps else ()
    found = []
    for joints in bodies if len(bodies) > 1 else ():
        body, seen = alone(character, known, joints)
        if held := held_poses(body, seen, plan, channels):
            found.append(HoldingBody(joints, held, held_frames(body, seen, plan, held, prior)))
    return tuple(found)


def with_holding(motion: Motion, holding: Sequence[HoldingBody], character: Character, plan: Plan) -> Motion:
    """The motion with what bodies hold, but for locked joints."""
    values = {channel: getattr(motion, channel).copy() for channel in CHANNELS}
    for body in holding:
        there = np.flatnonzero(np.isin(motion.times, body.made.times))
        free = np.flatnonzero(~np.isin(character.joints, plan.locked)[body.joints])
        for channel, own in values.items():
            own[there[:, None], body.joints[free]] = getattr(body.made, channel)[:, free]
    return replace(motion, **values)


def errors_beside(
    holding: Sequence[HoldingBody], plan: Plan, errors: Float[np.ndarray, "fill joint"]
) -> Float[np.ndarray, "fill joint"]:
    """Position errors to expect [heights], with those of bodies that hold a pose."""
    result = errors.copy()
    for body in holding:
        for pose in body.held:
            there = np.flatnonzero(np.isin(plan.fill_times, pose.gap.times))
            result[there[:, None], body.joints] = pose.expected
    return result
