"""Which take each gap of a result shows: a small layer of its own, over the one with the takes.

The layer holds the whole animation, since time samples of a stronger layer hide all weaker ones: between its gaps as
it was, and in each gap the samples of the take that was chosen, or those of the source where the gap was rejected.
Without it the result is as the run has made it.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pxr import Sdf, Tf, Usd, UsdSkel

from usd_io.author.takes import read_takes, record_of, show_take, write_like
from usd_io.diagnostics import captured, reason
from usd_io.errors import AuthorError, TakeNotFoundError, shown, unwritable
from usd_io.files import replacing
from usd_io.model import GAPS
from usd_io.read.skeleton import bound_skeleton
from usd_io.read.stage import open_stage

SOURCE = 0
"""In place of a take's number: what the source has."""
CHANNELS = ("translations", "rotations", "scales")
Samples = dict[float, Any]
"""Values of an attribute by time code."""


@dataclass(frozen=True)
class ShownGap:
    """One gap of a result, and what it shows."""

    skeleton_path: str
    start: float
    end: float
    """The samples between these time codes, both excluded."""
    take: int = 1
    """From 1 on; ``SOURCE`` where it was rejected."""
    accepted: bool = False
    """Whether somebody has said that it is good."""


def read_gaps(result: str | Path) -> tuple[ShownGap, ...]:
    """The gaps of a result in their order, skeleton by skeleton.

    Args:
        result: Its root stage.

    Raises:
        StageReadError: It cannot be opened.
        NoResultError: It is no result.
        AuthorError: Its record is damaged.
    """
    stage = open_stage(result)
    _, record = record_of(stage)
    active = max(read_takes(result).active, 1)
    chosen = next((layer for layer in stage.GetLayerStack(False) if GAPS in layer.customLayerData), None)
    try:
        gaps = [replace(gap, take=active) for gap in _planned(record)]
        said = {} if chosen is None else _said(chosen.customLayerData[GAPS])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AuthorError(
            f"{shown(result)}: the record of its gaps is damaged. Make the result again."
        ) from error
    return tuple(said.get((gap.skeleton_path, gap.start, gap.end), gap) for gap in gaps)


def _planned(record: Mapping[str, Any]) -> Iterator[ShownGap]:
    for plan in record.get("plans", {}).values():
        for gap in plan["gaps"].values():
            yield ShownGap(str(plan["skeleton_path"]), float(gap["start"]), float(gap["end"]))


def _said(record: Mapping[str, Any]) -> dict[tuple[str, float, float], ShownGap]:
    gaps = [ShownGap(**values) for values in record.values()]
    return {(gap.skeleton_path, gap.start, gap.end): gap for gap in gaps}


def choose_gaps(
    result: str | Path, gaps: Sequence[ShownGap], claim: Callable[[Path], None] = lambda layer: None
) -> tuple[ShownGap, ...]:
    """Have every gap of a result show what is chosen for it from now on.

    ``STEM_gaps.usdc`` is written beside the result, and named in its root stage; both are replaced in one step. Where
    nothing differs from what the run has made, it is taken away.

    Args:
        result: Its root stage.
        gaps: All of :func:`read_gaps`, changed.
        claim: Called with the layer's path before it is first written; what it raises leaves the folder as it was.

    Raises:
        StageReadError: It cannot be opened.
        NoResultError: It is no result.
        TakeNotFoundError: It has no such take.
        AuthorError: It cannot be written; or a skeleton lies in an instance, where no layer reaches.
    """
    path, takes = Path(result), read_takes(result)
    wrong = next((gap.take for gap in gaps if not SOURCE <= gap.take <= takes.count), None)
    if wrong is not None:
        raise TakeNotFoundError(f"{shown(result)} has no take {wrong}: it has {takes.count}, counted from 1.")
    layer_path = path.with_name(f"{path.stem}_gaps.usdc")
    _refuse_foreign(layer_path)
    plain = takes.active > 0 and all(gap.take == takes.active and not gap.accepted for gap in gaps)
    try:
        with captured():
            if plain:
                _name_layer(path, layer_path, there=False)
                layer_path.unlink(missing_ok=True)
            else:
                claim(layer_path)
                with replacing(layer_path) as draft:
                    _write(draft, path, gaps, max(takes.active, 1))
                _name_layer(path, layer_path, there=True)
    except Tf.ErrorException as error:
        raise AuthorError(f"USD could not write {shown(layer_path)}: {reason(error)}") from error
    except OSError as error:
        raise AuthorError(unwritable(layer_path, error)) from error
    for changed in (layer_path, path):
        layer = Sdf.Layer.Find(str(changed))
        if layer:
            layer.Reload(force=True)  # USD keeps layers by path
    return read_gaps(path)


def _refuse_foreign(layer_path: Path) -> None:
    """What has the name of the layer and is none that says what gaps show stays."""
    if not os.path.lexists(layer_path):
        return
    if layer_path.is_file() and not layer_path.is_symlink():
        try:
            with captured():
                if GAPS in Sdf.Layer.OpenAsAnonymous(str(layer_path), metadataOnly=True).customLayerData:
                    return
        except (Tf.ErrorException, AttributeError):  # no layer at all
            pass
    raise AuthorError(
        f"{shown(layer_path)} is not of this result, and its own file has that name; move it away."
    )


def forget_gaps(result: str | Path) -> None:
    """Have a result show one take in all of its gaps again; errors as of :func:`choose_gaps`."""
    gaps, active = read_gaps(result), max(read_takes(result).active, 1)
    if any(gap.accepted or gap.take != active for gap in gaps):
        choose_gaps(result, [replace(gap, take=active, accepted=False) for gap in gaps])


def _name_layer(root: Path, layer_path: Path, *, there: bool) -> None:
    """Name the layer in the root stage as its strongest sublayer, or no more."""
    name = f"./{layer_path.name}"
    edited = Sdf.Layer.OpenAsAnonymous(str(root))  # as it is now, whoever has it open
    if (name in edited.subLayerPaths) == there:
        return
    with replacing(root) as draft:
        others = [other for other in edited.subLayerPaths if other != name]
        edited.subLayerPaths = [name, *others] if there else others
        write_like(edited, root, draft)


def _write(draft: Path, root: Path, gaps: Sequence[ShownGap], active: int) -> None:
    wanted = {
        skeleton: _animation(root, [gap for gap in gaps if gap.skeleton_path == skeleton], active)
        for skeleton in dict.fromkeys(gap.skeleton_path for gap in gaps)
    }
    layer = Sdf.Layer.CreateAnonymous(".usdc")
    main = Sdf.Layer.FindOrOpen(str(root))
    layer.timeCodesPerSecond, layer.framesPerSecond = main.timeCodesPerSecond, main.framesPerSecond
    layer.comment = "Which take of a result each gap shows. Remove this layer to see one take in all of them."
    layer.customLayerData = {GAPS: {str(i): dict(vars(gap)) for i, gap in enumerate(gaps)}}
    with Sdf.ChangeBlock():
        for path, channels in wanted.values():
            prim = Sdf.CreatePrimInLayer(layer, path)
            prim.specifier = Sdf.SpecifierOver
            for name, (type_name, samples) in channels.items():
                attribute = Sdf.AttributeSpec(prim, name, type_name)
                for time, value in samples.items():
                    layer.SetTimeSample(attribute.path, time, value)
    if not layer.Export(str(draft), args={"format": "usdc"}):
        raise AuthorError(f"USD could not write {shown(draft)}.")
    _check(root, layer, wanted)


Animation = tuple[Sdf.Path, dict[str, tuple[Any, Samples]]]
"""An animation prim and its channels: type and samples of each."""


def _animation(root: Path, gaps: Sequence[ShownGap], active: int) -> Animation:
    """The samples of a skeleton's animation with what is chosen for each of its gaps."""
    skeleton = gaps[0].skeleton_path
    stages = {take: _showing(root, take) for take in {active, *(gap.take for gap in gaps)}}
    prims = {take: _animation_prim(stage, skeleton) for take, stage in stages.items()}
    base = prims[active]
    channels = {}
    for name in CHANNELS:
        attribute = base.GetAttribute(name)
        if not attribute or not attribute.GetNumTimeSamples():
            continue
        samples = {t: attribute.Get(t) for t in attribute.GetTimeSamples()}
        for gap in gaps:
            if gap.take != active:
                samples = {t: v for t, v in samples.items() if not gap.start < t < gap.end}
                samples |= _inside(prims[gap.take], base, name, gap)
        channels[name] = (attribute.GetTypeName(), dict(sorted(samples.items())))
    return base.GetPath(), channels


def _showing(root: Path, take: int) -> Usd.Stage:
    """The result in memory of its own, showing one take in all of its gaps; or the source alone."""
    stage = open_stage(root)
    if take != SOURCE:
        show_take(stage, take)
        return stage
    data, _ = record_of(stage)
    for layer in [data, *(layer for layer in stage.GetLayerStack(False) if GAPS in layer.customLayerData)]:
        if layer is not None:
            stage.MuteLayer(layer.identifier)
    return stage


def _animation_prim(stage: Usd.Stage, skeleton: str) -> Usd.Prim:
    animation = bound_skeleton(stage, skeleton).animation
    if animation is None:
        raise AuthorError(f"{shown(skeleton)} has no animation any more. Make the result again.")
    return animation.GetPrim()


def _inside(prim: Usd.Prim, base: Usd.Prim, name: str, gap: ShownGap) -> Samples:
    """The samples that an animation has inside a gap, by the joints of another one; joints that it lacks keep what that
    one has there."""
    attribute = prim.GetAttribute(name)
    times = [t for t in attribute.GetTimeSamples() if gap.start < t < gap.end] if attribute else []
    joints, wanted = (list(UsdSkel.Animation(p).GetJointsAttr().Get() or ()) for p in (prim, base))
    if joints == wanted:
        return {t: attribute.Get(t) for t in times}
    places = {joint: place for place, joint in enumerate(joints)}
    found: Samples = {}
    for time in times:
        values, own = base.GetAttribute(name).Get(time), attribute.Get(time)
        for place, joint in enumerate(wanted):
            if joint in places:
                values[place] = own[places[joint]]
        found[time] = values
    return found


def _check(root: Path, layer: Sdf.Layer, wanted: Mapping[str, Animation]) -> None:
    """What UsdSkel would see of the result with the layer is what was to be written."""
    stage = open_stage(root)
    for other in stage.GetLayerStack(False):
        if GAPS in other.customLayerData:
            stage.MuteLayer(other.identifier)
    stage.GetSessionLayer().subLayerPaths.append(layer.identifier)
    for skeleton, (_, channels) in wanted.items():
        prim = _animation_prim(stage, skeleton)
        for name, (_, samples) in channels.items():
            attribute = prim.GetAttribute(name)
            if attribute.GetTimeSamples() != list(samples) or any(
                attribute.Get(t) != v for t, v in samples.items()
            ):
                raise AuthorError(
                    f"{shown(skeleton)}: no layer can choose for its gaps alone, as the skeleton lies in an instance;"
                    " choose one take for all of them ('anymole take RESULT N')."
                )
