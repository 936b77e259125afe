"""Which joints a mesh follows, and how much of each."""

from collections.abc import Callable

import numpy as np
from pxr import Tf, Usd, UsdSkel, Vt

from usd_io import convert
from usd_io.errors import counted, shown
from usd_io.read.skeleton import BoundSkeleton
from usd_io.shapes import Float, Int

_EARLIEST = Usd.TimeCode.EarliestTime()
_ROUNDING = 1e-6
"""Sum of weights [1] that counts as none."""
_NOTICEABLE = 1e-2
"""Error of a weight sum [1] worth a warning: USD draws such points pulled towards the skeleton's origin."""

Warn = Callable[[str], None]
Weights = Float[np.ndarray, "vertex influence"]
Influences = tuple[Int[np.ndarray, "vertex influence"], Weights, Float[np.ndarray, " vertex"] | None]


def read_influences(
    query: UsdSkel.SkinningQuery,
    skeleton: BoundSkeleton,
    count: int,
    warn: Warn,
    time: Usd.TimeCode | float = _EARLIEST,
) -> Influences:
    """Skin weights per point, on the skeleton's joints; no influence where the mesh has none."""
    none = np.zeros((count, 0), np.int64), np.zeros((count, 0), np.float32), None
    path = query.GetPrim().GetPath()
    if not query.HasJointInfluences():
        return none
    per_point = query.GetNumInfluencesPerComponent()
    try:
        # None where USD finds them unfit, an exception where it finds them impossible
        indices, weights = query.ComputeVaryingJointInfluences(count, time) or ((), ())
    except Tf.ErrorException:
        indices, weights = (), ()
    if len(indices) != count * per_point or len(weights) != len(indices):
        warn(
            f"<{path}>: its joint influences do not fit its {counted(count, 'point')}, so it stays unskinned."
        )
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
            f"<{path}>: the weights of {counted(noticeable, 'point')} do not add up to 1, which pulls towards the "
            "skeleton's origin, as in USD. Normalise them."
        )
    if not weighted.all():
        warn(
            f"<{path}>: no skin weight on {counted(np.count_nonzero(~weighted), 'point')}: kept at the bind pose "
            "here, put into the skeleton's origin by USD."
        )
