"""A file of weights with the hash that it must have: ``FILE@SHA256``."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.errors import ConfigError
from usd_io.errors import shown

_PINNED = re.compile(r"(.+)@([0-9a-fA-F]{64})")


@dataclass(frozen=True)
class PinnedFile:
    """A file and the hash that it must have."""

    path: Path
    sha256: str
    """Empty: what a list beside the file says."""


def path_of(text: str) -> str:
    """The path in ``FILE`` or ``FILE@SHA256``."""
    found = _PINNED.fullmatch(text)
    return found[1] if found else text


def with_path(text: str, change: Callable[[str], str]) -> str:
    """``FILE`` or ``FILE@SHA256`` with another path to the file."""
    found = _PINNED.fullmatch(text)
    return f"{change(found[1])}@{found[2]}" if found else change(text)


def parse_pinned(text: str, setting: str = "few_step_lora", ending: str = ".safetensors") -> PinnedFile:
    """Read ``FILE`` or ``FILE@SHA256``.

    Args:
        text: The value.
        setting: Whose it is.
        ending: Of the name of a file of its format.

    Raises:
        ConfigError: It is no file of that format by its name.
    """
    found = _PINNED.fullmatch(text)
    path, sha256 = (found[1], found[2].lower()) if found else (text, "")
    if not path.endswith(ending):
        raise ConfigError(
            f"{shown(text)} is no {ending[1:]} file; give FILE{ending} or FILE{ending}@SHA256, for nothing that could "
            "run code is read.",
            settings=(setting,),
        )
    return PinnedFile(Path(path), sha256)
