"""Rules on our own results, which name their source and keys: SA008, SA011 (docs/check.md)."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from pxr import Sdf, Usd, UsdSkel

from usd_io.check.finding import Finding
from usd_io.errors import StageReadError, shown
from usd_io.files import file_hash
from usd_io.model import Motion
from usd_io.read.motion import read_motion
from usd_io.read.stage import open_stage

_TOLERANCE = 1e-4
"""Of rotations (quaternion components) and scales; of translations relative to the largest one."""


def changed_keys(stage: Usd.Stage) -> Iterator[Finding]:
    """SA008: at its keys a result equals its source; SA011: it has the source's blend shapes."""
    for layer in stage.GetUsedLayers():
        record = layer.customLayerData.get("anymole", {})
        takes = record.get("takes") if isinstance(record, Mapping) else None
        if isinstance(takes, Mapping):
            yield from _check_record(
                stage, layer, record, [t for t in takes.values() if isinstance(t, Mapping)]
            )


def _check_record(
    stage: Usd.Stage, layer: Sdf.Layer, record: Mapping[str, Any], takes: list[Mapping[str, Any]]
) -> Iterator[Finding]:
    source = record.get("source")
    source = source if isinstance(source, Mapping) else {}
    name = shown(layer.GetDisplayName())
    yield from _changed_sources(layer, source)
    try:
        original = open_stage(layer.ComputeAbsolutePath(str(source.get("root", ""))))
    except StageReadError as error:
        yield Finding("SA008", "warning", f"The keys cannot be compared with the source: {error}", name)
        return
    for take in takes:
        yield from _compare_keys(stage, original, take, name)
        yield from _compare_shapes(stage, original, take, name)


def _changed_sources(layer: Sdf.Layer, source: Mapping[str, Any]) -> Iterator[Finding]:
    listed = source.get("layers")
    for entry in listed.values() if isinstance(listed, Mapping) else ():
        file = (
            Path(layer.ComputeAbsolutePath(str(entry.get("path", ""))))
            if isinstance(entry, Mapping)
            else None
        )
        # only a plain file has an end that a hash can wait for
        if file is not None and file.is_file() and file_hash(file) != entry.get("sha256"):
            message = f"{shown(file)} has changed since this result was made from it. Make it again."
            yield Finding("SA008", "warning", message, shown(layer.GetDisplayName()))


def _compare_keys(
    stage: Usd.Stage, original: Usd.Stage, take: Mapping[str, Any], layer: str
) -> Iterator[Finding]:
    path = str(take.get("skeleton", ""))
    times = np.unique(np.asarray(take.get("keys", ()), np.float64))
    if not len(times) or not np.isfinite(times).all():
        return
    try:
        ours, theirs = read_motion(stage, path, times), read_motion(original, path, times)
    except StageReadError as error:
        yield Finding("SA008", "error", f"The keys cannot be read: {error}", layer, shown(path))
        return
    if ours.translations.shape != theirs.translations.shape:
        yield Finding(
            "SA008", "error", "The skeleton has other joints than in the source.", layer, shown(path)
        )
        return
    off = _pose_errors(ours, theirs)
    worst = int(off.argmax())
    if off[worst] > _TOLERANCE:
        message = (
            f"{int((off > _TOLERANCE).sum())} of {len(times)} keys differ from the source, by up to "
            f"{off[worst]:.2g}. Make the result again, or bind the animation that it came with."
        )
        yield Finding("SA008", "error", message, layer, shown(path), float(times[worst]))


def _pose_errors(a: Motion, b: Motion) -> Float[np.ndarray, " frame"]:
    """Largest difference of two motions at each frame; a quaternion and its negative are the same."""
    size = np.abs(b.translations).max(initial=1e-6)
    signs = np.where((a.rotations * b.rotations).sum(-1, keepdims=True) < 0, -1, 1)
    parts = [
        (a.translations - b.translations) / size,
        a.rotations - signs * b.rotations,
        a.scales - b.scales,
    ]
    return np.stack([np.abs(part).max((1, 2), initial=0.0) for part in parts]).max(0)


def _compare_shapes(
    stage: Usd.Stage, original: Usd.Stage, take: Mapping[str, Any], layer: str
) -> Iterator[Finding]:
    ours = UsdSkel.Animation(stage.GetPrimAtPath(str(take.get("animation", "/"))))
    theirs = UsdSkel.Animation(original.GetPrimAtPath(str(take.get("source_animation", "/"))))
    if not ours or not theirs:
        return
    lost = set(theirs.GetBlendShapesAttr().Get() or ()) - set(ours.GetBlendShapesAttr().Get() or ())
    if lost:
        message = (
            f"{len(lost)} blend shapes of the source are gone, such as {shown(min(lost))}. Copy the weights."
        )
        yield Finding("SA011", "error", message, layer, shown(ours.GetPath()))
