"""Denoising networks that take less memory: a byte for each weight, the few bits of a GGUF file, blocks that wait.

By torchao the network is read and changed by LoRAs in half precision and quantised after that, so that what is stacked
on it is rounded once. The matrices of a GGUF file stay as they are, and each is unpacked while its layer works; what is
stacked on it is added beside. Both are optional extras, chosen by name. Activations stay in half precision; low-rank
pairs can be trained on top. Blocks that wait in main memory are moved to the device for their turn alone, which takes
the time of moving the whole network in each step, and allows no training.
"""

import importlib
from collections.abc import Container
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine.errors import DataError, ResourceMissing
from engine.settings.choices import PrecisionName
from usd_io.errors import counted, shown

QUANTISED: tuple[PrecisionName, ...] = ("int8", "fp8")
_GGUF_MARK = b"GGUF"
_CONFIGS = {"int8": "Int8WeightOnlyConfig", "fp8": "Float8WeightOnlyConfig"}


def require_quantising(weights: PrecisionName) -> None:
    """Find out whether weights can be kept so here.

    Raises:
        ResourceMissing: The library is not installed.
    """
    if weights in QUANTISED and find_spec("torchao") is None:
        raise ResourceMissing(
            f"precision {weights} needs torchao, which is not installed; install the extra with pip install "
            "'anymole[quantised]', or choose precision half."
        )


def require_gguf() -> None:
    """Find out whether GGUF files can be read here.

    Raises:
        ResourceMissing: The library is not installed.
    """
    if find_spec("gguf") is None:
        raise ResourceMissing(
            "a GGUF file needs the package gguf, which is not installed; install the extra with pip install "
            "'anymole[gguf]', or leave the file out."
        )


def read_gguf(path: Path, kind: Any, folder: Path, part: str, dtype: torch.dtype) -> nn.Module:
    """A denoising network from a GGUF file, by the names of Wan's repository or of diffusers.

    Args:
        path: The file, whose hash has been compared.
        kind: The network's class.
        folder: Of the pipeline that describes it.
        part: Which part of the pipeline it is.
        dtype: Of what is computed.

    Raises:
        DataError: It is no GGUF file, or of another network.
    """
    with path.open("rb") as file:
        if file.read(len(_GGUF_MARK)) != _GGUF_MARK:
            raise DataError(f"{shown(path)} is no GGUF file; fetch it again.")
    quantisation = importlib.import_module("diffusers").GGUFQuantizationConfig(compute_dtype=dtype)
    try:
        network: nn.Module = kind.from_single_file(
            str(path),
            config=str(folder),
            subfolder=part,
            quantization_config=quantisation,
            torch_dtype=dtype,
            local_files_only=True,
        )
    except (
        Exception
    ) as error:  # what the reader raises on damage is anything; nothing of it runs the file's content
        if isinstance(error, torch.OutOfMemoryError):
            raise
        reason = shown((str(error).strip() or type(error).__name__).splitlines()[0])
        raise DataError(
            f"{shown(path)} cannot be read as the network {part} of {shown(folder.name)}: {reason}; give a file that "
            "was made from this model."
        ) from error
    if lacking := sorted(n for n, v in network.named_parameters() if v.is_meta):
        raise DataError(
            f"{shown(path)} lacks {counted(len(lacking), 'part')} of the network, the first "
            f"{shown(lacking[0])}; give a file that "
            "was made from this model."
        )
    return network


def wait_in_main_memory(pipe: Any, device: torch.device) -> None:
    """Have the blocks of the denoising networks move to the device for their turn alone."""
    from diffusers.hooks import apply_group_offloading

    for name in ("transformer", "transformer_2"):
        network = getattr(pipe, name, None)
        if network is not None:
            apply_group_offloading(
                network,
                onload_device=device,
                offload_device=torch.device("cpu"),
                offload_type="block_level",
                num_blocks_per_group=1,
            )


def quantise(network: nn.Module, weights: PrecisionName, layers: Container[str]) -> None:
    """Keep the matrices of the named layers in one byte per weight, the other parameters as they are."""
    if weights not in QUANTISED:
        return
    torchao: Any = importlib.import_module("torchao.quantization")

    def chosen(module: nn.Module, name: str) -> bool:
        return name in layers

    torchao.quantize_(network, getattr(torchao, _CONFIGS[weights])(), filter_fn=chosen)
