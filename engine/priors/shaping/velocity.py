"""Velocity that goes on through the keys between two gaps.

Each gap is filled towards its own keys, so velocity jumps where two meet. What of the jump goes beyond what the context
shows between its frames is taken off, half on either side. The correction is the hump of :mod:`engine.priors.spline` in
the space of offsets: a change of velocity at the key, nothing at the key itself, and over after :data:`REACH_S`. A
context that stops and starts keeps its stops. At the seam of a shot that cycles, and beside a pose that is held,
known motion counts as a neighbour too, all of the correction lying in the gap.
"""

import numpy as np

from engine.geometry.once import once
from engine.planning.plan import Plan
from engine.priors import offsets
from engine.priors.spline import hump
from usd_io.model import Motion
from usd_io.shapes import Float

REACH_S = 0.5
"""How long a correction shows [s], at most the gap."""
USUAL = 0.5
"""Quantile of the changes of velocity from frame to frame in the context that passes for what this motion does."""
_BLOCK = 1024
"""Frames that are looked at together."""


def carry_velocity(known: Motion, plan: Plan, made: Motion) -> Motion:
    """Take off what velocity jumps at keys between gaps beyond what the context shows.

    Args:
        known: The known frames only.
        plan: Gives context, keys and gaps.
        made: A filled motion at ``plan.fill_times``.

    Returns:
        The motion at the same times; at the keys nothing changes.
    """
    second = known.time_codes_per_second
    starts, ends = ({getattr(gap, side): gap for gap in plan.gaps} for side in ("start", "end"))
    # at either end of a gap: its number, the key, the frame inside, the sign of a hump that adds to the velocity there,
    # how much of the jump is its own, the time beyond, and whether that is filled too
    found: list[tuple[int, float, float, int, float, float, bool]] = []
    for index, gap in enumerate(plan.gaps):
        for key, within, facing, sign in (
            (gap.start, gap.times[0], ends.get(gap.start), 1),
            (gap.end, gap.times[-1], starts.get(gap.end), -1),
        ):
            if facing is not None:
                other = facing.times[-1] if sign > 0 else facing.times[0]
                found.append((index, key, within, sign, 0.5, other, True))
            elif key in plan.seams:
                at = int(offsets.frames_at(known, np.array([key]))[0])
                found.append((index, key, within, sign, 1.0, float(known.times[at - sign]), False))
    if not found:
        return made
    number, keys, near, signs, shares, beyond, filled = (np.array(c) for c in zip(*found, strict=True))
    here, there = _velocities(known, made, keys, near), np.empty((len(keys), made.rotations.shape[1], 9))
    for motion, which in ((made, filled), (known, ~filled)):
        there[which] = _velocities(known, motion, keys[which], beyond[which])
    jumps = shares[:, None, None] * _beyond(there - here, _usual_changes(known, plan))
    added = np.zeros((*made.rotations.shape[:2], 9))
    firsts = np.cumsum([0, *(len(gap.times) for gap in plan.gaps)])
    for index, key, sign, jump in zip(number, keys, signs, jumps, strict=True):
        gap = plan.gaps[index]
        passed = np.abs(np.array(gap.times) - key) / second
        reach = min(REACH_S, (gap.end - gap.start) / second)
        added[firsts[index] : firsts[index + 1]] += sign * hump(passed, reach)[:, None, None] * jump
    return offsets.apply(made, added)


def _velocities(
    known: Motion, motion: Motion, keys: Float[np.ndarray, " key"], times: Float[np.ndarray, " key"]
) -> Float[np.ndarray, "key joint 9"]:
    """Mean velocities between keys and times of a motion, forwards, in the frames that joints have at the keys, per
    second."""
    a = known.at(offsets.frames_at(known, keys))
    b = motion.at(offsets.frames_at(motion, times))
    seconds = (times - keys) / known.time_codes_per_second
    result: Float[np.ndarray, "key joint 9"] = offsets.offsets_from(a, b) / seconds[:, None, None]
    return result


@once
def _usual_changes(known: Motion, plan: Plan) -> Float[np.ndarray, "joint 3"]:
    """By joint, how much its velocities (of turn, shift and scale) change from frame to frame in the context, per
    second; zero without context."""
    ranges = [np.searchsorted(known.times, (a, np.nextafter(b, np.inf))).tolist() for a, b in plan.contexts]
    found = np.zeros((sum(max(last - first - 2, 0) for first, last in ranges), known.rotations.shape[1], 3))
    done = 0
    for first, last in ranges:
        # in blocks, each a frame of change further than two frames: velocities of a long clip would fill the memory
        for at in range(first, last - 2, _BLOCK):
            seen = known.at(slice(at, min(at + _BLOCK + 2, last)))
            steps = np.diff(seen.times)[:, None, None] / known.time_codes_per_second
            velocities = offsets.offsets_from(seen.at(slice(0, -1)), seen.at(slice(1, None))) / steps
            found[done : done + len(velocities) - 1] = _sizes(np.diff(velocities, axis=0))
            done += len(velocities) - 1
    if not done:
        return np.zeros(found.shape[1:])
    return np.stack([np.quantile(joint, USUAL, axis=0) for joint in found.swapaxes(0, 1)])


def _beyond(
    jump: Float[np.ndarray, "key joint 9"], usual: Float[np.ndarray, "joint 3"]
) -> Float[np.ndarray, "key joint 9"]:
    """What of changes of velocity goes beyond the usual, in their direction."""
    size = _sizes(jump)
    share = np.maximum(1 - usual / np.where(size > 0, size, 1), 0)
    return jump * np.repeat(share, 3, axis=-1)


def _sizes(values: Float[np.ndarray, "*batch joint 9"]) -> Float[np.ndarray, "*batch joint 3"]:
    """Lengths of turn, shift and scale."""
    x, y, z = np.moveaxis(values.reshape(*values.shape[:-1], 3, 3), -1, 0)
    result: Float[np.ndarray, "*batch joint 3"] = np.sqrt(x**2 + y**2 + z**2)
    return result
