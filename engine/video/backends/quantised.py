"""Weights of a denoising network in one byte each, by torchao; an optional extra, chosen by name.

The network is read and changed by LoRAs in half precision and quantised after that, so that what is stacked on it is
rounded once. Activations stay in half precision; low-rank pairs can be trained on top.
"""

import importlib
from collections.abc import Container
from importlib.util import find_spec
from typing import Any

from torch import nn

from engine.errors import ResourceMissing
from engine.settings.choices import PrecisionName

QUANTISED: tuple[PrecisionName, ...] = ("int8", "fp8")
_CONFIGS = {"int8": "Int8WeightOnlyConfig", "fp8": "Float8WeightOnlyConfig"}


def require_quantising(weights: PrecisionName) -> None:
    """Find out whether weights can be kept so here.

    Raises:
        ResourceMissing: The library is not installed.
    """
    if weights in QUANTISED and find_spec("torchao") is None:
        raise ResourceMissing(
            f"precision {weights} needs torchao, which is not installed; install the extra with 'pip install "
            "anymole[quantised]', or choose precision half."
        )


def quantise(network: nn.Module, weights: PrecisionName, layers: Container[str]) -> None:
    """Keep the matrices of the named layers in one byte per weight, the other parameters as they are."""
    if weights not in QUANTISED:
        return
    torchao: Any = importlib.import_module("torchao.quantization")

    def chosen(module: nn.Module, name: str) -> bool:
        return name in layers

    torchao.quantize_(network, getattr(torchao, _CONFIGS[weights])(), filter_fn=chosen)
