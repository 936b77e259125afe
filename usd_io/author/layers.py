"""The layers of a result: the data layer with the animation, and the small root over the untouched source."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pxr import Sdf, Usd, UsdGeom, UsdSkel

from usd_io.author.samples import Filling, Placed, Take, copy_attribute
from usd_io.convert import to_floats
from usd_io.files import relative_path
from usd_io.read.placement import ORIGINAL_VARIANT, VARIANT_SET, Placement, Variants

CONFIDENCE = "userProperties:anymole:confidence"
"""Float array per frame in the order of the animation's joints: 1 at keys and context, lower where guessed."""

_PER_LAYER = {"subLayers", "subLayerOffsets", "comment", "documentation", "customLayerData", "primOrder"}
"""What a layer says of itself and not of the stage, or what composes through sublayers anyway."""


def write_data_layer(
    path: Path,
    stage: Usd.Stage,
    placed: Sequence[Placed],
    custom: Mapping[str, Any],
    *,
    comment: str,
) -> None:
    """Write the animation of all takes.

    Args:
        path: File to create.
        stage: The source stage, for its metrics and blend shapes.
        placed: Results and where they go.
        custom: Value of ``customLayerData["anymole"]``, plain USD values.
        comment: One line on what the layer is.
    """
    layer = Sdf.Layer.CreateNew(str(path))
    _copy_metrics(stage, layer, placed)
    with Sdf.ChangeBlock():
        layer.comment = comment
        layer.documentation = "Mute or remove this layer to get the original animation back."
        layer.customLayerData = {"anymole": dict(custom)}
        for placement, takes in placed:
            write_bindings(layer, placement)
            write_animation(layer, stage, placement, takes)
    layer.Save()


def write_root_layer(
    path: Path,
    stage: Usd.Stage,
    placed: Sequence[Placed],
    custom: Mapping[str, Any],
    *,
    data: str,
    comment: str,
) -> None:
    """Write the stage that shows the result: the source's stage metadata, the data layer and the source.

    Args:
        path: File to create.
        stage: The source stage.
        placed: Results, for the time range where the source has none.
        custom: As for the data layer; only its top-level numbers and text are repeated here.
        data: Sublayer path of the data layer.
        comment: One line on what the layer is.
    """
    layer = Sdf.Layer.CreateNew(str(path))
    source = stage.GetRootLayer()
    copy_metadata(source, layer)
    _copy_metrics(stage, layer, placed)
    layer.comment = comment
    short = {key: value for key, value in custom.items() if isinstance(value, bool | int | float | str)}
    layer.customLayerData = {**source.customLayerData, "anymole": short}
    layer.subLayerPaths = [data, relative_path(source.realPath or source.identifier, path.parent)]
    layer.Save()


def copy_metadata(source: Sdf.Layer, root: Sdf.Layer) -> None:
    """What a root stage says of the whole stage, and is asked of no sublayer, such as variables of expressions."""
    for key in source.pseudoRoot.ListInfoKeys():
        if key not in _PER_LAYER:
            root.pseudoRoot.SetInfo(key, _anchored(source, source.pseudoRoot.GetInfo(key)))


def _anchored(source: Sdf.Layer, value: Any) -> Any:
    if isinstance(value, Sdf.AssetPath) and value.path:
        return Sdf.AssetPath(source.ComputeAbsolutePath(value.path))
    return value


def _copy_metrics(stage: Usd.Stage, layer: Sdf.Layer, placed: Sequence[Placed]) -> None:
    """Author what the stage resolves to, so that the result does not hang on fallbacks or on sublayers."""
    root = layer.pseudoRoot
    root.SetInfo("upAxis", UsdGeom.GetStageUpAxis(stage))
    root.SetInfo("metersPerUnit", UsdGeom.GetStageMetersPerUnit(stage))
    layer.timeCodesPerSecond = stage.GetTimeCodesPerSecond()
    layer.framesPerSecond = stage.GetFramesPerSecond()
    if stage.GetRootLayer().HasDefaultPrim():
        layer.defaultPrim = stage.GetRootLayer().defaultPrim
    authored = stage.HasAuthoredTimeCodeRange()
    ends = [t for _, takes in placed for take in takes.values() for t in take.motion.times[[0, -1]].tolist()]
    layer.startTimeCode = stage.GetStartTimeCode() if authored else min(ends)
    layer.endTimeCode = stage.GetEndTimeCode() if authored else max(ends)


def write_bindings(layer: Sdf.Layer, placement: Placement) -> None:
    """The animation prims without their samples, the bindings to them, and the instances opened for them."""
    for opened in placement.opened:
        Sdf.CreatePrimInLayer(layer, opened).SetInfo("instanceable", False)
    prefixes = _prefixes(layer, placement)
    for path, prefix in zip(placement.animation_paths, prefixes, strict=True):
        animation = Sdf.CreatePrimInLayer(layer, in_variant(path, prefix if _switched(placement) else None))
        if path != placement.source_animation_path:
            animation.specifier = Sdf.SpecifierDef
            animation.typeName = "SkelAnimation"
    written: set[str] = set()
    for binding in placement.bindings:
        if binding.prim_path is None or binding.prim_path in written:
            continue
        written.add(binding.prim_path)
        held = [None] if binding.variants is None else _make_variants(layer, binding.variants)
        for number, prefix in enumerate(held):
            prim = Sdf.CreatePrimInLayer(layer, in_variant(binding.prim_path, prefix))
            _bind(prim, placement.animation_paths[number])


def write_animation(
    layer: Sdf.Layer, stage: Usd.Stage, placement: Placement, takes: Mapping[str, Take]
) -> None:
    """The samples of all takes: what is the same in all of them goes onto the animation prim itself, where one stands
    for all."""
    made = Filling(stage, placement, takes)
    prefixes = _prefixes(layer, placement)
    shared = len(set(placement.animation_paths)) == 1 and not _switched(placement)
    new = placement.animation_path != placement.source_animation_path
    for number, (path, prefix) in enumerate(zip(placement.animation_paths, prefixes, strict=True)):
        base = Sdf.CreatePrimInLayer(layer, in_variant(path, prefix if _switched(placement) else None))
        if number == 0 or not shared:
            if new:
                _uniform(base, "joints", list(placement.joints))
                _copy_blend_shapes(layer, base, stage, placement.source_animation_path)
                for channel in made.kept_channels:
                    made.copy(layer, base, channel)
            _write_confidence(layer, base, made)
        varied = Sdf.CreatePrimInLayer(layer, in_variant(path, prefix))
        for channel in made.filled_channels:
            made.write(layer, varied, channel, number)


def _write_confidence(layer: Sdf.Layer, animation: Sdf.PrimSpec, made: Filling) -> None:
    rows = made.confidence()
    if rows is None:
        return
    path = Sdf.AttributeSpec(animation, CONFIDENCE, Sdf.ValueTypeNames.FloatArray).path
    changes = np.append(True, (rows[1:] != rows[:-1]).any(-1))
    value = None
    for time, row, changed in zip(made.times.tolist(), rows, changes.tolist(), strict=True):
        value = to_floats(row) if changed else value  # most rows are those of finished motion
        layer.SetTimeSample(path, time, value)


def _switched(placement: Placement) -> bool:
    """Variants of the mode ``variant`` hold binding and animation, those of several takes the samples alone."""
    return placement.variants is not None and placement.variants.set == VARIANT_SET


def _prefixes(layer: Sdf.Layer, placement: Placement) -> list[Sdf.Path | None]:
    """The variants that hold the samples of each take; None where the prims themselves do."""
    if placement.variants is None:
        return [None] * len(placement.animation_paths)
    return _make_variants(layer, placement.variants)


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


def in_variant(path: str, prefix: Sdf.Path | None) -> Sdf.Path:
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
    if weights.HasAuthoredValue():
        copy_attribute(layer, prim, weights)


def _uniform(prim: Sdf.PrimSpec, name: str, value: Any) -> None:
    kind = Sdf.ValueTypeNames.TokenArray
    Sdf.AttributeSpec(prim, name, kind, Sdf.VariabilityUniform).default = value
