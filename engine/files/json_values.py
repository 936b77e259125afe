"""Values of JSON: read with a limit, and put back into the dataclasses that they were written from."""

import json
import types
import typing
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import fields, is_dataclass
from functools import cache
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


_LEAVES = frozenset({type(None), bool, int, float, str})


def to_plain(value: Any) -> Any:
    """A dataclass as a mapping and all within it, as ``dataclasses.asdict`` has it, but that what cannot change is not
    copied: the plan and the scores of a long shot hold hundreds of thousands of numbers."""
    if type(value) in _LEAVES:
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in fields(value)}
    if type(value) is dict:
        return {name: to_plain(each) for name, each in value.items()}
    if type(value) in (list, tuple):
        if _LEAVES.issuperset(map(type, value)):
            return value if type(value) is tuple else value.copy()
        return type(value)(map(to_plain, value))
    return deepcopy(value)


def from_plain(kind: Any, value: Any) -> Any:
    """Values of JSON as the dataclass, tuple or union that they were written from.

    Raises:
        TypeError, KeyError: The value does not fit.
    """
    if isinstance(kind, type) and is_dataclass(kind):
        hints = _hints_of(kind)
        return kind(**{name: from_plain(hints[name], v) for name, v in value.items() if name in hints})
    if kind in _LEAVES:
        return value
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


@cache
def _hints_of(kind: type[Any]) -> dict[str, Any]:
    """Types of the fields of a dataclass."""
    hints = typing.get_type_hints(kind)
    return {f.name: hints[f.name] for f in fields(kind)}
