"""Arrays with plain values beside them, as one ``.npz`` without pickles."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from usd_io.files import replacing

_JSON = "json"
"""Name of the array that holds what is not an array, as UTF-8 JSON."""


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray], plain: Any) -> None:
    """Write arrays and plain values, whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    text = np.frombuffer(json.dumps(plain).encode(), np.uint8)
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **{_JSON: text, **arrays})  # type: ignore[arg-type]  # its first option is a bool


def load_arrays(path: Path) -> tuple[dict[str, np.ndarray], Any]:
    """Read what :func:`save_arrays` wrote.

    Raises:
        OSError, ValueError, KeyError: The file is no such thing; a pickle in it is never run.
    """
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return arrays, json.loads(arrays.pop(_JSON).tobytes())
