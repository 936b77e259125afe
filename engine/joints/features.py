"""Frozen image features: DINOv2 with registers, and FiT3D, which is DINOv2 finetuned to be aware of 3D.

Both are transformers' ``Dinov2WithRegistersModel``; FiT3D's checkpoint has the names of timm's
``vit_small_patch14_reg4_dinov2``.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from engine.errors import DataError
from engine.files.tensors import load_checkpoint
from engine.video.catalogue.models import card, require_file
from usd_io.shapes import Float

PATCH = 14
REGISTERS = 4
NATIVE_SIZE = 518
"""Image size of the position embeddings [pixels]: 37 x 37 patches; other sizes interpolate them."""
HEAD_CHANNELS = 64
"""Channels of an attention head in every size of DINOv2."""
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_STEMS = {
    "reg_token": "embeddings.register_tokens",
    "cls_token": "embeddings.cls_token",
    "patch_embed.proj": "embeddings.patch_embeddings.projection",
    "norm": "layernorm",
}
_INSIDE = {
    "attn.proj": "attention.o_proj",
    "ls1.gamma": "layer_scale1.lambda1",
    "ls2.gamma": "layer_scale2.lambda1",
}


def build_features(channels: int, layers: int) -> nn.Module:
    """A DINOv2 with registers and random weights; 384 x 12 is the small one, 768 x 12 the base one."""
    # slow to import, and only the paper's estimator needs it
    from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    config = Dinov2WithRegistersConfig(
        hidden_size=channels,
        num_hidden_layers=layers,
        num_attention_heads=channels // HEAD_CHANNELS,
        image_size=NATIVE_SIZE,
        patch_size=PATCH,
        num_register_tokens=REGISTERS,
    )
    network: nn.Module = Dinov2WithRegistersModel(config).eval().requires_grad_(False)
    return network


def map_timm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names of timm's checkpoint as those of transformers; the outputs stay the same.

    timm adds no position to the class token, having folded it in; the mask token is not used.
    """
    channels = state["cls_token"].shape[-1]
    positions = torch.cat([state["cls_token"].new_zeros(1, 1, channels), state["pos_embed"]], 1)
    mapped = {
        "embeddings.position_embeddings": positions,
        "embeddings.mask_token": state["cls_token"].new_zeros(1, channels),
    }
    for name, value in state.items():
        if match := re.match(r"blocks\.(\d+)\.attn\.qkv\.(weight|bias)", name):
            for part, chunk in zip("qkv", value.chunk(3), strict=True):
                mapped[f"encoder.layer.{match[1]}.attention.{part}_proj.{match[2]}"] = chunk
        elif name != "pos_embed":
            mapped[_timm_name(name)] = value
    return mapped


def _timm_name(name: str) -> str:
    for old, new in _STEMS.items():
        if name == old or name.startswith(old + "."):
            return new + name.removeprefix(old)
    name = re.sub(r"^blocks\.", "encoder.layer.", name)
    for old, new in _INSIDE.items():
        name = name.replace(old, new)
    return name


def load_fit3d(path: Path) -> nn.Module:
    """FiT3D from its own checkpoint.

    Raises:
        ResourceMissing: There is no such file.
        DataError: The file is damaged or holds another network.
    """
    state = load_checkpoint(path)
    depth = 1 + max((int(m[1]) for n in state if (m := re.match(r"blocks\.(\d+)\.", n))), default=-1)
    if "cls_token" not in state or depth == 0:
        raise DataError(
            f"{path} holds no DINOv2 weights with the names that timm gives them; name the checkpoint of FiT3D."
        )
    network = build_features(state["cls_token"].shape[-1], depth)
    try:
        network.load_state_dict(map_timm(state), strict=True)
    except (RuntimeError, KeyError) as error:
        raise DataError(f"{path} holds another network than FiT3D's: {error}.") from error
    return network


def load_dinov2(folder: Path) -> nn.Module:
    """DINOv2 with registers from a folder of transformers' (``config.json``, ``model.safetensors``); no network.

    Raises:
        DataError: The folder lacks a file or holds another network.
    """
    from transformers import Dinov2WithRegistersModel

    try:
        network = Dinov2WithRegistersModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise DataError(f"{folder} holds no DINOv2 with registers: {error}.") from error
    result: nn.Module = network.eval().requires_grad_(False)
    return result


def load_frozen() -> tuple[nn.Module, nn.Module]:
    """DINOv2 (base) and FiT3D, the paper's two, from where ``anymole models`` keeps them; nothing is downloaded.

    Raises:
        ResourceMissing: A file is not there; the message says which and how to bring it here.
        DataError: A file is damaged or holds another network.
    """
    dinov2, fit3d = card("dinov2"), card("fit3d")
    weights = [require_file(dinov2, file) for file in dinov2.files]
    return load_dinov2(weights[0].parent), load_fit3d(require_file(fit3d, fit3d.files[0]))


def channels_of(network: nn.Module) -> int:
    """Channels of the features of a network of this module."""
    config: Any = network.config
    return int(config.hidden_size)


def patch_features(
    network: nn.Module, images: Float[Tensor, "image 3 height width"], rows: int, columns: int
) -> Float[Tensor, "image channel rows columns"]:
    """Normed features of each patch.

    Args:
        network: Of :func:`build_features` or the loaders.
        images: Display-referred RGB in [0, 1], resized to ``rows`` x ``columns`` patches of 14 pixels.
        rows: Height of the result.
        columns: Width of the result.
    """
    weight = next(network.parameters())
    mean, std = (
        torch.tensor(v, device=images.device).reshape(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD)
    )
    size = (rows * PATCH, columns * PATCH)
    pixels = interpolate((images - mean) / std, size, mode="bilinear", antialias=True, align_corners=False)
    tokens: Tensor = network(pixel_values=pixels.to(weight)).last_hidden_state
    grid = tokens[:, 1 + REGISTERS :].float()
    return grid.transpose(1, 2).reshape(len(images), -1, rows, columns)
