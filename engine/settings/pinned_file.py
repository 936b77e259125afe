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


@dataclass(frozen=True)
class PinnedKind:
    """What the pinned files of a setting are."""

    setting: str
    what: str
    """For messages."""
    ending: str
    """Of their names."""


FEW_STEP_LORA = PinnedKind("few_step_lora", "few-step LoRA", ".safetensors")
GGUF = PinnedKind("gguf", "GGUF file", ".gguf")


def path_of(text: str) -> str:
    """The path in ``FILE`` or ``FILE@SHA256``."""
    found = _PINNED.fullmatch(text)
    return found[1] if found else text


def with_path(text: str, change: Callable[[str], str]) -> str:
    """``FILE`` or ``FILE@SHA256`` with another path to the file."""
    found = _PINNED.fullmatch(text)
    return f"{change(found[1])}@{found[2]}" if found else change(text)


def parse_pinned(text: str, kind: PinnedKind) -> PinnedFile:
    """Read ``FILE`` or ``FILE@SHA256``.

    Args:
        text: The value.
        kind: What it is to be.

    Raises:
        ConfigError: It is no file of that format by its name.
    """
    found = _PINNED.fullmatch(text)
    path, sha256 = (found[1], found[2].lower()) if found else (text, "")
    file, at, given = path.rpartition("@")
    if at and file.endswith(kind.ending):
        raise ConfigError(
            f"the SHA-256 of the {kind.what} {shown(file)} is 64 hexadecimal digits, and behind @ stand {len(given)} "
            f"characters; give all that 'sha256sum {shown(file)}' says.",
            settings=(kind.setting,),
        )
    if not path.endswith(kind.ending):
        raise ConfigError(
            f"{shown(text)} is no {kind.ending[1:]} file; give FILE{kind.ending} or FILE{kind.ending}@SHA256, for "
            "nothing that could run code is read.",
            settings=(kind.setting,),
        )
    return PinnedFile(Path(path), sha256)
