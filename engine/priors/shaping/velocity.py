"""Velocity that goes on through the keys between two gaps.

Each gap is filled towards its own keys, so velocity jumps where two meet. What of the jump goes beyond what the context
shows between its frames is taken off, half on either side. The correction is the hump of :mod:`engine.priors.spline` in
the space of offsets: a change of velocity at the key, nothing at the key itself, and over after :data:`REACH_S`. A
context that stops and starts keeps its stops. At the seam of a shot that cycles finished motion counts as a neighbour
too, all of the correction lying in the gap.
"""

import numpy as np

from engine.planning.plan import Plan
from engine.priors import offsets
from engine.priors.spline import hump
from usd_io.model import Motion
from usd_io.shapes import Float

REACH_S = 0.5
"""How long a correction shows [s], at most the gap."""
USUAL = 0.5
"""Quantile of the changes of velocity from frame to frame in the context that passes for what this motion does."""


def carry_velocity(known: Motion, plan: Plan, made: Motion) -> Motion:
    """Take off what velocity jumps at keys between gaps beyond what the context shows.

    Args:
        known: The known frames only.
        plan: Gives context, keys and gaps.
        made: A filled motion at ``plan.fill_times``.

    Returns:
        The motion at the same times; at the keys nothing changes.
    """
    usual = _usual_changes(known, plan)
    second = known.time_codes_per_second
    starts, ends = ({getattr(gap, side): gap for gap in plan.gaps} for side in ("start", "end"))
    added = np.zeros((*made.rotations.shape[:2], 9))
    first = 0
    for gap in plan.gaps:
        inside = slice(first, first + len(gap.times))
        first = inside.stop
        # at either end: the frame inside, the gap beyond, and the sign of a hump that adds to the velocity there
        for key, within, facing, sign in (
            (gap.start, gap.times[0], ends.get(gap.start), 1),
            (gap.end, gap.times[-1], starts.get(gap.end), -1),
        ):
            if facing is not None:
                share, beyond = 0.5, facing.times[-1] if sign > 0 else facing.times[0]
                other = _velocity(known, made, key, beyond)
            elif key in plan.seams:
                share, at = 1.0, int(offsets.frames_at(known, np.array([key]))[0])
                other = _velocity(known, known, key, float(known.times[at - sign]))
            else:
                continue
            jump = share * _beyond(other - _velocity(known, made, key, within), usual)
            passed = np.abs(np.array(gap.times) - key) / second
            reach = min(REACH_S, (gap.end - gap.start) / second)
            added[inside] += sign * hump(passed, reach)[:, None, None] * jump
    return offsets.apply(made, added)


def _velocity(known: Motion, motion: Motion, key: float, time: float) -> Float[np.ndarray, "joint 9"]:
    """Mean velocity between a key and a time of a motion, forwards, in the frames that joints have at the key, per
    second."""
    a = known.at(offsets.frames_at(known, np.array([key])))
    b = motion.at(offsets.frames_at(motion, np.array([time])))
    seconds = (time - key) / known.time_codes_per_second
    result: Float[np.ndarray, "joint 9"] = offsets.offsets_from(a, b)[0] / seconds
    return result


def _usual_changes(known: Motion, plan: Plan) -> Float[np.ndarray, "joint 3"]:
    """By joint, how much its velocities (of turn, shift and scale) change from frame to frame in the context, per
    second; zero without context."""
    changes = [np.zeros((0, known.rotations.shape[1], 3))]
    for start, end in plan.contexts:
        seen = known.at((known.times >= start) & (known.times <= end))
        if len(seen.times) < 3:
            continue
        steps = np.diff(seen.times)[:, None, None] / known.time_codes_per_second
        velocities = offsets.offsets_from(seen.at(slice(0, -1)), seen.at(slice(1, None))) / steps
        changes.append(_sizes(np.diff(velocities, axis=0)))
    found = np.concatenate(changes)
    return np.quantile(found, USUAL, axis=0) if len(found) else np.zeros(found.shape[1:])


def _beyond(
    jump: Float[np.ndarray, "joint 9"], usual: Float[np.ndarray, "joint 3"]
) -> Float[np.ndarray, "joint 9"]:
    """What of a change of velocity goes beyond the usual, in its direction."""
    size = _sizes(jump)
    share = np.maximum(1 - usual / np.where(size > 0, size, 1), 0)
    return jump * np.repeat(share, 3, axis=-1)


def _sizes(values: Float[np.ndarray, "*batch joint 9"]) -> Float[np.ndarray, "*batch joint 3"]:
    """Lengths of turn, shift and scale."""
    return np.linalg.norm(values.reshape(*values.shape[:-1], 3, 3), axis=-1)
