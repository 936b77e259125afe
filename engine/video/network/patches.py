"""An autoencoder without a network: each patch of pixels is one latent cell, and nothing is lost."""

from types import SimpleNamespace

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from usd_io.shapes import Float

LOG_VARIANCE = -30.0
"""Of every latent: none, in the range that samples are drawn with."""
GAIN = 1 / 0.18215
"""Latents are divided by this like those of the other autoencoder, which gives pixels in -1 to 1 back."""


class PatchAutoencoder(nn.Module):
    """Answers as diffusers' ``AutoencoderKL`` does."""

    def __init__(self, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.gain = nn.Parameter(torch.tensor(GAIN))

    def encode(self, pixels: Float[Tensor, "frame 3 height width"]) -> SimpleNamespace:
        """Mean and log variance of pixels in -1 to 1, as ``latent_dist.parameters``."""
        mean = pixel_unshuffle(pixels, self.patch) * self.gain
        moments = torch.cat([mean, torch.full_like(mean, LOG_VARIANCE)], 1)
        return SimpleNamespace(latent_dist=SimpleNamespace(parameters=moments))

    def decode(self, latents: Float[Tensor, "frame channel latent_height latent_width"]) -> SimpleNamespace:
        """Pixels in -1 to 1, as ``sample``."""
        return SimpleNamespace(sample=pixel_shuffle(latents / self.gain, self.patch))
