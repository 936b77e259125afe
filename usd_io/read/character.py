"""Skeleton and what is bound to it -> Character."""

from dataclasses import dataclass

from pxr import Sdf, Usd, UsdGeom, UsdSkel

from usd_io.diagnostics import captured
from usd_io.errors import counted, shown
from usd_io.model import Character, Mesh
from usd_io.read.mesh import read_mesh, read_visibility
from usd_io.read.skeleton import (
    INSTANCES_TOO,
    BoundSkeleton,
    bind_pose,
    bound_skeleton,
    global_transforms,
    rest_pose,
    singular_binds,
)


@dataclass(frozen=True, eq=False)
class Skinned:
    """What is bound to the skeletons of a stage, found in one pass over it."""

    targets: dict[Sdf.Path, list[UsdSkel.SkinningQuery]]
    """By skeleton path."""
    cache: UsdSkel.Cache
    """Kept because the queries live in it."""
    said: tuple[str, ...]
    """What USD remarked on the bindings."""


def find_skinned(stage: Usd.Stage) -> Skinned:
    """Everything below the stage's SkelRoots that is bound to a skeleton."""
    cache = UsdSkel.Cache()
    targets: dict[Sdf.Path, list[UsdSkel.SkinningQuery]] = {}
    with captured() as said:
        prims = iter(Usd.PrimRange.Stage(stage, INSTANCES_TOO))
        for prim in prims:
            if prim.IsA(UsdSkel.Root):
                prims.PruneChildren()  # a SkelRoot below another belongs to the outer one
                root = UsdSkel.Root(prim)
                cache.Populate(root, INSTANCES_TOO)
                for binding in cache.ComputeSkelBindings(root, INSTANCES_TOO):
                    path = binding.GetSkeleton().GetPrim().GetPath()
                    targets.setdefault(path, []).extend(binding.GetSkinningTargets())
    return Skinned(targets, cache, tuple(said))


def read_character(stage: Usd.Stage, skeleton_path: str, meshes: bool = True) -> Character:
    """One skeleton, and with *meshes* what is bound to it.

    What cannot be represented (curves, rigid gprims, shear, invalid influences) is named in
    ``Character.warnings``.

    Raises:
        StageNotFoundError: There is no skeleton at the path.
        StageReadError: Its joints are no valid hierarchy, or its rest pose is not finite.
    """
    return read_bound_character(stage, skeleton_path, find_skinned(stage) if meshes else None)


def read_bound_character(stage: Usd.Stage, skeleton_path: str, skinned: Skinned | None) -> Character:
    """As :func:`read_character`, for several characters of one stage: ``find_skinned`` looks through it once."""
    with captured():  # what USD says of a mesh is said below, with what becomes of it
        skeleton = bound_skeleton(stage, skeleton_path)
        rest = rest_pose(skeleton)
        warnings = list(rest.warnings)
        bind = bind_pose(skeleton)
        singular = singular_binds(skeleton)
        if singular:
            warnings.append(
                f"<{skeleton.path}>: the bindTransforms of {counted(len(singular), 'joint')} cannot be inverted "
                f"({shown(singular[0])}), so USD skins with numbers that are not finite. Fix them."
            )
        meshes: tuple[Mesh, ...] = ()
        if skinned is not None:
            targets = skinned.targets.get(skeleton.prim.GetPath(), [])
            warnings += _about(skinned, skeleton, targets)
            if bind is None and targets:
                warnings.append(
                    f"<{skeleton.path}>: the bindTransforms are missing or not invertible, so USD cannot skin what "
                    "is bound to it; its meshes are left out."
                )
            else:
                meshes = _meshes(skeleton, targets, warnings)
        return Character(
            name=_name(skeleton.prim),
            skeleton_path=skeleton.path,
            joints=skeleton.joints,
            parents=skeleton.parents,
            T_skel_joint_bind=global_transforms(skeleton, rest) if bind is None else bind,
            rest_translations=rest.translations,
            rest_rotations=rest.rotations,
            rest_scales=rest.scales,
            meshes=meshes,
            up_axis="Z" if UsdGeom.GetStageUpAxis(stage) == UsdGeom.Tokens.z else "Y",
            meters_per_unit=UsdGeom.GetStageMetersPerUnit(stage),
            warnings=tuple(warnings),
        )


def _meshes(
    skeleton: BoundSkeleton, targets: list[UsdSkel.SkinningQuery], warnings: list[str]
) -> tuple[Mesh, ...]:
    meshes, others, hidden = [], [], []
    for query in targets:
        prim = query.GetPrim()
        if not prim.IsA(UsdGeom.Mesh):
            others.append(f"{prim.GetTypeName()} <{prim.GetPath()}>")
        elif _hidden(prim):
            hidden.append(f"<{prim.GetPath()}>")
        elif (mesh := read_mesh(query, skeleton, warnings.append)) is not None:
            meshes.append(mesh)
    for what, why in ((others, "are no meshes"), (hidden, "are invisible or for guides and proxies")):
        if what:
            warnings.append(f"{len(what)} bound prims {why} and are left out: {shown(', '.join(what))}.")
    return tuple(meshes)


def _hidden(prim: Usd.Prim) -> bool:
    """True for what no final picture shows: one of several stand-ins would be drawn over the others."""
    visibility = read_visibility(prim)
    invisible = bool(visibility) and not any(seen for _, seen in visibility)
    return invisible or UsdGeom.Imageable(prim).ComputePurpose() in (
        UsdGeom.Tokens.proxy,
        UsdGeom.Tokens.guide,
    )


def _about(skinned: Skinned, skeleton: BoundSkeleton, targets: list[UsdSkel.SkinningQuery]) -> list[str]:
    """USD's remarks on the bindings that concern this character."""
    if len(skinned.targets) <= 1:
        return list(skinned.said)
    paths = [skeleton.path, *(str(query.GetPrim().GetPath()) for query in targets)]
    return [said for said in skinned.said if any(path in said for path in paths)]


def _name(prim: Usd.Prim) -> str:
    """The skeleton's parent usually carries the character's name; skeletons are called Skeleton or Skel."""
    parent = prim.GetParent()
    return str(prim.GetName() if parent.IsPseudoRoot() else parent.GetName())
