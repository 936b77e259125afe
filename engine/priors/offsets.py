"""The form all priors share: slerp between the keys plus an *offset* that is zero at the keys.

With the straight motion ``S(t)`` (slerp of local rotations, lines of translations and scales between the two
anchors of a gap) a result is ``S(t) * exp(r(t))`` per rotation and ``S(t) + d(t)`` per translation and scale.
Offsets of several priors can be averaged and shrunk, an offset of zero is slerp, and a rotation offset lives in
the joint's own frame, so that turning the whole shot leaves it as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.geometry import rotations
from engine.geometry.once import once
from engine.geometry.time_grid import nearest_frames
from engine.planning.plan import Gap, Plan
from usd_io.model import Motion
from usd_io.shapes import Bool, Float, Int

Offsets = Float[np.ndarray, "fill joint 9"]
"""Per joint a rotation vector in its own frame [rad], a translation [stage units] and a scale in its parent's."""
ROTATION, TRANSLATION, SCALE = slice(0, 3), slice(3, 6), slice(6, 9)
_BLOCK = 4096
"""Frames that are looked at together."""


@dataclass(frozen=True, eq=False)
class Anchors:
    """Between which known frames each time to fill lies."""

    times: Float[np.ndarray, " fill"]
    before: Int[np.ndarray, " fill"]
    """Frame of ``known`` at the start of the gap."""
    after: Int[np.ndarray, " fill"]
    part: Float[np.ndarray, " fill"]
    """Part of the gap gone by, 0 to 1, both excluded."""


def frames_at(known: Motion, times: Float[np.ndarray, " time"]) -> Int[np.ndarray, " time"]:
    """Frames of a motion nearest to the given times."""
    return nearest_frames(known.times, times)


def frames_at_ends(known: Motion, gaps: Sequence[Gap]) -> Int[np.ndarray, " end"]:
    """Frames of a motion at both ends of every gap: the first's start, its end, the second's start ..."""
    return frames_at(known, np.array([time for gap in gaps for time in (gap.start, gap.end)], float))


def anchors_of(known: Motion, plan: Plan) -> Anchors:
    """Anchors of all fill times, gap after gap."""
    counts = [len(gap.times) for gap in plan.gaps]
    before = np.repeat(frames_at(known, np.array([gap.start for gap in plan.gaps], float)), counts)
    after = np.repeat(frames_at(known, np.array([gap.end for gap in plan.gaps], float)), counts)
    times = plan.fill_times
    part = (times - known.times[before]) / (known.times[after] - known.times[before])
    return Anchors(times, before, after, part)


def between(
    known: Motion,
    before: Int[np.ndarray, " fill"],
    after: Int[np.ndarray, " fill"],
    part: Float[np.ndarray, " fill"],
    times: Float[np.ndarray, " fill"],
    precision: type[np.floating] = np.float64,
) -> Motion:
    """The straight motion: slerp and lines between pairs of known frames. What both frames share stays bit for bit.
    ``precision`` is that of what is in between, not of the result."""
    part = part.astype(precision)

    def line(values: np.ndarray) -> np.ndarray:
        a, b = values[before].astype(precision), values[after].astype(precision)
        t = part.reshape(-1, *[1] * (values.ndim - 1))
        b -= a
        b *= t
        b += a  # which is a, bit for bit, where both are the same
        return b.astype(values.dtype)

    # the way from frame to frame once per pair, as all frames of a gap have one
    pairs, pair = np.unique(before * len(known.times) + after, return_inverse=True)
    first, last = (known.rotations[n].astype(precision) for n in np.divmod(pairs, len(known.times)))
    way = rotations.log(rotations.multiply(rotations.conjugate(first), last))
    a = first[pair]
    turned = rotations.multiply(a, rotations.exp(way[pair] * part[:, None, None]))
    same = (first == last).all(-1, keepdims=True)[pair]
    return replace(
        known,
        times=times,
        translations=line(known.translations),
        rotations=np.where(same, a, turned).astype(known.rotations.dtype),
        scales=line(known.scales),
        T_world_skel=line(known.T_world_skel),
        blend_weights=None if known.blend_weights is None else line(known.blend_weights),
    )


@once
def straight(known: Motion, plan: Plan) -> Motion:
    """The straight motion at the fill times of a plan."""
    anchors = anchors_of(known, plan)
    return between(known, anchors.before, anchors.after, anchors.part, anchors.times)


def sample(
    motion: Motion, times: Float[np.ndarray, " fill"], precision: type[np.floating] = np.float64
) -> Motion:
    """The motion at any times, straight between its samples and held beyond its ends."""
    after = np.clip(np.searchsorted(motion.times, times, side="left"), 0, len(motion.times) - 1)
    before = np.maximum(after - 1, 0)
    span = np.where(after > before, motion.times[after] - motion.times[before], 1.0)
    part = np.clip((times - motion.times[before]) / span, 0, 1)
    return between(motion, before, after, part, times, precision)


def apply(base: Motion, offsets: Offsets) -> Motion:
    """The straight motion with offsets put on; channels without offset stay bit for bit."""
    turned = rotations.multiply(base.rotations.astype(float), rotations.exp(offsets[..., ROTATION]))
    moves = np.abs(offsets[..., ROTATION]).sum(-1, keepdims=True) > 0
    return replace(
        base,
        rotations=np.where(moves, turned, base.rotations).astype(base.rotations.dtype),
        translations=(base.translations + offsets[..., TRANSLATION]).astype(base.translations.dtype),
        scales=(base.scales + offsets[..., SCALE]).astype(base.scales.dtype),
    )


def offsets_from(base: Motion, motion: Motion, precision: type[np.floating] = np.float64) -> Offsets:
    """What has to be put on a straight motion to get another one at the same times."""
    inverse = rotations.conjugate(base.rotations.astype(precision))
    result = np.empty((*inverse.shape[:-1], 9), precision)
    result[..., ROTATION] = rotations.log(rotations.multiply(inverse, motion.rotations.astype(precision)))
    np.subtract(motion.translations, base.translations, out=result[..., TRANSLATION], dtype=precision)
    np.subtract(motion.scales, base.scales, out=result[..., SCALE], dtype=precision)
    return result


@once
def moving(known: Motion) -> Bool[np.ndarray, "joint 3"]:
    """Which of rotation, translation and scale of each joint differ anywhere in the known frames."""
    return np.stack([_differs(v) for v in (known.rotations, known.translations, known.scales)], axis=-1)


def _differs(values: Float[np.ndarray, "frame joint channel"]) -> Bool[np.ndarray, " joint"]:
    """Which joints have another value than at first; looked for in blocks until it is found."""
    result = np.zeros(values.shape[1], bool)
    for first in range(0, len(values), _BLOCK):
        rest = np.flatnonzero(~result)
        if not len(rest):
            break
        block = values[first : first + _BLOCK]
        result[rest] = (block[:, rest] != values[:1, rest]).any(axis=(0, 2))
    return result
