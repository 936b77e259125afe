"""What an adaptation trains and the optimiser that trains it: set up and taken apart."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from engine.files.hashing import content_hash
from engine.files.json_values import as_json
from engine.video.adaptation.adapter import Adapter
from engine.video.adaptation.lora import Lora, merge_lora
from engine.video.adaptation.settings import AdaptSettings
from engine.video.adaptation.trainable import trained_matrices, trained_parameters
from engine.video.network.model import VideoModel

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Trained:
    """Trained values within a model, their optimiser and the scale of losses in fp16."""

    def __init__(self, model: VideoModel, settings: AdaptSettings) -> None:
        self.model, self.settings = model, settings
        self.dtype: torch.dtype = model.unet.conv_in.weight.dtype
        self.lora: Lora | None = None
        self.values = self._choose()
        # One parameter after the other: all at once would need another copy of them for temporary values.
        self.optimiser = torch.optim.AdamW(self.values.values(), lr=settings.rate, foreach=False)
        self.scaler = torch.amp.GradScaler(model.device.type, enabled=settings.precision == "fp16")
        model.unet.recompute = settings.memory != "high"
        model.unet.train()

    def _choose(self) -> dict[str, nn.Parameter]:
        """Mark and return what is trained, in single precision; what is not may go down to half."""
        settings = self.settings
        if settings.kind == "lora":
            self.lora = Lora(dict(trained_matrices(self.model)), settings.rank, settings.seed)
            chosen = self.lora.tensors
        else:
            chosen = dict(trained_parameters(self.model))
        for parameter in chosen.values():
            parameter.requires_grad_(True)
        narrow = DTYPES[settings.precision] if settings.memory == "low" else torch.float32
        for network in (self.model.unet, self.model.resampler):
            _set_precision(network, narrow)
        return chosen

    def update(self) -> None:
        """One step with the gradients gathered so far; where fp16 overflowed, only the scale changes."""
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.values.values(), self.settings.clip_norm)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad()

    def finish(self, provenance: Mapping[str, Any]) -> Adapter:
        """The adapter; low-rank pairs go into the network's weights now."""
        learnt = {name: p.detach().cpu().clone() for name, p in self.values.items()}
        self._restore_precision()
        if self.lora is not None:
            self.lora.detach()
            merge_lora(self.lora.layers, learnt)
        self.model.source = {**self.model.source, "adapter": content_hash(learnt)}
        return Adapter(self.settings.kind, learnt, as_json(provenance))

    def close(self) -> None:
        """Leave the model ready to run in the precision it came in, with or without having finished."""
        if self.lora is not None:
            self.lora.detach()
        for parameter in self.values.values():
            parameter.requires_grad_(False)
            parameter.grad = None
        self._restore_precision()
        self.model.unet.recompute = False
        self.model.unet.eval()

    def _restore_precision(self) -> None:
        """Back to the one precision the model came in."""
        for network in (self.model.unet, self.model.resampler):
            nn.Module.to(network, self.dtype)  # diffusers' own method warns of nothing in particular


def _set_precision(network: nn.Module, narrow: torch.dtype) -> None:
    """Single precision for all that is trained, and for norms; ``narrow`` for other matrices and kernels."""
    for module in network.modules():
        for parameter in module.parameters(recurse=False):
            matrix = isinstance(module, (nn.Linear, nn.Conv2d, nn.Conv3d))
            keep = parameter.requires_grad or not matrix
            parameter.data = parameter.data.to(torch.float32 if keep else narrow)
