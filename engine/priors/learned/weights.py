"""Checkpoints and shipped weights: one safetensors file each, with JSON in its metadata. No pickle."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.errors import DataError
from engine.priors.learned.network import Network, Shape
from usd_io.errors import shown

_META = "anymole"


def save(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write tensors and JSON, replacing what was there in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file({k: v.contiguous() for k, v in tensors.items()}, part, {_META: json.dumps(meta)})
    part.chmod(0o644)  # safetensors writes for the owner alone; shipped weights are for all
    part.replace(path)


def read_meta(path: Path) -> dict[str, Any]:
    """The JSON of a file written by :func:`save`."""
    with safe_open(path, framework="pt") as file:
        meta: dict[str, Any] = json.loads(file.metadata()[_META])
    return meta


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and JSON of a file written by :func:`save`."""
    return load_file(path), read_meta(path)


def save_weights(path: Path, network: Network, shape: Shape, meta: Mapping[str, Any]) -> None:
    """Weights for shipping, in half precision."""
    half = {name: value.half() for name, value in network.state_dict().items()}
    save(path, half, {**meta, "shape": asdict(shape)})


def load_weights(path: Path) -> tuple[Network, dict[str, Any]]:
    """The network of shipped weights, in single precision, ready to run.

    Raises:
        DataError: The file is missing, damaged, or of another network.
    """
    try:
        tensors, meta = load(path)
        network = Network(Shape(**meta["shape"]))
        network.load_state_dict({name: value.float() for name, value in tensors.items()}, strict=True)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[-1].strip()
        raise DataError(f"{_unusable(path)}: {shown(reason)}; {_REMEDY}") from error
    if not all(bool(value.isfinite().all()) for value in network.state_dict().values()):
        raise DataError(f"{_unusable(path)}: they hold values that are not finite; {_REMEDY}")
    return network.eval(), meta


_REMEDY = "install anymole again, or choose another prior with --prior (context or spline)."


def _unusable(path: Path) -> str:
    return f"the weights of the learned prior, {shown(path)}, cannot be used"
