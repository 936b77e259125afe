"""Rules on what USD ignores without a word, or computes nonsense of: SA012 to SA017 (docs/check.md)."""

from collections.abc import Iterator

import numpy as np
from pxr import Usd, UsdGeom, UsdSkel

from usd_io import convert
from usd_io.check.animation_samples import animation_prims
from usd_io.check.finding import Finding
from usd_io.errors import shown
from usd_io.read.samples import READ_TYPES, wrong_type
from usd_io.read.skeleton import (
    INSTANCES_TOO,
    ancestry,
    animation_of,
    binds,
    names_animation,
    no_paths,
    skeleton_prims,
)

_SKINNED = ("primvars:skel:jointIndices", "primvars:skel:jointWeights", "skel:blendShapes")
"""Attributes of a mesh that say that it is bound."""


def ignored_types(stage: Usd.Stage) -> Iterator[Finding]:
    """SA012: the values of an animation have the types that USD reads."""
    for prim in animation_prims(stage):
        for name, expected in READ_TYPES.items():
            attribute = prim.GetAttribute(name)
            value = attribute.Get(Usd.TimeCode.EarliestTime()) if attribute else None
            if value is not None and not isinstance(value, expected):
                message = f"{wrong_type(attribute, value)} USD ignores the animation meanwhile."
                layer = attribute.GetPropertyStack(Usd.TimeCode.EarliestTime())[0].layer
                yield Finding("SA012", "error", message, shown(layer.GetDisplayName()), shown(prim.GetPath()))


def missing_api(stage: Usd.Stage) -> Iterator[Finding]:
    """SA013: SkelBindingAPI is applied wherever something is bound."""
    for prim in Usd.PrimRange.Stage(stage, INSTANCES_TOO):
        if prim.HasAPI(UsdSkel.BindingAPI):
            continue
        binding = UsdSkel.BindingAPI(prim)
        skeleton = binding.GetSkeletonRel()
        named = names_animation(prim) or bool(skeleton and skeleton.HasAuthoredTargets())
        skinned = prim.IsA(UsdGeom.Gprim) and any(prim.GetAttribute(n).HasAuthoredValue() for n in _SKINNED)
        if named or skinned:
            message = (
                f"SkelBindingAPI is not applied to <{shown(prim.GetPath())}>, so USD ignores the binding. Apply it "
                '(prepend apiSchemas = ["SkelBindingAPI"]).'
            )
            yield Finding("SA013", "error", message, prim=shown(prim.GetPath()))


def invalid_joints(stage: Usd.Stage) -> Iterator[Finding]:
    """SA014: joints are paths, each once, parents before children."""
    for prim in skeleton_prims(stage):
        joints = tuple(UsdSkel.Skeleton(prim).GetJointsAttr().Get() or ())
        path = shown(prim.GetPath())
        strays = no_paths(joints)
        valid, why = UsdSkel.Topology(joints).Validate()
        if strays:
            message = (
                f"{len(strays)} of {len(joints)} joints are no paths, such as {shown(strays[0])!r}: USD sees no "
                "hierarchy and moves each by itself. Use letters, digits and underscores, parents before a slash."
            )
            yield Finding("SA014", "error", message, prim=path)
        elif not valid:
            message = f"USD ignores the skeleton: {shown(why)} List parents before their children."
            yield Finding("SA014", "error", message, prim=path)
        elif len(set(joints)) < len(joints):
            message = "Two joints have the same path: which of them moves is left to chance. Rename one."
            yield Finding("SA014", "error", message, prim=path)


def bad_binds(stage: Usd.Stage) -> Iterator[Finding]:
    """SA015: bind and rest transforms are there for every joint that needs one, finite, and can be inverted."""
    for prim in skeleton_prims(stage):
        skeleton, path = UsdSkel.Skeleton(prim), shown(prim.GetPath())
        joints = tuple(skeleton.GetJointsAttr().Get() or ())
        binds, rests = (
            skeleton.GetBindTransformsAttr().Get() or [],
            skeleton.GetRestTransformsAttr().Get() or [],
        )
        for name, found in (("bindTransforms", binds), ("restTransforms", rests)):
            matrices = convert.matrices(found)
            if len(found) and len(found) != len(joints):
                message = (
                    f"{len(found)} {name} for {len(joints)} joints: USD takes none. Author one per joint."
                )
                yield Finding("SA015", "error", message, prim=path)
            elif not np.isfinite(matrices).all():
                bad = int(np.flatnonzero(~np.isfinite(matrices).all((1, 2)))[0])
                message = f"The {name[:-1]} of {shown(joints[bad])} is not finite. Fix it."
                yield Finding("SA015", "error", message, prim=path)
            elif name == "bindTransforms" and (np.linalg.det(matrices) == 0).any():
                bad = int(np.flatnonzero(np.linalg.det(matrices) == 0)[0])
                message = (
                    f"The bindTransform of {shown(joints[bad])} cannot be inverted: what is skinned to it gets "
                    "numbers that are not finite. Give it the joint's place at bind time."
                )
                yield Finding("SA015", "error", message, prim=path)


def ignored_subsets(stage: Usd.Stage) -> Iterator[Finding]:
    """SA016: an animation of some of the joints finds rest transforms for the others."""
    for prim in skeleton_prims(stage):
        animation = animation_of(prim)
        skeleton = UsdSkel.Skeleton(prim)
        joints = tuple(skeleton.GetJointsAttr().Get() or ())
        if animation is None or not joints:
            continue
        driven = set(UsdSkel.Animation(animation).GetJointsAttr().Get() or ())
        lacking = [joint for joint in joints if joint not in driven]
        if lacking and len(skeleton.GetRestTransformsAttr().Get() or ()) != len(joints):
            message = (
                f"<{shown(animation.GetPath())}> lacks {len(lacking)} of the joints, such as {shown(lacking[0])}, and "
                "there are no restTransforms for them: USD ignores the animation. Author restTransforms."
            )
            yield Finding("SA016", "error", message, prim=shown(prim.GetPath()))


def bound_to_nothing(stage: Usd.Stage) -> Iterator[Finding]:
    """SA017: what drives a skeleton is a SkelAnimation that is there and active."""
    seen: set[Usd.Prim] = set()
    for skeleton in skeleton_prims(stage):
        binding = next((prim for prim in ancestry(skeleton) if binds(prim)), None)
        if binding is None or binding in seen:
            continue
        seen.add(binding)
        for target in UsdSkel.BindingAPI(binding).GetAnimationSourceRel().GetTargets()[:1]:
            prim = stage.GetPrimAtPath(target)
            if prim and prim.IsActive() and prim.IsA(UsdSkel.Animation):
                continue
            why = "is not there" if not prim else "is no SkelAnimation" if prim.IsActive() else "is inactive"
            message = (
                f"skel:animationSource names <{shown(target)}>, which {why}: nothing moves "
                f"<{shown(skeleton.GetPath())}>. Activate it, or bind another one."
            )
            yield Finding("SA017", "warning", message, prim=shown(binding.GetPath()))
