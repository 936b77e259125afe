"""What every other prior must beat: the pose held until the next key, and slerp, by which all errors are counted."""

from dataclasses import replace

from engine.planning.plan import Plan
from engine.priors import offsets
from usd_io.model import Character, Motion


def hold(character: Character, known: Motion, plan: Plan) -> Motion:
    """Hold the pose at the start of each gap, as stepped keys do.

    Args:
        character: Not used; all priors have one signature.
        known: The known frames only.
        plan: Gives the gaps.

    Returns:
        The motion at ``plan.fill_times``; ``T_world_skel`` still moves in straight lines, as it is not ours to pose.
    """
    anchors = offsets.anchors_of(known, plan)
    moved = offsets.between(known, anchors.before, anchors.after, anchors.part, anchors.times)
    held = known.at(anchors.before)
    return replace(held, times=anchors.times, T_world_skel=moved.T_world_skel)


def slerp(character: Character, known: Motion, plan: Plan) -> Motion:
    """Turn local rotations the shorter way at constant speed, move translations and scales in straight lines.

    Shoemake 1985, "Animating rotation with quaternion curves", section 3.3.

    Args:
        character: Not used; all priors have one signature.
        known: The known frames only.
        plan: Gives the gaps.

    Returns:
        The motion at ``plan.fill_times``.
    """
    return offsets.straight(known, plan)
