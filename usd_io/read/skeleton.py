"""One skeleton of a stage: where it is, what drives it, its joints and its rest pose."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pxr import Sdf, Usd, UsdGeom, UsdSkel

from usd_io import convert
from usd_io.diagnostics import sentence
from usd_io.errors import StageNotFoundError, StageReadError, counted, shown
from usd_io.judge import channel_attributes
from usd_io.model import Channel
from usd_io.shapes import Float, Int

INSTANCES_TOO = Usd.TraverseInstanceProxies(Usd.PrimDefaultPredicate)

_SHEAR = 1e-4
"""Largest cosine between the axes of a rest transform [1] that still counts as no shear."""


@dataclass(frozen=True, eq=False)
class BoundSkeleton:
    """A skeleton with the animation that drives it."""

    prim: Usd.Prim
    query: UsdSkel.SkeletonQuery
    joints: tuple[str, ...]
    parents: Int[np.ndarray, " joint"]
    animation: UsdSkel.Animation | None
    binding: Usd.Prim | None
    """The prim, at or above the skeleton, whose ``skel:animationSource`` decides."""

    @property
    def path(self) -> str:
        return str(self.prim.GetPath())

    @property
    def mover(self) -> Usd.Prim | None:
        """Nearest prim at or above the skeleton whose transform is animated."""
        for prim in ancestry(self.prim):
            xform = UsdGeom.Xformable(prim)
            if xform and xform.TransformMightBeTimeVarying():
                return prim
            if xform and xform.GetResetXformStack():
                return None
        return None

    def sample_times(self) -> Float[np.ndarray, " frame"]:
        """Authored joint samples in stage time; those of the blend shape weights where there are none."""
        if self.animation is None:
            return np.zeros(0)
        times = np.unique(np.concatenate([*self.channel_times.values()]))
        if len(times):
            return times
        return np.array(self.animation.GetBlendShapeWeightsAttr().GetTimeSamples(), np.float64)

    @cached_property
    def channel_times(self) -> dict[Channel, Float[np.ndarray, " frame"]]:
        """Authored samples of each channel in stage time."""
        if self.animation is None:
            return {}
        attributes = channel_attributes(self.animation)
        return {name: np.array(a.GetTimeSamples(), np.float64) for name, a in attributes.items()}


@dataclass(frozen=True, eq=False)
class RestPose:
    """Local transforms of the joints that nothing drives."""

    translations: Float[np.ndarray, "joint 3"]
    rotations: Float[np.ndarray, "joint 4"]
    scales: Float[np.ndarray, "joint 3"]
    authored: bool
    """False where it stands in for missing restTransforms: USD poses such joints in no way."""
    warnings: tuple[str, ...]


def ancestry(prim: Usd.Prim) -> Iterator[Usd.Prim]:
    """The prim and its ancestors, nearest first."""
    while prim and not prim.IsPseudoRoot():
        yield prim
        prim = prim.GetParent()


def skeleton_prims(stage: Usd.Stage) -> list[Usd.Prim]:
    """All skeletons of a stage in its order, those inside instances too."""
    return [p for p in Usd.PrimRange.Stage(stage, INSTANCES_TOO) if p.IsA(UsdSkel.Skeleton)]


def bound_skeleton(stage: Usd.Stage, path: str) -> BoundSkeleton:
    """The skeleton at a prim path.

    Raises:
        StageNotFoundError: There is no skeleton at the path; the message lists those there are.
        StageReadError: Its joints are no valid hierarchy.
    """
    prim = stage.GetPrimAtPath(path) if Sdf.Path.IsValidPathString(path) else None
    if not prim or not prim.IsA(UsdSkel.Skeleton):
        raise StageNotFoundError(_no_skeleton_at(stage, path))
    joints = tuple(UsdSkel.Skeleton(prim).GetJointsAttr().Get() or ())
    topology = UsdSkel.Topology(joints)
    valid, why = topology.Validate()
    query = UsdSkel.Cache().GetSkelQuery(UsdSkel.Skeleton(prim))
    if not valid or not query or len(set(joints)) < len(joints):
        why = why or "two joints have the same path"
        raise StageReadError(f"<{path}>: the joints are no valid hierarchy ({shown(why)}); export it again.")
    parents = np.array(topology.GetParentIndices(), int)
    binding = next((p for p in ancestry(prim) if binds(p)), None)
    source = UsdSkel.BindingAPI(prim).GetInheritedAnimationSource()
    animation = UsdSkel.Animation(source) if query.GetAnimQuery() and source else None
    return BoundSkeleton(prim, query, joints, parents, animation, binding)


def rest_pose(skeleton: BoundSkeleton) -> RestPose:
    """The rest pose, or what stands in for it: the bind pose, else joints without offset.

    Raises:
        StageReadError: It holds numbers that are not finite.
    """
    local = convert.matrices(UsdSkel.Skeleton(skeleton.prim).GetRestTransformsAttr().Get() or [])
    warnings: list[str] = []
    strays = no_paths(skeleton.joints)
    if strays:
        warnings.append(
            f"<{skeleton.path}>: the names of {counted(len(strays), 'joint')} are no paths "
            f"({_some(strays)}), so USD sees no "
            "hierarchy and moves each by itself. Export it with valid names."
        )
    authored = len(local) == len(skeleton.joints)
    if not authored:
        warnings.append(
            f"<{skeleton.path}>: {counted(len(local), 'restTransform')} for {counted(len(skeleton.joints), 'joint')}; "
            "the bind pose serves as rest pose."
        )
        local = _local_bind(skeleton)
    if not np.isfinite(local).all():
        bad = skeleton.joints[np.flatnonzero(~np.isfinite(local).all((1, 2)))[0]]
        raise StageReadError(f"<{skeleton.path}>: the restTransform of joint {shown(bad)} is not finite.")
    translations, rotations, scales, shear = convert.decompose(local)
    sheared = [skeleton.joints[j] for j in np.flatnonzero(shear > _SHEAR)]
    if sheared:
        warnings.append(
            f"<{skeleton.path}>: the restTransforms of {counted(len(sheared), 'joint')} are sheared "
            f"({_some(sheared)}); "
            "the shear is dropped where they are not animated."
        )
    t, q, s = (part.astype(np.float32) for part in (translations, rotations, scales))
    return RestPose(t, q, s, authored, tuple(warnings))


def bind_pose(skeleton: BoundSkeleton) -> Float[np.ndarray, "joint 4 4"] | None:
    """Joint to skeleton space at bind time; None where it is missing, not finite or cannot be inverted."""
    bind = convert.matrices(UsdSkel.Skeleton(skeleton.prim).GetBindTransformsAttr().Get() or [])
    if len(bind) != len(skeleton.joints) or not np.isfinite(bind).all():
        return None
    return None if (np.linalg.det(bind) == 0).any() else bind


def singular_binds(skeleton: BoundSkeleton) -> list[str]:
    """Joints whose bindTransform is authored and cannot be inverted."""
    bind = convert.matrices(UsdSkel.Skeleton(skeleton.prim).GetBindTransformsAttr().Get() or [])
    if len(bind) != len(skeleton.joints):
        return []
    return [
        joint for joint, each in zip(skeleton.joints, bind, strict=True) if not abs(np.linalg.det(each)) > 0
    ]


def global_transforms(skeleton: BoundSkeleton, rest: RestPose) -> Float[np.ndarray, "joint 4 4"]:
    """Joint to skeleton space in the rest pose, as UsdSkel chains it."""
    pose = UsdSkel.MakeTransforms(
        convert.to_vec3f(rest.translations), convert.to_quatf(rest.rotations), convert.to_vec3h(rest.scales)
    )
    chained = UsdSkel.ConcatJointTransforms(UsdSkel.Topology(skeleton.joints), pose)
    return convert.matrices(chained)


def _local_bind(skeleton: BoundSkeleton) -> Float[np.ndarray, "joint 4 4"]:
    bind = bind_pose(skeleton)
    if bind is None:
        return np.tile(np.eye(4), (len(skeleton.joints), 1, 1))
    child = skeleton.parents >= 0
    local = bind.copy()
    local[child] = np.linalg.inv(bind[skeleton.parents[child]]) @ bind[child]
    return local


def animation_of(skeleton: Usd.Prim) -> Usd.Prim | None:
    """The animation prim that a skeleton is bound to, by itself or through an ancestor."""
    return UsdSkel.BindingAPI(skeleton).GetInheritedAnimationSource() or None


def original(prim: Usd.Prim) -> Usd.Prim:
    """What stands for a prim however many instances show it."""
    return prim.GetPrimInPrototype() if prim.IsInstanceProxy() else prim


def animation_groups(stage: Usd.Stage) -> list[list[Usd.Prim]]:
    """The skeletons of a stage by the animation that drives them, in the stage's order; each alone that has none."""
    groups: dict[Usd.Prim, list[Usd.Prim]] = {}
    for prim in skeleton_prims(stage):
        animation = animation_of(prim)
        groups.setdefault(prim if animation is None else original(animation), []).append(prim)
    return list(groups.values())


def binds(prim: Usd.Prim) -> bool:
    """Whether ``skel:animationSource`` is authored on a prim and counts."""
    return prim.HasAPI(UsdSkel.BindingAPI) and names_animation(prim)


def names_animation(prim: Usd.Prim) -> bool:
    """Whether ``skel:animationSource`` is authored on a prim, be SkelBindingAPI applied or not."""
    relationship = UsdSkel.BindingAPI(prim).GetAnimationSourceRel()
    return bool(relationship and relationship.HasAuthoredTargets())


def no_paths(joints: Sequence[str]) -> list[str]:
    """Joints whose names are no paths: USD finds no parents for them."""
    return [joint for joint in joints if not Sdf.Path.IsValidPathString(joint)]


def _no_skeleton_at(stage: Usd.Stage, path: str) -> str:
    there = [str(p.GetPath()) for p in skeleton_prims(stage)]
    layer = shown(stage.GetRootLayer().GetDisplayName())
    if not there:
        return f"{layer} holds no skeleton. {why_no_skeleton(stage)}"
    return f"{layer} has no skeleton <{shown(path)}>; it has {_some([f'<{p}>' for p in there], 12)}."


def why_no_skeleton(stage: Usd.Stage) -> str:
    """What to do about a stage without skeletons, from what it holds instead."""
    problems = [sentence(error) for error in stage.GetCompositionErrors()]
    if problems:
        return f"A part of it is missing: {problems[0]}"
    lone = next((p for p in Usd.PrimRange.Stage(stage, INSTANCES_TOO) if p.IsA(UsdSkel.Animation)), None)
    if lone:
        return f"<{lone.GetPath()}> is an animation alone: open the stage that binds it to a character."
    return "Open a stage with a character: a Skeleton bound to a SkelAnimation."


def _some(names: list[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(shown(name) for name in names[:most]) + more
