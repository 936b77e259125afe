"""Slerp between the keys: the baseline by which all errors are counted."""

from engine.planning.plan import Plan
from engine.priors import offsets
from usd_io.model import Character, Motion


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
