"""Where a result goes on its stage: which prims are bound to it, which prim holds it, and when to refuse.

The unit is the animation: skeletons that one drives go on sharing it. A skeleton takes its animation from the nearest
``skel:animationSource`` at or above it. Nothing can be overridden inside an instance, and a variant is weaker than
local and sublayered opinions (LIVRPS), so each mode has stages on which it cannot work; skeletons for which it cannot
are named here, before anything is computed.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pxr import Sdf, Tf, Usd, UsdSkel

from usd_io.diagnostics import captured
from usd_io.errors import AuthorError, shown
from usd_io.read.skeleton import (
    INSTANCES_TOO,
    ancestry,
    animation_groups,
    animation_of,
    binds,
    bound_skeleton,
)

AuthorMode = Literal["rebind", "over", "variant", "flat"]
MODE = ("author",)
"""The setting that says it, which an error over what a mode cannot do is about."""

VARIANT_SET = "inbetween"
"""Of the mode ``variant``: the results on a character, and the original."""
TAKE_SET = "anymole_take"
"""Of the mode ``rebind``, where there are several takes."""
ORIGINAL_VARIANT = "original"
_ALL = Usd.TraverseInstanceProxies(Usd.PrimAllPrimsPredicate)


@dataclass(frozen=True)
class Variants:
    """The variants that takes are written to."""

    owner: str
    """Prim with the variant set."""
    set: str
    names: tuple[str, ...]
    """One per take; the first is the one selected."""


@dataclass(frozen=True)
class Binding:
    """Where one skeleton is bound to a result."""

    skeleton_path: str
    prim_path: str | None
    """Prim that gets ``skel:animationSource``; None where the animation prim itself is overridden."""
    variants: Variants | None = None
    """Of the mode ``variant``: the variants that bind it, one per take."""


@dataclass(frozen=True)
class Placement:
    """The prims that the result of one animation is written to."""

    joints: tuple[str, ...]
    """Of the animation, in its order; those of the skeleton where it has none yet."""
    animation_paths: tuple[str, ...]
    """One per take; the same where ``variants`` tell the takes apart."""
    source_animation_path: str | None
    bindings: tuple[Binding, ...]
    """All skeletons that the animation drives and that can be written to."""
    variants: Variants | None = None
    """The variants that hold the samples; None where the prims themselves do."""
    made_of: tuple[str, ...] = ()
    """Paths of the skeletons whose takes give the motion."""
    opened: tuple[str, ...] = ()
    """Instances that become prims of their own, each before those inside of it: one file has no use for them."""

    @property
    def animation_path(self) -> str:
        """Of the first take."""
        return self.animation_paths[0]

    @property
    def skeleton_paths(self) -> tuple[str, ...]:
        return tuple(binding.skeleton_path for binding in self.bindings)

    def select(self, stage: Usd.Stage, number: int) -> None:
        """Have an open stage show a take, counted from 0, without a word in the files."""
        for variants in dict.fromkeys([self.variants, *(binding.variants for binding in self.bindings)]):
            if variants is not None:
                select_variant(stage, variants, number)


@dataclass(frozen=True)
class Placed:
    """Where results go, and what has no place."""

    placements: tuple[Placement, ...]
    refused: Mapping[str, str]
    """By skeleton path: why nothing can be written for it."""


def select_variant(stage: Usd.Stage, variants: Variants, number: int) -> None:
    """Have an open stage show a take, counted from 0, without a word in the files."""
    with Usd.EditContext(stage, stage.GetSessionLayer()):
        owner = stage.OverridePrim(variants.owner)
        owner.GetVariantSets().SetSelection(variants.set, variants.names[number])


def binding_of(skeleton: Usd.Prim) -> Usd.Prim | None:
    """The prim, at or above a skeleton, whose ``skel:animationSource`` decides."""
    return next((prim for prim in ancestry(skeleton) if binds(prim)), None)


def instance_root_of(prim: Usd.Prim) -> Usd.Prim | None:
    """The outermost instance that a prim lies inside of; None outside of instances."""
    if not prim.IsInstanceProxy():
        return None
    while prim.IsInstanceProxy():
        prim = prim.GetParent()
    return prim


@captured()
def place_takes(
    stage: Usd.Stage, skeletons: Mapping[str, int], mode: AuthorMode, name: str, sharing: Collection[str] = ()
) -> Placed:
    """Choose the prims for the results of some animations.

    Args:
        stage: The source stage.
        skeletons: Number of takes by prim path of a skeleton; several of one animation are one result.
        mode: See :func:`usd_io.author.result.author_result`.
        name: What the new animation (``OLD_name``) and the new variant are called.
        sharing: Further skeletons that go on sharing the animations of those.

    Raises:
        StageReadError: There is no such skeleton, or its joints are no hierarchy.
        AuthorError: The name is none, or nothing can be written at all.
    """
    if not Tf.IsValidIdentifier(name):
        raise AuthorError(
            f"The name {shown(name)!r} is no valid USD name: use letters, digits and underscores."
        )
    placements: list[Placement] = []
    refused: dict[str, str] = {}
    groups = {str(prim.GetPath()): group for group in animation_groups(stage) for prim in group}
    done: set[str] = set()
    for path, takes in skeletons.items():
        prim = bound_skeleton(stage, path).prim
        if path in done:
            continue
        wanted = {*skeletons, *sharing} - {path}
        group = [prim, *(other for other in groups[path] if str(other.GetPath()) in wanted)]
        done |= {str(prim.GetPath()) for prim in group}
        taken = {animation for placed in placements for animation in placed.animation_paths}
        try:
            placed = _PLACE[mode](group, name, taken, takes, refused)
        except AuthorError as error:
            refused |= {str(prim.GetPath()): str(error) for prim in group}
        else:
            made_of = tuple(str(each.GetPath()) for each in group if str(each.GetPath()) in skeletons)
            placements.append(replace(placed, made_of=made_of))
    if not placements:
        raise AuthorError(next(iter(refused.values())), settings=MODE)
    return Placed(tuple(placements), refused)


def binding_problem(result: Usd.Stage, placement: Placement, binding: Binding, number: int = 0) -> str:
    """Why a skeleton of an open result does not show what was placed; empty where it does."""
    skeleton = result.GetPrimAtPath(binding.skeleton_path)
    bound = animation_of(skeleton) if skeleton else None
    if bound is not None and str(bound.GetPath()) == placement.animation_paths[number]:
        return ""
    where = f"<{shown(binding.skeleton_path)}>"
    if binding.variants is None:
        return f"{where} keeps its animation whatever a stronger layer says. Use another mode."
    stack = skeleton.GetProperty("skel:animationSource").GetPropertyStack(Usd.TimeCode.Default())
    strongest = stack[0].layer if stack else result.GetRootLayer()
    return (
        f"The layer {shown(strongest.realPath or strongest.identifier)} binds {where} with a local opinion, "
        "which is stronger than any variant. Use the mode rebind, or reference the character instead."
    )


def _place_rebind(
    group: Sequence[Usd.Prim],
    name: str,
    taken: set[str],
    takes: int,
    refused: dict[str, str],
    *,
    open_instances: bool = False,
) -> Placement:
    bindings: list[Binding] = []
    writable: list[Usd.Prim] = []
    problem = ""
    for skeleton in group:
        try:
            prim = _rebindable_prim(skeleton, group, open_instances)
        except AuthorError as error:
            refused[str(skeleton.GetPath())] = problem = str(error)
            continue
        writable.append(prim)
        bindings.append(Binding(str(skeleton.GetPath()), str(prim.GetPath())))
    if not bindings:
        raise AuthorError(problem)
    first = group[0].GetStage().GetPrimAtPath(bindings[0].skeleton_path)
    animation = animation_of(first)
    parent = _editable_parent(animation, open_instances) or writable[0].GetParent()
    path = _free_child(parent, _take_prim_name(animation, name), taken)
    variants = None if takes == 1 else _take_variants(first, path, takes)
    return Placement(
        _joints(first, animation), (str(path),) * takes, _path(animation), tuple(bindings), variants
    )


def _instances_around(prim: Usd.Prim | None) -> list[str]:
    """Instances that a prim lies in, the outermost first."""
    return [] if prim is None else [str(p.GetPath()) for p in ancestry(prim) if p.IsInstance()][::-1]


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


def _rebindable_prim(skeleton: Usd.Prim, group: Sequence[Usd.Prim], open_instances: bool) -> Usd.Prim:
    """Where the binding is authored, unless that also serves other animations' skeletons: then the skeleton itself."""
    instance = None if open_instances else instance_root_of(skeleton)
    binding = binding_of(skeleton)
    if instance is None:
        return skeleton if binding is None or _serves_others(binding, skeleton, group) else binding
    if binding is not None and binding.IsInstanceProxy():
        raise AuthorError(
            f"<{skeleton.GetPath()}> is bound to its animation inside the instance <{instance.GetPath()}>, "
            f"where nothing can be overridden. {_remedy_of_instances(skeleton)}"
        )
    if binding is not None and not _serves_others(binding, skeleton, group):
        return binding
    if _serves_others(instance, skeleton, group):
        raise AuthorError(
            f"The instance <{instance.GetPath()}> holds several skeletons that take their animation from above, "
            f"<{skeleton.GetPath()}> among them. Set instanceable = false on the instance."
        )
    return instance


def _serves_others(binding: Usd.Prim, skeleton: Usd.Prim, group: Sequence[Usd.Prim]) -> bool:
    own = binding_of(skeleton)
    below = Usd.PrimRange(binding, INSTANCES_TOO)
    others = (prim for prim in below if prim.IsA(UsdSkel.Skeleton) and prim not in group)
    return any(binding_of(other) == own for other in others)


def _place_over(
    group: Sequence[Usd.Prim], name: str, taken: set[str], takes: int, refused: dict[str, str]
) -> Placement:
    prim = group[0]
    if takes > 1:
        raise AuthorError("The mode over has room for one take. Use the mode rebind or variant for several.")
    animation = animation_of(prim)
    if animation is None:
        raise AuthorError(f"<{prim.GetPath()}> has no animation to override. Use the mode rebind.")
    if animation.IsInstanceProxy() or animation.IsInPrototype():
        raise AuthorError(
            f"The animation of <{prim.GetPath()}> lies inside an instance, where nothing can be overridden. "
            f"{_remedy_of_instances(prim)}"
        )
    sharing = next(found for found in animation_groups(prim.GetStage()) if prim in found)
    if len(sharing) > len(group):
        others = ", ".join(f"<{other.GetPath()}>" for other in sharing if other not in group)
        raise AuthorError(
            f"<{animation.GetPath()}> also drives {others}, which would move as well. Choose them too, or use the mode "
            "rebind."
        )
    bindings = tuple(Binding(str(skeleton.GetPath()), None) for skeleton in group)
    return Placement(_joints(prim, animation), (str(animation.GetPath()),), _path(animation), bindings)


def _place_flat(
    group: Sequence[Usd.Prim], name: str, taken: set[str], takes: int, refused: dict[str, str]
) -> Placement:
    """As ``rebind``, and inside instances too: what that writes is what becomes one file, which has none."""
    if takes > 1:
        raise AuthorError(
            "The mode flat has room for one take: readers that do not compose know no variants. Use the mode rebind or "
            "variant for several."
        )
    placed = _place_rebind(group, name, taken, takes, refused, open_instances=True)
    around = [path for prim in (*group, animation_of(group[0])) for path in _instances_around(prim)]
    return replace(placed, opened=tuple(dict.fromkeys(around)))


def _place_variant(
    group: Sequence[Usd.Prim], name: str, taken: set[str], takes: int, refused: dict[str, str]
) -> Placement:
    owners: dict[Usd.Prim, list[Usd.Prim]] = {}
    problem = ""
    for skeleton in group:
        owner = _variant_owner(skeleton)
        nested = _nested_instance(skeleton)
        if nested is not None:
            problem = (
                f"<{skeleton.GetPath()}> lies in the instance <{nested.GetPath()}>, which itself lies in one, where no "
                f"variant reaches. {_remedy_of_instances(skeleton)}"
            )
            refused[str(skeleton.GetPath())] = problem
        elif owner is None:
            problem = f"<{skeleton.GetPath()}> is a root prim of its own. Use the mode rebind."
            refused[str(skeleton.GetPath())] = problem
        else:
            owners.setdefault(owner, []).append(skeleton)
    if not owners:
        raise AuthorError(problem)
    animation = animation_of(group[0])
    wanted = (name,) if takes == 1 else tuple(f"{name}_take_{n}" for n in range(1, takes + 1))
    variants = {owner: _result_variants(owner, wanted) for owner in owners}
    bindings = tuple(
        # Inside an instance the skeleton is addressed through its proxy: opinions of a variant are no local
        # opinions, so composition keeps them and gives this instance a prototype of its own.
        Binding(str(prim.GetPath()), str(prim.GetPath()), variants[owner])
        for owner, prims in owners.items()
        for prim in prims
    )
    joints, new = _joints(group[0], animation), _take_prim_name(animation, name)
    if len(owners) == 1:
        owner = next(iter(owners))
        path = _free_child(_parent_below(animation, owner), new, taken)
        return Placement(joints, (str(path),) * takes, _path(animation), bindings, variants[owner])
    # one animation for all of them, outside of what is switched; the variants only bind it
    shared = _common_parent(tuple(owners))
    paths: list[str] = []
    for number in range(takes):
        suffix = "" if takes == 1 else f"_take_{number + 1}"
        paths.append(str(_free_child(shared, new + suffix, {*taken, *paths})))
    return Placement(joints, tuple(paths), _path(animation), bindings)


_PLACE: Mapping[AuthorMode, Callable[..., Placement]] = {
    "rebind": _place_rebind,
    "over": _place_over,
    "variant": _place_variant,
    "flat": _place_flat,
}


def _result_variants(owner: Usd.Prim, wanted: Sequence[str]) -> Variants:
    used = {*owner.GetVariantSets().GetVariantSet(VARIANT_SET).GetVariantNames(), ORIGINAL_VARIANT}
    return Variants(str(owner.GetPath()), VARIANT_SET, tuple(_free_name(each, used) for each in wanted))


def _common_parent(prims: Sequence[Usd.Prim]) -> Usd.Prim:
    """The nearest prim above all of them that is not inside an instance; the pseudo root where there is none."""
    path = prims[0].GetPath().GetParentPath()
    for prim in prims[1:]:
        path = path.GetCommonPrefix(prim.GetPath().GetParentPath())
    return prims[0].GetStage().GetPrimAtPath(path)


def _nested_instance(prim: Usd.Prim) -> Usd.Prim | None:
    """An instance around a prim that lies inside of another one; None where there is none."""
    return next((above for above in ancestry(prim) if above.IsInstance() and above.IsInstanceProxy()), None)


def _remedy_of_instances(prim: Usd.Prim) -> str:
    nested = _nested_instance(prim)
    if nested is None:
        return "Use the mode variant or flat, or set instanceable = false on the instance."
    outer = instance_root_of(prim)
    also = "" if outer is None else f" and <{outer.GetPath()}>"
    return f"Set instanceable = false on <{nested.GetPath()}>{also}, or use the mode flat."


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


def _editable_parent(animation: Usd.Prim | None, open_instances: bool) -> Usd.Prim | None:
    if animation is None or (animation.IsInstanceProxy() and not open_instances):
        return None
    return animation.GetParent()


def _take_prim_name(animation: Usd.Prim | None, name: str) -> str:
    """``Survey`` becomes ``Survey_inbetween``, and so does an earlier ``Survey_inbetween``."""
    if animation is None:
        return f"Anim_{name}"
    return re.sub(rf"_{re.escape(name)}(_\d+)?$", "", animation.GetName()) + f"_{name}"


def _free_child(parent: Usd.Prim, name: str, taken: set[str]) -> Sdf.Path:
    here = {Sdf.Path(path) for path in taken} | {
        child.GetPath() for child in parent.GetFilteredChildren(_ALL)
    }
    used = {path.name for path in here if path.GetParentPath() == parent.GetPath()}
    return parent.GetPath().AppendChild(_free_name(name, used))


def _free_name(name: str, used: set[str]) -> str:
    number = 2
    free = name
    while free in used:
        free = f"{name}_{number}"
        number += 1
    return free


def _joints(skeleton: Usd.Prim, animation: Usd.Prim | None) -> tuple[str, ...]:
    """What the animation drives, in its order: what it leaves to the rest pose stays so."""
    of = UsdSkel.Skeleton(skeleton) if animation is None else UsdSkel.Animation(animation)
    return tuple(of.GetJointsAttr().Get() or ())


def _path(prim: Usd.Prim | None) -> str | None:
    return None if prim is None else str(prim.GetPath())
