"""Samples that USD reports of value clips and no clip has: where a clip becomes active, and where its times are mapped.

What USD shows there is interpolated, or held from the clip's first or last sample. Nobody has set it.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
from pxr import Sdf, Usd

from usd_io.shapes import Bool, Float

_EPSILON = 1e-6
"""Time codes of a clip nearer than this are one time."""


def unset_times(attribute: Usd.Attribute) -> Float[np.ndarray, " unset"]:
    """Of the samples that USD reports [time codes of the stage], increasing: those where a clip becomes active between
    samples of its own, and those that hold the pose of the sample beside them.

    A mapped time between two samples of a clip is none of them: a curve of clip times may be what paces the motion.
    """
    if attribute.GetResolveInfo().GetSource() != Usd.ResolveInfoSourceValueClips:
        return np.zeros(0)
    reported = np.array(attribute.GetTimeSamples(), float)
    between, held = np.zeros((2, len(reported)), bool)
    own_times = cache(_own_times)
    for clips, offset in _clip_sets(attribute.GetPrim()):
        starts, mapped = (np.array(clips.get(key) or (), float).reshape(-1, 2) for key in ("active", "times"))
        local = (reported - offset.offset) / offset.scale
        is_start = _are_among(local, starts[:, 0])
        for at in np.flatnonzero(is_start | _are_among(local, mapped[:, 0])).tolist():
            own = own_times(_clip_spec(attribute, float(reported[at])))
            inner = _in_clip(float(local[at]), mapped)
            if not len(own) or (inner is not None and np.abs(own - inner).min() <= _EPSILON):
                continue
            if inner is not None and own[0] < inner < own[-1]:
                between[at] = is_start[at]
            else:
                held[at] = True
    for at in np.flatnonzero(held).tolist():
        # else the clip is left before, or entered behind its sample: here its pose is seen first
        held[at] = _is_set_beside(attribute, reported, held, at)
    return reported[between | held]


def _is_set_beside(
    attribute: Usd.Attribute,
    times: Float[np.ndarray, " sample"],
    held: Bool[np.ndarray, " sample"],
    at: int,
) -> bool:
    """Whether a sample that is not only held has the pose of one, and nothing else lies between the two."""
    pose = attribute.Get(times[at])
    for side in (range(at - 1, -1, -1), range(at + 1, len(times))):
        for other in side:
            if attribute.Get(times[other]) != pose:
                break
            if not held[other]:
                return True
    return False


def _clip_sets(prim: Usd.Prim) -> Iterator[tuple[Mapping[str, Any], Sdf.LayerOffset]]:
    """The sets of clips at or above a prim, and from the time of their layers to that of the stage. Those of templates
    say no times: USD makes them from the names of files."""
    for path in reversed(prim.GetPath().GetPrefixes()):
        for spec, offset in prim.GetStage().GetPrimAtPath(path).GetPrimStackWithLayerOffsets():
            if spec.HasInfo("clips"):
                yield from ((clips, offset) for clips in spec.GetInfo("clips").values())


def _are_among(
    times: Float[np.ndarray, " time"], others: Float[np.ndarray, " other"]
) -> Bool[np.ndarray, " time"]:
    """Which times are one of the others, but for rounding."""
    others = np.sort(np.append(others, np.inf))
    before = np.searchsorted(others, times - _EPSILON)
    return np.asarray(others[before] <= times + _EPSILON)


def _clip_spec(attribute: Usd.Attribute, time: float) -> Sdf.AttributeSpec | None:
    """What the clip that is active at a time holds."""
    specs = attribute.GetPropertyStack(time)
    return next((spec for spec in specs if spec.layer.GetNumTimeSamplesForPath(spec.path)), None)


def _own_times(spec: Sdf.AttributeSpec | None) -> Float[np.ndarray, " own"]:
    """The samples of a clip, in its own time."""
    return np.array(spec.layer.ListTimeSamplesForPath(spec.path) if spec else (), float)


def _in_clip(time: float, mapped: Float[np.ndarray, "pair 2"]) -> float | None:
    """The clip's own time at a time of the layer that names it; None before the first that is mapped, and after the
    last."""
    if not len(mapped):
        return time
    if not mapped[0, 0] <= time <= mapped[-1, 0]:
        return None
    # from a time that is mapped twice on, what counts is the second
    after = min(int(np.searchsorted(mapped[:, 0], time, side="right")), len(mapped) - 1)
    return float(np.interp(time, *mapped[[max(after - 1, 0), after]].T))
