"""The trajectory of one support joint through one gap: when it rests there, where, and what has to be added to it.

A support joint is taken to rest where the filled motion has it low, and slow beside its swing; while it rests it stays
in one place, the key's where the rest begins or ends at a key. It may deviate from there by a part of what it does in
the context, by all of that if it never swings. What rests at both keys of a gap, at places apart, and glides in
between takes a step.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from engine.geometry import metrics
from engine.priors.contacts.rests import runs
from engine.priors.contacts.supports import SAME_PLACE, SHORTEST_S, SWING_S
from usd_io.shapes import Bool, Float

SLOW_IN_GAP, SLOW_IN_CONTEXT = 0.75, 0.33
"""A joint is slow below this part of its fastest in the gap, where averages of what is plausible smear rest and swing,
or below this part of the speed with which it swings in the context."""
LONGEST_STEP = 1.6
"""Of the context's usual way from rest to rest."""
STANDING_HEIGHT = 0.02
"""At a key a joint rests that is less than this above its rests [heights]; averages in between are less exact."""
LARGEST_CORRECTION = 0.25
"""No joint is moved further than this [heights]: where it would have to be, it does not rest."""
LARGEST_STEP_CORRECTION = 0.4
"""The same where a step is put in: the prior glides, so that it is half a step off at the least."""
SOFTEST = 0.7
"""A step that would have to be quicker than the context's swings takes longer, up to this part of the gap."""
CORRECTION_SPEED = 1.0
"""A joint gets no quicker than this [heights/s] from its way at a key to a rest that does not touch the key."""
STRAYED = 0.25
"""How far a joint that swings may be from its place of rest, as part of how far it is in the context: there it sways to
and fro, in the filled motion it glides from one side to the other."""
BLEND_S = 0.4
"""How long before and after a rest the joint is off its trajectory [s]."""
BLEND_SPEED = 0.5
"""Part of the change of velocity at the end of a rest that goes on there; 0 would start a swing with a jerk."""


def line_between(
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
            places = line_between(part, self.seconds)
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
        # vectors to the place [stage units, world], shortened by how far the joint may be off it
        far = np.linalg.norm(missing, axis=-1)
        strays = self.deviation * (STRAYED if self.swing_speed else 1)
        missing = missing * np.maximum(1 - strays / np.where(far > 0, far, 1), 0)[:, None]
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
