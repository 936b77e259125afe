"""Bounding boxes of the characters of a result: viewers frame and cull by what a SkelRoot's ``extent`` says."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pxr import Gf, Sdf, Usd, UsdGeom, UsdSkel, Vt

from usd_io.author.samples import Placed, Take
from usd_io.read.placement import Placement
from usd_io.read.skeleton import ancestry
from usd_io.shapes import Float


def widen_extents(root: Path, data: Path, source: Usd.Stage, placed: Sequence[Placed]) -> None:
    """Make the extents that the source authors hold the new motion as well, in all takes.

    A box that stands for the whole shot grows; one that is given frame by frame gets the new frames. Where the source
    authors none, USD computes it, and nothing is written; nothing can be written inside instances.

    Args:
        root: Root layer of the result.
        data: Its data layer, which gets the boxes.
        source: The source stage.
        placed: What the result holds.
    """
    boxed: dict[tuple[Sdf.Path, int], tuple[Placement, Take]] = {}
    for number, (placement, takes) in enumerate(placed):
        for path in placement.skeleton_paths:
            prim = _boxed_root(source.GetPrimAtPath(path), bool(placement.opened))
            if prim is not None:
                boxed[prim.GetPath(), number] = placement, next(iter(takes.values()))
    if not boxed:
        return
    stage = Usd.Stage.Open(str(root))
    boxes: dict[Sdf.Path, dict[float, Gf.Range3d]] = {}
    for (path, _), (placement, take) in boxed.items():
        own = boxes.setdefault(path, {})
        for number in range(len(take.motions)):
            placement.select(stage, number)
            for time in _new_times(take).tolist():
                own.setdefault(time, Gf.Range3d()).UnionWith(_box_at(stage.GetPrimAtPath(path), time))
    layer = Sdf.Layer.FindOrOpen(str(data))
    for path, own in boxes.items():
        _write(layer, UsdGeom.Boundable(stage.GetPrimAtPath(path)).GetExtentAttr(), own)
    layer.Save()


def _boxed_root(skeleton: Usd.Prim, opened: bool) -> Usd.Prim | None:
    """The SkelRoot around a skeleton, if it has an extent that can be overridden: not inside instances that stay so."""
    root = next((prim for prim in ancestry(skeleton) if prim.IsA(UsdSkel.Root)), None)
    if root is None or (root.IsInstanceProxy() and not opened):
        return None
    return root if UsdGeom.Boundable(root).GetExtentAttr().HasAuthoredValue() else None


def _new_times(take: Take) -> Float[np.ndarray, " frame"]:
    """Frames that are not the source's own."""
    return take.motion.times if take.confidence is None else take.motion.times[take.confidence.min(1) < 1]


def _box_at(prim: Usd.Prim, time: float) -> Gf.Range3d:
    return _range(UsdGeom.Boundable.ComputeExtentFromPlugins(UsdGeom.Boundable(prim), time))


def _range(extent: Vt.Vec3fArray | None) -> Gf.Range3d:
    """Empty for an extent that is none."""
    return Gf.Range3d(*map(Gf.Vec3d, extent)) if extent is not None and len(extent) == 2 else Gf.Range3d()


def _write(layer: Sdf.Layer, extent: Usd.Attribute, new: dict[float, Gf.Range3d]) -> None:
    samples = {time: _range(extent.Get(time)) for time in extent.GetTimeSamples()}
    whole = _range(extent.Get())
    kept = {time: box for time, box in new.items() if not box.IsEmpty()}
    for box in kept.values():
        whole.UnionWith(box)
    if not kept:
        return
    prim = Sdf.CreatePrimInLayer(layer, extent.GetPrimPath())
    spec = Sdf.AttributeSpec(prim, "extent", Sdf.ValueTypeNames.Float3Array)
    if not samples:
        spec.default = _extent(whole)
    for time, box in ({**samples, **kept} if samples else {}).items():
        layer.SetTimeSample(spec.path, time, _extent(box))


def _extent(box: Gf.Range3d) -> Vt.Vec3fArray:
    return Vt.Vec3fArray([Gf.Vec3f(box.GetMin()), Gf.Vec3f(box.GetMax())])
