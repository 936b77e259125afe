"""The DynamiCrafter model: five networks in one place, and what goes in and out of them.

Frames are display-referred (sRGB-coded) RGB in [0, 1], as video models see images.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, pad

from engine.video.network.shapes import ModelShape
from engine.video.network.tokens import tokenize
from usd_io.shapes import Float

if TYPE_CHECKING:  # diffusers, behind it, takes seconds: who only plans does without
    from engine.video.network.unet import DynamiCrafterUNet

LATENT_SCALE = 0.18215
"""Latents are scaled to about unit variance (Rombach et al. 2022; upstream ``scale_factor``)."""
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
"""Normalisation of CLIP's images (openai/CLIP)."""
FRAMES_AT_ONCE = 4
"""Frames that pass through the autoencoder or the image encoder together, to bound memory."""


@dataclass
class VideoModel:
    """The networks, all on one device."""

    shape: ModelShape
    unet: "DynamiCrafterUNet"
    resampler: nn.Module
    vae: Any
    text: nn.Module
    image: nn.Module
    source: dict[str, Any] = field(default_factory=dict)
    """What the weights are (name, hashes), for the provenance of results."""

    @property
    def device(self) -> torch.device:
        """Where the UNet is."""
        device: torch.device = self.unet.conv_in.weight.device
        return device

    @property
    def encoders(self) -> tuple[nn.Module, ...]:
        """What adaptation needs only once, and may leave the device after."""
        return (self.vae, self.text, self.image)


def build_model(shape: ModelShape, source: dict[str, Any] | None = None) -> VideoModel:
    """A model with random weights."""
    from engine.video.network.networks import build_networks

    parts: dict[str, Any] = build_networks(shape)
    return VideoModel(shape, **parts, source=source or {"name": "random"})


@torch.no_grad()
def encode_text(model: VideoModel, prompts: Sequence[str]) -> Float[Tensor, "prompt 77 channel"]:
    """Text tokens of each prompt."""
    device = next(model.text.parameters()).device
    tokens: Tensor = model.text(input_ids=tokenize(prompts).to(device)).last_hidden_state
    return tokens.float()


@torch.no_grad()
def encode_images(
    model: VideoModel, frames: Float[Tensor, "frame 3 height width"]
) -> Float[Tensor, "frame token channel"]:
    """CLIP tokens of images, before the Resampler."""
    weight = next(model.image.parameters())
    size = model.shape.image.image
    out = [
        model.image(pixel_values=clip_pixels(part.to(weight.device), size).to(weight.dtype)).last_hidden_state
        for part in torch.split(frames, FRAMES_AT_ONCE)
    ]
    return torch.cat(out).float()


def clip_pixels(
    frames: Float[Tensor, "frame 3 height width"], size: int
) -> Float[Tensor, "frame 3 size size"]:
    """Frames squashed to CLIP's square and normalised, as upstream does with kornia."""
    small = resize_smooth(frames * 2 - 1, size)
    mean, std = (torch.tensor(v, device=frames.device).reshape(3, 1, 1) for v in (CLIP_MEAN, CLIP_STD))
    return ((small + 1) / 2 - mean) / std


def resize_smooth(
    frames: Float[Tensor, "frame channel height width"], size: int
) -> Float[Tensor, "frame channel size size"]:
    """Bicubic with aligned corners after a Gaussian blur of half a target pixel (kornia's ``antialias=True``)."""
    for axis in (2, 3):
        factor = frames.shape[axis] / size
        sigma = max((factor - 1) / 2, 0.001)
        width = int(max(4 * sigma, 3)) | 1
        at = torch.arange(width, device=frames.device) - width // 2
        kernel = torch.softmax(-(at**2) / (2 * sigma**2), 0).to(frames)
        shape = (1, 1, width, 1) if axis == 2 else (1, 1, 1, width)
        edge = (0, 0, width // 2, width // 2) if axis == 2 else (width // 2, width // 2, 0, 0)
        single = pad(frames.flatten(0, 1)[:, None], edge, mode="reflect")
        frames = conv2d(single, kernel.reshape(shape)).reshape(frames.shape)
    return interpolate(frames, (size, size), mode="bicubic", align_corners=True)


@torch.no_grad()
def encode_moments(
    model: VideoModel, frames: Float[Tensor, "frame 3 height width"]
) -> Float[Tensor, "frame moment latent_height latent_width"]:
    """Mean and log variance of each frame's latents, one frame independent of the others."""
    weight = next(model.vae.parameters())
    parts = []
    for part in torch.split(frames, FRAMES_AT_ONCE):
        pixels = (part.to(weight.device) * 2 - 1).to(weight.dtype)
        parts.append(model.vae.encode(pixels).latent_dist.parameters.float())
    return torch.cat(parts)


def latents_from_moments(
    moments: Float[Tensor, "*batch moment latent_height latent_width"],
    noise: Float[Tensor, "*batch channel latent_height latent_width"] | None = None,
) -> Float[Tensor, "*batch channel latent_height latent_width"]:
    """Scaled latents: the mean, or a sample where noise is given."""
    mean, log_variance = moments.chunk(2, -3)
    if noise is not None:
        mean = mean + noise * torch.exp(0.5 * log_variance.clamp(-30, 20))
    return LATENT_SCALE * mean


def encode_frames(
    model: VideoModel, frames: Float[Tensor, "frame 3 height width"]
) -> Float[Tensor, "frame channel latent_height latent_width"]:
    """Scaled latents of frames.

    The mean of the autoencoder's Gaussian, where upstream draws a sample: its deviation is far below a grey level,
    and a held frame stays the same in every window.
    """
    return latents_from_moments(encode_moments(model, frames))


@torch.no_grad()
def decode_latents(
    model: VideoModel, latents: Float[Tensor, "frame channel latent_height latent_width"]
) -> Float[Tensor, "frame 3 height width"]:
    """Frames of scaled latents, in [0, 1]."""
    weight = next(model.vae.parameters())
    parts = []
    for part in torch.split(latents / LATENT_SCALE, FRAMES_AT_ONCE):
        parts.append(model.vae.decode(part.to(weight)).sample.float())
    return (torch.cat(parts) / 2 + 0.5).clamp(0, 1)


def place_model(
    model: VideoModel,
    device: torch.device | str,
    dtype: torch.dtype = torch.float32,
    *,
    encoders: bool = True,
) -> VideoModel:
    """Move the model, in place.

    Args:
        model: The model.
        device: Where the UNet and the Resampler go.
        dtype: Of all weights but the autoencoder's, which stays in single precision: it overflows in half.
        encoders: Whether the encoders go there too, or stay where they are, to save the device's memory.
    """
    nn.Module.to(
        model.unet, device=device, dtype=dtype
    )  # diffusers' own method warns of nothing in particular
    model.resampler.to(device=device, dtype=dtype)
    if encoders:
        model.vae.to(device)
        model.text.to(device=device, dtype=dtype)
        model.image.to(device=device, dtype=dtype)
    return model
