"""An adapter: what ICAdapt has learnt of one character, as a safetensors file with its provenance."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from engine.errors import DataError
from engine.files.hashing import content_hash
from engine.files.tensors import load_meta, load_tensors, save_tensors
from engine.video.adaptation.lora import DOWN, merge_lora
from engine.video.adaptation.trainable import trained_matrices, trained_parameters
from engine.video.network.model import VideoModel

Kind = Literal["full", "lora"]


@dataclass(frozen=True)
class Adapter:
    """Trained values; the names are those of :mod:`engine.video.adaptation.trainable`."""

    kind: Kind
    """``full``: the parameters themselves; ``lora``: pairs of matrices to add."""
    tensors: Mapping[str, Tensor]
    provenance: Mapping[str, Any]
    """Model, settings, losses, hash of the frames: plain values."""


def save_adapter(path: Path, adapter: Adapter, dtype: torch.dtype | None = None) -> None:
    """Write an adapter; a ``dtype`` of half precision halves the file and rounds the values."""
    tensors = {name: value.to(dtype or value.dtype) for name, value in adapter.tensors.items()}
    save_tensors(path, tensors, {"adapter": adapter.kind, **adapter.provenance})


def load_adapter(path: Path) -> Adapter:
    """Read an adapter.

    Raises:
        ResourceMissing: There is no such file.
        DataError: The file is damaged or holds something else.
    """
    meta = load_meta(path)
    kind = meta.pop("adapter", None)
    if kind not in ("full", "lora"):
        raise DataError(f"{path} is no adapter.")
    return Adapter(kind, load_tensors(path), meta)


@torch.no_grad()
def apply_adapter(model: VideoModel, adapter: Adapter) -> None:
    """Put an adapter into a model, in place. Apply to the unadapted model only, and one at a time.

    Raises:
        DataError: The adapter was made for another network.
    """
    expected = expected_shapes(model, adapter)
    found = {name: tuple(value.shape) for name, value in adapter.tensors.items()}
    if wrong := sorted(set(expected.items()) ^ set(found.items())):
        raise DataError(f"the adapter was made for another network; they differ in {wrong[0][0]}.")
    if adapter.kind == "lora":
        merge_lora(dict(trained_matrices(model)), adapter.tensors)
    else:
        for name, parameter in trained_parameters(model):
            parameter.copy_(adapter.tensors[name])
    model.source = {**model.source, "adapter": content_hash(adapter.tensors)}


def expected_shapes(model: VideoModel, adapter: Adapter) -> dict[str, tuple[int, ...]]:
    """Names and shapes an adapter of this kind has for this network."""
    if adapter.kind == "full":
        return {name: tuple(p.shape) for name, p in trained_parameters(model)}
    rank = next((len(v) for name, v in adapter.tensors.items() if name.endswith(DOWN)), 0)
    shapes: dict[str, tuple[int, ...]] = {}
    for name, layer in trained_matrices(model):
        shapes |= {
            f"{name}.lora_down": (rank, layer.in_features),
            f"{name}.lora_up": (layer.out_features, rank),
        }
    return shapes
