"""The samples of a result's animation: the source's own outside the gaps, what was made inside them.

The unit is one channel (translations, rotations, scales): each has samples of its own. What is kept is copied as USD
gives it, blocks included, in the source's joint order and types; of what is filled only the joints that a skeleton has
are new.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from pxr import Sdf, Usd, UsdSkel

from usd_io import convert
from usd_io.judge import channel_attributes, outside_of
from usd_io.model import CHANNELS, Channel, Motion
from usd_io.read.placement import Placement
from usd_io.read.samples import DRIFT
from usd_io.sampled import has_edits, only_samples
from usd_io.shapes import Float

EVERYWHERE = (-np.inf, np.inf)
_WIDTH = {"translations": 3, "rotations": 4, "scales": 3}
_TYPES = {"translations": "float3[]", "rotations": "quatf[]", "scales": "half3[]"}
_WRITE = {"translations": convert.to_vec3f, "rotations": convert.to_quatf, "scales": convert.to_vec3h}
_CONSTANT = 1e-6
"""Difference [1 or stage units] that rounding explains: a channel without samples stays without them."""
_MOST_DROPPED = 200
"""Samples that are taken out again where all are copied at once: USD moves all behind each."""
_NONE = np.zeros(0)


@dataclass(frozen=True, eq=False)
class Take:
    """What was made for one skeleton."""

    motion: Motion
    """In skeleton joint order; times in time codes of the source stage. Only what lies inside ``gaps`` is written."""
    key_times: tuple[float, ...] = ()
    """Times at which the result equals what the source has; checked after writing and by rule SA008."""
    confidence: Float[np.ndarray, "frame joint"] | None = None
    """In [0, 1], in skeleton joint order."""
    others: tuple[Motion, ...] = ()
    """Takes 2, 3, ...: other motions at the same times, with the same keys."""
    gaps: Mapping[Channel, tuple[tuple[float, float], ...]] | None = None
    """By channel, the open intervals of time whose samples are the motion's; all others are the source's own. None:
    those between neighbouring keys, and all times where there are no keys."""
    kept_joints: tuple[str, ...] = ()
    """Joints that keep what the source has at all times."""

    @property
    def motions(self) -> tuple[Motion, ...]:
        """All takes."""
        return (self.motion, *self.others)

    def gaps_of(self, channel: Channel) -> tuple[tuple[float, float], ...]:
        """The open intervals in which a channel is written."""
        if self.gaps is not None:
            return tuple(self.gaps.get(channel, ()))
        keys = sorted(self.key_times)
        return tuple(pairwise(keys)) if len(keys) > 1 else (EVERYWHERE,)


Placed = tuple[Placement, Mapping[str, Take]]
"""One animation: where it goes, and what was made, by skeleton path; of several the first that has a joint counts."""


class Filling:
    """The values of one animation, take by take."""

    def __init__(self, stage: Usd.Stage, placement: Placement, takes: Mapping[str, Take]) -> None:
        source = placement.source_animation_path
        animation = None if source is None else UsdSkel.Animation(stage.GetPrimAtPath(source))
        self._sources: dict[Channel, Usd.Attribute] = {}
        if animation is not None:
            self._sources = channel_attributes(animation)
        self._placement = placement
        self._takes = tuple(takes.values())
        self._joints = {
            path: tuple(UsdSkel.Skeleton(stage.GetPrimAtPath(path)).GetJointsAttr().Get() or ())
            for path in takes
        }
        self._where = tuple(map(self._matches, takes, self._takes))
        first = self._takes[0]
        self.times = first.motion.times
        gaps = {c: (EVERYWHERE,) if animation is None else first.gaps_of(c) for c in CHANNELS}
        self.gaps: Mapping[Channel, tuple[tuple[float, float], ...]] = {
            channel: () if self._stays(channel, own) else own for channel, own in gaps.items()
        }
        """By channel, what is written again."""

    @property
    def kept_channels(self) -> tuple[Channel, ...]:
        return tuple(channel for channel in CHANNELS if not self.gaps[channel])

    @property
    def filled_channels(self) -> tuple[Channel, ...]:
        return tuple(channel for channel in CHANNELS if self.gaps[channel])

    def copy(self, layer: Sdf.Layer, prim: Sdf.PrimSpec, channel: Channel) -> None:
        """Write a channel as the source has it."""
        copy_attribute(layer, prim, self._sources[channel])

    def write(self, layer: Sdf.Layer, prim: Sdf.PrimSpec, channel: Channel, number: int) -> None:
        """Write a channel of a take: the source's samples outside the gaps, the take's inside, and at the ends of a gap
        what USD shows there."""
        gaps, filled = self.gaps[channel], self.filled_times(channel)
        source = self._sources.get(channel)
        if source is None:
            path = Sdf.AttributeSpec(prim, channel, Sdf.ValueTypeNames.Find(_TYPES[channel])).path
        else:
            path = copy_attribute(layer, prim, source, gaps, filled)
        values = self.values(channel, filled, number)
        if channel == "rotations" and source is not None:
            values = _towards_neighbours(values, filled, gaps, convert.AnyQuery(source))
        for time, value in zip(filled.tolist(), values, strict=True):
            layer.SetTimeSample(path, time, _WRITE[channel](value))

    def confidence(self) -> Float[np.ndarray, "frame joint"] | None:
        """In the order of the animation's joints: 1 where it was not estimated."""
        if all(take.confidence is None for take in self._takes):
            return None
        rows = np.ones((len(self.times), len(self._placement.joints)), np.float32)
        for take, (own, theirs) in zip(reversed(self._takes), reversed(self._where), strict=True):
            if take.confidence is not None:
                rows[:, theirs] = take.confidence[:, own]
        return rows

    def _matches(self, path: str, take: Take) -> tuple[np.ndarray, np.ndarray]:
        """Places of a take's joints in the skeleton and in the animation."""
        place = {joint: number for number, joint in enumerate(self._placement.joints)}
        found = [
            (number, place[joint])
            for number, joint in enumerate(self._joints[path])
            if joint in place and joint not in take.kept_joints
        ]
        own, theirs = np.array(found, int).reshape(-1, 2).T
        return own, theirs

    def filled_times(self, channel: Channel) -> Float[np.ndarray, " fill"]:
        """The frames inside a channel's gaps."""
        return self.times[~outside_of(self.times, self.gaps[channel])]

    def values(
        self, channel: Channel, times: Float[np.ndarray, " fill"], number: int
    ) -> Float[np.ndarray, "fill joint channel"]:
        """What the source shows at the times, and over it what was made."""
        values = np.zeros((len(times), len(self._placement.joints), _WIDTH[channel]), np.float32)
        if channel == "rotations":
            values[..., 0] = 1
        if channel == "scales":
            values[...] = 1
        if channel in self._sources:
            query = convert.AnyQuery(self._sources[channel])
            for frame, time in enumerate(times.tolist()):
                shown = query.at(time)
                if shown is not None and shown.shape == values.shape[1:]:
                    values[frame] = shown
        for take, (own, theirs) in zip(reversed(self._takes), reversed(self._where), strict=True):
            motion = take.motions[number]
            values[:, theirs] = getattr(motion, channel)[np.searchsorted(motion.times, times)][:, own]
            if channel == "rotations" and len(times):
                values[:, theirs] *= self._lengths(times)[:, theirs]
        return values

    def _lengths(self, times: Float[np.ndarray, " fill"]) -> Float[np.ndarray, "fill joint 1"]:
        """Lengths of the quaternions to write: 1, and between two keys of the source that are far from it, as theirs.
        USD turns by the numbers as they are, and a joint that it bends out of shape at the keys would leap between."""
        result = np.ones((len(times), len(self._placement.joints), 1), np.float32)
        query = convert.AnyQuery(self._sources["rotations"]) if "rotations" in self._sources else None
        for start, end in self._takes[0].gaps_of("rotations") if query is not None else ():
            inside = (times > start) & (times < end)
            ends = [query.at(time) if np.isfinite(time) else None for time in (start, end)] if query else []
            if not inside.any() or any(q is None or q.shape != (result.shape[1], 4) for q in ends):
                continue
            before, after = (np.linalg.norm(q, axis=-1) for q in ends if q is not None)
            odd = np.maximum(np.abs(before - 1), np.abs(after - 1)) > DRIFT
            share = ((times[inside] - start) / (end - start))[:, None]
            made = (before + share * (after - before)).astype(np.float32)
            result[inside, :, 0] = np.where(odd, made, 1)
        return result

    def _stays(self, channel: Channel, gaps: tuple[tuple[float, float], ...]) -> bool:
        """Whether the source says one thing for all times, and so does what was made."""
        source = self._sources.get(channel)
        if source is None or not gaps:
            return not gaps
        moves = source.GetResolveInfo().GetSource() == Usd.ResolveInfoSourceTimeSamples
        if moves or source.GetNumTimeSamples() or not source.HasAuthoredValue():  # which takes long to count
            return False
        value, times = convert.AnyQuery(source).at(None), self.times[~outside_of(self.times, gaps)]
        made = [self.values(channel, times, number) for number in range(len(self._takes[0].motions))]
        return all(value is not None and np.allclose(each, value, 0, _CONSTANT) for each in made)


def copy_attribute(
    layer: Sdf.Layer,
    prim: Sdf.PrimSpec,
    source: Usd.Attribute,
    gaps: tuple[tuple[float, float], ...] = (),
    later: Float[np.ndarray, " fill"] = _NONE,
) -> Sdf.Path:
    """Write an attribute as USD resolves it: its default and its samples outside the gaps, blocks as blocks, and a
    sample at each end of a gap.

    Args:
        layer: Where to.
        prim: Of the layer.
        source: The attribute.
        gaps: Open intervals whose samples are left out.
        later: Times in them at which the caller writes samples of its own: what is there until then is left.

    Returns:
        Path of what was written.
    """
    spec = Sdf.AttributeSpec(prim, source.GetName(), source.GetTypeName(), source.GetVariability())
    default = source.Get(Usd.TimeCode.Default())
    if default is not None:
        spec.default = default
    times = np.array(source.GetTimeSamples(), float)
    kept = outside_of(times, gaps)
    ends = [time for gap in gaps for time in gap if np.isfinite(time)]
    query = Usd.AttributeQuery(source)
    dropped, written = np.setdiff1d(times[~kept], later), np.union1d(times[kept], ends)
    alone = only_samples(source) if len(dropped) <= _MOST_DROPPED else None
    above = spec.path.StripAllVariantSelections() == source.GetPath()
    if alone is not None and not (above and has_edits(alone)):
        _copy_samples(alone, spec)
        for time in dropped.tolist():
            layer.EraseTimeSample(spec.path, time)
        written = np.setdiff1d(ends, times[kept])
    for time in written.tolist():
        value = query.Get(time)
        layer.SetTimeSample(spec.path, time, Sdf.ValueBlock() if value is None else value)
    return spec.path


def _copy_samples(source: Sdf.AttributeSpec, target: Sdf.AttributeSpec) -> None:
    """All samples at once, and nothing else: one by one they take ten times as long."""

    def is_samples(_kind: Sdf.SpecType, name: str, *_sides: Any) -> bool:
        return name == "timeSamples"

    Sdf.CopySpec(source.layer, source.path, target.layer, target.path, is_samples, lambda *_sides: False)


def _towards_neighbours(
    values: Float[np.ndarray, "fill joint 4"],
    times: Float[np.ndarray, " fill"],
    gaps: tuple[tuple[float, float], ...],
    source: "convert.AnyQuery",
) -> Float[np.ndarray, "fill joint 4"]:
    """Choose signs so that filled quaternions lie on one half of the sphere with the kept one before them."""
    values = values.copy()
    for start, end in gaps:
        part = (times > start) & (times < end)
        before = source.at(start) if np.isfinite(start) else None
        if before is None or before.shape != values.shape[1:]:
            values[part] = convert.continuous(values[part]) if part.any() else values[part]
        elif part.any():
            values[part] = convert.continuous(np.concatenate([before[None], values[part]]))[1:]
    return values
