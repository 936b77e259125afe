"""Poses that are keyed twice, to be held from the one key to the other, as in blocking.

Priors do not tell such a hold from a cycle that comes round to the same pose, and leave it with the speed of the move
behind it. So a hold is told by the keys: they are the same, those beside them are others, and the context shows no
motion that comes back to this pose in such a time.
"""

import numpy as np

from engine.planning.plan import Gap, Plan
from engine.priors import offsets
from usd_io.model import Motion
from usd_io.shapes import Float

SAME = 1e-4
"""Difference of two keys, as of :func:`_apart`, below which they are one pose."""
NEAR = 0.03
"""The same of frames of the context that come back to a pose."""
CYCLE = (0.75, 1.33)
"""Motion comes back in such a time, in parts of the gap."""
SHOWN = 2.0
"""A context that moves into the gap and is shorter than this, in parts of the gap, may be a part of such a cycle."""


def held_gaps(known: Motion, plan: Plan) -> tuple[Gap, ...]:
    """The gaps in which a pose is held.

    Args:
        known: The known frames only.
        plan: Gives context, keys and gaps.
    """
    if not plan.gaps:
        return ()
    starts, ends = (known.at(offsets.frames_at(known, np.array(times))) for times in _ends(plan))
    same = _apart(starts, ends) < SAME
    if not same.any() or same.all():
        return ()
    touching = np.append([a.end == b.start for a, b in zip(plan.gaps, plan.gaps[1:], strict=False)], False)
    # of each gap, whether those that touch it are all from one pose to another, and whether there is one
    before, after = np.roll(touching, 1), touching
    others = (before | after) & ~(before & np.roll(same, 1)) & ~(after & np.roll(same, -1))
    found = np.flatnonzero(same & others)
    return tuple(gap for gap in (plan.gaps[i] for i in found) if not _moves(known, plan, gap))


def _ends(plan: Plan) -> tuple[list[float], list[float]]:
    return [gap.start for gap in plan.gaps], [gap.end for gap in plan.gaps]


def _moves(known: Motion, plan: Plan, gap: Gap) -> bool:
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
                and _apart(seen.at(np.array([a])), seen.at(np.array([b])))[0] > SAME
            ):
                return True
        away = _apart(seen, pose) > NEAR
        near = seen.times[~away]
        lags = near[None, :] - near[:, None]
        first, last = np.nonzero((lags >= CYCLE[0] * length) & (lags <= CYCLE[1] * length))
        gone = np.searchsorted(seen.times[away], near)
        if (gone[last] > gone[first]).any():
            return True
    return False


def _apart(one: Motion, other: Motion) -> Float[np.ndarray, " frame"]:
    """Largest difference of any value of two poses, frame by frame: of quaternions, and of translations, scales and
    the matrices above in parts of the largest."""
    # q and -q are one rotation
    signs = np.where((one.rotations * other.rotations).sum(-1, keepdims=True) < 0, -1, 1)
    pairs = [(one.rotations, signs * other.rotations)]
    pairs += [(getattr(one, c), getattr(other, c)) for c in ("translations", "scales", "T_world_skel")]
    result = np.zeros(max(len(one.times), len(other.times)))
    for a, b in pairs:
        size = max(np.abs(a).max(initial=0), np.abs(b).max(initial=0)) or 1.0
        np.maximum(result, np.abs(a.astype(float) - b).max((1, 2), initial=0) / size, out=result)
    return result
