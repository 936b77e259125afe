"""Which joints rest on a support, when they do so in a gap, and where: learnt from the known frames of the shot.

No label is needed: a *support joint* is one that the context shows low and slow again and again (the definition of
:func:`engine.geometry.metrics.contacts`) and quick in between. In a gap it is taken to rest where the filled motion
has it low, and slow beside its swing; while it rests it stays in one place, the key's where the rest begins or ends at
a key. It may deviate from there as far as it does in the context. What the context does not show the keys may: the end
of a limb that is low at both keys of a gap, and in one place, rests from the one to the other. On ground that rises or
falls heights are those over its slope (:mod:`engine.priors.contacts.slopes`). The constants were settled on characters
that the learned prior was not trained on (docs/experiments.md).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from engine.geometry import metrics, skeleton
from engine.planning.plan import Plan
from engine.priors import offsets
from engine.priors.contacts.rests import carries_most, kin_of, runs
from engine.priors.contacts.slopes import at_times, levelled, rise_of, rises_of
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
SLOW_IN_GAP, SLOW_IN_CONTEXT = 0.75, 0.33
"""A joint is slow below this part of its fastest in the gap, where averages of what is plausible smear rest and swing,
or below this part of the speed with which it swings in the context."""
SHORTEST_S = 0.1
"""Rests in a gap are at least so long [s]."""
LONGEST_STEP = 1.6
"""Of the context's usual way from rest to rest."""
SAME_PLACE = 0.03
"""Keys that hold a joint at places less than this apart [heights] hold it at rest between them."""
KEPT_PLACE, KEPT_WITHIN = 0.015, 0.1
"""What no context shows at rest is held between keys that have it low and less than the first apart [heights], unless
the filled motion takes it further than the second from there, as a swing does."""
LOOSE = 0.005
"""Nearer than this to its place [heights] it is left as it is."""
STANDING_HEIGHT = 0.02
"""At a key a joint rests that is less than this above its rests [heights]; averages in between are less exact."""
DOWN = 1 / 3
"""What gets below this part of its height at two keys comes down in between."""
LARGEST_CORRECTION = 0.25
"""No joint is moved further than this [heights]: where it would have to be, it does not rest."""
LARGEST_STEP_CORRECTION = 0.4
"""The same where a step is put in: the prior glides, so that it is half a step off at the least."""
SWING_S = 0.35
"""How long a step takes [s] where the context has none of the joint's."""
HIGHEST_UNSEEN = 0.5
"""Of a swing that the context shows in part at most so much of its way is taken for lift."""
JUMP, JUMP_IN_PART = 0.6, 0.2
"""A swing is a jump and shows no steps where all feet are in the air for more than this part of it; the second where
the context shows it in part only."""
SOFTEST = 0.7
"""A step that would have to be quicker than the context's swings takes longer, up to this part of the gap."""
CORRECTION_SPEED = 1.0
"""A joint gets no quicker than this [heights/s] from its way at a key to a rest that does not touch the key."""
BLEND_S = 0.4
"""How long before and after a rest the joint is off its trajectory [s]."""
BLEND_SPEED = 0.5
"""Part of the change of velocity at the end of a rest that goes on there; 0 would start a swing with a jerk."""


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
        # all of the feet, and at least two, as in :func:`corrections`
        flies = (height > rest_levels[supports] + metrics.CONTACT_HEIGHT * size).all(1) & (len(supports) > 1)
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


def corrections(
    character: Character, known: Motion, plan: Plan, made: Motion, size: float
) -> tuple[Int[np.ndarray, " support"], Float[np.ndarray, "fill support 3"]]:
    """How the support joints have to move to rest where they should: smooth, and going to zero at the keys.

    Args:
        character: The skeleton.
        known: The known frames only.
        plan: Gives context, keys and gaps.
        made: A filled motion at ``plan.fill_times``.
        size: The character's height [stage units].

    Returns:
        The joints, and for each the vector from where it is to where it should be [stage units, world].
    """
    supports = find_supports(character, known, plan, size)
    # world positions at the fill times, and at the two keys of every gap, over a slope [stage units]
    up = "XYZ".index(character.up_axis)
    inside, at_keys, rises = _over_slopes(character, known, plan, made)
    kept = _kept(character, plan, inside, at_keys, size)
    kept[:, supports.joints] = False
    joints = np.union1d(supports.joints, np.flatnonzero(kept.any(0)))
    result = np.zeros((len(made.times), len(joints), 3))
    if not len(joints):
        return joints, result
    levels = _ground(plan, supports, inside[:, supports.joints], at_keys, up, size, rises)
    first = 0
    for gap, keys, held, ground in zip(plan.gaps, at_keys, kept, levels, strict=True):
        part = slice(first, first + len(gap.times))
        # key, fill times, key: the trajectory of each joint through this gap, with its times in seconds
        paths = np.concatenate([keys[:1], inside[part], keys[1:]])
        seconds = np.array([gap.start, *gap.times, gap.end]) / known.time_codes_per_second
        for joint in np.flatnonzero(held):
            # to the line from key to key, but for what is near enough to it
            missing = _line(paths[:, joint], seconds) - paths[:, joint]
            far = np.linalg.norm(missing, axis=-1, keepdims=True)
            missing *= np.maximum(1 - LOOSE * size / np.where(far > 0, far, 1), 0)
            result[part, np.searchsorted(joints, joint)] = missing[1:-1]
        # all of the feet, and at least two: a single joint may as well take a step
        over = paths[:, supports.joints, up] - ground.max(1)
        flies = (over > metrics.CONTACT_HEIGHT * size).all(1) & (len(supports.joints) > 1)
        for joint, level, swing_speed, deviation, swing in zip(
            supports.joints,
            ground,
            supports.swing_speeds,
            supports.deviations,
            supports.swings,
            strict=True,
        ):
            trajectory = Trajectory(
                paths[:, joint], seconds, level, swing_speed, deviation, swing, size, up, flies
            )
            result[part, np.searchsorted(joints, joint)] = trajectory.correction()[1:-1]
        first = part.stop
    return joints, levelled(result, -at_times(plan, rises), up)


def _ground(
    plan: Plan,
    supports: Supports,
    inside: Float[np.ndarray, "fill support 3"],
    at_keys: Float[np.ndarray, "gap 2 joint 3"],
    up: int,
    size: float,
    rises: Float[np.ndarray, "gap 3"],
) -> Float[np.ndarray, "gap support 2"]:
    """Where the supports rest at the two keys of every gap, along the up axis [stage units].

    That is the context's level. But a joint that is lower at a key rests there, and one that is higher does if it is in
    its place at the key before or after; what is higher and is not is in its swing, over what the lowest of the others
    stands on.
    """
    if not len(supports.joints):
        return np.zeros((len(plan.gaps), 0, 2))
    places, stands = at_keys[:, :, supports.joints, up], STANDING_HEIGHT * size
    usual = np.broadcast_to(supports.floor + supports.levels, places.shape)
    above = places - usual
    if supports.rise.any():
        # somebody who has climbed stands on the lowest foot; on level ground after a slope at whatever height
        raised = above.min(2, keepdims=True)
        climbing = np.abs(rises).sum(1)[:, None, None] > 0
        raised = np.where(climbing, np.maximum(raised, 0), raised)
        above, usual = above - raised, usual + raised
    # what two keys have up in one place while the body goes on, and what does not come down in between, stands there; a
    # jump on the spot leaves the body where it is
    ways = at_keys[:, 1] - at_keys[:, 0]
    along = np.linalg.norm(np.delete(ways, up, -1), axis=-1).mean(1, keepdims=True)
    near = np.linalg.norm(ways[:, supports.joints], axis=-1) < metrics.CONTACT_HEIGHT * size
    stays = near & (above.min(1) > stands) & (along > SAME_PLACE * size)
    first = 0
    for gap, level, lower, stay in zip(plan.gaps, usual.max(1), above.min(1), stays, strict=True):
        stay &= (inside[first : first + len(gap.times), :, up] - level > DOWN * lower).all(0)
        first += len(gap.times)
    known = (above < stands) | stays[:, None]
    for index, (gap, after) in enumerate(pairwise(plan.gaps)):
        if gap.end == after.start:
            known[index, 1] = known[index + 1, 0] = known[index, 1] | known[index + 1, 0]
    off = np.where(np.abs(above) < stands, 0, above)
    lowest = np.where(known, off, np.inf).min(2, keepdims=True)
    off = np.where(known, off, np.minimum(off, np.where(np.isfinite(lowest), lowest, 0)))
    return np.asarray((usual + off).swapaxes(1, 2))


def kept_by_keys(
    character: Character, known: Motion, plan: Plan, made: Motion, size: float
) -> Bool[np.ndarray, "gap joint"]:
    """Joints of limbs that are low at both keys of a gap and in one place, and that the filled motion leaves near it.

    Args:
        character: Gives the up axis.
        known: The known frames only.
        plan: Gives the gaps.
        made: A filled motion at ``plan.fill_times``.
        size: The character's height [stage units].
    """
    inside, at_keys, _ = _over_slopes(character, known, plan, made)
    return _kept(character, plan, inside, at_keys, size)


def _kept(
    character: Character,
    plan: Plan,
    inside: Float[np.ndarray, "fill joint 3"],
    at_keys: Float[np.ndarray, "gap 2 joint 3"],
    size: float,
) -> Bool[np.ndarray, "gap joint"]:
    """:func:`kept_by_keys` from world positions at the fill times and at the keys [stage units]."""
    height = at_keys[..., "XYZ".index(character.up_axis)]
    low = (height < height.min((1, 2), keepdims=True) + metrics.CONTACT_HEIGHT * size).all(1)
    apart = np.linalg.norm(at_keys[:, 1] - at_keys[:, 0], axis=-1)
    kept: Bool[np.ndarray, "gap joint"] = low & (apart < KEPT_PLACE * size) & ~carries_most(character)
    first = 0
    for gap, keys, held in zip(plan.gaps, at_keys, kept, strict=True):
        part = slice(first, first + len(gap.times))
        first = part.stop
        if held.any():
            far = np.linalg.norm(inside[part][:, held] - keys[0, held], axis=-1).max(0, initial=0.0)
            held[held] = far < KEPT_WITHIN * size
    return kept


def _over_slopes(
    character: Character, known: Motion, plan: Plan, made: Motion
) -> tuple[Float[np.ndarray, "fill joint 3"], Float[np.ndarray, "gap 2 joint 3"], Float[np.ndarray, "gap 3"]]:
    """World positions of all joints at the fill times and at the two keys of every gap [stage units], with the slope
    of each gap taken out, and the slopes."""
    up, rises = "XYZ".index(character.up_axis), rises_of(character, known, plan)
    at_keys = skeleton.joint_positions(character, known.at(offsets.frames_at_ends(known, plan.gaps)))
    at_keys = at_keys.reshape(-1, 2, *at_keys.shape[1:])
    inside = skeleton.joint_positions(character, made)
    return (
        levelled(inside, at_times(plan, rises), up),
        levelled(at_keys, rises[:, None, None], up),
        rises,
    )


def _line(
    path: Float[np.ndarray, "frame 3"], seconds: Float[np.ndarray, " frame"]
) -> Float[np.ndarray, "frame 3"]:
    """Straight over time from the first place to the last."""
    gone = (seconds - seconds[0]) / (seconds[-1] - seconds[0])
    return path[0] + gone[:, None] * (path[-1] - path[0])


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The trajectory of one support joint through one gap, keys included."""

    path: Float[np.ndarray, "frame 3"]
    """[stage units, world]"""
    seconds: Float[np.ndarray, " frame"]
    ground: Float[np.ndarray, "2"]
    """Where it rests at the two keys, along the up axis [stage units]."""
    swing_speed: float
    deviation: float
    swing: Float[np.ndarray, "3"]
    """As of :class:`Supports`."""
    size: float
    """The character's height [stage units]."""
    up: int
    """Index of the up axis."""
    flies: Bool[np.ndarray, " frame"] | None = None
    """Whether all supports are above the ground, if any ever are."""

    def correction(self) -> Float[np.ndarray, "frame 3"]:
        """What has to be added to the path."""
        # keys are exact: the correction is zero there, whatever the rests in between need
        pinned = {0: np.zeros(3), len(self.path) - 1: np.zeros(3)}
        rests = list(runs(self.resting()))
        if self._steps(rests):
            pinned |= self._step()
            return blended(self.seconds, dict(sorted(pinned.items())))
        held = [frames for first, last in rests if (frames := self._pinned(first, last))]
        for before, after in pairwise(held):
            self._make_room(before, after)
        for frames in held:
            pinned |= frames
        result = blended(self.seconds, dict(sorted(pinned.items())))
        for a, b in pairwise(sorted(pinned)):
            if self._flies(a, b):
                result[a : b + 1, self.up] += self._flattened(result[a : b + 1, self.up], a, b)
        for before, after in pairwise(held):
            part = slice(max(before), min(after) + 1)
            result[part, self.up] += self._missing_lift((self.path + result)[part], self.seconds[part])
        return result

    def _flies(self, first: int, last: int) -> bool:
        """Whether all feet are in the air at any of these frames."""
        return self.flies is not None and bool(self.flies[first : last + 1].any())

    def _flattened(
        self, lift: Float[np.ndarray, " part"], first: int, last: int
    ) -> Float[np.ndarray, " part"]:
        """What corrections of height take away between two frames, but in part: none at the top of a jump, all at its
        ends."""
        part = slice(first, last + 1)
        height, t = self.path[part, self.up], self.seconds[part] - self.seconds[first]
        over = np.maximum(height - height[0] - t / t[-1] * (height[-1] - height[0]), 0)
        if over.max() < metrics.CONTACT_HEIGHT * self.size:  # no jump of this foot's
            return np.zeros(len(over))
        return np.asarray(np.maximum(-lift, 0) * over / over.max())

    def _make_room(
        self, before: dict[int, Float[np.ndarray, "3"]], after: dict[int, Float[np.ndarray, "3"]]
    ) -> None:
        """Shorten two rests where the swing between them would be quicker than the context's, as far as they allow."""
        last, first = max(before), min(after)
        way = float(np.linalg.norm(self.path[first] + after[first] - self.path[last] - before[last]))
        length = float(self.seconds[first] - self.seconds[last])
        if not self.swing_speed or way < SAME_PLACE * self.size:
            return
        lacks = 1.5 * way / float(self.swing_speed) - length
        s = self.seconds
        for frame in [f for f in before if s[f] > max(s[last] - lacks / 2, s[min(before)] + SHORTEST_S)]:
            del before[frame]
        for frame in [f for f in after if s[f] < min(s[first] + lacks / 2, s[max(after)] - SHORTEST_S)]:
            del after[frame]

    def _lift(self, length: float, way: float) -> float:
        """Of a swing that takes so long [s] and goes so far: as high as the context's, less where it is shorter in time
        or way [stage units]."""
        usual_s, lift, usual_way = self.swing
        return float(lift * min(length / (usual_s or SWING_S), way / (usual_way or way), 1.0))

    def _missing_lift(
        self, path: Float[np.ndarray, "part 3"], seconds: Float[np.ndarray, " part"]
    ) -> Float[np.ndarray, " part"]:
        """What a swing from rest to rest lacks in height."""
        height = path[:, self.up]
        way = float(np.linalg.norm(path[-1] - path[0]))
        if way < SAME_PLACE * self.size:
            return np.zeros(len(path))
        t = (seconds - seconds[0]) / (seconds[-1] - seconds[0])
        line = height[0] + t * (height[-1] - height[0])
        lift = self._lift(float(seconds[-1] - seconds[0]), way) * np.sin(np.pi * t) ** 2
        return np.maximum(line + lift - height, 0)

    def _levels(self) -> Float[np.ndarray, " frame"]:
        """Where it rests at each frame, along the up axis [stage units]."""
        t = (self.seconds - self.seconds[0]) / (self.seconds[-1] - self.seconds[0])
        return np.asarray(self.ground[0] + t * (self.ground[1] - self.ground[0]))

    def resting(self) -> Bool[np.ndarray, " frame"]:
        """Frames at which the joint is low, and slow on either side."""
        # speed in each interval [stage units/s]; the slow limit is the largest of a resting joint's speed, a part of
        # the gap's fastest and a part of the context's swing
        speed = np.linalg.norm(np.diff(self.path, axis=0), axis=-1) / np.diff(self.seconds)
        limit = max(
            metrics.CONTACT_SPEED * self.size, SLOW_IN_GAP * speed.max(), SLOW_IN_CONTEXT * self.swing_speed
        )
        slow = speed < limit
        low = self.path[:, self.up] < self._levels() + metrics.CONTACT_HEIGHT * self.size
        # a frame counts as slow only if the intervals before and after it are; the keys have one interval each
        return low & np.append(slow, True) & np.insert(slow, 0, True)

    def _stands(self, key: int) -> bool:
        """Whether the joint is as low at a key, 0 or -1, as where it rests."""
        return bool(self.path[key, self.up] < self.ground[key] + STANDING_HEIGHT * self.size)

    def _pinned(self, first: int, last: int) -> dict[int, Float[np.ndarray, "3"]]:
        """The vectors to the place of one rest by frame; none of what is too short or has no place."""
        end, part = len(self.path) - 1, self.path[first : last + 1]
        # a key that catches the joint above its rests is part of a swing, from which it comes down to them
        at_start, at_end = first == 0 and self._stands(0), last == end and self._stands(-1)
        # where the ground rises or falls between the keys it is not known in between
        even = abs(self.ground[1] - self.ground[0]) < STANDING_HEIGHT * self.size
        if not (at_start or at_end or even):
            return {}
        # what always lies still in the context has no swing: it is held only where it rests at a key
        if self.seconds[last] - self.seconds[first] < SHORTEST_S or not (
            self.swing_speed or self.swing.any() or at_start or at_end
        ):
            return {}
        if at_start and at_end:
            # rest from key to key, which agree: a straight line over time from one key's place to the other's
            places = _line(part, self.seconds)
        elif at_start or at_end:
            # rest that begins or ends at a key: the key's place
            places = part[:1] if at_start else part[-1:]
        else:
            # rest inside the gap: its mean place along the ground, at the height of the context's rests
            places = part.mean(0, keepdims=True)
            places[0, self.up] = self._levels()[first : last + 1].mean()
        # the correction is zero at both keys: from one at which the joint does not rest it has to get here in time
        s = self.seconds[first : last + 1]
        room = np.minimum(
            np.inf if at_start else s - self.seconds[0], np.inf if at_end else self.seconds[-1] - s
        )
        return self._missing(first, places - part, np.minimum(LARGEST_CORRECTION, CORRECTION_SPEED * room))

    def _missing(
        self, first: int, missing: Float[np.ndarray, "part 3"], most: float | Float[np.ndarray, " part"]
    ) -> dict[int, Float[np.ndarray, "3"]]:
        """What is missing to the place, by frame, from the frame ``first`` on; nothing where it is more than ``most``
        [heights]."""
        # vectors to the place [stage units, world], shortened by how far the joint is off it in the context anyway
        far = np.linalg.norm(missing, axis=-1)
        missing = missing * np.maximum(1 - self.deviation / np.where(far > 0, far, 1), 0)[:, None]
        # frames too far off do not rest after all; the keys are pinned to zero elsewhere
        near = far < most * self.size
        return {
            first + int(i): missing[i] for i in np.flatnonzero(near) if 0 < first + i < len(self.path) - 1
        }

    def _swing_s(self) -> float:
        """How long the swing from key to key takes [s]: as long as the context's, or at most half the gap, but no
        quicker than there."""
        whole = self.seconds[-1] - self.seconds[0]
        way = float(np.linalg.norm(self.path[-1] - self.path[0]))
        usual = float(min(self.swing[0] or SWING_S, whole / 2))
        # 3 t^2 - 2 t^3 is 1.5 times as quick in its middle as on average
        quickest = 1.5 * way / float(self.swing_speed) if self.swing_speed else usual
        return max(usual, min(quickest, SOFTEST * float(whole)))

    def _steps(self, rests: list[tuple[int, int]]) -> bool:
        """Whether the joint rests at both keys, at places apart, and not in between: one rest that glides, or two with
        no jump between them. What is further apart than a step takes two."""
        way = float(np.linalg.norm(self.path[-1] - self.path[0]))
        return bool(
            0 < len(rests) <= 2
            and rests[0][0] == 0
            and rests[-1][1] == len(self.path) - 1
            and self._stands(0)
            and self._stands(-1)
            and not self._flies(rests[0][1], rests[-1][0])
            and SAME_PLACE * self.size < way <= LONGEST_STEP * (self.swing[2] or way)
        )

    def _step(self) -> dict[int, Float[np.ndarray, "3"]]:
        """The vectors to a step by frame: rest at the first key's place, one swing, rest at the second key's."""
        path, seconds = self.path, self.seconds
        start, way = path[0], path[-1] - path[0]
        length = self._swing_s()
        # the part of the way that the path has gone by each frame; the middle of the swing is the time at which a
        # sudden step would have the path's mean place: start + integral of (1 - gone)
        gone = np.clip((path - start) @ way / (way @ way), 0, 1)
        middle = seconds[0] + float(np.trapezoid(1 - gone, seconds))
        begin = np.clip(middle - length / 2, seconds[0], seconds[-1] - length)
        # along the way as 3 t^2 - 2 t^3 in the part t of the swing
        t = np.clip((seconds - begin) / length, 0, 1)
        places = start + (t * t * (3 - 2 * t))[:, None] * way
        # over the line from place to place the swing is lifted as the context's are, or as the path is if that is more
        lifted = np.maximum(
            self._lift(length, float(np.linalg.norm(way))),
            path[:, self.up] - (start + gone[:, None] * way)[:, self.up],
        )
        places[:, self.up] += lifted * np.sin(np.pi * t) ** 2
        return self._missing(0, places - path, LARGEST_STEP_CORRECTION)


def blended(
    seconds: Float[np.ndarray, " frame"], pinned: dict[int, Float[np.ndarray, "3"]], blend_s: float = BLEND_S
) -> Float[np.ndarray, "frame 3"]:
    """A cubic Hermite curve through the pinned frames, in order, that is zero away from them."""
    # seconds from each frame to the nearer of the pinned frames on either side of it
    frames, at = np.arange(len(seconds)), np.array(list(pinned))
    after = np.clip(np.searchsorted(at, frames), 1, len(at) - 1)
    gap = np.minimum(np.abs(seconds - seconds[at[after - 1]]), np.abs(seconds[at[after]] - seconds))
    # knots of the curve: the pinned frames, and at zero all frames further than blend_s from any of them
    knots = np.unique(np.concatenate([at, frames[gap > blend_s]]))
    values = np.array([pinned.get(int(knot), np.zeros(3)) for knot in knots])
    # slopes [stage units/s] are known inside rests and where the curve is zero, between knots that are neighbouring
    # frames; at the last frame of a rest the slope is that of the interval before
    rates = np.diff(values, axis=0) / np.diff(seconds[knots])[:, None]
    rates *= BLEND_SPEED * (np.diff(knots) == 1)[:, None]
    slopes = np.concatenate([rates, np.zeros((1, 3))])
    slopes[1:] = np.where((slopes[1:] == 0).all(-1, keepdims=True), rates, slopes[1:])
    # the cubic Hermite polynomials in the part t of the way from knot a to knot b: h00 = 1 - h01 with
    # h01 = t^2 (3 - 2 t) for the values, h10 = t (1 - t)^2 and h11 = -t^2 (1 - t) for the slopes, times the length
    after = np.clip(np.searchsorted(knots, frames), 1, len(knots) - 1)
    a, b = knots[after - 1], knots[after]
    length = (seconds[b] - seconds[a])[:, None]
    t = (seconds - seconds[a])[:, None] / length
    rise = length * (slopes[after - 1] * t * (1 - t) ** 2 - slopes[after] * t**2 * (1 - t))
    line = values[after - 1] + (values[after] - values[after - 1]) * t * t * (3 - 2 * t)
    result: Float[np.ndarray, "frame 3"] = line + rise
    return result
