"""Poses that are keyed twice, to be held from the one key to the other, as in blocking.

Priors do not tell such a hold from a cycle that comes round to the same pose, and leave it with the speed of the move
behind it. So a hold is told by the keys, which are the same, and by the context, which shows no motion that comes back
to this pose in such a time.
"""

import numpy as np

from engine.geometry import metrics
from engine.planning.plan import Gap, Plan
from engine.priors import offsets
from usd_io.model import Character, Motion
from usd_io.shapes import Float

SAME = 1e-4
"""Difference of two keys, of quaternions or in heights, below which they are one pose."""
NEAR = 0.03
"""The same of frames of the context that come back to a pose."""
CYCLE = (0.75, 1.33)
"""Motion comes back in such a time, in parts of the gap."""
ROUNDED = 1e-6
"""Translations in single precision are that part of themselves off."""
SHOWN = 2.0
"""A context that moves into the gap and is shorter than this, in parts of the gap, may be a part of such a cycle."""


def held_gaps(character: Character, known: Motion, plan: Plan) -> tuple[Gap, ...]:
    """The gaps in which a pose is held, in skeleton space, whatever the Xforms above do.

    Args:
        character: The skeleton.
        known: The known frames only.
        plan: Gives context, keys and gaps.
    """
    if not plan.gaps:
        return ()
    size = metrics.height(character, known, plan.keys[0])
    ends = offsets.frames_at(known, np.array([(gap.start, gap.end) for gap in plan.gaps]).ravel())
    poses = known.at(ends)
    same = _apart(poses.at(slice(0, None, 2)), poses.at(slice(1, None, 2)), size) < SAME
    found = (gap for gap, one in zip(plan.gaps, same, strict=True) if one)
    return tuple(gap for gap in found if not _moves(known, plan, gap, size))


def _moves(known: Motion, plan: Plan, gap: Gap, size: float) -> bool:
    """Whether the context shows motion that comes back to the pose of a gap in about its time, or moves into it and is
    too short to tell."""
    pose = known.at(offsets.frames_at(known, np.array([gap.start])))
    for start, end in plan.contexts:
        seen = known.at((known.times >= start) & (known.times <= end))
        if len(seen.times) < 2:
            continue
        length = gap.end - gap.start
        for touches, a, b in ((end == gap.start, -2, -1), (start == gap.end, 0, 1)):
            if (
                touches
                and end - start < SHOWN * length
                and _apart(seen.at(np.array([a])), seen.at(np.array([b])), size)[0] > SAME
            ):
                return True
        away = _apart(seen, pose, size) > NEAR
        near = seen.times[~away]
        lags = near[None, :] - near[:, None]
        first, last = np.nonzero((lags >= CYCLE[0] * length) & (lags <= CYCLE[1] * length))
        gone = np.searchsorted(seen.times[away], near)
        if (gone[last] > gone[first]).any():
            return True
    return False


def _apart(one: Motion, other: Motion, size: float) -> Float[np.ndarray, " frame"]:
    """Largest difference of any value of two poses, frame by frame: of quaternions, scales, and translations in parts
    of a size, but for what rounding does to those far from the origin."""
    # q and -q are one rotation
    signs = np.where((one.rotations * other.rotations).sum(-1, keepdims=True) < 0, -1, 1)
    moved = np.abs(one.translations.astype(float) - other.translations)
    moved -= ROUNDED * np.maximum(np.abs(one.translations), np.abs(other.translations))
    parts = np.abs(one.rotations - signs * other.rotations), moved / size, np.abs(one.scales - other.scales)
    result: Float[np.ndarray, " frame"] = np.max([part.max((1, 2), initial=0) for part in parts], axis=0)
    return result
