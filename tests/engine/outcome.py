"""A run and what came of it, as UsdSkel alone sees source and result."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from pxr import Usd, UsdSkel, Vt

from engine import run as engine_run
from engine.config import RunConfig

CHANNELS = ("translations", "rotations", "scales")
SKEL = "/Char/Skel"
EVERY = Usd.TraverseInstanceProxies(Usd.PrimDefaultPredicate)


class Outcome:
    """A source and what a run made of it, open."""

    def __init__(self, source: Path, folder: Path, **options: Any) -> None:
        config = RunConfig(
            stage=str(source), prior="slerp", preview=False, report=False, out=str(folder / "out"), **options
        )
        for file in folder.rglob("*.usd*"):
            os.utime(
                file, (time.time() - 1, file.stat().st_mtime - 1)
            )  # a run waits where one was just saved
        before = source.read_bytes()
        self.run = engine_run.run(config)
        assert source.read_bytes() == before
        self.source, self.result = Usd.Stage.Open(str(source)), Usd.Stage.Open(self.run.result)

    def query(self, stage: Usd.Stage, path: str) -> UsdSkel.SkeletonQuery:
        return UsdSkel.Cache().GetSkelQuery(UsdSkel.Skeleton(stage.GetPrimAtPath(path)))

    def animation(self, stage: Usd.Stage, path: str = SKEL) -> Usd.Prim:
        return self.query(stage, path).GetAnimQuery().GetPrim()

    def samples(self, stage: Usd.Stage, channel: str, path: str = SKEL) -> dict[float, Any]:
        attribute = self.animation(stage, path).GetAttribute(channel)
        return {time: attribute.Get(time) for time in attribute.GetTimeSamples()}

    def differs(self, path: str, time: float) -> float:
        """Largest difference of a local or skeleton-space matrix."""
        ours, theirs = (self.query(stage, path) for stage in (self.source, self.result))
        pairs = (
            (ours.ComputeJointLocalTransforms(time), theirs.ComputeJointLocalTransforms(time)),
            (ours.ComputeJointSkelTransforms(time), theirs.ComputeJointSkelTransforms(time)),
        )
        return max(float(np.abs(np.array(a) - np.array(b)).max()) for a, b in pairs)

    def points_differ(self, time: float) -> float:
        """Largest difference of a skinned point, over all that is skinned in the source."""
        ours, theirs = (skinned_points(stage, time) for stage in (self.source, self.result))
        assert ours
        assert ours.keys() == theirs.keys()
        return max(float(np.abs(ours[path] - theirs[path]).max()) for path in ours)


def skinned_points(stage: Usd.Stage, time: float) -> dict[str, np.ndarray]:
    """Points after blend shapes and skinning, by mesh."""
    found: dict[str, np.ndarray] = {}
    prims = iter(Usd.PrimRange.Stage(stage, EVERY))
    for prim in prims:
        if not prim.IsA(UsdSkel.Root):
            continue
        prims.PruneChildren()
        cache = UsdSkel.Cache()
        cache.Populate(UsdSkel.Root(prim), EVERY)
        for binding in cache.ComputeSkelBindings(UsdSkel.Root(prim), EVERY):
            query = cache.GetSkelQuery(binding.GetSkeleton())
            for target in binding.GetSkinningTargets():
                points = target.GetPrim().GetAttribute("points").Get(time)
                if target.HasBlendShapes():
                    _blend(query, target, points, time)
                assert target.ComputeSkinnedPoints(query.ComputeSkinningTransforms(time), points, time)
                found[str(target.GetPrim().GetPath())] = np.array(points)
    return found


def _blend(
    query: UsdSkel.SkeletonQuery, target: UsdSkel.SkinningQuery, points: Vt.Vec3fArray, time: float
) -> None:
    shapes = UsdSkel.BlendShapeQuery(UsdSkel.BindingAPI(target.GetPrim()))
    weights = query.GetAnimQuery().ComputeBlendShapeWeights(time)
    own = target.GetBlendShapeOrder()
    names = list(query.GetAnimQuery().GetBlendShapeOrder())
    by_name = dict(zip(names, weights, strict=True))
    sub = shapes.ComputeSubShapeWeights(Vt.FloatArray([by_name.get(name, 0.0) for name in own]))
    offsets, indices = shapes.ComputeSubShapePointOffsets(), shapes.ComputeBlendShapePointIndices()
    assert shapes.ComputeDeformedPoints(*sub, indices, offsets, points)
