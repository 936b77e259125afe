"""Where a video model runs and in which precision, decided before anything is loaded."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from engine.errors import ConfigError, ResourceMissing
from engine.settings.choices import Memory, PrecisionName
from engine.settings.pinned_file import PinnedFile
from engine.video.backends.quantised import require_gguf, require_quantising
from engine.video.catalogue.fetch import known_hash
from engine.video.catalogue.memory_table import BYTES, memory_need
from engine.video.catalogue.models import ModelCard, card, pipeline_files, require_pipeline
from engine.video.catalogue.ready import INSTEAD


def pick_device(card: ModelCard, device: str, needed_gb: float = 0.0) -> torch.device:
    """The device to use.

    Args:
        card: Of the model.
        device: ``auto``, or its name.
        needed_gb: Least memory of it [1e9 bytes]; 0: what the card says.

    Raises:
        ConfigError: There is no such device.
        ResourceMissing: No GPU is here, or none with enough memory.
    """
    if device != "auto":
        try:
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError) as error:
            raise ConfigError(f"device {device!r} cannot be used here; choose auto, cpu or cuda.") from error
        return torch.device(device)
    needed = needed_gb or card.memory_generate_gb
    if not torch.cuda.is_available():
        raise ResourceMissing(
            f"{card.name} needs a GPU with {needed:.3g} GB and CUDA sees none here. {INSTEAD}"
        )
    found = torch.cuda.get_device_properties(0)
    if found.total_memory < needed * 0.9e9:  # a card of 8 GB reports a little less
        raise ResourceMissing(
            f"{card.name} needs a GPU with {needed:.3g} GB and {found.name} has {found.total_memory * 1e-9:.1f} GB; "
            f"'anymole models memory' shows what fits it. {INSTEAD}"
        )
    return torch.device("cuda", 0)


def device_gb(device: torch.device) -> float:
    """Memory of a GPU [1e9 bytes]; a processor is taken to have enough."""
    if device.type != "cuda":
        return math.inf
    return float(torch.cuda.get_device_properties(device).total_memory) * 1e-9


def precision(device: torch.device, memory: Memory, wanted: PrecisionName = "auto") -> torch.dtype:
    """Of weights and activations: what is wanted; by itself single on a processor and where memory does not matter,
    else half. Beside quantised weights all is in half."""
    if wanted == "single" or (wanted == "auto" and (device.type != "cuda" or memory == "high")):
        return torch.float32
    return torch.float16 if device.type == "cuda" and not torch.cuda.is_bf16_supported() else torch.bfloat16


def ready_pipeline(
    name: str,
    device: str,
    weights: PrecisionName,
    size: tuple[int, int],
    memory: Memory = "auto",
    gguf: Sequence[PinnedFile] = (),
) -> tuple[Path, Mapping[str, Any], torch.device]:
    """Folder of a complete diffusers pipeline, what its weights are, and where it runs.

    Raises:
        ResourceMissing: Weights, a GPU, or the library for weights of that precision or format are missing.
        ConfigError: There is no such device.
    """
    require_quantising(weights)
    if gguf:
        require_gguf()
    model = card(name)
    try:
        folder = require_pipeline(model, own_networks=not gguf)
    except ResourceMissing as error:
        raise ResourceMissing(f"{error} {INSTEAD}") from None
    files = {
        path.relative_to(folder).as_posix(): known_hash(path) or f"{path.stat().st_size} bytes"
        for path in pipeline_files(folder, own_networks=not gguf)
    }
    source: dict[str, Any] = {"name": model.repository, "files": files}
    if gguf:
        source["gguf"] = [file.sha256 for file in gguf]
    bits = sum(file.path.stat().st_size for file in gguf) * 8
    kept = weights if weights in BYTES else "single" if memory == "high" else "half"
    needed = memory_need(name, kept, *size, packed_bits=bits, waiting=memory == "lowest").card_gb
    return folder, source, pick_device(model, device, needed)
