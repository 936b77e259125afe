"""Records of the reference implementations, and the rule that fills their weights from names and shapes alone.

``ANYMOLE_PARITY`` may name a folder with other records of the same layout; configurations and shapes are read from
the JSON beside them.
"""

import json
import math
import os
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

FOLDER = Path(os.environ.get("ANYMOLE_PARITY", Path(__file__).parent / "data" / "parity"))


@cache
def facts(name: str) -> dict[str, Any]:
    """The JSON of a set of records: configurations, names, shapes."""
    values: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return values


@cache
def records(name: str) -> dict[str, Tensor]:
    """The recorded tensors."""
    return load_file(FOLDER / f"{name}.safetensors")


def normal(name: str, shape: Sequence[int]) -> Tensor:
    """Standard normal numbers that follow from a name."""
    return torch.randn(tuple(shape), generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))


def weight(name: str, shape: Sequence[int]) -> Tensor:
    """A parameter: norm scales near one, other vectors small, matrices and kernels scaled by their inputs."""
    n = normal(name, shape)
    if len(shape) <= 1:
        return 1 + 0.1 * n if name.endswith("weight") else 0.1 * n
    return n / math.sqrt(math.prod(shape[1:]))


def fill(shapes: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """A whole state dict."""
    return {name: weight(name, shape) for name, shape in shapes.items()}
