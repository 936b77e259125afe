"""Where a result goes on its stage: which prim is bound to it, which prim holds it, and when to refuse.

A skeleton takes its animation from the nearest ``skel:animationSource`` at or above it. Nothing can be
overridden inside an instance, and a variant is weaker than local and sublayered opinions (LIVRPS), so each
mode has stages on which it cannot work; those are refused here or, where only composition can tell, by
:mod:`usd_io.author.verify`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pxr import Sdf, Tf, Usd, UsdSkel

from usd_io.errors import AuthorError, shown
from usd_io.read.skeleton import INSTANCES_TOO, ancestry, bound_skeleton, skeleton_prims

AuthorMode = Literal["rebind", "over", "variant"]

VARIANT_SET = "inbetween"
"""Of the mode ``variant``: the results on a character, and the original."""
TAKE_SET = "anymole_take"
"""Of the mode ``rebind``, where there are several takes."""
ORIGINAL_VARIANT = "original"


@dataclass(frozen=True)
class Variants:
    """The variants that takes are written to."""

    owner: str
    """Prim with the variant set."""
    set: str
    names: tuple[str, ...]
    """One per take; the first is the one selected."""


@dataclass(frozen=True)
class Placement:
    """The prims that one skeleton's result is written to."""

    skeleton_path: str
    joints: tuple[str, ...]
    """Joint paths of the skeleton, in its order."""
    joint_order: tuple[int, ...]
    """Indices into ``joints``, in the order in which the animation lists them."""
    animation_path: str
    source_animation_path: str | None
    binding_path: str | None
    """Prim that gets ``skel:animationSource``; None where the animation prim itself is overridden."""
    variants: Variants | None = None
    """None where the only take is written to the prims themselves."""


def select_variant(stage: Usd.Stage, variants: Variants, number: int) -> None:
    """Have an open stage show a take, counted from 0, without a word in the files."""
    with Usd.EditContext(stage, stage.GetSessionLayer()):
        owner = stage.OverridePrim(variants.owner)
        owner.GetVariantSets().SetSelection(variants.set, variants.names[number])


def animation_of(skeleton: Usd.Prim) -> Usd.Prim | None:
    """The animation prim that a skeleton is bound to, by itself or through an ancestor."""
    return UsdSkel.BindingAPI(skeleton).GetInheritedAnimationSource() or None


def binding_of(skeleton: Usd.Prim) -> Usd.Prim | None:
    """The prim, at or above a skeleton, whose ``skel:animationSource`` decides."""
    for prim in ancestry(skeleton):
        relationship = UsdSkel.BindingAPI(prim).GetAnimationSourceRel()
        if relationship and relationship.HasAuthoredTargets():
            return prim
    return None


def instance_root_of(prim: Usd.Prim) -> Usd.Prim | None:
    """The outermost instance that a prim lies inside of; None outside of instances."""
    if not prim.IsInstanceProxy():
        return None
    while prim.IsInstanceProxy():
        prim = prim.GetParent()
    return prim


def place_takes(
    stage: Usd.Stage, skeletons: Mapping[str, int], mode: AuthorMode, name: str
) -> tuple[Placement, ...]:
    """Choose the prims for the results of some skeletons.

    Args:
        stage: The source stage.
        skeletons: Number of takes by prim path of the skeleton.
        mode: See :func:`usd_io.author.result.author_result`.
        name: What the new animation (``OLD_name``) and the new variant are called.

    Raises:
        StageReadError: There is no such skeleton, or its joints are no hierarchy.
        AuthorError: The mode cannot work on a skeleton.
    """
    if not Tf.IsValidIdentifier(name):
        raise AuthorError(
            f"The name {shown(name)!r} is no valid USD name: use letters, digits and underscores."
        )
    placements: list[Placement] = []
    for path, takes in skeletons.items():
        skeleton = UsdSkel.Skeleton(bound_skeleton(stage, path).prim)
        taken = {placed.animation_path for placed in placements}
        if mode == "rebind":
            placements.append(_place_rebind(skeleton, name, taken, takes))
        elif mode == "over":
            placements.append(_place_over(skeleton, taken, takes))
        else:
            placements.append(_place_variant(skeleton, name, taken, takes))
    return tuple(placements)


def _place_rebind(skeleton: UsdSkel.Skeleton, name: str, taken: set[str], takes: int) -> Placement:
    binding = _rebindable_prim(skeleton.GetPrim())
    animation = animation_of(skeleton.GetPrim())
    parent = _editable_parent(animation) or binding.GetParent()
    path = _free_child(parent, _take_prim_name(animation, name), taken)
    variants = None if takes == 1 else _take_variants(skeleton.GetPrim(), path, takes)
    return _placement(skeleton, path, binding=binding, variants=variants)


def _take_variants(skeleton: Usd.Prim, animation: Sdf.Path, takes: int) -> Variants:
    """Takes of a new animation prim, on which nobody has an opinion: variants hold its samples and nothing else.

    They are offered on the SkelRoot, where people look for them, if the animation lies below it, else on the animation.
    """
    root = UsdSkel.Root.Find(skeleton)
    owner = root.GetPrim() if root else skeleton
    below = animation.HasPrefix(owner.GetPath()) and not owner.IsInstanceProxy() and not owner.IsInstance()
    used = set(owner.GetVariantSets().GetNames()) if below else set()
    path = owner.GetPath() if below else animation
    return Variants(str(path), _free_name(TAKE_SET, used), tuple(f"take_{n}" for n in range(1, takes + 1)))


def _rebindable_prim(skeleton: Usd.Prim) -> Usd.Prim:
    """Where the binding is authored, unless that also serves other skeletons: then the skeleton itself."""
    instance = instance_root_of(skeleton)
    binding = binding_of(skeleton)
    if instance is None:
        return skeleton if binding is None or _serves_others(binding, skeleton) else binding
    if binding is not None and binding.IsInstanceProxy():
        raise AuthorError(
            f"<{skeleton.GetPath()}> is bound to its animation inside the instance <{instance.GetPath()}>, "
            "where nothing can be overridden. Use the mode variant, or set instanceable = false on the instance."
        )
    if _serves_others(instance, skeleton):
        raise AuthorError(
            f"The instance <{instance.GetPath()}> holds several skeletons that take their animation from above, "
            f"<{skeleton.GetPath()}> among them. Set instanceable = false on the instance."
        )
    return instance


def _serves_others(binding: Usd.Prim, skeleton: Usd.Prim) -> bool:
    own = binding_of(skeleton)
    below = Usd.PrimRange(binding, INSTANCES_TOO)
    others = (prim for prim in below if prim.IsA(UsdSkel.Skeleton) and prim != skeleton)
    return any(binding_of(other) == own for other in others)


def _place_over(skeleton: UsdSkel.Skeleton, taken: set[str], takes: int) -> Placement:
    prim = skeleton.GetPrim()
    if takes > 1:
        raise AuthorError("The mode over has room for one take. Use the mode rebind or variant for several.")
    animation = animation_of(prim)
    if animation is None:
        raise AuthorError(f"<{prim.GetPath()}> has no animation to override. Use the mode rebind.")
    if animation.IsInstanceProxy() or animation.IsInPrototype():
        raise AuthorError(
            f"The animation of <{prim.GetPath()}> lies inside an instance, where nothing can be overridden. "
            "Use the mode variant, or set instanceable = false on the instance."
        )
    sharing = [s.GetPath() for s in skeleton_prims(prim.GetStage()) if animation_of(s) == animation]
    if len(sharing) > 1 or str(animation.GetPath()) in taken:
        listed = ", ".join(f"<{path}>" for path in sharing)
        raise AuthorError(f"<{animation.GetPath()}> drives several skeletons: {listed}. Use the mode rebind.")
    return _placement(skeleton, animation.GetPath(), order_of=animation)


def _place_variant(skeleton: UsdSkel.Skeleton, name: str, taken: set[str], takes: int) -> Placement:
    prim = skeleton.GetPrim()
    owner = _variant_owner(prim)
    if owner is None:
        raise AuthorError(f"<{prim.GetPath()}> is a root prim of its own. Use the mode rebind.")
    used = {*owner.GetVariantSets().GetVariantSet(VARIANT_SET).GetVariantNames(), ORIGINAL_VARIANT}
    animation = animation_of(prim)
    parent = _parent_below(animation, owner)
    path = _free_child(parent, _take_prim_name(animation, name), taken)
    wanted = (name,) if takes == 1 else tuple(f"{name}_take_{n}" for n in range(1, takes + 1))
    variants = Variants(str(owner.GetPath()), VARIANT_SET, tuple(_free_name(each, used) for each in wanted))
    # Inside an instance the skeleton is addressed through its proxy: opinions of a variant are no local
    # opinions, so composition keeps them and gives this instance a prototype of its own.
    return _placement(skeleton, path, binding=prim, variants=variants)


def _variant_owner(skeleton: Usd.Prim) -> Usd.Prim | None:
    """The instance around a skeleton, else its SkelRoot, else its parent."""
    instance = instance_root_of(skeleton)
    if instance is not None:
        return instance
    root = UsdSkel.Root.Find(skeleton)
    owner = root.GetPrim() if root else skeleton.GetParent()
    return None if owner.IsPseudoRoot() else owner


def _parent_below(animation: Usd.Prim | None, owner: Usd.Prim) -> Usd.Prim:
    """The parent of the old animation where it lies below the owner of the variants, else the owner."""
    if animation is None or not animation.GetPath().HasPrefix(owner.GetPath()) or animation == owner:
        return owner
    return animation.GetParent()


def _editable_parent(animation: Usd.Prim | None) -> Usd.Prim | None:
    if animation is None or animation.IsInstanceProxy() or animation.IsInPrototype():
        return None
    return animation.GetParent()


def _take_prim_name(animation: Usd.Prim | None, name: str) -> str:
    """``Survey`` becomes ``Survey_inbetween``, and so does an earlier ``Survey_inbetween``."""
    if animation is None:
        return f"Anim_{name}"
    return re.sub(rf"_{re.escape(name)}(_\d+)?$", "", animation.GetName()) + f"_{name}"


def _free_child(parent: Usd.Prim, name: str, taken: set[str]) -> Sdf.Path:
    here = {Sdf.Path(path) for path in taken} | {child.GetPath() for child in parent.GetAllChildren()}
    used = {path.name for path in here if path.GetParentPath() == parent.GetPath()}
    return parent.GetPath().AppendChild(_free_name(name, used))


def _free_name(name: str, used: set[str]) -> str:
    number = 2
    free = name
    while free in used:
        free = f"{name}_{number}"
        number += 1
    return free


def _placement(
    skeleton: UsdSkel.Skeleton,
    animation_path: Sdf.Path,
    *,
    binding: Usd.Prim | None = None,
    order_of: Usd.Prim | None = None,
    variants: Variants | None = None,
) -> Placement:
    joints = tuple(skeleton.GetJointsAttr().Get() or ())
    source = animation_of(skeleton.GetPrim())
    return Placement(
        skeleton_path=str(skeleton.GetPath()),
        joints=joints,
        joint_order=_joint_order(joints, order_of),
        animation_path=str(animation_path),
        source_animation_path=None if source is None else str(source.GetPath()),
        binding_path=None if binding is None else str(binding.GetPath()),
        variants=variants,
    )


def _joint_order(joints: tuple[str, ...], animation: Usd.Prim | None) -> tuple[int, ...]:
    """Skeleton order; for an overridden animation its own order first, then the joints that it lacked.

    A tool that looks up an animation by its path may also count on the order of its joints.
    """
    own = () if animation is None else UsdSkel.Animation(animation).GetJointsAttr().Get() or ()
    index = {joint: number for number, joint in enumerate(joints)}
    first = [index.pop(joint) for joint in own if joint in index]
    return (*first, *index.values())
