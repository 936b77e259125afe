"""Values of JSON: read with a limit, and put back into the dataclasses that they were written from."""

import json
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from engine.files.regular import read_regular


def read_json(path: Path, largest: int) -> Any:
    """The value in a JSON file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no JSON, nested without end, or larger than so many bytes.
    """
    content = read_regular(path, largest)
    try:
        return json.loads(content.decode("utf-8"))
    except RecursionError as error:
        raise ValueError(f"{path} is nested too deeply") from error


def as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values as they come back from JSON: tuples become lists."""
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain


def from_plain(kind: Any, value: Any) -> Any:
    """Values of JSON as the dataclass, tuple or union that they were written from.

    Raises:
        TypeError, KeyError: The value does not fit.
    """
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        known = {f.name for f in fields(kind)}
        return kind(**{name: from_plain(hints[name], v) for name, v in value.items() if name in known})  # type: ignore[operator]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return (
            None
            if value is None
            else from_plain(next(a for a in arguments if a is not types.NoneType), value)
        )
    if origin is tuple and isinstance(value, Sequence):
        kinds = arguments[:1] * len(value) if arguments[-1] is Ellipsis else arguments
        return tuple(from_plain(k, v) for k, v in zip(kinds, value, strict=True))
    if origin in (dict, Mapping):
        return {name: from_plain(arguments[1], v) for name, v in value.items()}
    return value
