"""A mesh bound to a skeleton: points, faces, skin weights, blend shapes, colours, coordinates, materials."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from pxr import Tf, Usd, UsdGeom, UsdSkel, Vt

from usd_io import convert
from usd_io.errors import shown
from usd_io.model import BlendShape, Interpolation, Mesh, Primvar
from usd_io.read.blend_shapes import read_blend_shapes
from usd_io.read.material import read_materials
from usd_io.read.skeleton import BoundSkeleton

_EARLIEST = Usd.TimeCode.EarliestTime()
_ROUNDING = 1e-6
"""Sum of weights [1] that counts as none."""
_NOTICEABLE = 1e-2
"""Error of a weight sum [1] worth a warning: USD draws such points pulled towards the skeleton's origin."""
_MOST_ANIMATED = 20_000_000
"""Points over all samples that are kept where they are animated besides the skeleton."""

Warn = Callable[[str], None]
Weights = Float[np.ndarray, "vertex influence"]
Influences = tuple[Int[np.ndarray, "vertex influence"], Weights, Float[np.ndarray, " vertex"] | None]


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
    indices, weights, still = _influences(query, skeleton, len(points), warn)
    T_skel_mesh = _bind_transform(query, skeleton, weights)
    if not np.isfinite(T_skel_mesh).all():
        warn(f"<{path}> is left out: its geomBindTransform is not finite; bind the mesh again.")
        return None
    point_times, point_samples = _animated_points(mesh, len(points), warn)
    sizes: dict[Interpolation, int] = {
        "constant": 1,
        "uniform": len(counts),
        "vertex": len(points),
        "faceVarying": len(corners),
    }
    materials, face_material = read_materials(mesh, len(counts), warn)
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
        display_color=_read_primvar(_find_primvar(mesh, "displayColor"), 3, sizes, warn),
        uv=_read_primvar(_find_primvar(mesh, "st") or _any_coordinates(mesh), 2, sizes, warn),
        materials=materials,
        face_material=face_material,
        left_handed=mesh.GetOrientationAttr().Get() == UsdGeom.Tokens.leftHanded,
        double_sided=bool(mesh.GetDoubleSidedAttr().Get()),
        still_weights=still,
        visibility=read_visibility(query.GetPrim()),
        point_times=point_times,
        point_samples=point_samples,
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
        return f"faceVertexIndices go beyond its {len(points)} points"
    return ""


def _influences(query: UsdSkel.SkinningQuery, skeleton: BoundSkeleton, count: int, warn: Warn) -> Influences:
    """Skin weights per point, on the skeleton's joints; no influence where the mesh has none."""
    none = np.zeros((count, 0), np.int64), np.zeros((count, 0), np.float32), None
    path = query.GetPrim().GetPath()
    if not query.HasJointInfluences():
        return none
    per_point = query.GetNumInfluencesPerComponent()
    try:
        # None where USD finds them unfit, an exception where it finds them impossible
        indices, weights = query.ComputeVaryingJointInfluences(count, _EARLIEST) or ((), ())
    except Tf.ErrorException:
        indices, weights = (), ()
    if len(indices) != count * per_point or len(weights) != len(indices):
        warn(f"<{path}>: its joint influences do not fit its {count} points, so it stays unskinned.")
        return none
    places = _skeleton_places(query, skeleton)
    local = convert.integers(indices).reshape(count, per_point)
    values = convert.floats(weights).reshape(count, per_point)
    known = (local >= 0) & (local < len(places))
    joints = (
        np.where(known, places[np.where(known, local, 0)], -1) if len(places) else np.full_like(local, -1)
    )
    usable = (joints >= 0) & np.isfinite(values)
    lacking = known & (joints < 0) & np.isfinite(values)
    dropped = np.count_nonzero(~usable & ~lacking & (values != 0))
    if dropped:
        warn(
            f"<{path}>: {dropped} joint influences name no joint or are not finite; dropped, where USD would not skin "
            "the mesh at all."
        )
    still = np.where(lacking, values, 0).sum(1, dtype=np.float32)
    strays = [] if query.GetJointMapper() is None else sorted({*query.GetJointOrder()} - {*skeleton.joints})
    if strays:
        warn(
            f"<{path}>: {len(strays)} of its joints, such as {shown(strays[0])}, are none of <{skeleton.path}>. As "
            "in UsdSkel they move as its joint of the same number, or not at all. Name joints of the skeleton."
        )
    weights = np.where(usable, values, 0)
    _warn_of_sums(weights.sum(1, dtype=np.float64) + still, str(path), warn)
    return np.where(usable, joints, 0), weights, still if still.any() else None


def _skeleton_places(query: UsdSkel.SkinningQuery, skeleton: BoundSkeleton) -> Int[np.ndarray, " mesh_joint"]:
    """Skeleton joint whose transform each joint in the mesh's own ``skel:joints`` order gets, -1 for the identity.

    ``ComputeSkinnedPoints`` of UsdSkel remaps the skeleton's transforms in place: a joint that the skeleton lacks keeps
    the one at its own number, and gets the identity where the skeleton has none of that number.
    """
    places = Vt.IntArray(range(len(skeleton.joints)))
    mapper = query.GetJointMapper()
    return convert.integers(mapper.Remap(places, Vt.IntArray(places), 1, -1) if mapper else places)


def _warn_of_sums(sums: Float[np.ndarray, " vertex"], path: str, warn: Warn) -> None:
    weighted = np.abs(sums) > _ROUNDING
    noticeable = np.count_nonzero(weighted & (np.abs(sums - 1) > _NOTICEABLE))
    if noticeable:
        warn(
            f"<{path}>: the weights of {noticeable} points do not add up to 1: as in USD, they are pulled towards the "
            "skeleton's origin. Normalise them."
        )
    if not weighted.all():
        warn(
            f"<{path}>: {np.count_nonzero(~weighted)} points have no skin weight; they stay at the bind pose here, and "
            "USD puts them into the skeleton's origin."
        )


def _bind_transform(
    query: UsdSkel.SkinningQuery, skeleton: BoundSkeleton, weights: Weights
) -> Float[np.ndarray, "4 4"]:
    """Mesh to skeleton space at bind time; of what has no influences, as the stage places it."""
    if weights.shape[1]:
        return convert.matrix(query.GetGeomBindTransform(_EARLIEST))
    cache = UsdGeom.XformCache(_EARLIEST)
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


def _read_primvar(
    primvar: UsdGeom.Primvar | None, channels: int, sizes: dict[Interpolation, int], warn: Warn
) -> Primvar | None:
    """The values with indices resolved; None, with a warning, where their number does not fit the mesh."""
    if primvar is None:
        return None
    named = str(primvar.GetInterpolation())
    interpolation: Interpolation = next((known for known in sizes if known == named), "vertex")
    flat = primvar.ComputeFlattened(_EARLIEST)
    values = convert.floats(flat if flat is not None else [])
    if values.shape != (sizes[interpolation], channels) or not np.isfinite(values).all():
        if len(values):
            warn(
                f"<{primvar.GetAttr().GetPath()}> does not fit: {len(values)} values for {sizes[interpolation]} "
                f"({named}); it is left out."
            )
        return None
    return Primvar(values, interpolation)
