"""Weight files, read with suspicion and written in one step.

Only safetensors is written. A foreign ``.ckpt`` or ``.pth`` is a pickle: it is read with ``weights_only``, which
builds tensors and plain containers and runs no code; what needs more than that is refused.
"""

import json
import pickle
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.errors import DataError, ResourceMissing
from engine.files.hashing import content_hash, remembered_hash
from usd_io.files import replacing

_META = "anymole"
_LARGEST_HEADER = 100_000_000
"""The format's own limit for its header [bytes]."""
_PICKLE, _ZIP = b"\x80", b"PK"
"""First bytes of a pickle and of the archive that ``torch.save`` writes."""
DEEPSPEED_PREFIX = "_forward_module."
"""Put before each name by DeepSpeed; 16 characters, which upstream cuts off as well."""


def save_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write tensors and JSON, replacing what was there in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with replacing(path) as temporary:
        save_file(plain, temporary, {_META: json.dumps(meta)})


def load_tensors(path: Path, device: str = "cpu") -> dict[str, Tensor]:
    """All tensors of a safetensors file.

    Raises:
        ResourceMissing: There is no such file.
        DataError: The file is truncated, of another format, or not to be read.
    """
    check_safetensors(path)
    with _explained(path):
        tensors: dict[str, Tensor] = load_file(path, device=device)
    return tensors


def load_meta(path: Path) -> dict[str, Any]:
    """The JSON that :func:`save_tensors` put beside the tensors; empty where there is none.

    Raises:
        ResourceMissing: There is no such file.
        DataError: The file is truncated, of another format, or not to be read.
    """
    check_safetensors(path)
    with _explained(path), safe_open(path, framework="pt") as file:
        meta: dict[str, Any] = json.loads((file.metadata() or {}).get(_META, "{}"))
    return meta


def check_safetensors(path: Path) -> None:
    """Look at the header of a file before any of it is used.

    Raises:
        ResourceMissing: There is no such file.
        DataError: It is a pickle under a wrong name, or shorter than its header says.
    """
    if not path.is_file():
        raise ResourceMissing(f"{path} is not there.")
    with path.open("rb") as file:
        start = file.read(9)
        length = struct.unpack("<Q", start[:8])[0] if len(start) == 9 else _LARGEST_HEADER + 1
        if length > _LARGEST_HEADER or start[8:] != b"{":
            if start.startswith(
                (_PICKLE, _ZIP)
            ):  # tried last: a header's length may begin with the same bytes
                raise DataError(
                    f"{path} is named safetensors but is a pickle, which can run code; it was not read."
                )
            raise DataError(f"{path} is no safetensors file.")
        with _explained(path):
            header = json.loads(b"{" + file.read(length - 1))
            ends = [v["data_offsets"][1] for k, v in header.items() if k != "__metadata__"]
    size, expected = path.stat().st_size, 8 + length + max(ends, default=0)
    if size != expected:
        raise DataError(f"{path} has {size} bytes and should have {expected}; copy or download it again.")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} cannot be read as weights: {error}.") from error


def load_checkpoint(path: Path) -> dict[str, Tensor]:
    """Tensors of a foreign checkpoint, mapped from the file where its format allows that.

    Args:
        path: ``.safetensors``, or anything ``torch.save`` wrote: a state dict, or one under ``state_dict`` (Lightning)
            or ``module`` (DeepSpeed).

    Raises:
        ResourceMissing: There is no such file.
        DataError: It holds no tensors, is damaged, or is a pickle that would run code.
    """
    if path.suffix == ".safetensors":
        return load_tensors(path)
    if not path.is_file():
        raise ResourceMissing(f"{path} is not there.")
    content = _load_pickle(path)
    for key in ("state_dict", "module"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not any(isinstance(v, Tensor) for v in content.values()):
        raise DataError(f"{path} holds no tensors by name.")
    return {
        str(name).removeprefix(DEEPSPEED_PREFIX): value
        for name, value in content.items()
        if isinstance(value, Tensor)
    }


def _load_pickle(path: Path) -> Any:
    with path.open("rb") as file:
        archive = file.read(2) == _ZIP  # older files are bare pickles, which cannot be mapped
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=archive)
    except pickle.UnpicklingError as error:
        raise DataError(
            f"{path} holds more than tensors and would run code when read; it was refused. "
            "Ask for the weights as safetensors."
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path} cannot be read as weights: {error}.") from error


def check_hash(path: Path, expected: str, *, remembered: bool = False) -> None:
    """Compare a file with its known hash.

    Args:
        path: The file.
        expected: SHA-256 in hexadecimal.
        remembered: A file that this process has read before need not be read again while nothing tells of a change
            (:func:`engine.files.hashing.remembered_hash`).

    Raises:
        ResourceMissing: There is no such file.
        DataError: The file is another one than it should be.
    """
    if not path.is_file():
        raise ResourceMissing(f"{path} is not there.")
    found = remembered_hash(path) if remembered else content_hash(path)
    if found != expected:
        raise DataError(
            f"{path} has the SHA-256 {found} and should have {expected}; it is damaged or another file."
        )
