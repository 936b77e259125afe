"""What run stages made, kept in the run folder with the hash of all that went in, and taken from there again.

``artefacts.json`` names every artefact with its key (the hash of its inputs and settings) and its files (with their
own hashes). An artefact counts only when its key is the one asked for and every file is as it was written: whatever
a crash, a full disk or a hand left behind is made anew.
"""

import hashlib
import json
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

INDEX = "artefacts.json"
LARGEST_INDEX = 64 << 20
_BLOCK = 1 << 20
_JSON = "json"
"""Name of the array that holds what is not an array, as UTF-8 JSON."""


@dataclass(frozen=True)
class Artefact:
    """One entry of the index."""

    key: str
    """Hash of inputs and settings."""
    files: Mapping[str, str]
    """SHA-256 by path relative to the run folder."""


def content_key(**inputs: Any) -> str:
    """Hash of all that decides an artefact: plain values, in any order."""
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"a {type(value).__name__} cannot be hashed")


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def read_index(folder: Path) -> dict[str, Artefact]:
    """The index of a run folder; empty when there is none or it cannot be understood."""
    try:
        path = folder / INDEX
        if path.stat().st_size > LARGEST_INDEX:
            return {}
        entries = json.loads(path.read_text(encoding="utf-8"))["artefacts"]
        return {
            str(name): Artefact(str(e["key"]), {str(f): str(h) for f, h in e["files"].items()})
            for name, e in entries.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def is_intact(folder: Path, artefact: Artefact) -> bool:
    """Whether every file of an artefact is in the folder as it was written."""
    try:
        return all(
            is_inside(name) and not (folder / name).is_symlink() and file_hash(folder / name) == digest
            for name, digest in artefact.files.items()
        )
    except OSError:
        return False


def is_inside(name: str) -> bool:
    """Whether a relative path stays in its folder."""
    path = PurePosixPath(name)
    return bool(name) and "\x00" not in name and not path.is_absolute() and ".." not in path.parts


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray], plain: Any) -> None:
    """Write arrays and plain values as one ``.npz`` without pickles."""
    text = np.frombuffer(json.dumps(plain).encode(), np.uint8)
    with path.open("wb") as stream:
        np.savez(stream, **{_JSON: text, **arrays})  # type: ignore[arg-type]  # its first option is a bool


def load_arrays(path: Path) -> tuple[dict[str, np.ndarray], Any]:
    """Read what :func:`save_arrays` wrote.

    Raises:
        OSError, ValueError: The file is no such thing; a pickle in it is never run.
    """
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return arrays, json.loads(arrays.pop(_JSON).tobytes())


def from_plain(kind: Any, value: Any) -> Any:
    """Values of JSON as the dataclass, tuple or union that they were written from.

    Raises:
        TypeError, KeyError: The value does not fit.
    """
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        known = {f.name for f in fields(kind)}
        return kind(**{name: from_plain(hints[name], v) for name, v in value.items() if name in known})  # type: ignore[operator]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return (
            None
            if value is None
            else from_plain(next(a for a in arguments if a is not types.NoneType), value)
        )
    if origin is tuple and isinstance(value, Sequence):
        kinds = arguments[:1] * len(value) if arguments[-1] is Ellipsis else arguments
        return tuple(from_plain(k, v) for k, v in zip(kinds, value, strict=True))
    if origin in (dict, Mapping):
        return {name: from_plain(arguments[1], v) for name, v in value.items()}
    return value
