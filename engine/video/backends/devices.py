"""Where a video model runs and in which precision, decided before anything is loaded."""

import torch

from engine.errors import ConfigError, ResourceMissing
from engine.video.models import ModelCard
from engine.video.options import Memory

INSTEAD = "Without it, '--engine motion' or '--model tiny' runs on any machine."


def pick_device(card: ModelCard, device: str) -> torch.device:
    """The device to use.

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
    if not torch.cuda.is_available():
        raise ResourceMissing(
            f"{card.name} needs a GPU with {card.memory_generate_gb:g} GB and CUDA sees none here. {INSTEAD}"
        )
    found = torch.cuda.get_device_properties(0)
    if found.total_memory < card.memory_generate_gb * 0.9e9:  # a card of 8 GB reports a little less
        raise ResourceMissing(
            f"{card.name} needs a GPU with {card.memory_generate_gb:g} GB and {found.name} has "
            f"{found.total_memory * 1e-9:.1f} GB. {INSTEAD}"
        )
    return torch.device("cuda", 0)


def precision(device: torch.device, memory: Memory) -> torch.dtype:
    """Of weights and activations: single on a processor and where memory does not matter, else half."""
    if device.type != "cuda" or memory == "high":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
