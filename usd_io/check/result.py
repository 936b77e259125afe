"""Rules on our own results, which name their source and keys: SA008, SA011 (docs/check.md)."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from pxr import Sdf, Usd, UsdSkel

from usd_io.check.finding import Finding
from usd_io.errors import StageReadError, counted, shown
from usd_io.files import file_hash
from usd_io.judge import Comparison, Gaps, Judge, ReadSamples
from usd_io.model import CHANNELS
from usd_io.read.stage import open_stage
from usd_io.sampled import Streamed


def changed_keys(
    stage: Usd.Stage, compared: list[Comparison] | None = None, read: ReadSamples = Streamed.of
) -> Iterator[Finding]:
    """SA008: at its keys and in finished motion a result equals its source; SA011: it has the source's blend shapes.

    What was compared is added to ``compared``: one per skeleton that the result's record names, but those that are not
    there any more. ``read`` gives the samples of an attribute.
    """
    compared = [] if compared is None else compared
    for layer, record in _records(stage):
        takes = [take for take in record["takes"].values() if isinstance(take, Mapping)]
        yield from _check_record(stage, layer, record, takes, compared, read)


def sources(stage: Usd.Stage) -> Iterator[Usd.Stage]:
    """The stages that a result was made of, but those that cannot be opened; none of another stage."""
    for layer, record in _records(stage):
        with suppress(StageReadError):
            yield _source(layer, record)


def _records(stage: Usd.Stage) -> Iterator[tuple[Sdf.Layer, Mapping[str, Any]]]:
    """Layers of results with what they say of themselves."""
    for layer in stage.GetUsedLayers():
        record = layer.customLayerData.get("anymole", {})
        if isinstance(record, Mapping) and isinstance(record.get("takes"), Mapping):
            yield layer, record


def _source(layer: Sdf.Layer, record: Mapping[str, Any]) -> Usd.Stage:
    """Raises:
    StageReadError: It cannot be opened.
    """
    return open_stage(layer.ComputeAbsolutePath(str(_section(record, "source").get("root", ""))))


def _section(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = record.get(name)
    return found if isinstance(found, Mapping) else {}


def _check_record(
    stage: Usd.Stage,
    layer: Sdf.Layer,
    record: Mapping[str, Any],
    takes: list[Mapping[str, Any]],
    compared: list[Comparison],
    read: ReadSamples,
) -> Iterator[Finding]:
    name = shown(layer.GetDisplayName())
    yield from _changed_sources(layer, _section(record, "source"))
    try:
        original = _source(layer, record)
    except StageReadError as error:
        yield Finding("SA008", "warning", f"The keys cannot be compared with the source: {error}", name)
        return
    yield from _compare_poses(stage, original, takes, name, compared, read)
    for take in takes:
        yield from _compare_shapes(stage, original, take, name)


def _changed_sources(layer: Sdf.Layer, source: Mapping[str, Any]) -> Iterator[Finding]:
    for entry in _section(source, "layers").values():
        file = (
            Path(layer.ComputeAbsolutePath(str(entry.get("path", ""))))
            if isinstance(entry, Mapping)
            else None
        )
        # only a plain file has an end that a hash can wait for
        if file is not None and file.is_file() and file_hash(file) != entry.get("sha256"):
            message = f"{shown(file)} has changed since this result was made from it. Make it again."
            yield Finding("SA008", "warning", message, shown(layer.GetDisplayName()))


def _compared(
    stage: Usd.Stage, original: Usd.Stage, takes: list[Mapping[str, Any]], read: ReadSamples
) -> Iterator[Comparison | tuple[str, str]]:
    """Each skeleton of a record compared; its path and what is wrong where that cannot be. One speaks for all with its
    joints that share its animation."""
    judge = Judge(original, stage, read)
    seen: dict[tuple[object, ...], Comparison] = {}
    for take in takes:
        path, promise = str(take.get("skeleton", "")), promised(take)
        if promise is None:
            continue
        try:
            rig = (take.get("animation"), take.get("source_animation"), judge.joints(path))
            if rig not in seen:
                seen[rig] = judge.compare(path, *promise)
            yield replace(seen[rig], skeleton=path)
        except LookupError as error:
            yield path, str(error)


def _compare_poses(
    stage: Usd.Stage,
    original: Usd.Stage,
    takes: list[Mapping[str, Any]],
    layer: str,
    compared: list[Comparison],
    read: ReadSamples,
) -> Iterator[Finding]:
    for found in _compared(stage, original, takes, read):
        if not isinstance(found, Comparison):
            path, why = found
            message = f"The keys cannot be compared with the source: {why}. Make the result again."
            yield Finding("SA008", "error", message, layer, shown(path))
            continue
        compared.append(found)
        if not found.exact:
            yield Finding("SA008", "error", _what_differs(found), layer, shown(found.skeleton), found.time)


def _what_differs(found: Comparison) -> str:
    parts = []
    if found.unequal:
        named = ", ".join(sorted({channel for channel, _ in found.unequal}))
        parts.append(
            f"the result differs from the source in {counted(len(found.unequal), 'sample')} of {named}"
        )
    if found.distance or found.local:
        parts.append(f"joints or skin are up to {found.distance:.2g} stage units off")
    return (
        f"At keys or in finished motion {' and '.join(parts)}. Make the result again, or bind the animation that it "
        "came with."
    )


def promised(take: Mapping[str, Any]) -> tuple[list[float], Gaps] | None:
    """Keys and gaps by channel from the record of a result; None where it promises nothing that can be read."""
    keys, gaps = take.get("keys", ()), take.get("gaps")
    try:
        times = [float(time) for time in keys]
        between = [time for pair in pairwise(sorted(times)) for time in pair]
        # results of earlier versions name their keys alone
        own = {c: gaps.get(c, ()) if isinstance(gaps, Mapping) else between for c in CHANNELS}
        flat = {channel: [float(time) for time in ends] for channel, ends in own.items()}
    except (TypeError, ValueError):
        return None
    numbers = [*times, *(time for ends in flat.values() for time in ends)]
    if not times or not np.isfinite(numbers).all():
        return None
    return times, {channel: list(zip(e[::2], e[1::2], strict=False)) for channel, e in flat.items()}


def _compare_shapes(
    stage: Usd.Stage, original: Usd.Stage, take: Mapping[str, Any], layer: str
) -> Iterator[Finding]:
    ours = UsdSkel.Animation(stage.GetPrimAtPath(str(take.get("animation", "/"))))
    theirs = UsdSkel.Animation(original.GetPrimAtPath(str(take.get("source_animation", "/"))))
    if not ours or not theirs:
        return
    lost = set(theirs.GetBlendShapesAttr().Get() or ()) - set(ours.GetBlendShapesAttr().Get() or ())
    if lost:
        message = (
            f"{len(lost)} blend shapes of the source are gone, such as {shown(min(lost))}. Copy the weights."
        )
        yield Finding("SA011", "error", message, layer, shown(ours.GetPath()))
