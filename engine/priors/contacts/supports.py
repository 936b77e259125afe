"""Which joints rest on a support, learnt from the context.

No label is needed: a *support joint* is one that the context shows low and slow again and again (the definition of
:func:`engine.geometry.metrics.contacts`) and quick in between. On ground that rises or falls heights are those over its
slope (:mod:`engine.priors.contacts.slopes`).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from engine.geometry import metrics, skeleton
from engine.planning.plan import Plan
from engine.priors.contacts.rests import carries_most, kin_of, runs
from engine.priors.contacts.slopes import rise_of
from engine.priors.ground import levelled
from engine.priors.trials import nearby_contexts
from usd_io.model import Character, Motion
from usd_io.shapes import Bool, Float, Int

LEAST_SHARE, LEAST_S = 0.1, 0.2
"""A support joint rests in at least this part of the context, and so long [s]."""
STRAYS = 0.015
"""What never swings sways, and does not lie still, where it strays further in a second or longer [heights]."""
STRIDE = 3.0
"""What moves, but never so many times faster than a resting joint, lies or drags and does not step."""
SWING_QUANTILE, DEVIATION_QUANTILE = 0.9, 0.9
"""Quantiles of speed between rests, and of distance from the place of rest, that stand for a joint in the context."""
SHORTEST_S = 0.1
"""Rests in a gap are at least so long [s]."""
SAME_PLACE = 0.03
"""Keys that hold a joint at places less than this apart [heights] hold it at rest between them."""
SWING_S = 0.35
"""How long a step takes [s] where the context has none of the joint's."""
HIGHEST_UNSEEN = 0.5
"""Of a swing that the context shows in part at most so much of its way is taken for lift."""
JUMP, JUMP_IN_PART = 0.6, 0.2
"""A swing is a jump and shows no steps where all feet are in the air for more than this part of it; the second where
the context shows it in part only."""


@dataclass(frozen=True, eq=False)
class Supports:
    """The joints that rest, and how: [stage units], [stage units/s]."""

    joints: Int[np.ndarray, " support"]
    levels: Float[np.ndarray, " support"]
    """Height of their rests above the lowest joint of the context."""
    swing_speeds: Float[np.ndarray, " support"]
    """Speed between rests, 0 of joints that always rest."""
    deviations: Float[np.ndarray, " support"]
    """Distance from the middle of their place that they reach while they rest."""
    floor: float
    """The lowest joint of the context, along the world's up axis."""
    swings: Float[np.ndarray, "support 3"]
    """Medians over the swings from one place to another: seconds, lift above the places, way; 0 without any."""
    rise: Float[np.ndarray, "3"]
    """Of the ground under the context (:func:`engine.priors.contacts.slopes.rise_of`); heights are those over it."""


def find_supports(character: Character, known: Motion, plan: Plan, size: float) -> Supports:
    """The support joints of a shot; none without context.

    Args:
        character: Gives the up axis.
        known: The known frames only.
        plan: Gives the context, of which what is near a gap is looked at.
        size: The character's height [stage units].
    """
    up, count = "XYZ".index(character.up_axis), len(character.joints)
    rise, most = rise_of(character, known, plan), carries_most(character)
    seconds, speeds, levels, deviations, seen_at = [], [], [], [], []
    swings: list[list[Swing]] = [[] for _ in range(count)]
    rests, floor = [np.zeros((0, count), bool)], np.inf
    for start, end in nearby_contexts(known, plan):
        seen = known.at((known.times >= start) & (known.times <= end))
        if len(seen.times) < 2:
            continue
        positions = levelled(skeleton.joint_positions(character, seen), rise, up)
        if rise.any():  # a root that stays behind lies anywhere beside the slope
            lowest = positions[:, ~most, up].min(1)
            positions[:, most, up] = np.maximum(positions[:, most, up], lowest.min())
            # as does level ground before a way down or after one up: what stands there is no lower
            usual = np.median(lowest)
            if lowest.min() < usual - metrics.CONTACT_HEIGHT * size:
                positions[..., up] = np.maximum(positions[..., up], usual)
        # in world space, for each interval between context frames: seconds, whether joints rest (the metric takes
        # heights), speed [stage units/s] and height above the context's lowest joint [stage units]
        seen_s = seen.times / known.time_codes_per_second
        steps = np.diff(seen_s)[:, None]
        rests.append(metrics.contacts(character, positions / size, steps))
        seconds.append(steps)
        speeds.append(np.linalg.norm(np.diff(positions, axis=0), axis=-1) / steps)
        levels.append(positions[1:, :, up] - positions[..., up].min())
        deviations.append(_deviations(positions, rests[-1]))
        seen_at.append((positions, seen_s))
        floor = min(floor, float(positions[..., up].min()))
    rest = np.concatenate(rests)
    # with no rest in any context there is nothing to hold
    if not rest.any():
        nothing = np.zeros(0)
        return Supports(nothing.astype(int), nothing, nothing, nothing, 0.0, np.zeros((0, 3)), rise)
    weight, speed, level, deviation = (
        np.concatenate(arrays) for arrays in (seconds, speeds, levels, deviations)
    )
    # seconds of rest per joint; swing is the speed of a joint's quicker intervals outside its rests [stage units/s]
    resting = (rest * weight).sum(0)
    swing_speeds = np.array(
        [_quantile(speed[~rest[:, joint], joint], SWING_QUANTILE) for joint in range(count)]
    )
    strays = np.array(
        [_quantile(deviation[rest[:, joint], joint], DEVIATION_QUANTILE) for joint in range(count)]
    )
    # a support rests often and long enough, and either always lies still or swings clearly faster than a rest may be:
    # what drags along or sways slowly is neither
    still = (swing_speeds == 0) & (strays < STRAYS * size * np.minimum(resting, 1))
    often = (resting >= LEAST_SHARE * weight.sum()) & (
        still | (swing_speeds > STRIDE * metrics.CONTACT_SPEED * size)
    )
    # a root on the floor rests under whoever stands there, and moves with all of him
    often &= ~most | ~np.isin(np.arange(count), character.parents)
    rest_levels = np.array([_quantile(level[rest[:, joint], joint], 0.5) for joint in range(count)])
    kin = kin_of(character)

    def twins(joint: int) -> Bool[np.ndarray, " joint"]:
        """Itself and what rests as low in the same place of the skeleton: the other foot, mostly."""
        near = np.abs(rest_levels - rest_levels[joint]) < metrics.CONTACT_HEIGHT * size
        return near & (kin == kin[joint]).all(1)

    # a short context may show only a part of what a foot does: what it lacks is learnt from the other one
    long = often & (resting >= LEAST_S)
    supports = [
        joint
        for joint in np.flatnonzero(often & (resting >= SHORTEST_S)).tolist()
        if long[joint] or (long & twins(joint)).any()
    ]
    for (positions, seen_s), its in zip(seen_at, rests[1:], strict=True):
        height = positions[:, supports, up] - positions[..., up].min()
        flies = all_fly(height - rest_levels[supports], size)
        for joint in supports:
            swings[joint] += _swings(positions[:, joint], its[:, joint], flies, seen_s, up, size)
    stepping = [joint for joint in supports if swings[joint]]
    usual = [
        _usual(swings[joint], [swing for twin in stepping if like[twin] for swing in swings[twin]])
        for joint, like in zip(supports, map(twins, supports), strict=True)
    ]
    joints = np.array(supports, int)
    return Supports(
        joints,
        rest_levels[joints],
        swing_speeds[joints],
        strays[joints],
        floor,
        np.array(usual).reshape(-1, 3),
        rise,
    )


def all_fly(over: Float[np.ndarray, "frame support"], size: float) -> Bool[np.ndarray, " frame"]:
    """Whether all supports, and at least two, are in the air: a single joint may as well take a step.

    Args:
        over: Their heights over where they rest [stage units].
        size: The character's height [stage units].
    """
    return np.asarray((over > metrics.CONTACT_HEIGHT * size).all(1) & (over.shape[1] > 1))


class Swing(NamedTuple):
    """The way of a joint from one place of rest to another, or what the context shows of it."""

    seconds: float
    lift: float
    """Above the places [stage units]."""
    way: float
    """[stage units]"""
    whole: bool


def _swings(
    path: Float[np.ndarray, "frame 3"],
    rests: Bool[np.ndarray, " interval"],
    flies: Bool[np.ndarray, " frame"],
    seconds: Float[np.ndarray, " frame"],
    up: int,
    size: float,
) -> list[Swing]:
    """Every swing from one place of rest to another, and from or to the edge of the context, but jumps."""
    found = []
    for first, last in runs(~rests):
        # intervals first..last lie between frames first and last + 1; what ends where it began is no swing
        a, b = path[first], path[last + 1]
        begins, ends = first > 0, last < len(rests) - 1
        way = float(np.linalg.norm(b - a))
        if way < SAME_PLACE * size or not (begins or ends):
            continue
        if flies[first : last + 2].mean() > (JUMP if begins and ends else JUMP_IN_PART):
            continue
        lift = path[first : last + 2, up].max() - max(p[up] for p, at in ((a, begins), (b, ends)) if at)
        found.append(Swing(float(seconds[last + 1] - seconds[first]), float(lift), way, begins and ends))
    return found


def _usual(own: list[Swing], alike: list[Swing]) -> Float[np.ndarray, "3"]:
    """Seconds, lift and way of a joint's usual swing: medians, but of shorter ways than half the longest, which are
    drags. Of whole swings, its own or else those alike, or else what is seen of swings at least; 0 without any."""
    for swings in (own, alike):
        if whole := [swing for swing in swings if swing.whole]:
            longest = max(swing.way for swing in whole)
            return np.asarray(np.median([swing[:3] for swing in whole if swing.way >= longest / 2], axis=0))
    seconds, lift, way = np.max([swing[:3] for swing in own or alike] or [(0.0, 0.0, 0.0)], axis=0)
    if not way:
        return np.zeros(3)
    # what leaves the context in the air may be a kick as well
    return np.array([max(seconds, SWING_S), min(lift, HIGHEST_UNSEEN * way), way])


def _quantile(values: Float[np.ndarray, " _"], part: float) -> float:
    """As of ``np.quantile``, which takes long for few values."""
    if not len(values):
        return 0.0
    ordered = np.sort(values)
    at = part * (len(ordered) - 1)
    low, high = ordered[int(at)], ordered[min(int(at) + 1, len(ordered) - 1)]
    return float(low + (high - low) * (at - int(at)))


def _deviations(
    positions: Float[np.ndarray, "frame joint 3"], rests: Bool[np.ndarray, "interval joint"]
) -> Float[np.ndarray, "interval joint"]:
    """Distance from the mean place of the rest."""
    result = np.zeros(rests.shape)
    for joint in np.flatnonzero(rests.any(0)):
        for first, last in runs(rests[:, joint]):
            # the n-th interval lies between frames n and n + 1, so rests in intervals first..last span frames
            # first..last + 1
            places = positions[first : last + 2, joint]
            result[first : last + 1, joint] = np.linalg.norm(places[1:] - places.mean(0), axis=-1)
    return result
