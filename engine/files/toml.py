"""TOML files of users, read with one clear sentence for all that can be wrong with them."""

import tomllib
from pathlib import Path
from typing import Any

from engine.errors import ConfigError
from engine.files.regular import read_regular
from usd_io.errors import shown

LARGEST = 4 << 20
"""Bytes; what a person writes by hand is far below, and parsing takes time with the size."""


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Read a TOML file.

    Args:
        path: The file.
        what: What it is to the user, for messages ("the shot list").

    Raises:
        ConfigError: It cannot be read, is no TOML or far too large.
    """
    try:
        text = read_regular(path, LARGEST).decode("utf-8")
    except OSError as error:
        raise ConfigError(f"{what} {shown(path)} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{what} {shown(path)} is no text in UTF-8 (its byte {error.start + 1} begins no character); save it as "
            "UTF-8, or put the right file there."
        ) from error
    except ValueError as error:
        raise ConfigError(
            f"{what} {shown(path)} is larger than {LARGEST >> 20} MB; is it the right file?"
        ) from error
    try:
        return tomllib.loads(text)
    except (
        ValueError,
        RecursionError,
    ) as error:  # absurd numbers and nesting, too
        raise ConfigError(f"{what} {shown(path)} is no valid TOML: {shown(error)}.") from error
