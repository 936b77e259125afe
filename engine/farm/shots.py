"""A shot list: what is to be done, one task per shot."""

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import tomli_w

from engine.config import RunConfig, config_from_mapping
from engine.errors import ConfigError
from engine.files.atomic import write_text
from engine.files.owned_folder import OwnedFolder, check_writable, refuse_foreign
from engine.files.toml import read_toml
from engine.runs.registry import remember_farm
from engine.settings.file_settings import with_files
from usd_io.errors import shown

SHOT_LIST, TEMPLATE, JOBS = "shots.toml", "template.json", "jobs"
PARAMETERS, ASSETS = "parameter_values.json", "asset_references.json"
JOB, COMMANDS = "job.json", "commands.txt"
WRITTEN = (TEMPLATE, PARAMETERS, ASSETS, JOB, COMMANDS)
"""Files beside the shot list, one or several for every target."""
OWN = (SHOT_LIST, *WRITTEN, f"{JOBS}/")
KIND = "submission"
MOST_SHOTS = 100_000
LONGEST_NAME = 80
_OWN = {"out", "force"}
"""Settings that a list does not decide: every shot has a folder of its own inside the chosen one."""


@dataclass(frozen=True)
class ShotTask:
    """One task."""

    name: str
    """A plain file name, the folder of the shot."""
    config: RunConfig

    def folder(self, out: Path) -> Path:
        """Its run folder."""
        return out / self.name


def shots_of_stages(stages: Sequence[str], shared: Mapping[str, Any]) -> tuple[ShotTask, ...]:
    """One shot per stage, all with the same settings."""
    return _named([_resolved({**shared, "stage": stage}, Path.cwd()) for stage in stages])


def read_shots(path: Path) -> tuple[ShotTask, ...]:
    """Shots of a TOML file: ``[[shot]]`` tables with a ``stage``, a ``name`` and settings of a run; a table
    ``[settings]`` counts for all of them. Paths are relative to the file.

    Raises:
        ConfigError: The file cannot be read or an entry is not as it should be.
    """
    content = read_toml(path, "the shot list")
    entries, shared = content.get("shot"), content.get("settings", {})
    if not isinstance(entries, list) or not entries or not all(isinstance(e, dict) for e in entries):
        raise ConfigError(f"{shown(path)} holds no [[shot]].")
    if not isinstance(shared, dict):
        raise ConfigError(
            f"{shown(path)}: settings is no table; write [settings] above what counts for all shots."
        )
    if len(entries) > MOST_SHOTS:
        raise ConfigError(
            f"{shown(path)} lists {len(entries)} shots, more than {MOST_SHOTS}; split the list."
        )
    try:
        return _named([_resolved({**shared, **entry}, path.absolute().parent) for entry in entries])
    except ConfigError as error:
        raise ConfigError(f"{shown(path)}: {error}") from error


def _resolved(entry: dict[str, Any], folder: Path) -> dict[str, Any]:
    """An entry with paths that hold from anywhere. What may be a prim or a view is one unless such a file is there."""

    def joined(text: str) -> str:
        return str(folder / text)

    return with_files(RunConfig, entry, joined, lambda text: joined(text) if _exists(joined(text)) else text)


def _exists(text: str) -> bool:
    return "\0" not in text and os.path.exists(text)  # noqa: PTH110  # such a text is refused with the settings


def _named(entries: Sequence[dict[str, Any]]) -> tuple[ShotTask, ...]:
    shots, taken, same = [], {SHOT_LIST, JOBS, *WRITTEN}, Counter[str]()
    for number, entry in enumerate(entries, 1):
        refused = sorted(_OWN & set(entry))
        if refused:
            raise ConfigError(
                f"shot {number} sets {refused[0]!r}; shots go to folders inside the one of the whole list."
            )
        values = dict(entry)
        name = _plain_name(str(values.pop("name", "")) or Path(str(entry.get("stage", ""))).stem, number)
        try:
            config = config_from_mapping(values)
        except ConfigError as error:
            raise ConfigError(f"shot {number} ({shown(name)}): {error}") from error
        plain = name
        while (
            name in taken
        ):  # counted on from the last one of this name: a list may hold thousands of the same
            same[plain] += 1
            name = f"{plain}_{same[plain] + 1}"
        taken.add(name)
        shots.append(ShotTask(name, config))
    return tuple(shots)


def _plain_name(name: str, number: int) -> str:
    """A name that is a file name everywhere and leads nowhere else."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", name)[:LONGEST_NAME].strip("._-")
    return plain or f"shot_{number:04d}"


def check_submission_folder(out: Path) -> None:
    """Refuse a folder that a submission cannot or must not be written to; writes nothing.

    Raises:
        ConfigError: It is such a folder.
    """
    older = _older(out)
    refuse_foreign(out, KIND, older, known=bool(older))
    check_writable(out)


def _older(out: Path) -> set[str]:
    """What is ours in a folder without a list of it."""
    return {*OWN} if _is_written(out / SHOT_LIST) else set()


def write_shots(shots: Sequence[ShotTask], out: Path, given: Path | None = None) -> Path:
    """Write the resolved list into the folder of the submission, unless it is the list that was given, and enter the
    folder into the list of runs.

    Raises:
        ConfigError: The folder holds files of others, or cannot be made.
        EngineError: It cannot be written.
    """
    path = out / SHOT_LIST
    text = _text(shots)
    older = _older(out)
    OwnedFolder(out, KIND, OWN, older, known=bool(older)).claim(*OWN)
    if given is None or not path.exists() or not path.samefile(given):
        write_text(path, text)
    remember_farm(out)
    return path


def _text(shots: Sequence[ShotTask]) -> str:
    tables = [
        {"name": shot.name}
        | {k: v for k, v in shot.config.to_dict().items() if k not in _OWN and v is not None}
        for shot in shots
    ]
    return tomli_w.dumps({"shot": tables})


def _is_written(path: Path) -> bool:
    """Whether a list is one that we have written, and no person's."""
    try:
        return path.is_file() and path.read_text(encoding="utf-8") == _text(read_shots(path))
    except (ConfigError, OSError, ValueError):
        return False


Rule = tuple[PurePosixPath | PureWindowsPath, str]


def read_path_mapping(path: Path) -> tuple[Rule, ...]:
    """Rules of an Open Job Description session, the longest source first.

    Raises:
        ConfigError: The file is no such thing.
    """
    import json

    try:
        entries = json.loads(path.read_text(encoding="utf-8")).get("path_mapping_rules", [])
        kinds: dict[str, type[PurePosixPath | PureWindowsPath]] = {
            "POSIX": PurePosixPath,
            "WINDOWS": PureWindowsPath,
        }
        rules = [
            (kinds[e["source_path_format"].upper()](e["source_path"]), str(e["destination_path"]))
            for e in entries
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(f"the path mapping {shown(path)} cannot be read: {shown(error)}.") from error
    return tuple(sorted(rules, key=lambda rule: -len(rule[0].parts)))


def map_path(path: str, rules: Sequence[Rule]) -> str:
    """A path of the submitting machine as it is here."""
    for source, destination in rules:
        here = type(source)(path)
        if here.is_relative_to(source):
            return str(Path(destination).joinpath(*here.relative_to(source).parts))
    return path


def mapped(config: RunConfig, rules: Sequence[Rule]) -> RunConfig:
    """Settings with their files where they are here. What may be a prim or a view is one unless such a file is here."""

    def here(text: str) -> str:
        return map_path(text, rules)

    return config_from_mapping(
        with_files(
            RunConfig, config.to_dict(), here, lambda text: here(text) if _exists(here(text)) else text
        )
    )
