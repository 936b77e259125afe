"""The files and environment variables that set options: for every command the option ``--seed`` of ``run`` is ``seed``
in the table ``[run]`` of two TOML files, and ``ANYMOLE_RUN_SEED``."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine import ConfigError, RunConfig
from engine.files import read_toml
from engine.settings import Field, fields_of, from_text, value_of
from usd_io import shown

PROJECT_FILE = "anymole.toml"
USER_FILE = "ANYMOLE_CONFIG"
"""Environment variable that names the user file; empty: none is read."""
TUI_TABLES = ("keys", "themes")
"""Tables of the files that hold no options but what the terminal UI takes: keys and colours by name."""


def variable(words: tuple[str, ...], option: str) -> str:
    """Name of the environment variable of an option of a command."""
    return "_".join(("ANYMOLE", *words, option)).upper().replace("-", "_")


def dashed(name: str) -> str:
    """The name of an option as the command line writes it."""
    return name.replace("_", "-")


def files() -> list[tuple[str, Path]]:
    """The files that count, weakest first."""
    found = [("user", path) for path in (_user_file(),) if path is not None and path.is_file()]
    try:
        here = Path.cwd()
    except OSError:  # it has been removed
        return found
    project = next((p for p in (f / PROJECT_FILE for f in (here, *here.parents)) if p.is_file()), None)
    return found + ([("project", project)] if project else [])


def check_user_file() -> None:
    """Refuse a user file that the environment names and that is not there: a typing error would go unseen.

    Raises:
        ConfigError: It is no file.
    """
    path = _user_file() if os.environ.get(USER_FILE) else None
    if path is not None and not path.is_file():
        raise ConfigError(
            f"{USER_FILE} names {shown(path)}, which is no file; name a settings file, or set it to nothing for none."
        )


def user_table(name: str) -> dict[str, Any]:
    """A table of ``TUI_TABLES``; what the project file says wins over the user file.

    Raises:
        ConfigError: A file cannot be read, or the entry is no table.
    """
    merged: dict[str, Any] = {}
    for _, path in files():
        table = read_toml(path, "the settings file").get(name, {})
        if not isinstance(table, Mapping):
            raise ConfigError(f"{shown(path)}: {name} is no table; write [{name}] above its entries.")
        merged |= table
    return merged


def _user_file() -> Path | None:
    if USER_FILE in os.environ:
        return Path(os.environ[USER_FILE]) if os.environ[USER_FILE] else None
    from platformdirs import user_config_path

    return user_config_path("anymole") / "config.toml"


def run_defaults() -> dict[str, Any]:
    """Settings of a run that the files and the environment set, by their name in :class:`engine.config.RunConfig`.

    Raises:
        ConfigError: A file or a value cannot be used.
    """
    fields = {field.option: field for field in fields_of(RunConfig) if not field.setting.argument}
    given = {option: (value, origin) for option, value, origin in _run_entries() if option in fields}
    for option in fields:
        name = variable(("run",), option)
        if os.environ.get(name):
            given[option] = os.environ[name], name
    return {fields[option].name: _default(fields[option], *given[option]) for option in given}


def _default(field: Field, value: Any, origin: str) -> Any:
    try:
        return value_of(field, from_text(field, _as_text(value)))
    except (ConfigError, ValueError) as error:
        raise ConfigError(f"{origin}: {error}", settings=(field.name,)) from None


def _run_entries() -> Iterator[tuple[str, Any, str]]:
    """What the files say for every command and for ``run``, and where, the strongest last."""
    for _, path in files():
        values = read_toml(path, "the settings file")
        yield from (
            (dashed(name), value, f"{shown(name)} in {shown(path)}")
            for name, value in values.items()
            if not isinstance(value, Mapping)
        )
        table = values.get("run", {})
        if isinstance(table, Mapping):
            yield from (
                (dashed(name), value, f"[run] {shown(name)} in {shown(path)}")
                for name, value in table.items()
            )


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
