"""The layers of a result: the data layer with the animation, and the small root over the untouched source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from pxr import Sdf, Usd, UsdGeom, UsdSkel

from usd_io.convert import continuous, to_floats, to_quatf, to_vec3f, to_vec3h
from usd_io.model import Motion
from usd_io.provenance import relative_path
from usd_io.read.placement import ORIGINAL_VARIANT, VARIANT_SET, Placement, Variants

CONFIDENCE = "userProperties:anymole:confidence"
"""Float array per frame in the order of the animation's joints: 1 at keys and context, lower where guessed."""

_PER_LAYER = {"subLayers", "subLayerOffsets", "comment", "documentation", "customLayerData", "primOrder"}
"""What a layer says of itself and not of the stage, or what composes through sublayers anyway."""


@dataclass(frozen=True, eq=False)
class Take:
    """The result of one skeleton."""

    motion: Motion
    """Full range, in skeleton joint order; times in time codes of the source stage."""
    key_times: tuple[float, ...] = ()
    """Times at which the result equals what the source has; checked after writing and by rule SA008."""
    confidence: Float[np.ndarray, "frame joint"] | None = None
    """In [0, 1], in skeleton joint order."""
    others: tuple[Motion, ...] = ()
    """Takes 2, 3, ...: other motions at the same times, with the same keys."""

    @property
    def motions(self) -> tuple[Motion, ...]:
        """All takes."""
        return (self.motion, *self.others)


def write_data_layer(
    path: Path,
    stage: Usd.Stage,
    takes: Sequence[tuple[Placement, Take]],
    custom: Mapping[str, Any],
    *,
    comment: str,
) -> None:
    """Write the animation of all takes.

    Args:
        path: File to create.
        stage: The source stage, for its metrics and blend shapes.
        takes: Results and where they go.
        custom: Value of ``customLayerData["anymole"]``, plain USD values.
        comment: One line on what the layer is.
    """
    layer = Sdf.Layer.CreateNew(str(path))
    _copy_metrics(stage, layer, takes)
    with Sdf.ChangeBlock():
        layer.comment = comment
        layer.documentation = "Mute or remove this layer to get the original animation back."
        layer.customLayerData = {"anymole": dict(custom)}
        for placement, take in takes:
            _write_take(layer, stage, placement, take)
    layer.Save()


def write_root_layer(
    path: Path,
    stage: Usd.Stage,
    takes: Sequence[tuple[Placement, Take]],
    custom: Mapping[str, Any],
    *,
    data: str,
    comment: str,
) -> None:
    """Write the stage that shows the result: the source's stage metadata, the data layer and the source.

    Args:
        path: File to create.
        stage: The source stage.
        takes: Results, for the time range where the source has none.
        custom: As for the data layer; only its top-level numbers and text are repeated here.
        data: Sublayer path of the data layer.
        comment: One line on what the layer is.
    """
    layer = Sdf.Layer.CreateNew(str(path))
    source = stage.GetRootLayer()
    for key in source.pseudoRoot.ListInfoKeys():
        if key not in _PER_LAYER:
            layer.pseudoRoot.SetInfo(key, _anchored(source, source.pseudoRoot.GetInfo(key)))
    _copy_metrics(stage, layer, takes)
    layer.comment = comment
    short = {key: value for key, value in custom.items() if isinstance(value, bool | int | float | str)}
    layer.customLayerData = {**source.customLayerData, "anymole": short}
    layer.subLayerPaths = [data, relative_path(source.realPath or source.identifier, path.parent)]
    layer.Save()


def _anchored(source: Sdf.Layer, value: Any) -> Any:
    if isinstance(value, Sdf.AssetPath) and value.path:
        return Sdf.AssetPath(source.ComputeAbsolutePath(value.path))
    return value


def _copy_metrics(stage: Usd.Stage, layer: Sdf.Layer, takes: Sequence[tuple[Placement, Take]]) -> None:
    """Author what the stage resolves to, so that the result does not hang on fallbacks or on sublayers."""
    root = layer.pseudoRoot
    root.SetInfo("upAxis", UsdGeom.GetStageUpAxis(stage))
    root.SetInfo("metersPerUnit", UsdGeom.GetStageMetersPerUnit(stage))
    layer.timeCodesPerSecond = stage.GetTimeCodesPerSecond()
    layer.framesPerSecond = stage.GetFramesPerSecond()
    if stage.GetRootLayer().HasDefaultPrim():
        layer.defaultPrim = stage.GetRootLayer().defaultPrim
    authored = stage.HasAuthoredTimeCodeRange()
    ends = [time for _, take in takes for time in take.motion.times[[0, -1]]]
    layer.startTimeCode = stage.GetStartTimeCode() if authored else min(ends)
    layer.endTimeCode = stage.GetEndTimeCode() if authored else max(ends)


def _write_take(layer: Sdf.Layer, stage: Usd.Stage, placement: Placement, take: Take) -> None:
    """Variants of the mode ``variant`` hold binding and animation, those of several takes the samples alone."""
    variants = placement.variants
    prefixes = [None] if variants is None else _make_variants(layer, variants)
    whole = variants is not None and variants.set == VARIANT_SET
    for place in prefixes if whole else [None]:
        _write_prims(layer, stage, placement, take, place)
    for motion, prefix in zip(take.motions, prefixes, strict=True):
        animation = Sdf.CreatePrimInLayer(layer, _in_variant(placement.animation_path, prefix))
        _write_samples(layer, animation, placement, motion)


def _write_prims(
    layer: Sdf.Layer, stage: Usd.Stage, placement: Placement, take: Take, prefix: Sdf.Path | None
) -> None:
    """The animation without its samples, the binding to it, and what is the same in all takes."""
    animation = Sdf.CreatePrimInLayer(layer, _in_variant(placement.animation_path, prefix))
    if placement.animation_path != placement.source_animation_path:
        animation.specifier = Sdf.SpecifierDef
        animation.typeName = "SkelAnimation"
        _copy_blend_shapes(layer, animation, stage, placement.source_animation_path)
    if placement.binding_path is not None:
        binding = Sdf.CreatePrimInLayer(layer, _in_variant(placement.binding_path, prefix))
        _bind(binding, placement.animation_path)
    order = list(placement.joint_order)
    _uniform(animation, "joints", [placement.joints[joint] for joint in order])
    if take.confidence is not None:
        confidence = Sdf.AttributeSpec(animation, CONFIDENCE, Sdf.ValueTypeNames.FloatArray).path
        for frame, time in enumerate(take.motion.times.tolist()):
            layer.SetTimeSample(confidence, time, to_floats(take.confidence[frame, order]))


def _make_variants(layer: Sdf.Layer, variants: Variants) -> list[Sdf.Path | None]:
    """Create the variants and select the first; beside results of the mode ``variant`` an empty one shows the
    original."""
    path = Sdf.Path(variants.owner)
    if variants.set == VARIANT_SET:
        Sdf.CreatePrimInLayer(layer, path.AppendVariantSelection(VARIANT_SET, ORIGINAL_VARIANT))
    prefixes: list[Sdf.Path | None] = [
        path.AppendVariantSelection(variants.set, name) for name in variants.names
    ]
    for prefix in prefixes:
        Sdf.CreatePrimInLayer(layer, prefix)
    layer.GetPrimAtPath(path).variantSelections[variants.set] = variants.names[0]
    return prefixes


def _in_variant(path: str, prefix: Sdf.Path | None) -> Sdf.Path:
    plain = Sdf.Path(path)
    return plain if prefix is None else plain.ReplacePrefix(prefix.StripAllVariantSelections(), prefix)


def _bind(prim: Sdf.PrimSpec, animation_path: str) -> None:
    prim.SetInfo("apiSchemas", Sdf.TokenListOp.Create(prependedItems=["SkelBindingAPI"]))
    relationship = Sdf.RelationshipSpec(prim, "skel:animationSource", custom=False)
    relationship.targetPathList.explicitItems = [animation_path]


def _copy_blend_shapes(layer: Sdf.Layer, prim: Sdf.PrimSpec, stage: Usd.Stage, source: str | None) -> None:
    """Copy names and weights as authored: they live on the animation that is no longer bound."""
    if source is None:
        return
    animation = UsdSkel.Animation(stage.GetPrimAtPath(source))
    names, weights = animation.GetBlendShapesAttr(), animation.GetBlendShapeWeightsAttr()
    if names.Get():
        _uniform(prim, "blendShapes", names.Get())
    if not weights.HasAuthoredValue():
        return
    spec = Sdf.AttributeSpec(prim, "blendShapeWeights", Sdf.ValueTypeNames.FloatArray)
    times = weights.GetTimeSamples()
    for time in times:
        layer.SetTimeSample(spec.path, time, weights.Get(time))
    if not times:
        spec.default = weights.Get()


def _uniform(prim: Sdf.PrimSpec, name: str, value: Any) -> None:
    kind = Sdf.ValueTypeNames.TokenArray
    Sdf.AttributeSpec(prim, name, kind, Sdf.VariabilityUniform).default = value


def _write_samples(layer: Sdf.Layer, prim: Sdf.PrimSpec, placement: Placement, motion: Motion) -> None:
    order, kinds = list(placement.joint_order), Sdf.ValueTypeNames
    translations = Sdf.AttributeSpec(prim, "translations", kinds.Float3Array).path
    rotations = Sdf.AttributeSpec(prim, "rotations", kinds.QuatfArray).path
    scales = Sdf.AttributeSpec(prim, "scales", kinds.Half3Array).path
    q = continuous(motion.rotations)
    for frame, time in enumerate(motion.times.tolist()):
        layer.SetTimeSample(translations, time, to_vec3f(motion.translations[frame, order]))
        layer.SetTimeSample(rotations, time, to_quatf(q[frame, order]))
        layer.SetTimeSample(scales, time, to_vec3h(motion.scales[frame, order]))
