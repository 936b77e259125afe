"""What other readers drop of valid USD, where a stage uses it (docs/interop.md): ``anymole check FILE --for three``."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pxr import Sdf, Usd, UsdGeom, UsdSkel

from usd_io import convert
from usd_io.check.finding import Finding
from usd_io.check.ignored import ignored_types, missing_api
from usd_io.diagnostics import captured
from usd_io.errors import shown, timecode
from usd_io.read.skeleton import INSTANCES_TOO, ancestry, animation_of, skeleton_prims

FLAT = "Author the result in the mode flat."
_EARLIEST = Usd.TimeCode.EarliestTime()
_UNIT = 1e-3
"""Scale [1] and sum of weights [1] that are off by more are not one."""

Place = tuple[str, str]
"""Prim path or layer, and what is there."""


@dataclass(frozen=True)
class Feature:
    """What a stage can use and a reader can drop."""

    name: str
    found: Callable[[Usd.Stage], Iterator[Place]]
    remedy: str


def _splines(stage: Usd.Stage) -> Iterator[Place]:
    for prim in Usd.PrimRange.Stage(stage, INSTANCES_TOO):
        if prim.IsA(UsdGeom.Xformable):
            named = [a.GetName() for a in prim.GetAuthoredAttributes() if a.HasSpline()]
            if named:
                yield str(prim.GetPath()), f"{named[0]} is a spline"


def _layer_splines(stage: Usd.Stage) -> Iterator[Place]:
    for layer in stage.GetUsedLayers():
        if layer != stage.GetSessionLayer() and _holds(layer, lambda spec: spec.HasInfo("spline")):
            yield shown(layer.GetDisplayName()), "the layer holds splines"


def _skeleton_transforms(stage: Usd.Stage) -> Iterator[Place]:
    for prim in skeleton_prims(stage):
        if UsdGeom.Xformable(prim).GetOrderedXformOps():
            yield str(prim.GetPath()), "the Skeleton prim has a transform of its own"


def _inherited_influences(stage: Usd.Stage) -> Iterator[Place]:
    for target in _targets(stage):
        primvar = target.GetJointIndicesPrimvar()
        if target.HasJointInfluences() and primvar.GetAttr().GetPrim() != target.GetPrim():
            yield str(target.GetPrim().GetPath()), "joint influences come from a parent prim"


def _scaled_binds(stage: Usd.Stage) -> Iterator[Place]:
    for prim in skeleton_prims(stage):
        binds = convert.matrices(UsdSkel.Skeleton(prim).GetBindTransformsAttr().Get() or [])
        if len(binds) and (np.abs(np.linalg.norm(binds[:, :3, :3], axis=1) - 1) > _UNIT).any():
            yield str(prim.GetPath()), "bindTransforms have scale"


def _weight_sums(stage: Usd.Stage) -> Iterator[Place]:
    for target in _targets(stage):
        primvar = target.GetJointWeightsPrimvar() if target.HasJointInfluences() else None
        value = primvar.Get(_EARLIEST) if primvar else None
        weights = convert.floats([] if isinstance(value, Sdf.UnregisteredValue) else value or [])
        width = target.GetNumInfluencesPerComponent()
        if len(weights) and width and not len(weights) % width:
            sums = weights.reshape(-1, width).sum(1)
            if (np.abs(sums - 1) > _UNIT).any():
                yield (
                    str(target.GetPrim().GetPath()),
                    f"skin weights add up to {sums.min():g} in places, not to 1",
                )


def _dual_quaternions(stage: Usd.Stage) -> Iterator[Place]:
    for target in _targets(stage):
        if target.GetSkinningMethod() == "dualQuaternion":
            yield str(target.GetPrim().GetPath()), "the mesh is skinned by dual quaternions"


def _constant_influences(stage: Usd.Stage) -> Iterator[Place]:
    for target in _targets(stage):
        if target.HasJointInfluences() and target.IsRigidlyDeformed():
            yield str(target.GetPrim().GetPath()), "joint influences are constant, one set for the whole mesh"


def _blocks(stage: Usd.Stage) -> Iterator[Place]:
    for animation in _animations(stage):
        for name in ("translations", "rotations", "scales", "blendShapeWeights"):
            attribute = animation.GetAttribute(name)
            times = attribute.GetTimeSamples() if attribute else []
            blocked = next((time for time in times if attribute.Get(time) is None), None)
            if blocked is not None:
                yield str(animation.GetPath()), f"{name} is blocked at time code {timecode(blocked)}"


def _variant_animations(stage: Usd.Stage) -> Iterator[Place]:
    for animation in _animations(stage):
        specs = [animation.GetAttribute("rotations"), animation.GetAttribute("translations")]
        paths = [spec.path for a in specs if a for spec in a.GetPropertyStack(_EARLIEST)]
        if any(path.ContainsPrimVariantSelection() for path in paths):
            yield str(animation.GetPath()), "the animation lies in a variant"
    for skeleton in skeleton_prims(stage):
        for prim in ancestry(skeleton):
            relation = UsdSkel.BindingAPI(prim).GetAnimationSourceRel()
            stack = relation.GetPropertyStack(Usd.TimeCode.Default()) if relation else []
            if any(spec.path.ContainsPrimVariantSelection() for spec in stack):
                yield str(prim.GetPath()), "skel:animationSource lies in a variant"


def _moving_roots(stage: Usd.Stage) -> Iterator[Place]:
    for prim in Usd.PrimRange.Stage(stage, INSTANCES_TOO):
        if prim.IsA(UsdSkel.Root) and UsdGeom.Xformable(prim).TransformMightBeTimeVarying():
            yield str(prim.GetPath()), "root motion lies on the SkelRoot's transform"


def _ignored(stage: Usd.Stage) -> Iterator[Place]:
    for finding in (*ignored_types(stage), *missing_api(stage)):
        yield finding.prim, "USD ignores the animation or its binding, and the reader plays it"


def _uneven_channels(stage: Usd.Stage) -> Iterator[Place]:
    for animation in _animations(stage):
        attributes = [animation.GetAttribute(name) for name in ("translations", "rotations", "scales")]
        times = [a.GetTimeSamples() for a in attributes if a and a.GetNumTimeSamples()]
        if any(own != times[0] for own in times[1:]):
            yield (
                str(animation.GetPath()),
                "translations, rotations and scales have samples at different times",
            )


def _same_joint_names(stage: Usd.Stage) -> Iterator[Place]:
    known: set[str] = set()
    for prim in skeleton_prims(stage):
        joints = {str(j).rpartition("/")[2] for j in UsdSkel.Skeleton(prim).GetJointsAttr().Get() or ()}
        if joints & known:
            yield str(prim.GetPath()), "another skeleton has joints of the same names"
        known |= joints


def _external(stage: Usd.Stage) -> Iterator[Place]:
    others = [
        layer
        for layer in stage.GetUsedLayers()
        if layer not in (stage.GetRootLayer(), stage.GetSessionLayer())
    ]
    if others:
        names = sorted(shown(layer.GetDisplayName()) for layer in others)
        yield (
            shown(stage.GetRootLayer().GetDisplayName()),
            f"the stage is composed of {len(names)} more layers ({names[0]})",
        )


def _inherited_bindings(stage: Usd.Stage) -> Iterator[Place]:
    for skeleton in skeleton_prims(stage):
        own = UsdSkel.BindingAPI(skeleton).GetAnimationSourceRel()
        if animation_of(skeleton) is not None and not (own and own.HasAuthoredTargets()):
            yield str(skeleton.GetPath()), "the animation is bound on a parent prim"


def _time_codes(stage: Usd.Stage) -> Iterator[Place]:
    for prim in Usd.PrimRange.Stage(stage, INSTANCES_TOO):
        for attribute in prim.GetAuthoredAttributes():
            if attribute.GetTypeName() in ("timecode", "timecode[]"):
                yield str(prim.GetPath()), f"{attribute.GetName()} holds time codes"


def _unicode_names(stage: Usd.Stage) -> Iterator[Place]:
    for prim in Usd.PrimRange.Stage(stage, INSTANCES_TOO):
        if not prim.GetName().isascii():
            yield str(prim.GetPath()), "the name of the prim is not ASCII"


def _text_blocks(stage: Usd.Stage) -> Iterator[Place]:
    yield from _animation_blocks(stage, text_alone=True)


def _animation_blocks(stage: Usd.Stage, *, text_alone: bool = False) -> Iterator[Place]:
    def blocked(spec: Sdf.AttributeSpec) -> bool:
        return "AnimationBlock" in type(spec.default).__name__

    for layer in stage.GetUsedLayers():
        if (_is_text(layer) or not text_alone) and _holds(layer, blocked):
            yield shown(layer.GetDisplayName()), "the layer holds an AnimationBlock"


def _is_text(layer: Sdf.Layer) -> bool:
    try:
        with Path(layer.realPath).open("rb") as stream:
            return stream.read(5) == b"#usda"
    except OSError:
        return False


def _array_edits(stage: Usd.Stage) -> Iterator[Place]:
    def edited(spec: Sdf.AttributeSpec) -> bool:
        times = spec.layer.ListTimeSamplesForPath(spec.path)
        values = [spec.default, *(spec.layer.QueryTimeSample(spec.path, time) for time in times[:1])]
        return any("ArrayEdit" in type(value).__name__ for value in values)

    for layer in stage.GetUsedLayers():
        if _holds(layer, edited):
            yield shown(layer.GetDisplayName()), "the layer edits arrays"


def _holds(layer: Sdf.Layer, wanted: Callable[[Sdf.AttributeSpec], bool]) -> bool:
    found: list[bool] = []

    def visit(path: Sdf.Path) -> None:
        if not found and path.IsPropertyPath():
            spec = layer.GetAttributeAtPath(path)
            if spec is not None and wanted(spec):
                found.append(True)

    layer.Traverse("/", visit)
    return bool(found)


def _targets(stage: Usd.Stage) -> Iterator[UsdSkel.SkinningQuery]:
    prims = iter(Usd.PrimRange.Stage(stage, INSTANCES_TOO))
    for prim in prims:
        if prim.IsA(UsdSkel.Root):
            prims.PruneChildren()
            cache = UsdSkel.Cache()
            cache.Populate(UsdSkel.Root(prim), INSTANCES_TOO)
            for binding in cache.ComputeSkelBindings(UsdSkel.Root(prim), INSTANCES_TOO):
                yield from binding.GetSkinningTargets()


def _animations(stage: Usd.Stage) -> list[Usd.Prim]:
    found = (animation_of(prim) for prim in skeleton_prims(stage))
    return list(dict.fromkeys(prim for prim in found if prim is not None))


_XFORM = Feature("splines", _splines, f"Sample it at each frame. {FLAT}")
_OWN_TRANSFORM = Feature("skeleton-transform", _skeleton_transforms, "Move it to a prim above.")
_INHERITED = Feature("inherited-influences", _inherited_influences, f"Author them on the mesh. {FLAT}")
_SCALED = Feature("bind-scale", _scaled_binds, "Bake the scale into the points and translations.")
_SUMS = Feature("weight-sums", _weight_sums, "Normalise them.")
_DUAL = Feature("dual-quaternions", _dual_quaternions, "Skin linearly, or bake the points.")
_VARIANTS = Feature("variants", _variant_animations, f"Select and flatten. {FLAT}")
_ROOTS = Feature("moving-skelroot", _moving_roots, "Move it to a prim above, or to the root joint.")
_CONSTANT = Feature("constant-influences", _constant_influences, f"Author them per point. {FLAT}")
_BLOCKS = Feature("blocked-samples", _blocks, "Author values in place of the block.")
_PLAYED = Feature("ignored-by-usd", _ignored, "Fix what anymole check names as SA012 or SA013.")
_LAYERS = Feature("layers", _external, FLAT)
_ABOVE = Feature("inherited-bindings", _inherited_bindings, f"Bind it on the Skeleton. {FLAT}")
_CODES = Feature("time-codes", _time_codes, "Give the layers of the stage one rate and no offsets. " + FLAT)
_TEXT = Feature("animation-block", _text_blocks, f"Save the layer as .usdc. {FLAT}")
_BLOCK = Feature(
    "animation-block", _animation_blocks, f"The layer does not open there at all: remove the block. {FLAT}"
)
_EDITS = Feature("array-edits", _array_edits, f"The layer does not open there at all. {FLAT}")
_UNEVEN = Feature("uneven-channels", _uneven_channels, f"Author all channels at the same times. {FLAT}")
_SAME = Feature("joint-names", _same_joint_names, "Give each character a file of its own.")
_UNICODE = Feature(
    "unicode-names", _unicode_names, "The layer does not open there at all: name prims in ASCII."
)
_SPLINES = Feature("splines", _layer_splines, f"The layer does not open there at all: sample them. {FLAT}")

READERS: Mapping[str, tuple[str, tuple[Feature, ...]]] = {
    "blender": ("Blender 4.5", (_XFORM, _OWN_TRANSFORM, _INHERITED, _SCALED, _SUMS, _DUAL, _UNEVEN, _EDITS)),
    "three": ("three.js 0.187", (_LAYERS, _VARIANTS, _ROOTS, _CONSTANT, _BLOCKS, _DUAL, _PLAYED, _SAME)),
    "lightusd": ("lightusd 1.0.0rc4", (_ABOVE, _CODES, _TEXT, _EDITS)),
    "tinyusdz": ("tinyusdz 0.9.4", (_LAYERS, _BLOCKS, _UNICODE)),
    "usd-25.05": ("usd-core 25.5", (_BLOCK, _EDITS)),
    "usd-24.03": ("usd-core 24.3", (_BLOCK, _EDITS, _SPLINES)),
}
"""By the name that ``--for`` takes: what the reader is called, and what it drops."""


def reader_findings(stage: Usd.Stage, readers: Sequence[str]) -> tuple[Finding, ...]:
    """Warn of what a stage uses and readers drop: one finding per reader and feature, with the first place.

    Args:
        stage: An open stage.
        readers: Names of ``READERS``.

    Raises:
        KeyError: One is not among them.
    """
    found: list[Finding] = []
    with captured():
        for name in dict.fromkeys(readers):
            title, drops = READERS[name]
            for feature in drops:
                places = list(dict.fromkeys(feature.found(stage)))
                if places:
                    found.append(_finding(name, title, feature, places))
    return tuple(found)


def _finding(name: str, title: str, feature: Feature, places: Sequence[Place]) -> Finding:
    where, what = places[0]
    more = f" (and {len(places) - 1} more)" if len(places) > 1 else ""
    message = f"{what}{more}, which {title} does not show as USD does. {feature.remedy}"
    is_prim = where.startswith("/")
    return Finding(
        rule=f"{name}:{feature.name}",
        severity="warning",
        message=message[0].upper() + message[1:],
        layer="" if is_prim else where,
        prim=shown(where) if is_prim else "",
    )
