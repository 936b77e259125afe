"""Rules on how a stage is put together: SA003, SA006, SA007, SA010, SA011 (docs/check.md)."""

from collections.abc import Iterator

from pxr import Sdf, Usd, UsdSkel

from usd_io.check.animation_samples import animation_prims
from usd_io.check.finding import Finding, Severity
from usd_io.errors import shown
from usd_io.model import GAPS
from usd_io.read.placement import instance_root_of
from usd_io.read.skeleton import INSTANCES_TOO, animation_of, skeleton_prims


def unknown_joints(stage: Usd.Stage) -> Iterator[Finding]:
    """SA003: an animation names joints of the skeleton that it drives."""
    driven: dict[Usd.Prim, list[Usd.Prim]] = {}
    for skeleton, animation in _bound(stage):
        driven.setdefault(animation, []).append(skeleton)
    for animation, skeletons in driven.items():
        # rigs of several levels of detail share one animation: a joint of any of them is known
        known = [set(UsdSkel.Skeleton(skeleton).GetJointsAttr().Get() or ()) for skeleton in skeletons]
        named = list(UsdSkel.Animation(animation).GetJointsAttr().Get() or ())
        still = [skeleton for skeleton, own in zip(skeletons, known, strict=True) if not own & set(named)]
        anywhere = set().union(*known)
        strays = [joint for joint in named if joint not in anywhere]
        if named and still and not strays:
            message = (
                f"<{shown(still[0].GetPath())}> has none of the {len(named)} joints, such as {shown(named[0])}: "
                "nothing moves it. Use the skeleton's joint paths."
            )
            yield Finding("SA003", "warning", message, prim=shown(animation.GetPath()))
        if strays:
            skeleton = skeletons[0]
            message = (
                f"{len(strays)} of {len(named)} joints are not in <{shown(skeleton.GetPath())}>, such as "
                f"{shown(strays[0])}: they move nothing. Use the skeleton's joint paths."
            )
            severity: Severity = "error" if len(strays) == len(named) else "warning"
            yield Finding("SA003", severity, message, prim=shown(animation.GetPath()))


def shadowed_samples(stage: Usd.Stage) -> Iterator[Finding]:
    """SA006: no stronger layer hides samples: the strongest one with samples hides all of the others."""
    for prim in animation_prims(stage):
        animation = UsdSkel.Animation(prim)
        channels = [animation.GetTranslationsAttr(), animation.GetRotationsAttr(), animation.GetScalesAttr()]
        for attribute in (*channels, animation.GetBlendShapeWeightsAttr()):
            found = _shadowing(attribute)
            if found is not None:
                yield found
                break  # the other channels of the animation only repeat it


def _shadowing(attribute: Usd.Attribute) -> Finding | None:
    specs = [
        (spec.layer, _sample_count(spec)) for spec in attribute.GetPropertyStack(Usd.TimeCode.EarliestTime())
    ]
    specs = [(layer, count) for layer, count in specs if count]
    if len(specs) > 1 and GAPS in specs[0][0].customLayerData:
        specs = specs[1:]  # which holds the whole motion as it was chosen, also where a gap has few samples
    if len(specs) < 2 or _merges(specs[0][0], attribute):
        return None
    (strong, shown_count), (weak, hidden) = specs[0], max(specs[1:], key=lambda spec: spec[1])
    message = (
        f"{shown_count} samples of {attribute.GetName()} hide the {hidden} of the weaker layer "
        f"{shown(weak.GetDisplayName())}: USD never merges samples. Author the full range in the stronger one."
    )
    layer, prim = shown(strong.GetDisplayName()), shown(attribute.GetPrimPath())
    return Finding("SA006", "warning" if shown_count < hidden else "info", message, layer, prim)


def _merges(layer: Sdf.Layer, attribute: Usd.Attribute) -> bool:
    """Whether samples of a layer are edits of arrays, which merge with the weaker ones."""
    path = attribute.GetPath()
    stack = attribute.GetPropertyStack(Usd.TimeCode.EarliestTime())
    path = next((spec.path for spec in stack if spec.layer == layer), path)
    times = layer.ListTimeSamplesForPath(path)
    return any("ArrayEdit" in type(layer.QueryTimeSample(path, time)).__name__ for time in times[:1])


def _sample_count(spec: Sdf.PropertySpec) -> int:
    return int(spec.layer.GetNumTimeSamplesForPath(spec.path))


def mixed_rates(stage: Usd.Stage) -> Iterator[Finding]:
    """SA007: layers with samples have the stage's time codes per second."""
    rate = stage.GetTimeCodesPerSecond()
    for layer in sorted(stage.GetUsedLayers(), key=lambda layer: str(layer.identifier)):
        if layer.timeCodesPerSecond != rate and layer.ListAllTimeSamples():
            message = (
                f"The layer has {layer.timeCodesPerSecond:g} time codes per second and the stage {rate:g}: its "
                "samples are rescaled and may fall between frames. Give both the same timeCodesPerSecond."
            )
            yield Finding("SA007", "warning", message, shown(layer.GetDisplayName()))


def instanced_skeletons(stage: Usd.Stage) -> Iterator[Finding]:
    """SA010: nothing inside an instance can be overridden."""
    for skeleton in skeleton_prims(stage):
        instance = instance_root_of(skeleton)
        if instance is not None:
            message = (
                f"The skeleton lies inside the instance <{shown(instance.GetPath())}>: write results with the mode "
                "variant, or set instanceable = false."
            )
            yield Finding("SA010", "info", message, prim=shown(skeleton.GetPath()))


def idle_blend_shapes(stage: Usd.Stage) -> Iterator[Finding]:
    """SA011: the bound animation drives the blend shapes of the meshes below it."""
    for prim in Usd.PrimRange.Stage(stage, INSTANCES_TOO):
        if prim.IsA(UsdSkel.Root):
            yield from _idle_below(UsdSkel.Root(prim))


def _idle_below(root: UsdSkel.Root) -> Iterator[Finding]:
    cache = UsdSkel.Cache()
    cache.Populate(root, INSTANCES_TOO)
    for binding in cache.ComputeSkelBindings(root, INSTANCES_TOO):
        animation = animation_of(binding.GetSkeleton().GetPrim())
        driven = set() if animation is None else _driven_shapes(UsdSkel.Animation(animation))
        for target in binding.GetSkinningTargets():
            shapes = list(target.GetBlendShapeOrder() or ())
            if animation is not None and shapes and not driven & set(shapes):
                message = (
                    f"<{shown(animation.GetPath())}> drives none of the {len(shapes)} blend shapes, such as "
                    f"{shown(shapes[0])}: they stay at rest. Copy the weights to the bound animation."
                )
                yield Finding("SA011", "warning", message, prim=shown(target.GetPrim().GetPath()))


def _driven_shapes(animation: UsdSkel.Animation) -> set[str]:
    weights = animation.GetBlendShapeWeightsAttr().HasAuthoredValue()
    return set(animation.GetBlendShapesAttr().Get() or ()) if weights else set()


def _bound(stage: Usd.Stage) -> Iterator[tuple[Usd.Prim, Usd.Prim]]:
    for skeleton in skeleton_prims(stage):
        animation = animation_of(skeleton)
        if animation is not None:
            yield skeleton, animation
