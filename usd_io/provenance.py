"""What made a result, in the plain values that a USD dictionary can hold."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pxr import Ar, Usd, Vt

from usd_io.errors import AuthorError


def relative_path(file: str, folder: Path) -> str:
    """The path of a file as a layer in ``folder`` names it: relative where both share more than the root.

    A relative path lets the two move together; a way up to the root of the disk and down again would not, so
    that one stays absolute, as does what is no file but an identifier of a studio's resolver.
    """
    # links stay as they are: USD joins layer paths as text
    target = Path(os.path.abspath(file))  # noqa: PTH100
    start = Path(os.path.abspath(folder))  # noqa: PTH100
    if not target.exists():
        return file
    shared = Path(os.path.commonpath([target, start])) if target.anchor == start.anchor else None
    if shared is None or shared == Path(target.anchor):
        return target.as_posix()
    relative = Path(os.path.relpath(target, start)).as_posix()
    return relative if relative.startswith("../") else f"./{relative}"


def layer_files(stage: Usd.Stage) -> tuple[Path, ...]:
    """The files that a stage is made of, root first; a layer inside a package counts as its package."""
    root = stage.GetRootLayer()
    layers = [root, *(layer for layer in stage.GetUsedLayers() if layer != root)]
    files = [Ar.SplitPackageRelativePathOuter(layer.realPath)[0] for layer in layers if layer.realPath]
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
