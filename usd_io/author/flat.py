"""A result as one file for readers that do not compose: no layers, references, instances, variants, clips or splines.

What composes, and what some readers leave out, is written where it counts: each skeleton names its animation itself,
each mesh its skeleton, joints and influences per point; all channels of an animation have samples at the same times.
"""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pxr import Ar, Sdf, Usd, UsdGeom, UsdSkel, UsdUtils, Vt

from usd_io.errors import AuthorError, shown
from usd_io.files import relative_path
from usd_io.judge import channel_attributes, inside
from usd_io.read.skeleton import animation_of, skeleton_prims

_EARLIEST = Usd.TimeCode.EarliestTime()


def write_flat(root: Path, out: Path, custom: Mapping[str, Any]) -> None:
    """Write a composed result as one layer.

    Args:
        root: Root stage of the result.
        out: File to create.
        custom: Value of ``customLayerData["anymole"]``, plain USD values.

    Raises:
        AuthorError: It cannot be written.
    """
    composed = Usd.Stage.Open(str(root))
    _without_instances(composed)
    layer = composed.Flatten(addSourceFileComment=False)
    stage = Usd.Stage.Open(layer)
    frame = stage.GetTimeCodesPerSecond() / stage.GetFramesPerSecond()
    frames = np.arange(stage.GetStartTimeCode(), stage.GetEndTimeCode() + frame / 2, frame)
    for attribute in list(_splines(stage)):
        _sample_spline(layer, attribute, frames)
    _bind_directly(stage)
    bound = {animation.GetPath() for animation in map(animation_of, skeleton_prims(stage)) if animation}
    for path in bound:
        _even_channels(stage, path, custom["takes"].values())
    # readers play what they find, also what nothing is bound to
    unbound = [prim.GetPath() for prim in stage.TraverseAll() if prim.IsA(UsdSkel.Animation)]
    for path in set(unbound) - bound:
        stage.RemovePrim(path)
    _name_files_from(layer, out.parent)
    layer.comment = "Result of anymole as one file, for readers that do not compose."
    layer.documentation = ""
    layer.customLayerData = {**layer.customLayerData, "anymole": dict(custom)}
    if not layer.Export(str(out)):
        raise AuthorError(f"USD could not write {shown(out)}.")


def _without_instances(stage: Usd.Stage) -> None:
    """Instances as prims of their own, in the session layer alone; those inside of them show only then."""
    with Usd.EditContext(stage, stage.GetSessionLayer()):
        while instances := [prim for prim in stage.TraverseAll() if prim.IsInstance()]:
            for prim in instances:
                prim.SetInstanceable(False)


def _splines(stage: Usd.Stage) -> Iterator[Usd.Attribute]:
    for prim in stage.TraverseAll():
        yield from (attribute for attribute in prim.GetAuthoredAttributes() if attribute.HasSpline())


def _sample_spline(layer: Sdf.Layer, attribute: Usd.Attribute, frames: np.ndarray) -> None:
    """Samples at all frames and at the knots in place of a spline; between them readers go in a straight line."""
    times = np.union1d(frames, np.array(list(attribute.GetSpline().GetKnots().keys()), float))
    values = [(time, attribute.Get(time)) for time in times.tolist()]
    spec = layer.GetAttributeAtPath(attribute.GetPath())
    spec.ClearInfo("spline")
    for time, value in values:
        layer.SetTimeSample(spec.path, time, Sdf.ValueBlock() if value is None else value)


def _even_channels(stage: Usd.Stage, path: Sdf.Path, takes: Collection[Mapping[str, Any]]) -> None:
    """Samples of all channels that have some at the same times: where one has none, what USD shows there, of the source
    outside of the gaps. Some readers hold a channel that has no sample where another has one."""
    take = next((each for each in takes if each["animation"] == str(path)), None)
    old = stage.GetPrimAtPath(take["source_animation"]) if take and take.get("source_animation") else None
    before = channel_attributes(UsdSkel.Animation(old)) if old else {}
    channels = channel_attributes(UsdSkel.Animation(stage.GetPrimAtPath(path)))
    moving = {name: each for name, each in channels.items() if each.GetNumTimeSamples()}
    times = set(Usd.Attribute.GetUnionedTimeSamples(list(moving.values())))
    added: list[tuple[Usd.Attribute, float, Any]] = []
    for name, each in moving.items():
        ends = list(take["gaps"][name]) if take else []
        gaps = tuple(zip(ends[::2], ends[1::2], strict=True))
        for time in sorted(times.difference(each.GetTimeSamples())):
            shows = each if name not in before or inside(time, gaps) else before[name]
            added.append((each, time, shows.Get(time)))
    # all are read before one is written: a sample more rounds what lies beside it
    for each, time, value in added:
        each.Set(Sdf.ValueBlock() if value is None else value, time)


def _bind_directly(stage: Usd.Stage) -> None:
    """Author on every skeleton and skinned prim what UsdSkel finds for it above."""
    for skeleton in list(skeleton_prims(stage)):
        animation = animation_of(skeleton)
        if animation is not None:
            UsdSkel.BindingAPI.Apply(skeleton).CreateAnimationSourceRel().SetTargets([animation.GetPath()])
    every = Usd.PrimDefaultPredicate
    for root in [UsdSkel.Root(prim) for prim in stage.Traverse() if prim.IsA(UsdSkel.Root)]:
        cache = UsdSkel.Cache()
        cache.Populate(root, every)
        for binding in cache.ComputeSkelBindings(root, every):
            for target in binding.GetSkinningTargets():
                _bind_target(target, binding.GetSkeleton())


def _bind_target(target: UsdSkel.SkinningQuery, skeleton: UsdSkel.Skeleton) -> None:
    prim = target.GetPrim()
    api = UsdSkel.BindingAPI.Apply(prim)
    api.CreateSkeletonRel().SetTargets([skeleton.GetPrim().GetPath()])
    if not target.HasJointInfluences() or not prim.IsA(UsdGeom.PointBased):
        return
    count = len(UsdGeom.PointBased(prim).GetPointsAttr().Get(_EARLIEST) or ())
    indices, weights = target.ComputeVaryingJointInfluences(count, _EARLIEST) or (None, None)
    width = target.GetNumInfluencesPerComponent()
    primvars = target.GetJointIndicesPrimvar(), target.GetJointWeightsPrimvar()
    if indices is None or not count or any(primvar.ValueMightBeTimeVarying() for primvar in primvars):
        return
    joints = target.GetJointOrder()
    if joints is not None and list(joints) != list(skeleton.GetJointsAttr().Get() or ()):
        api.CreateJointsAttr().Set(Vt.TokenArray(list(joints)))
    api.CreateGeomBindTransformAttr().Set(target.GetGeomBindTransform(_EARLIEST))
    prim.CreateAttribute("primvars:skel:skinningMethod", Sdf.ValueTypeNames.Token).Set(
        target.GetSkinningMethod()
    )
    for primvar, values in (
        (api.CreateJointIndicesPrimvar(False, width), indices),
        (api.CreateJointWeightsPrimvar(False, width), weights),
    ):
        primvar.GetAttr().Clear()
        primvar.BlockIndices()
        primvar.Set(values)


def _name_files_from(layer: Sdf.Layer, folder: Path) -> None:
    """Name textures by their way from the file, as the layers of other results do."""

    def renamed(path: str) -> str:
        outer, inner = Ar.SplitPackageRelativePathOuter(path)
        file = relative_path(outer, folder) if outer else outer
        return Ar.JoinPackageRelativePath([file, inner]) if inner else file

    UsdUtils.ModifyAssetPaths(layer, renamed)
