"""The weights that ship in the package: one safetensors file, checked before any of it is used."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from engine.errors import DataError
from engine.priors.learned import forward, layout
from usd_io.errors import shown

_META = "anymole"
_LARGEST_BYTES = 64 << 20


@dataclass(frozen=True, eq=False)
class Network:
    """A trained network, ready to run."""

    weights: forward.Weights
    """By parameter name, single precision."""
    heads: int
    meta: dict[str, Any]
    """What the training wrote beside: step, seconds, settings."""


def load_network(path: Path) -> Network:
    """Read weights.

    Raises:
        DataError: The file is missing, damaged, or of another network.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise ValueError("the file is too large")
        if path.read_bytes()[8:9] != b"{":
            raise ValueError("it is no safetensors file")
        with safe_open(path, framework="numpy") as file:
            meta: dict[str, Any] = json.loads((file.metadata() or {}).get(_META, "{}"))
            weights = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}
        shape = meta["shape"]
        expected = _expected(int(shape["width"]), int(shape["blocks"]), int(shape["heads"]))
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[-1].strip().rstrip(".")
        raise _unusable(path, reason) from error
    found = {name: value.shape for name, value in weights.items()}
    different = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
    if different:
        raise _unusable(path, f"{different[0]} is missing or of another network")
    if not all(np.isfinite(value).all() for value in weights.values()):
        raise _unusable(path, "they hold values that are not finite")
    return Network(weights, int(shape["heads"]), meta)


def _expected(width: int, blocks: int, heads: int) -> dict[str, tuple[int, ...]]:
    """Shape of every parameter of a network of this size."""
    if not (0 < width <= 4096 and 0 < blocks <= 64 and heads > 0 and width % heads == 0):
        raise ValueError(f"a network of width {width} with {blocks} blocks and {heads} heads does not exist")
    track, outside = len(layout.OUTSIDE) + len(layout.STEPS), len(layout.OUTSIDE)
    own = 3 * (3 * track + 3 + 4) + 8 + track + len(layout.STEPS)
    linear = {
        "embed": (width, own),
        "enter.1": (width, width),
        "weights": (2 * forward.SINES * forward.BASES, width),
        "free": (2 * forward.SINES * 3, width),
        "spread": (2 * forward.SPREAD_TERMS, width),
        "gain.0": (width, width),
        "gain.2": (2, width),
        "ideas": (forward.IDEAS * 2 * forward.SINES * 3, width),
        "odds": (forward.IDEAS, width),
    }
    shapes: dict[str, tuple[int, ...]] = {
        "embed_shot.weight": (width, 3 * track + 5 + 3 * outside),
        "rotation_bases.weight": (forward.BASES, 2 * track),
        "translation_bases.weight": (forward.BASES, 2 * track),
        "norm.weight": (width,),
        "norm.bias": (width,),
    }
    for block in (f"blocks.{i}" for i in range(blocks)):
        linear |= {
            f"{block}.qkv": (3 * width, width),
            f"{block}.project": (width, width),
            f"{block}.own": (2 * width, width),
            f"{block}.out": (width, 2 * width),
        }
        shapes[f"{block}.parent.weight"] = (2 * width, width)
        shapes[f"{block}.bias.weight"] = (forward.RELATIONS, heads)
        for norm in ("norm_attention", "norm_mix"):
            shapes |= {f"{block}.{norm}.weight": (width,), f"{block}.{norm}.bias": (width,)}
    for name, (outputs, inputs) in linear.items():
        shapes |= {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}
    return shapes


def _unusable(path: Path, reason: str) -> DataError:
    """The reason may name the file already."""
    where = "" if str(path) in reason else f"{shown(path)}: "
    return DataError(
        f"the weights of the learned prior cannot be used: {where}{shown(reason)}; install anymole again, or choose "
        "another prior (context or spline)."
    )
