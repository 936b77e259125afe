"""Presets: settings of a run under a name, without those that belong to one shot."""

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import tomli_w

from engine import ConfigError, RunConfig, config_from_mapping, of_a_shot
from engine.files import read_toml, write_text
from engine.settings import fields_of
from usd_io import shown

PRESET_DIR = "ANYMOLE_PRESETS"
"""Environment variable: the folder of the presets."""
LONGEST_NAME = 60


def preset_folder() -> Path:
    """Where presets are kept: TOML files, to be copied and shared."""
    if os.environ.get(PRESET_DIR):
        return Path(os.environ[PRESET_DIR])
    from platformdirs import user_config_path

    return user_config_path("anymole") / "presets"


def preset_names() -> list[str]:
    """All presets by name."""
    return sorted(path.stem for path in preset_folder().glob("*.toml"))


def save_preset(name: str, config: RunConfig) -> Path:
    """Keep the settings that are not their default.

    Raises:
        ConfigError: The name is no plain file name.
        EngineError: The folder cannot be written to.
    """
    path = _path(name)
    values = {
        f.name: getattr(config, f.name)
        for f in fields_of(RunConfig)
        if f.name not in of_a_shot() and getattr(config, f.name) not in (f.default, None)
    }
    write_text(path, tomli_w.dumps(values), f"name another folder with {PRESET_DIR}")
    return path


def load_preset(name: str, config: RunConfig) -> RunConfig:
    """The settings of a preset on the shot of a config; what the preset does not name goes back to its default.

    Raises:
        ConfigError: There is no such preset or it cannot be used.
    """
    path = _path(name)
    values: Mapping[str, Any] = read_toml(path, "the preset")
    wrong = sorted(of_a_shot() & set(values))
    if wrong:
        raise ConfigError(f"{shown(path)} sets {wrong[0]!r}, which belongs to one shot; take it out.")
    loaded = config_from_mapping({**values, "stage": config.stage})
    return replace(loaded, **{name: getattr(config, name) for name in of_a_shot()})


def _path(name: str) -> Path:
    if not re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9 _.-]{{0,{LONGEST_NAME - 1}}}", name):
        raise ConfigError(
            f"{shown(name)} is no name for a preset; choose letters, digits, blanks, dots, dashes."
        )
    return preset_folder() / f"{name}.toml"
