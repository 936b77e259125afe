"""Settings as people type them, on the command line, in a form and in files; and back."""

import math
import re
from collections.abc import Callable
from typing import Any

from engine.errors import ConfigError
from engine.settings.setting import Field
from usd_io.errors import timecode

MOST_TIMES = 100_000
"""Entries of one row of times."""


def to_text(field: Field, value: Any) -> str:
    """A value as it is typed; :func:`from_text` gives it back."""
    match field.kind:
        case "names":
            return ",".join(map(_escaped, value))
        case "times":
            return ",".join(map(number_text, value))
        case "ranges":
            return ",".join(f"{number_text(start)}:{number_text(end)}" for start, end in value)
        case "number":
            return number_text(value)
        case "flag":
            return "yes" if value else "no"
        case "size":
            return "x".join(map(str, value)) if any(value) else ""
    return str(value)


def number_text(value: float) -> str:
    """The shortest text that reads back as the same number."""
    if float(value).is_integer() and abs(value) < 1e15 and (value or str(value) != "-0.0"):
        return repr(int(value))
    return repr(float(value))


def from_text(field: Field, text: str) -> Any:
    """The value of a typed text.

    Raises:
        ConfigError: It is none of the field's kind.
    """
    try:
        return _READ[field.kind](text)
    except ValueError as error:
        raise ConfigError(f"{field.name} {error}.", settings=(field.name,)) from None


def _ranges(text: str) -> tuple[tuple[float, float], ...]:
    ranges = []
    for part in split(text):
        ends = part.split(":")
        if len(ends) != 2:
            raise ValueError(f"{part!r} is no range; give START:END, for example 0:60")
        ranges.append((_time(ends[0]), _time(ends[1])))
    return tuple(ranges)


def _times(text: str) -> tuple[float, ...]:
    """``T,T,...``; ``A:B:STEP`` stands for the row from A to B."""
    times: list[float] = []
    for part in split(text):
        row = part.split(":")
        if len(row) == 1:
            times.append(_time(part))
        elif len(row) == 3:
            times += _row(*map(_time, row))
        else:
            raise ValueError(f"{part!r} is no time; give T,T,... or A:B:STEP, for example 60,90,120")
    return tuple(times)


def _row(first: float, last: float, step: float) -> list[float]:
    if not (step > 0 and first <= last and math.isfinite(last - first)):
        raise ValueError(
            f"{timecode(first)}:{timecode(last)}:{timecode(step)} is no row; give A:B:STEP with A < B and STEP > 0"
        )
    if (last - first) / step > MOST_TIMES:
        raise ValueError(
            f"{timecode(first)}:{timecode(last)}:{timecode(step)} is a row of more than {MOST_TIMES} times; choose a "
            "longer STEP or a nearer B"
        )
    return [first + i * step for i in range(int((last - first) / step + 1e-9) + 1)]


def _time(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time code; give a number") from None


def _number(read: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            return read(text)
        except ValueError:
            what = "whole number" if read is int else "number"
            raise ValueError(f"{text.strip()!r} is no {what}") from None

    return parse


def _flag(text: str) -> bool:
    if text.strip().lower() not in ("yes", "no", "true", "false", "1", "0", "on", "off"):
        raise ValueError(f"{text!r} is neither yes nor no")
    return text.strip().lower() in ("yes", "true", "1", "on")


def _size(text: str) -> tuple[int, int]:
    """Nothing stands for the size that is taken where none is given."""
    if not text.strip():
        return 0, 0
    found = re.fullmatch(r"\s*(\d{1,6})\s*[xX]\s*(\d{1,6})\s*", text)
    if not found or not (int(found[1]) or int(found[2])):
        raise ValueError(f"{text!r} is no size; give HEIGHTxWIDTH, for example 320x512")
    return int(found[1]), int(found[2])


_READ: dict[str, Callable[[str], Any]] = {
    "choice": str.strip,
    "text": str.strip,
    "flag": _flag,
    "integer": _number(int),
    "number": _number(float),
    "names": lambda text: tuple(split(text)),
    "times": _times,
    "ranges": _ranges,
    "size": _size,
}


def split(text: str) -> list[str]:
    r"""Entries of ``A,B,...``; blanks around them do not count; ``\,``, ``\\`` and ``\ `` stand for themselves."""
    entries = []
    for part in re.split(r"(?<!\\)((?:\\\\)*),", text):
        entries.append(part)
    # re.split keeps the even backslashes before a comma as parts of their own: they belong to the entry before
    joined = [
        entries[i] + (entries[i + 1] if i + 1 < len(entries) else "") for i in range(0, len(entries), 2)
    ]
    return [plain for part in joined if (plain := _unescaped(part))]


def _unescaped(part: str) -> str:
    kept = re.sub(r"^\s+|(?<!\\)((?:\\\\)*)\s+$", r"\1", part)
    return re.sub(r"\\([\\,\s])", r"\1", kept)


def _escaped(name: str) -> str:
    plain = re.sub(r"([\\,])", r"\\\1", name)
    return re.sub(r"^\s|\s$", lambda blank: "\\" + blank[0], plain)
