"""The settings of a run as fields of a form: kind, choices and help from :class:`engine.config.RunConfig` itself, so
that a new setting appears by itself."""

import ast
import inspect
import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from anymole_tui.typed_values import parse_contexts, parse_times, split
from engine import config as engine_config
from engine.config import RunConfig
from engine.errors import ConfigError

Kind = Literal["choice", "flag", "integer", "number", "text", "names", "times", "ranges"]
_KINDS: dict[Any, Kind] = {
    bool: "flag",
    int: "integer",
    float: "number",
    str: "text",
    tuple[str, ...]: "names",
    tuple[float, ...]: "times",
    tuple[tuple[float, float], ...]: "ranges",
}


@dataclass(frozen=True)
class Field:
    """One setting."""

    name: str
    kind: Kind
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    optional: bool = False
    """Whether nothing (None) is a value."""


@cache
def run_fields() -> tuple[Field, ...]:
    """All settings of a run in their order; those of a kind that no form can show are left to the command line."""
    hints, helps = get_type_hints(RunConfig), _docstrings()
    found = []
    for field in fields(RunConfig):
        plain, optional = _plain(hints[field.name])
        choices = tuple(map(str, get_args(plain))) if get_origin(plain) is Literal else ()
        kind: Kind | None = "choice" if choices else _KINDS.get(plain)
        if kind is not None:
            default = "" if field.default is MISSING else field.default
            found.append(Field(field.name, kind, default, helps.get(field.name, ""), choices, optional))
    return tuple(found)


def _plain(hint: Any) -> tuple[Any, bool]:
    """A type without its None, and whether it had one."""
    if get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint):
        (plain,) = [part for part in get_args(hint) if part is not type(None)] or [str]
        return plain, True
    return hint, False


def _docstrings() -> dict[str, str]:
    """The string below each field of the settings, on one line."""
    (body,) = ast.parse(inspect.getsource(engine_config.RunConfig)).body
    assert isinstance(body, ast.ClassDef)
    helps, name = {}, ""
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and name:
            helps[name] = " ".join(str(node.value.value).replace("``", "'").split())
            name = ""
    return helps


def to_text(field: Field, value: Any) -> str:
    """A value as it is typed into the form and on the command line."""
    if value is None:
        return ""
    match field.kind:
        case "names":
            return ",".join(value)
        case "times":
            return ",".join(map(number_text, value))
        case "ranges":
            return ",".join(f"{number_text(start)}:{number_text(end)}" for start, end in value)
        case "number":
            return number_text(value)
        case "flag":
            return "yes" if value else "no"
    return str(value)


def number_text(value: float) -> str:
    """The shortest text that reads back as the same number."""
    return repr(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def from_text(field: Field, text: str) -> Any:
    """The value of a typed text.

    Raises:
        ConfigError: It is none of the field's kind.
    """
    text = text.strip()
    option = f"--{field.name}"
    if field.optional and not text:
        return None
    match field.kind:
        case "names":
            return tuple(split(text))
        case "times":
            return tuple(parse_times(text, option))
        case "ranges":
            return tuple(parse_contexts(split(text)))
        case "flag":
            return text == "yes"
        case "integer" | "number":
            try:
                return int(text) if field.kind == "integer" else float(text)
            except ValueError:
                raise ConfigError(f"{option}: {text!r} is no number.") from None
    return text


def values_of(config: RunConfig) -> Mapping[str, Any]:
    """The settings by name."""
    return {field.name: getattr(config, field.name) for field in run_fields()}
