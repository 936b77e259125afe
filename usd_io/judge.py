"""Source and result compared by USD itself: attribute values, and what UsdSkel computes from them.

Nothing here goes through :mod:`usd_io.read`, which normalises quaternions, takes rest poses apart and fills in: two
stages are the same where USD gives the same, to the last bit. Samples come from a layer itself where it alone has an
opinion, in stage time (:mod:`usd_io.sampled`); poses and points always from the stage.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pxr import Usd, UsdSkel

from usd_io.convert import floats, matrices
from usd_io.model import CHANNELS, Channel
from usd_io.sampled import BLOCK, Sampled, Streamed
from usd_io.shapes import Float

Gaps = Mapping[Channel, Sequence[tuple[float, float]]]
"""By channel, the open intervals of time that were filled."""
Samples = Streamed | Sampled
ReadSamples = Callable[[Usd.Attribute], Samples]
_SampleTimes = Mapping[Channel, np.ndarray]

_EVERY = Usd.TraverseInstanceProxies(Usd.PrimDefaultPredicate)
_SPREAD = 48
"""Times compared beside the keys: at samples of finished motion, and as many between them."""
_MOST_POINTS = 2_000_000
"""Points compared per skeleton, over all times and meshes."""
_ROUNDING = 1e-6
"""Between samples, of what is 1 or the rig's size: a key between two samples is one more place to round at."""
_HALF_ROUNDING = 2.0**-9
"""The same per joint of a chain where scales have such a key: they are stored in 11 bits, and USD rounds both products
of an interpolation and their sum to them, with the key and without (at most 0.0019 of a scale off over random ones)."""
_TURN_ROUNDING = 2.0**-16
"""The same where rotations have such a key: between two near ones USD's slerp of floats keeps about 16 bits."""


@dataclass(frozen=True)
class Comparison:
    """How far a result is from its source where it has to be the same."""

    skeleton: str
    samples: int
    """Authored samples compared."""
    unequal: tuple[tuple[str, float | None], ...]
    """Channel and time of the samples that differ in any bit, or are gone, or new."""
    local: float
    """Largest difference of a local joint matrix [its entries]."""
    distance: float
    """Largest distance that a joint or a skinned point is off [stage units], in skeleton space."""
    time: float | None
    """Where; of the first unequal sample where nothing else is off."""
    changed: float
    """Largest change of a joint's matrix relative to the skeleton inside the gaps [its entries]: 0 where the result
    moves as the source does."""

    @property
    def exact(self) -> bool:
        return not self.unequal and self.local == 0 and self.distance == 0


class Judge:
    """Compares the skeletons of two stages; finds what is skinned to them once."""

    def __init__(self, source: Usd.Stage, result: Usd.Stage, read: ReadSamples = Streamed.of) -> None:
        self._sides = _JudgedStage(source), _JudgedStage(result)
        self._read = read

    def joints(self, skeleton: str) -> tuple[str, ...]:
        """Joints of a skeleton of the source.

        Raises:
            LookupError: There is no such skeleton.
        """
        return tuple(self._sides[0].skeleton(skeleton).GetJointOrder())

    def compare(self, skeleton: str, keys: Sequence[float], gaps: Gaps) -> Comparison:
        """Compare one skeleton outside of its gaps.

        Args:
            skeleton: Its prim path.
            keys: Time codes at which its whole pose is the same.
            gaps: What was filled.

        Raises:
            LookupError: One of the stages has no such skeleton, or it has other joints there.
        """
        ours, theirs = (side.skeleton(skeleton) for side in self._sides)
        if list(ours.GetJointOrder()) != list(theirs.GetJointOrder()):
            raise LookupError("the skeleton has other joints than in the source")
        samples, unequal, before, after = _compare_samples(
            _animation(ours), _animation(theirs), gaps, self._read
        )
        at = _Times(before, keys, gaps)
        local = distance = 0.0
        worst: float | None = unequal[0][1] if unequal else None
        points = self._points_budget(skeleton)
        rounding = _rounding(tuple(map(str, ours.GetJointOrder())), before, after, gaps)
        for number, time in enumerate(at.exact + at.between):
            (off_local, off), size = _pose_difference(ours, theirs, time), max(1.0, _size(ours, time))
            if number % max(len(at.exact + at.between) // max(points, 1), 1) == 0:
                off_points, reach = self._point_difference(skeleton, time)
                off, size = max(off, off_points), max(size, reach)
            exact = number < len(at.exact) and _same_brackets(before, after, time)
            allowed = 0.0 if exact else rounding * size
            off_local, off = (0.0 if value <= allowed else value for value in (off_local, off))
            if off_local > local or off > distance:
                worst = time
            local, distance = max(local, off_local), max(distance, off)
        changed = max((_pose_change(ours, theirs, time) for time in at.filled), default=0.0)
        return Comparison(skeleton, samples, tuple(unequal), local, distance, worst, changed)

    def _points_budget(self, skeleton: str) -> int:
        """At how many times points are compared."""
        total = sum(len(self._sides[0].rest_points(t)) for t in self._sides[0].targets(skeleton))
        return min(16, _MOST_POINTS // total) if total else 0

    def _point_difference(self, skeleton: str, time: float) -> tuple[float, float]:
        """Largest distance of a skinned point, infinite where only one of the stages can skin it, and how far points
        lie from the origin [stage units]."""
        ours, theirs = (side.skinned(skeleton, time) for side in self._sides)
        if ours.keys() != theirs.keys():
            return float("inf"), 0.0
        reach = max((float(np.abs(points).max(initial=0.0)) for points in ours.values()), default=0.0)
        return max((_distance(ours[path], theirs[path]) for path in ours), default=0.0), reach


class _JudgedStage:
    """One of the stages, as UsdSkel sees it."""

    def __init__(self, stage: Usd.Stage) -> None:
        self._stage = stage
        self._cache = UsdSkel.Cache()
        self._targets: dict[str, list[UsdSkel.SkinningQuery]] = {}
        prims = iter(Usd.PrimRange.Stage(stage, _EVERY))
        for prim in prims:
            if prim.IsA(UsdSkel.Root):
                prims.PruneChildren()
                self._cache.Populate(UsdSkel.Root(prim), _EVERY)
                for binding in self._cache.ComputeSkelBindings(UsdSkel.Root(prim), _EVERY):
                    path = str(binding.GetSkeleton().GetPrim().GetPath())
                    self._targets.setdefault(path, []).extend(binding.GetSkinningTargets())

    def skeleton(self, path: str) -> UsdSkel.SkeletonQuery:
        prim = self._stage.GetPrimAtPath(path)
        query = self._cache.GetSkelQuery(UsdSkel.Skeleton(prim)) if prim else None
        if not query:
            raise LookupError("there is no such skeleton")
        return query

    def targets(self, path: str) -> list[UsdSkel.SkinningQuery]:
        return self._targets.get(path, [])

    def rest_points(self, target: UsdSkel.SkinningQuery) -> Any:
        return target.GetPrim().GetAttribute("points").Get(Usd.TimeCode.EarliestTime()) or ()

    def skinned(self, path: str, time: float) -> dict[str, np.ndarray]:
        """Blended and skinned points of what is bound to a skeleton, in skeleton space."""
        query, found = self.skeleton(path), {}
        transforms = query.ComputeSkinningTransforms(time)
        for target in self.targets(path):
            points = target.GetPrim().GetAttribute("points").Get(time)
            if not points or not target.HasJointInfluences():
                continue
            _blend(query, target, points, time)
            if transforms and target.ComputeSkinnedPoints(transforms, points, time):
                found[str(target.GetPrim().GetPath())] = floats(points)
        return found


def _blend(query: UsdSkel.SkeletonQuery, target: UsdSkel.SkinningQuery, points: Any, time: float) -> None:
    animation = query.GetAnimQuery()
    weights = animation.ComputeBlendShapeWeights(time) if animation and target.HasBlendShapes() else None
    if not weights:
        return
    mapper = target.GetBlendShapeMapper()
    if mapper:
        weights = mapper.Remap(weights, type(weights)())  # shapes that the animation lacks get 0
    shapes = UsdSkel.BlendShapeQuery(UsdSkel.BindingAPI(target.GetPrim()))
    found = shapes.ComputeSubShapeWeights(weights) if weights is not None else None
    if found:
        shapes.ComputeDeformedPoints(
            *found, shapes.ComputeBlendShapePointIndices(), shapes.ComputeSubShapePointOffsets(), points
        )


def _animation(query: UsdSkel.SkeletonQuery) -> UsdSkel.Animation | None:
    found = query.GetAnimQuery()
    return UsdSkel.Animation(found.GetPrim()) if found else None


def channel_attributes(animation: UsdSkel.Animation) -> dict[Channel, Usd.Attribute]:
    """The joint channels of an animation, by name."""
    return {
        "translations": animation.GetTranslationsAttr(),
        "rotations": animation.GetRotationsAttr(),
        "scales": animation.GetScalesAttr(),
    }


def inside(time: float, gaps: Sequence[tuple[float, float]]) -> bool:
    """Whether a time lies strictly inside one of the gaps."""
    return any(start < time < end for start, end in gaps)


def outside_of(times: Float[np.ndarray, " time"], gaps: Sequence[tuple[float, float]]) -> np.ndarray:
    """Which times lie strictly inside none of the gaps."""
    kept = np.ones(len(times), bool)
    for start, end in gaps:
        kept &= (times <= start) | (times >= end)
    return kept


def _sample_times(animation: UsdSkel.Animation | None) -> _SampleTimes:
    if animation is None:
        return {channel: np.zeros(0) for channel in CHANNELS}
    return {name: np.array(a.GetTimeSamples(), float) for name, a in channel_attributes(animation).items()}


def _compare_samples(
    ours: UsdSkel.Animation | None, theirs: UsdSkel.Animation | None, gaps: Gaps, read: ReadSamples
) -> tuple[int, list[tuple[str, float | None]], _SampleTimes, _SampleTimes]:
    """Every sample outside of the gaps, bit for bit; blend shape weights everywhere.

    Returns:
        How many were compared, which differ, and the times of the samples of either.
    """
    if ours is None or theirs is None:
        return 0, [], _sample_times(ours), _sample_times(theirs)
    before: dict[str, np.ndarray] = {}
    after: dict[str, np.ndarray] = {}
    pairs: dict[str, tuple[Usd.Attribute, Usd.Attribute, Sequence[tuple[float, float]]]] = {
        name: (a, b, tuple(gaps.get(name, ())))
        for (name, a), b in zip(
            channel_attributes(ours).items(), channel_attributes(theirs).values(), strict=True
        )
    }
    weights = ours.GetBlendShapeWeightsAttr(), theirs.GetBlendShapeWeightsAttr()
    pairs["blendShapeWeights"] = (*weights, ())
    count = 0
    unequal: list[tuple[str, float | None]] = []
    for name, (a, b, own) in pairs.items():
        one, other = read(a), read(b)
        before[name], after[name] = one.times, other.times
        times = _kept_times(one.times, other.times, own)
        default = not len(one.times) and not own
        count += len(times) + default
        first, second = Usd.AttributeQuery(a).Get, Usd.AttributeQuery(b).Get
        unequal += [
            (name, time) for time in _differing(one, other, times) if not _same(first(time), second(time))
        ]
        if default and not _same(first(Usd.TimeCode.Default()), second(Usd.TimeCode.Default())):
            unequal.append((name, None))
    if list(ours.GetBlendShapesAttr().Get() or ()) != list(theirs.GetBlendShapesAttr().Get() or ()):
        unequal.append(("blendShapes", None))
    return count, unequal, {c: before[c] for c in CHANNELS}, {c: after[c] for c in CHANNELS}


def _same_brackets(ours: _SampleTimes, theirs: _SampleTimes, time: float) -> bool:
    """Whether every channel has a sample at a time, or is interpolated there between the same ones in both: the end of
    a gap is one more sample of a channel that has none there."""
    for channel, times in theirs.items():
        if time in times:
            continue
        ends = [
            (own[own < time][-1:].tolist(), own[own > time][:1].tolist()) for own in (ours[channel], times)
        ]
        if ends[0] != ends[1]:
            return False
    return True


def _rounding(joints: Sequence[str], before: _SampleTimes, after: _SampleTimes, gaps: Gaps) -> float:
    """Largest difference between samples [1] that rounding explains."""
    chain = max((joint.count("/") + 1 for joint in joints), default=1)
    largest = _ROUNDING
    per_channel: dict[Channel, float] = {"rotations": _TURN_ROUNDING, "scales": _HALF_ROUNDING}
    for channel, per_joint in per_channel.items():
        kept = [own[channel][outside_of(own[channel], gaps.get(channel, ()))] for own in (before, after)]
        if len(np.setdiff1d(kept[1], kept[0])):
            largest = max(largest, per_joint * chain)
    return largest


def _kept_times(
    first: Float[np.ndarray, " sample"],
    second: Float[np.ndarray, " other_sample"],
    gaps: Sequence[tuple[float, float]],
) -> Float[np.ndarray, " time"]:
    """Samples of either attribute that both must have."""
    either: Float[np.ndarray, " time"] = np.union1d(*(t[outside_of(t, gaps)] for t in (first, second)))
    return either


def _differing(one: Samples, other: Samples, times: Float[np.ndarray, " time"]) -> Iterator[float]:
    """Times at which the two have not the same sample, or not both one: those to look at."""
    for start in range(0, len(times), BLOCK):
        block = times[start : start + BLOCK]
        a, b = one.rows(block), other.rows(block)
        if a is None or b is None or a.shape != b.shape:
            yield from block.tolist()
        else:
            yield from block[(a != b).reshape(len(block), -1).any(-1)].tolist()


def _same(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    return len(a) == len(b) and (a == b or np.array_equal(np.array(a), np.array(b), equal_nan=True))


@dataclass(frozen=True, init=False)
class _Times:
    """When poses are computed and compared."""

    exact: list[float]
    """Keys, samples of finished motion, and outside of all samples."""
    between: list[float]
    """Between two samples of finished motion."""
    filled: list[float]
    """Inside gaps."""

    def __init__(self, samples: _SampleTimes, keys: Sequence[float], gaps: Gaps) -> None:
        every = tuple(gap for own in gaps.values() for gap in own)
        times = np.unique(np.concatenate([*samples.values(), np.asarray(keys, float)]))
        kept = times[outside_of(times, every)]
        middles = (times[1:] + times[:-1]) / 2
        finite = [t for gap in every for t in ((gap[0] + gap[1]) / 2, gap[0] * 0.75 + gap[1] * 0.25)]
        ends = [times[0] - 1.5, times[-1] + 1.5] if len(times) else [0.0]
        outside = [t for t in ends if not inside(t, every)]
        chosen = np.unique([*_spread(kept), *_spread(np.asarray(keys, float), 4 * _SPREAD), *outside])
        object.__setattr__(self, "exact", chosen[outside_of(chosen, every)].tolist())
        object.__setattr__(self, "between", _spread(middles[outside_of(middles, every)]))
        object.__setattr__(self, "filled", _spread(np.array([t for t in finite if np.isfinite(t)])))


def _spread(times: np.ndarray, most: int = _SPREAD) -> list[float]:
    if not len(times):
        return []
    chosen = np.linspace(0, len(times) - 1, min(most, len(times))).astype(int)
    return np.unique(times[chosen]).tolist()


def _matrices(query: UsdSkel.SkeletonQuery, time: float) -> tuple[np.ndarray, np.ndarray]:
    local, skel = query.ComputeJointLocalTransforms(time), query.ComputeJointSkelTransforms(time)
    return matrices(local or []), matrices(skel or [])


def _pose_difference(
    ours: UsdSkel.SkeletonQuery, theirs: UsdSkel.SkeletonQuery, time: float
) -> tuple[float, float]:
    """Largest difference of a local matrix, and distance of a joint in skeleton space."""
    (a, b), (c, d) = _matrices(ours, time), _matrices(theirs, time)
    if a.shape != c.shape or b.shape != d.shape:
        return float("inf"), float("inf")
    # a pose that is not finite in both is the same pose
    alike = (a == c) | (np.isnan(a) & np.isnan(c))
    local = np.abs(np.subtract(a, c, out=np.zeros(a.shape), where=~alike))
    return float(local.max(initial=0.0)), _distance(b[:, :3, 3], d[:, :3, 3])


def _pose_change(ours: UsdSkel.SkeletonQuery, theirs: UsdSkel.SkeletonQuery, time: float) -> float:
    (_, a), (_, b) = _matrices(ours, time), _matrices(theirs, time)
    return float(np.abs(a - b).max(initial=0.0)) if a.shape == b.shape else float("inf")


def _size(query: UsdSkel.SkeletonQuery, time: float) -> float:
    places = _matrices(query, time)[1][:, :3, 3]
    return float(np.abs(places).max(initial=0.0))


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    if a.shape != b.shape:
        return float("inf")
    alike = (a == b) | (np.isnan(a) & np.isnan(b))
    off = np.subtract(a, b, out=np.zeros(a.shape), where=~alike, dtype=float)
    return float(np.sqrt((off**2).sum(-1)).max(initial=0.0))
