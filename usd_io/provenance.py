"""What made a result, in the plain values that a USD dictionary can hold."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pxr import Ar, Sdf, Tf, Usd, Vt

from usd_io.diagnostics import captured
from usd_io.errors import AuthorError, StageReadError, shown


def layer_files(stage: Usd.Stage) -> tuple[Path, ...]:
    """The files that a stage is made of, root first, the others by name; a layer in a package counts as its package.

    Files of value clips are among them though USD opens each only when a time of it is read.
    """
    root = stage.GetRootLayer()
    # USD lists them by where they lie in memory: in each process in another order, and work would be done again for it
    others = sorted(
        (layer for layer in stage.GetUsedLayers() if layer != root), key=lambda layer: layer.identifier
    )
    layers = [root, *others]
    return _files([*(layer.realPath for layer in layers), *_clip_paths(stage)])


def picture_files(stage: Usd.Stage) -> tuple[Path, ...]:
    """The files that materials name, which decide what a picture of the stage shows and nothing else."""
    found: list[str] = []
    for prim in Usd.PrimRange.Stage(stage, Usd.TraverseInstanceProxies()):
        if prim.GetTypeName() in ("Shader", "Material", "NodeGraph"):
            for attribute in prim.GetAuthoredAttributes():
                value = attribute.Get() if attribute.GetTypeName() == Sdf.ValueTypeNames.Asset else None
                found += [value.resolvedPath] if value else []
    return _files(found)


def reload_changed(stage: Usd.Stage) -> bool:
    """Read layers again whose file has another time than when USD opened it; whether there were any.

    USD keeps a layer as long as anyone in the process holds it, and opens what it has for whoever asks next.

    Raises:
        StageReadError: A layer was edited in this process and not saved: the file holds something else.
    """
    layers = [layer for layer in stage.GetUsedLayers() if layer.realPath]
    for layer in layers:
        if layer.dirty:
            raise StageReadError(
                f"{shown(layer.identifier)} has changes in this process that are not saved; save it first."
            )
    with captured():
        try:
            # one that is read again may no longer name another, which then expires
            reloaded = [layer.Reload() for layer in layers if layer]
        except Tf.ErrorException:
            return True  # saved, and damaged or gone by now: whoever opens it next will say so
    return any(reloaded)


def _clip_paths(stage: Usd.Stage) -> list[str]:
    paths: list[str] = []
    for prim in Usd.PrimRange.Stage(stage, Usd.TraverseInstanceProxies()):
        if not prim.HasAuthoredMetadata("clips"):
            continue
        clips = Usd.ClipsAPI(prim)
        for name in clips.GetClips() or {}:
            for asset in (*(clips.ComputeClipAssetPaths(name) or ()), clips.GetClipManifestAssetPath(name)):
                paths += [asset.resolvedPath] if asset else []
    return paths


def _files(paths: Iterable[str]) -> tuple[Path, ...]:
    files = (Ar.SplitPackageRelativePathOuter(str(path))[0] for path in paths if path)
    return tuple(Path(file) for file in dict.fromkeys(files))


def to_dictionary(values: Mapping[str, Any], where: str = "provenance") -> dict[str, Any]:
    """JSON-like values as USD stores them: lists become typed arrays, None is left out.

    Args:
        values: Nested mappings, sequences, numbers, text, paths; lists of unlike things become a dictionary
            with the keys ``"0"``, ``"1"``, ...
        where: Name of the dictionary in error messages.

    Raises:
        AuthorError: A value has no counterpart in USD.
    """
    return {
        str(key): _to_value(value, f"{where}.{key}") for key, value in values.items() if value is not None
    }


def _to_value(value: Any, where: str) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Path):
        return value.as_posix()
    if isinstance(value, bool | float | str):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)
    if isinstance(value, Mapping):
        return to_dictionary(value, where)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return _to_array(value, where)
    raise AuthorError(f"{where} is a {type(value).__name__}, which USD cannot store. Use plain values.")


def _to_array(values: Sequence[Any], where: str) -> Any:
    kinds = {type(value) for value in values}
    if kinds <= {str}:
        return Vt.StringArray(list(values))
    if kinds == {bool}:
        return Vt.BoolArray(list(values))
    if kinds == {int} and all(-(2**63) <= value < 2**63 for value in values):
        return Vt.Int64Array(list(values))
    if kinds <= {int, float}:
        return Vt.DoubleArray([float(value) for value in values])
    return to_dictionary({str(index): value for index, value in enumerate(values)}, where)
