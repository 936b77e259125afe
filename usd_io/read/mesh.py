"""A mesh bound to a skeleton: points, faces, skin weights, blend shapes, colours, coordinates, materials."""

from collections.abc import Callable
from typing import Any

import numpy as np
from pxr import Usd, UsdGeom, UsdSkel

from usd_io import convert
from usd_io.errors import counted, shown
from usd_io.model import BlendShape, Changing, Interpolation, Mesh, Primvar
from usd_io.read.blend_shapes import read_blend_shapes
from usd_io.read.influences import Influences, Weights, read_influences
from usd_io.read.known_types import of_unknown_type
from usd_io.read.samples import read_track
from usd_io.read.skeleton import BoundSkeleton, ancestry
from usd_io.shapes import Float

_EARLIEST = Usd.TimeCode.EarliestTime()
_MOST_ANIMATED = 20_000_000
"""Points over all samples that are kept where they are animated besides the skeleton."""

Warn = Callable[[str], None]


def read_mesh(query: UsdSkel.SkinningQuery, skeleton: BoundSkeleton, warn: Warn) -> Mesh | None:
    """Read what a skinning query is about; None, with a warning, where its topology cannot be used."""
    mesh = UsdGeom.Mesh(query.GetPrim())
    path = str(mesh.GetPath())
    points = convert.floats(mesh.GetPointsAttr().Get(_EARLIEST) or []).reshape(-1, 3)
    counts = convert.integers(mesh.GetFaceVertexCountsAttr().Get(_EARLIEST) or [])
    corners = convert.integers(mesh.GetFaceVertexIndicesAttr().Get(_EARLIEST) or [])
    problem = _topology_problem(points, counts, corners)
    if problem:
        warn(f"<{path}> is left out: {problem}.")
        return None
    indices, weights, still = read_influences(query, skeleton, len(points), warn)
    T_skel_mesh = _bind_transform(query, skeleton, weights)
    if not np.isfinite(T_skel_mesh).all():
        warn(f"<{path}> is left out: its geomBindTransform is not finite; bind the mesh again.")
        return None
    point_times, point_samples = _animated_points(mesh, len(points), warn)
    for attribute in (mesh.GetFaceVertexCountsAttr(), mesh.GetFaceVertexIndicesAttr()):
        if attribute.GetNumTimeSamples() > 1:
            warn(f"<{attribute.GetPath()}> changes in time; pictures show the faces of its first sample.")
    sizes: dict[Interpolation, int] = {
        "constant": 1,
        "uniform": len(counts),
        "vertex": len(points),
        "faceVarying": len(corners),
    }
    from usd_io.read.material import read_materials  # a plan reads no mesh, and needs no UsdShade

    materials, face_material = read_materials(mesh, len(counts), warn)
    color, uv = _find_primvar(mesh, "displayColor"), _find_primvar(mesh, "st") or _any_coordinates(mesh)
    color_value, uv_value = _read_primvar(color, 3, sizes, warn), _read_primvar(uv, 2, sizes, warn)
    changes = {
        "display_color": _primvar_track(color, color_value, warn),
        "uv": _primvar_track(uv, uv_value, warn),
        **_skin_tracks(query, skeleton, (indices, weights, still), warn),
    }
    return Mesh(
        path=path,
        points=points,
        face_counts=counts,
        face_vertices=corners,
        joint_indices=indices,
        joint_weights=weights,
        T_skel_mesh=T_skel_mesh,
        skinning_method="dualQuaternion"
        if query.GetSkinningMethod() == "dualQuaternion"
        else "classicLinear",
        blend_shapes=_blend_shapes(query, len(points), warn),
        display_color=color_value,
        uv=uv_value,
        materials=materials,
        face_material=face_material,
        left_handed=mesh.GetOrientationAttr().Get() == UsdGeom.Tokens.leftHanded,
        double_sided=bool(mesh.GetDoubleSidedAttr().Get()),
        still_weights=still,
        visibility=read_visibility(query.GetPrim()),
        point_times=point_times,
        point_samples=point_samples,
        changes={name: track for name, track in changes.items() if track is not None},
    )


def _animated_points(
    mesh: UsdGeom.Mesh, count: int, warn: Warn
) -> tuple[Float[np.ndarray, " sample"] | None, Float[np.ndarray, "sample vertex 3"] | None]:
    """Samples of points that move besides the skeleton; none where they do not, or where they cannot be shown."""
    attribute = mesh.GetPointsAttr()
    if not attribute.ValueMightBeTimeVarying():
        return None, None
    path, times = mesh.GetPath(), attribute.GetTimeSamples()
    samples = [convert.floats(attribute.Get(time) or []).reshape(-1, 3) for time in times]
    fit = all(len(each) == count and np.isfinite(each).all() for each in samples)
    if len(times) < 2 or not fit or len(times) * count > _MOST_ANIMATED:
        warn(
            f"<{path}>: its points are animated besides the skeleton, and are too many or not as many at each time; "
            "those of the first sample are used."
        )
        return None, None
    return np.array(times), np.stack(samples)


def read_visibility(prim: Usd.Prim) -> tuple[tuple[float, bool], ...]:
    """From which times a prim is seen or not, as it and those above it say; empty for what is always seen."""
    image = UsdGeom.Imageable(prim)
    times: set[float] = set()
    above = prim
    while above and not above.IsPseudoRoot():
        attribute = UsdGeom.Imageable(above).GetVisibilityAttr() if above.IsA(UsdGeom.Imageable) else None
        times |= set(attribute.GetTimeSamples()) if attribute else set()
        above = above.GetParent()
    if not times:
        seen = image.ComputeVisibility(_EARLIEST) != UsdGeom.Tokens.invisible
        return () if seen else ((0.0, False),)
    flags = [(time, image.ComputeVisibility(time) != UsdGeom.Tokens.invisible) for time in sorted(times)]
    return () if all(seen for _, seen in flags) else tuple(flags)


def _topology_problem(points: Any, counts: Any, corners: Any) -> str:
    if not len(points):
        return "it has no points"
    if not np.isfinite(points).all():
        return "it has points that are not finite"
    if (counts < 0).any() or counts.sum() != len(corners):
        return f"faceVertexCounts add up to {counts.sum()} but there are {len(corners)} faceVertexIndices"
    if len(corners) and not (0 <= corners.min() and corners.max() < len(points)):
        return f"faceVertexIndices go beyond its {counted(len(points), 'point')}"
    return ""


def _primvar_track(primvar: UsdGeom.Primvar | None, first: Primvar | None, warn: Warn) -> Changing | None:
    """The values of a primvar at each of its samples; None where it does not change or cannot be shown."""
    if primvar is None or first is None or not primvar.ValueMightBeTimeVarying():
        return None
    return read_track(
        primvar.GetTimeSamples(),
        lambda time: _values(primvar, time),
        str(primvar.GetAttr().GetPath()),
        warn,
        first.values,
    )


def _skin_tracks(
    query: UsdSkel.SkinningQuery, skeleton: BoundSkeleton, first: Influences, warn: Warn
) -> dict[str, Changing | None]:
    """What changes in time of how a mesh follows the skeleton."""
    indices, weights, still = first
    count, path = len(weights), str(query.GetPrim().GetPath())
    tracks: dict[str, Changing | None] = {}
    if weights.shape[1]:
        primvars = query.GetJointIndicesPrimvar(), query.GetJointWeightsPrimvar()
        times = sorted({time for primvar in primvars for time in primvar.GetTimeSamples()})
        moments = {time: read_influences(query, skeleton, count, _unsaid, time) for time in times[1:]}
        moments |= dict.fromkeys(times[:1], first)  # what is wrong with it has been said
        if any(moment[1].shape != weights.shape for moment in moments.values()):
            warn(
                f"<{path}>: its joint influences do not fit at each of their times; those of the first are used."
            )
            times = []
        lacking = bool(times) and any(moment[2] is not None for moment in moments.values())
        tracks["joint_indices"] = read_track(times, lambda t: moments[t][0], path, warn, indices)
        tracks["joint_weights"] = read_track(times, lambda t: moments[t][1], path, warn, weights)
        if lacking:
            none = np.zeros(count, np.float32)
            tracks["still_weights"] = read_track(
                times,
                lambda t: none if (own := moments[t][2]) is None else own,
                path,
                warn,
                none if still is None else still,
            )
        bind = query.GetGeomBindTransformAttr()
        placed = bind.GetTimeSamples() if bind else []
    else:
        placed = _times_of_ways(query.GetPrim(), skeleton.prim)
    tracks["T_skel_mesh"] = read_track(
        placed, lambda t: _bind_transform(query, skeleton, weights, t), path, warn, np.eye(4)
    )
    return tracks


def _unsaid(warning: str) -> None:
    """For what has been said of the first sample."""


def _times_of_ways(*prims: Usd.Prim) -> list[float]:
    """Samples of the transforms that decide how two prims stand to each other: those above both do not."""
    above = [[str(each.GetPath()) for each in ancestry(prim)] for prim in prims]
    own = [
        each
        for prim, other in zip(prims, reversed(above), strict=True)
        for each in ancestry(prim)
        if str(each.GetPath()) not in other and each.IsA(UsdGeom.Xformable)
    ]
    return sorted({time for each in own for time in UsdGeom.Xformable(each).GetTimeSamples()})


def _bind_transform(
    query: UsdSkel.SkinningQuery,
    skeleton: BoundSkeleton,
    weights: Weights,
    time: Usd.TimeCode | float = _EARLIEST,
) -> Float[np.ndarray, "4 4"]:
    """Mesh to skeleton space at bind time; of what has no influences, as the stage places it."""
    if weights.shape[1]:
        return convert.matrix(query.GetGeomBindTransform(time))
    cache = UsdGeom.XformCache(time)
    T_world_skel = convert.matrix(cache.GetLocalToWorldTransform(skeleton.prim))
    T_world_mesh = convert.matrix(cache.GetLocalToWorldTransform(query.GetPrim()))
    T_skel_mesh: Float[np.ndarray, "4 4"] = np.linalg.pinv(T_world_skel) @ T_world_mesh
    return T_skel_mesh


def _blend_shapes(query: UsdSkel.SkinningQuery, count: int, warn: Warn) -> tuple[BlendShape, ...]:
    return read_blend_shapes(query.GetPrim(), count, warn) if query.HasBlendShapes() else ()


def _find_primvar(mesh: UsdGeom.Mesh, name: str) -> UsdGeom.Primvar | None:
    primvar = UsdGeom.PrimvarsAPI(mesh).FindPrimvarWithInheritance(name)
    return primvar if primvar and primvar.HasValue() else None


def _any_coordinates(mesh: UsdGeom.Mesh) -> UsdGeom.Primvar | None:
    """Older exporters name their texture coordinates otherwise than ``st``."""
    primvars = UsdGeom.PrimvarsAPI(mesh).GetPrimvarsWithValues()
    return next((p for p in primvars if p.GetTypeName() == "texCoord2f[]"), None)


def _values(primvar: UsdGeom.Primvar, time: Usd.TimeCode | float) -> Float[np.ndarray, "element *channel"]:
    """With indices resolved; none where it has no value."""
    flat = primvar.ComputeFlattened(time)
    return convert.floats(flat if flat is not None else [])


def _read_primvar(
    primvar: UsdGeom.Primvar | None, channels: int, sizes: dict[Interpolation, int], warn: Warn
) -> Primvar | None:
    """The values with indices resolved; None, with a warning, where their number does not fit the mesh."""
    if primvar is None:
        return None
    if strange := of_unknown_type(primvar.GetAttr(), _EARLIEST):
        kind = shown(strange.typeName)
        warn(
            f"<{primvar.GetAttr().GetPath()}> is of the type {kind}, which USD does not know; it is left out."
        )
        return None
    named = str(primvar.GetInterpolation())
    interpolation: Interpolation = next((known for known in sizes if known == named), "vertex")
    values = _values(primvar, _EARLIEST)
    if values.shape != (sizes[interpolation], channels) or not np.isfinite(values).all():
        if len(values):
            warn(
                f"<{primvar.GetAttr().GetPath()}> does not fit: {counted(len(values), 'value')} for "
                f"{sizes[interpolation]} "
                f"({named}); it is left out."
            )
        return None
    return Primvar(values, interpolation)
