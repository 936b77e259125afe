"""The five networks of DynamiCrafter as diffusers and transformers classes, by shape."""

from typing import Any

import torch
from diffusers import AutoencoderKL
from diffusers.models.embeddings import IPAdapterPlusImageProjection
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModel

from engine.video.network.blend import BlendUNet
from engine.video.network.patches import PatchAutoencoder
from engine.video.network.shapes import (
    TEXT_TOKENS,
    ClipImageShape,
    ClipTextShape,
    ModelShape,
    ResamplerShape,
    VaeShape,
)
from engine.video.network.unet import DynamiCrafterUNet

CLIP_FEED_FORWARD = 4
"""OpenCLIP's feed-forward layers are four times as wide as the tower."""
CLIP_NORM_EPSILON = 1e-5


def build_vae(shape: VaeShape) -> nn.Module:
    """Stable Diffusion's per-frame autoencoder, or patches of pixels as they are."""
    if shape.patch:
        return PatchAutoencoder(shape.patch)
    levels = len(shape.channels)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=shape.channels,
        layers_per_block=shape.layers,
        latent_channels=4,
    )


def build_resampler(shape: ResamplerShape) -> nn.Module:
    """The image projector; upstream's Resampler is IP-Adapter's."""
    return IPAdapterPlusImageProjection(
        embed_dims=shape.in_channels,
        output_dims=shape.out_channels,
        hidden_dims=shape.channels,
        depth=shape.depth,
        dim_head=shape.head_channels,
        heads=shape.heads,
        num_queries=shape.queries,
    )


def build_text_encoder(shape: ClipTextShape) -> nn.Module:
    """CLIP's text tower; its last hidden state, normed, is what the UNet reads."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=shape.vocabulary,
            hidden_size=shape.channels,
            intermediate_size=CLIP_FEED_FORWARD * shape.channels,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            max_position_embeddings=TEXT_TOKENS,
            hidden_act="gelu",
            layer_norm_eps=CLIP_NORM_EPSILON,
        )
    )


def build_image_encoder(shape: ClipImageShape) -> nn.Module:
    """CLIP's vision tower; its last hidden state, before the final norm, is what the Resampler reads."""
    return CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=shape.channels,
            intermediate_size=CLIP_FEED_FORWARD * shape.channels,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            patch_size=shape.patch,
            image_size=shape.image,
            hidden_act="gelu",
            layer_norm_eps=CLIP_NORM_EPSILON,
        )
    )


def build_networks(shape: ModelShape) -> dict[str, nn.Module]:
    """All five, with random weights, in evaluation mode, by the names of
    :data:`engine.video.catalogue.checkpoint_names.PREFIXES`."""
    parts: dict[str, Any] = {
        "unet": (BlendUNet if shape.unet.blend else DynamiCrafterUNet)(shape.unet),
        "resampler": build_resampler(shape.resampler),
        "vae": build_vae(shape.vae),
        "text": build_text_encoder(shape.text),
        "image": build_image_encoder(shape.image),
    }
    return {name: part.eval().requires_grad_(False) for name, part in parts.items()}


def count_parameters(shape: ModelShape) -> dict[str, int]:
    """Number of parameters of each network, without allocating them."""
    with torch.device("meta"):
        parts = build_networks(shape)
    return {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
