"""A setting, declared once: its type, default, help, limits and what it belongs to.

A field of a settings class says all of it in its annotation::

    seed: Annotated[int, Setting("Seed of everything random.", least=0)] = 0

Command line, form, presets, settings files, checks at construction and docs/cli.md are made from :func:`fields_of`.
"""

import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from numbers import Integral, Real
from typing import Annotated, Any, Literal, get_args, get_origin

from engine.settings.packages import added_names
from usd_io.errors import shown, timecode

Kind = Literal["choice", "flag", "integer", "number", "text", "names", "times", "ranges", "size"]
_KINDS: dict[Any, Kind] = {
    bool: "flag",
    int: "integer",
    float: "number",
    str: "text",
    tuple[str, ...]: "names",
    tuple[float, ...]: "times",
    tuple[tuple[float, float], ...]: "ranges",
    tuple[int, int]: "size",
}
_WANTED: dict[Kind, str] = {
    "flag": "give true or false",
    "integer": "give a whole number",
    "number": "give a number",
    "text": "give text",
    "names": "give a list of texts",
    "times": "give a list of finite numbers",
    "ranges": "give a list of pairs of finite numbers",
    "size": "give a height and a width in pixels",
}
ENDLESS = 2**53
"""A highest value from here on is not spelt out where a setting is described."""
LONGEST_VALUE = 60
"""Characters of a wrong value that a message shows."""


@dataclass(frozen=True)
class Setting:
    """What the annotation of a field says beside its type."""

    help: str
    """One or two sentences for people; the unit in brackets."""
    group: str = ""
    """Title under which help and forms show it."""
    flag: str = ""
    """Name on the command line, where it is not that of the field."""
    argument: bool = False
    """Whether it stands on the command line without a name."""
    each: bool = False
    """Whether its name is given once per entry on the command line."""
    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None
    """Limits of numbers; ``least`` and ``most`` are allowed themselves."""
    empty: str = ""
    """What happens where it is left at its empty default."""
    metavar: str = ""
    """Placeholder of its value in help, where the kind says too little."""
    of_shot: bool = False
    """Whether it is a path, a time or a prim of one shot, and so no preference to be kept for others."""
    counts_from: str = ""
    """The first stage of a run that depends on it; empty: none does, or only by the content of what it names."""
    names_file: bool = False
    """Whether it may name a file or folder that a run reads: kept as seen from the run folder, and found again where
    both are moved."""
    names_else: bool = False
    """Whether it may name something else than a file, too, as a prim or a view."""
    decides: bool = True
    """Whether another value may make other files; not so for what says where they go."""
    packages: str = ""
    """Group of entry points by which installed packages add to its choices."""
    words: Callable[[], Iterable[str]] = tuple
    """What may stand in it beside other values, or as an entry of a list: offered where it is typed."""


@dataclass(frozen=True)
class Field:
    """A declared setting with its name, type and default."""

    name: str
    kind: Kind
    default: Any
    """None where one has to be given."""
    setting: Setting
    own_choices: tuple[str, ...] = ()
    """Those of ours."""

    @property
    def choices(self) -> tuple[str, ...]:
        """What it may be; installed packages are searched when they are first needed."""
        if not self.setting.packages:
            return self.own_choices
        return (*self.own_choices, *added_names(self.setting.packages, self.own_choices))

    @property
    def words(self) -> tuple[str, ...]:
        """What can be offered where it is typed."""
        return self.choices or tuple(self.setting.words())

    def allows(self, choice: Any) -> bool:
        """Whether it may be so."""
        return choice in self.own_choices or choice in self.choices

    @property
    def option(self) -> str:
        """Its name on the command line, without dashes in front."""
        return (self.setting.flag or self.name).replace("_", "-")


@cache
def fields_of(settings: Any) -> tuple[Field, ...]:
    """All settings of a class in their order."""
    found = []
    for field in fields(settings):
        plain, *notes = get_args(field.type) if get_origin(field.type) is Annotated else (field.type,)
        setting = next((note for note in notes if isinstance(note, Setting)), None)
        if setting is None:
            raise TypeError(f"{settings}: the field {field.name} declares no Setting")
        choices = tuple(map(str, get_args(plain))) if get_origin(plain) is Literal else ()
        kind: Kind = "choice" if choices else _KINDS[plain]
        default = None if field.default is MISSING else field.default
        found.append(Field(field.name, kind, default, setting, choices))
    return tuple(found)


def checked(settings: Any) -> dict[str, str]:
    """Put every value of a settings object into its declared type, and return what cannot be, by name.

    Paths become text, lists tuples, whole numbers floats where floats are meant. Called by the ``__post_init__`` of a
    frozen class.
    """
    problems = {}
    declared: Any = type(settings)
    for field in fields_of(declared):
        try:
            object.__setattr__(settings, field.name, value_of(field, getattr(settings, field.name)))
        except ValueError as error:
            problems[field.name] = str(error)
    return problems


def value_of(field: Field, value: Any) -> Any:
    """A value in its declared type.

    Raises:
        ValueError: It has another type or lies outside of the limits; says what is wrong and what to give.
    """
    try:
        made = _converted(field, value)
    except _Empty:
        what = field.setting.metavar if field.setting.each else "names"
        raise ValueError(f"{field.name} has an empty entry; give {what}, or leave it out") from None
    except (TypeError, ValueError):
        raise ValueError(f"{field.name} is {_short(_as_typed(field, value))}; {_wanted(field)}") from None
    if field.kind in ("integer", "number", "size"):
        for number in made if field.kind == "size" else (made,):
            if not _within(field.setting, number):
                raise ValueError(f"{field.name} is {_plain(made)}; {_limits(field, number)}")
    return made


def _converted(field: Field, value: Any) -> Any:
    match field.kind:
        case "choice":
            if not field.allows(value):
                raise ValueError
            return value
        case "flag":
            if not isinstance(value, bool):
                raise TypeError
            return value
        case "integer":
            return _whole(value)
        case "number":
            return _number(value)
        case "text":
            return _text(value)
        case "names":
            return tuple(_name(entry) for entry in _entries(value))
        case "times":
            return tuple(_finite(entry) for entry in _entries(value))
        case "ranges":
            pairs = [tuple(_entries(entry)) for entry in _entries(value)]
            return tuple((_finite(start), _finite(end)) for start, end in pairs)
        case "size":
            height, width = _entries(value)
            return (_whole(height), _whole(width))


def _entries(value: Any) -> Iterable[Any]:
    """The entries of a list of any kind; a text is none, though Python could go through its letters."""
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise TypeError
    return value


def _text(value: Any) -> str:
    text = os.fspath(value)
    if not isinstance(text, str) or "\0" in text:  # which neither a command nor a file name can hold
        raise TypeError
    return text


class _Empty(ValueError):
    """A text without letters where something is to be named."""


def _name(value: Any) -> str:
    if isinstance(value, str) and not value.strip():
        raise _Empty
    if not isinstance(value, str) or "\0" in value:
        raise TypeError
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError
    return float(value)


def _finite(value: Any) -> float:
    number = _number(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError
    return int(value)


def _within(setting: Setting, number: float) -> bool:
    return math.isfinite(number) and all(
        (
            setting.least is None or number >= setting.least,
            setting.most is None or number <= setting.most,
            setting.above is None or number > setting.above,
            setting.below is None or number < setting.below,
        )
    )


def _wanted(field: Field) -> str:
    if field.choices:
        return f"choose {', '.join(field.choices[:-1])} or {field.choices[-1]}"
    return _WANTED[field.kind]


def _limits(field: Field, number: float) -> str:
    most = field.setting.most
    if most is not None and number > most >= ENDLESS:
        return f"choose {most} or less"
    text = limits_text(field.setting)
    return f"choose {text}" if text else "give a finite number"


def limits_text(setting: Setting) -> str:
    """The limits in words: ``0 to 100``, ``1 or more``, ``above 0 and below 90``."""
    if setting.least is not None and setting.most is not None:
        return (
            f"{setting.least:g} to {setting.most:g}"
            if setting.most < ENDLESS
            else f"{setting.least:g} or more"
        )
    parts = [
        f"{setting.least:g} or more" if setting.least is not None else "",
        f"{setting.most:g} or less" if setting.most is not None else "",
        f"above {setting.above:g}" if setting.above is not None else "",
        f"below {setting.below:g}" if setting.below is not None else "",
    ]
    return " and ".join(filter(None, parts))


def _plain(value: Any) -> str:
    return (
        "x".join(map(str, value))
        if isinstance(value, tuple)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def _as_typed(field: Field, value: Any) -> str:
    """A wrong value as a person would type it, where it has the form of its kind; else as Python writes it."""
    try:
        if field.kind == "ranges":
            return ",".join(
                f"{timecode(float(start))}:{timecode(float(end))}" for start, end in _entries(value)
            )
        if field.kind == "times":
            return ",".join(timecode(float(time)) for time in _entries(value))
    except (TypeError, ValueError):
        pass
    return repr(value)


def _short(value: str) -> str:
    text = shown(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."
