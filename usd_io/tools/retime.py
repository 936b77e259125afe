"""Motion cut to a range, or moved and stretched in time, as a new layer: ``anymole usd trim`` and ``retime``."""

from dataclasses import dataclass
from pathlib import Path

from pxr import Sdf

from usd_io.diagnostics import captured
from usd_io.errors import AuthorError, shown, timecode
from usd_io.files import relative_path
from usd_io.provenance import layer_files
from usd_io.read.stage import open_stage
from usd_io.tools.output import check_output, write_layer
from usd_io.tools.text import read_layer

_ROOT_FIELDS = (
    "upAxis",
    "metersPerUnit",
    "kilogramsPerUnit",
    "framesPerSecond",
    "timeCodesPerSecond",
    "colorConfiguration",
)
LARGEST_SCALE = 1e4


@dataclass(frozen=True)
class Trimmed:
    """What was cut."""

    attributes: int
    """That had samples."""
    removed: int
    """Samples outside the range."""
    added: int
    """Samples at the ends of the range, where there were none: what the stage shows there."""
    others: tuple[str, ...]
    """Other layers of the stage, whose samples are as they were."""


def trim(
    file: str | Path, out: Path, start: float, end: float, *, flatten: bool = False, overwrite: bool = False
) -> Trimmed:
    """Write a layer with the time samples of a range alone. At its ends it holds what the stage shows there.

    Args:
        file: A USD file.
        out: The new layer.
        start: First time code that stays.
        end: The last one.
        flatten: Cut all that is composed, as one layer, and not the root layer alone.
        overwrite: Replace ``out``.

    Raises:
        StageReadError: The file cannot be opened.
        AuthorError: The range is none, or the layer cannot be written.
    """
    if not start <= end:
        raise AuthorError(f"{timecode(start)} to {timecode(end)} is no range; give the earlier time first.")
    stage = open_stage(file)
    check_output(out, layer_files(stage), overwrite=overwrite)
    layer = read_layer(file, flatten=flatten)
    with captured():
        attributes = removed = added = 0
        for path in _sampled(layer):
            attributes += 1
            times = layer.ListTimeSamplesForPath(path)
            shows = stage.GetAttributeAtPath(path) if not path.ContainsPrimVariantSelection() else None
            for time in {start, end} if times[0] < end and times[-1] > start else ():
                if times[0] < time < times[-1] and time not in times:
                    value = shows.Get(time) if shows else layer.QueryTimeSample(path, time)
                    if value is not None:
                        layer.SetTimeSample(path, time, value)
                        added += 1
            outside = [time for time in times if not start <= time <= end]
            if len(outside) == len(times):  # held: before its first and after its last sample
                nearest = times[-1] if times[-1] < start else times[0]
                layer.SetTimeSample(path, start, layer.QueryTimeSample(path, nearest))
                added += 1
            for time in outside:
                layer.EraseTimeSample(path, time)
            removed += len(outside)
        layer.startTimeCode, layer.endTimeCode = start, end
        root = stage.GetRootLayer()
        used = [
            shown(other.identifier)
            for other in stage.GetUsedLayers()
            if other not in (root, stage.GetSessionLayer())
        ]
    write_layer(layer, out, anchor=None if flatten else root)
    return Trimmed(attributes, removed, added, () if flatten else tuple(sorted(used)))


def _sampled(layer: Sdf.Layer) -> list[Sdf.Path]:
    found: list[Sdf.Path] = []

    def visit(path: Sdf.Path) -> None:
        if path.IsPropertyPath() and layer.GetNumTimeSamplesForPath(path):
            found.append(path)

    layer.Traverse("/", visit)
    return found


def retime(
    file: str | Path, out: Path, *, scale: float = 1.0, offset: float = 0.0, overwrite: bool = False
) -> tuple[float, float] | None:
    """Write a small layer over a file that shows it at other times: time *t* of it becomes ``t * scale + offset``.

    The file is not copied: the new layer names it as its sublayer with an offset.

    Args:
        file: A USD file.
        out: The new layer.
        scale: 2 makes it twice as long.
        offset: Moves it later [time codes].
        overwrite: Replace ``out``.

    Returns:
        The new range, None where the file has none.

    Raises:
        StageReadError: The file cannot be opened.
        AuthorError: The scale is not positive, or the layer cannot be written.
    """
    if not (1 / LARGEST_SCALE <= scale <= LARGEST_SCALE and abs(offset) < 1e9):
        raise AuthorError(
            f"scale {scale:g} and offset {offset:g} are out of range; the scale must be positive."
        )
    stage = open_stage(file)
    check_output(out, layer_files(stage), overwrite=overwrite)
    root = stage.GetRootLayer()
    with captured():
        layer = Sdf.Layer.CreateAnonymous(".usda")
        layer.comment = "Made by anymole: a file at other times."
        layer.subLayerPaths.append(relative_path(root.realPath or str(file), out.parent))
        layer.subLayerOffsets[0] = Sdf.LayerOffset(offset, scale)
        _take_root_fields(root, layer)
        if not (stage.HasAuthoredTimeCodeRange()):
            new_range = None
        else:
            new_range = (stage.GetStartTimeCode() * scale + offset, stage.GetEndTimeCode() * scale + offset)
            layer.startTimeCode, layer.endTimeCode = new_range
    write_layer(layer, out)
    return new_range


def _take_root_fields(root: Sdf.Layer, layer: Sdf.Layer) -> None:
    """What a stage takes from its root layer alone."""
    for name in _ROOT_FIELDS:
        if root.pseudoRoot.HasInfo(name):
            layer.pseudoRoot.SetInfo(name, root.pseudoRoot.GetInfo(name))
    if root.HasDefaultPrim():
        layer.defaultPrim = root.defaultPrim
