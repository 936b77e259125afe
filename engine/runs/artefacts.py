"""What run stages made, kept in the run folder with the hash of all that went in, and taken from there again.

``artefacts.json`` names every artefact with its key (the hash of its inputs and settings) and its files (with their
own hashes). An artefact counts only when its key is the one wanted and every file is as it was written: whatever
a crash, a full disk or a hand left behind is recomputed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.files.atomic import is_inside, write_text
from engine.files.hashing import content_hash
from engine.files.json_values import read_json

INDEX = "artefacts.json"
LARGEST_INDEX = 64 << 20


@dataclass(frozen=True)
class Artefact:
    """One entry of the index."""

    key: str
    """Hash of inputs and settings."""
    files: Mapping[str, str]
    """SHA-256 by path relative to the run folder."""


def read_index(folder: Path) -> dict[str, Artefact]:
    """The index of a run folder; empty when there is none or it cannot be understood."""
    try:
        entries = read_json(folder / INDEX, LARGEST_INDEX)["artefacts"]
        return {
            str(name): Artefact(str(e["key"]), {str(f): str(h) for f, h in e["files"].items()})
            for name, e in entries.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def is_intact(folder: Path, artefact: Artefact) -> bool:
    """Whether every file of an artefact is in the folder as it was written."""
    try:
        return all(
            is_inside(name) and not (folder / name).is_symlink() and content_hash(folder / name) == known
            for name, known in artefact.files.items()
        )
    except OSError:
        return False


def is_intact_with(folder: Path, file: str) -> bool:
    """Whether the artefact that a file belongs to is in the folder as it was written; False where it is of none."""
    return any(
        is_intact(folder, artefact) for artefact in read_index(folder).values() if file in artefact.files
    )


def enter_again(folder: Path, file: str) -> None:
    """Let a file of an artefact count as it is now."""
    values = read_json(folder / INDEX, LARGEST_INDEX)
    for artefact in values["artefacts"].values():
        if file in artefact["files"]:
            artefact["files"][file] = content_hash(folder / file)
    write_text(folder / INDEX, json.dumps(values, indent=2) + "\n")
