"""Low-rank adaptation (Hu et al. 2022): W x + (alpha / r) B A x, with A and B trained and W left alone.

Forty lines of our own: peft would rename the parameters of the network it wraps.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from usd_io.shapes import Float

DOWN, UP = "lora_down", "lora_up"
"""A and B of the paper, as suffixes of the layer's name."""


def low_rank(
    x: Float[Tensor, "*batch in"], down: Float[Tensor, "rank in"], up: Float[Tensor, "out rank"]
) -> Float[Tensor, "*batch out"]:
    """What a pair of matrices makes of a layer's input, in the pair's precision."""
    return nn.functional.linear(nn.functional.linear(x.to(down), down), up)


class Lora:
    """Pairs of matrices for linear layers; while attached, the layers' outputs include them."""

    def __init__(self, layers: Mapping[str, nn.Linear], rank: int, seed: int) -> None:
        self.layers = dict(layers)
        self.scale = 1.0
        """alpha / r with alpha = r, so that the learning rate alone sets the size of a step."""
        generator = torch.Generator().manual_seed(seed)
        self.tensors: dict[str, nn.Parameter] = {}
        for name, layer in self.layers.items():
            down = torch.randn(rank, layer.in_features, generator=generator) / math.sqrt(layer.in_features)
            self.tensors[f"{name}.{DOWN}"] = nn.Parameter(down.to(layer.weight.device))
            self.tensors[f"{name}.{UP}"] = nn.Parameter(
                torch.zeros(layer.out_features, rank, device=layer.weight.device)
            )
        self._hooks = [layer.register_forward_hook(self._hook(name)) for name, layer in self.layers.items()]

    def _hook(self, name: str) -> Any:
        down, up = self.tensors[f"{name}.{DOWN}"], self.tensors[f"{name}.{UP}"]

        def add(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
            return output + self.scale * low_rank(inputs[0], down, up).to(output)

        return add

    def detach(self) -> None:
        """Take the pairs out of the network again."""
        for hook in self._hooks:
            hook.remove()


@torch.no_grad()
def merge_lora(layers: Mapping[str, nn.Linear], tensors: Mapping[str, Tensor], scale: float = 1.0) -> None:
    """Add trained pairs to the layers' weights; a negative scale takes them out, up to rounding."""
    for name, layer in layers.items():
        if f"{name}.{UP}" in tensors:
            up, down = (tensors[f"{name}.{kind}"].to(layer.weight.device).float() for kind in (UP, DOWN))
            layer.weight.copy_(layer.weight.float() + scale * up @ down)
