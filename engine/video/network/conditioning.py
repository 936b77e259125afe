"""What the UNet is given of a window: text, the first frame, both end frames, the frame rate."""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.video.network.model import VideoModel, encode_images, encode_text
from engine.video.network.sample import Predict
from usd_io.shapes import Float

EMPTY_GREY = 0.5
"""The image of the empty condition: zero in the network's range of -1 to 1."""


@dataclass(frozen=True)
class Condition:
    """Conditions of a batch of windows."""

    context: Float[Tensor, "batch token channel"]
    """77 text tokens, then the Resampler's image tokens, 16 for each frame of the window."""
    ends: Float[Tensor, "batch latent frame height width"]
    """Latents of the first and last frame in their places, zero between; concatenated to the noisy latents. A network
    that blends is given all known frames here."""
    fps: Float[Tensor, " batch"]
    """Frame rate [frames/s]."""


def end_latents(
    latents: Float[Tensor, "batch latent frame height width"],
) -> Float[Tensor, "batch latent frame height width"]:
    """Keep the first and last frame, zero the rest (upstream ``interp_mode``)."""
    ends = torch.zeros_like(latents)
    ends[:, :, [0, -1]] = latents[:, :, [0, -1]]
    return ends


def join_context(
    model: VideoModel,
    text: Float[Tensor, "batch 77 channel"],
    image: Float[Tensor, "batch clip_token clip_channel"],
) -> Float[Tensor, "batch token channel"]:
    """Text tokens and resampled image tokens as one context; differentiable in the Resampler."""
    weight = next(model.resampler.parameters())
    tokens: Tensor = model.resampler(image.to(weight))
    return torch.cat([text.to(tokens), tokens], 1)


@dataclass(frozen=True)
class EmptyCondition:
    """Tokens of no text and no image, the same for all windows."""

    text: Float[Tensor, "1 77 channel"]
    image: Float[Tensor, "1 clip_token clip_channel"]


def encode_empty(model: VideoModel) -> EmptyCondition:
    """Encode the empty prompt and a grey image."""
    size = model.shape.image.image
    grey = torch.full((1, 3, size, size), EMPTY_GREY)
    return EmptyCondition(encode_text(model, [""]), encode_images(model, grey))


def predictor(model: VideoModel, condition: Condition, empty: Condition, guidance: float) -> Predict:
    """The UNet with both conditions, one after the other to halve the memory; without guidance only the first."""
    dtype = model.unet.conv_in.weight.dtype

    def run(x: Tensor, t: int, given: Condition) -> Tensor:
        sample = torch.cat([x, given.ends], 1).to(dtype)
        times = torch.full((len(x),), t, device=x.device)
        return model.unet(sample, times, given.context.to(dtype), given.fps).float()

    @torch.no_grad()
    def predict(x: Tensor, t: int) -> tuple[Tensor, Tensor]:
        v = run(x, t, condition)
        return v, run(x, t, empty) if guidance != 1 else v

    return predict
