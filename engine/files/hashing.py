"""The hash of contents: what decides whether work has to be done again."""

import hashlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from usd_io.files import file_hash

SETTLED_S = 3.0
"""A file that was changed no longer ago may change again without another time [s]."""
_IDENTITY = ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
_REMEMBERED: dict[tuple[int, ...], str] = {}
"""Hashes of files that this process has read."""


def content_hash(value: Any) -> str:
    """SHA-256 of a value's contents in hexadecimal.

    Args:
        value: A path stands for the bytes of its file: alone it gives what ``sha256sum`` gives. Everything else is
            built of None, booleans, numbers, text, arrays, tensors, paths, and of sequences, mappings and dataclasses
            of these; the order of a mapping does not count, nor whether a sequence is a tuple or a list, nor fields
            that are not compared (``field(compare=False)``). A network counts by its ``state_dict``.

    Raises:
        TypeError: It is or holds something else.
        OSError: A file cannot be read.
    """
    if isinstance(value, Path):
        return file_hash(value)
    digest = hashlib.sha256()
    _feed(digest, value, {})
    return digest.hexdigest()


def remembered_hash(path: Path) -> str:
    """SHA-256 of a file's bytes in hexadecimal, which a process finds out once as long as the file stays what it is.

    It stays so while the name leads to the same file of the same size, and neither its content nor what is known of it
    was changed: the second time (``ctime``) is the system's, which nobody can set back. A file that changed within
    :data:`SETTLED_S` of being read is read again the next time, for clocks of file systems tick slowly.

    Raises:
        OSError: It cannot be read.
    """
    before, now = path.stat(), time.time()
    mark = tuple(getattr(before, name) for name in _IDENTITY)
    if mark not in _REMEMBERED:
        found = file_hash(path)
        after = path.stat()
        settled = abs(now - after.st_ctime) > SETTLED_S
        if not settled or mark != tuple(getattr(after, name) for name in _IDENTITY):
            return found
        _REMEMBERED[mark] = found
    return _REMEMBERED[mark]


def _feed(digest: "hashlib._Hash", value: Any, arrays: dict[int, tuple[np.ndarray, bytes]]) -> None:
    """Every value begins with its kind and ends where its length or a bracket says, so that no two read alike. The
    hashes of arrays are kept by identity meanwhile: the parts of a long clip stand in several places."""
    torch = sys.modules.get("torch")  # no tensor without it, and it takes long to import
    if type(value) is float and isfinite(value):
        digest.update(f"{value!r};".encode())  # as JSON has it, in a tenth of the time
    elif value is None or isinstance(value, bool | int | float | str):
        digest.update(_as_json(value))
    elif isinstance(value, np.generic):
        _feed(digest, value.item(), arrays)
    elif isinstance(value, Path):
        digest.update(f"file {file_hash(value)};".encode())
    elif isinstance(value, np.ndarray):
        digest.update(f"array {value.dtype} {value.shape};".encode())
        if id(value) not in arrays:
            data = np.ascontiguousarray(value).reshape(-1).view(np.uint8).data
            # with the array itself, so that no other takes its place in memory
            arrays[id(value)] = value, hashlib.sha256(data).digest()
        digest.update(arrays[id(value)][1])
    elif torch is not None and isinstance(value, torch.Tensor):
        digest.update(f"tensor {value.dtype} {tuple(value.shape)};".encode())
        # as bytes, for numpy has no bfloat16
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    elif torch is not None and isinstance(value, torch.nn.Module):
        _feed(digest, value.state_dict(), arrays)
    elif is_dataclass(value) and not isinstance(value, type):
        digest.update(b"{")
        for name, as_json in _fields_of(type(value)):
            digest.update(as_json)
            _feed(digest, getattr(value, name), arrays)
        digest.update(b"}")
    elif isinstance(value, Mapping):
        digest.update(b"{")
        for name in sorted(value, key=str):
            _feed(digest, str(name), arrays)
            _feed(digest, value[name], arrays)
        digest.update(b"}")
    elif isinstance(value, tuple | list) and set(map(type, value)) == {float}:
        # times and numbers of long clips: one by one they take longer than all else that a run does with them
        digest.update(f"floats {len(value)};".encode())
        digest.update(np.array(value, "<f8").tobytes())
    elif isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        digest.update(b"[")
        for each in value:
            _feed(digest, each, arrays)
        digest.update(b"]")
    else:
        raise TypeError(f"a {type(value).__name__} cannot be hashed")


def _as_json(value: bool | int | float | str | None) -> bytes:
    return json.dumps(value).encode() + b";"


@cache
def _fields_of(kind: type[Any]) -> tuple[tuple[str, bytes], ...]:
    """Names of the fields of a dataclass that are compared, in order."""
    return tuple((name, _as_json(name)) for name in sorted(f.name for f in fields(kind) if f.compare))
