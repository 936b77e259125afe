"""The UNet for small budgets: given all known frames, it predicts what differs from a linear blend of them.

DynamiCrafter's network learns from millions of videos how to carry a picture from the end frames through time. A small
network trained for an hour cannot; but it can learn to correct a cross-fade. The sampler, the schedule, the velocity
and the layers that ICAdapt trains are the same.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from engine.video.network.schedule import ALPHAS_CUMPROD, RESCALE
from engine.video.network.shapes import UNetShape
from engine.video.network.unet import DynamiCrafterUNet
from usd_io.shapes import Bool, Float, Int, Shaped

SPREAD = 0.25
"""Typical difference of a rescaled latent from the blend, over time and training data."""


class BlendUNet(DynamiCrafterUNet):
    """Sees, in each frame, the known frames before and after it and where between them it lies."""

    def __init__(self, shape: UNetShape) -> None:
        super().__init__(replace(shape, in_channels=3 * shape.out_channels + 1))
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)

    def forward(
        self,
        sample: Float[Tensor, "batch in_channels frame height width"],
        timestep: Shaped[Tensor, " batch"],
        context: Float[Tensor, "batch token context"],
        fps: Shaped[Tensor, " batch"],
    ) -> Float[Tensor, "batch out_channels frame height width"]:
        """Predict the velocity; arguments as in :class:`DynamiCrafterUNet`, but for the condition.

        Args:
            sample: Noisy latents and, after them, the latents of all known frames; the first and the last are, and a
                frame of zeros is not.
            timestep: 0 to 999.
            context: 77 text tokens, then the image tokens, an equal share of them for each frame.
            fps: Frame rate of the window [frames/s].
        """
        noisy, known = sample.chunk(2, 1)
        before, after, part = neighbours(known.flatten(3).any(3).any(1))
        first, last = (take_frames(known, index) for index in (before, after))
        weight = part[:, None, :, None, None].to(known)
        factor = RESCALE[timestep.cpu()].reshape(-1, 1, 1, 1, 1).to(known)
        blend = factor * torch.lerp(first, last, weight)
        where = weight.expand(-1, -1, -1, *known.shape[-2:])
        signal, noise, scale = (table.reshape(-1, 1, 1, 1, 1).to(blend) for table in levels(timestep))
        apart = noisy - signal * blend
        change = super().forward(torch.cat([apart / scale, first, last, where], 1), timestep, context, fps)
        straight = signal * noise * (1 - SPREAD**2) / scale**2 * apart - noise * blend
        return straight + SPREAD / scale * change


def levels(
    timestep: Shaped[Tensor, " batch"],
) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"], Float[Tensor, " batch"]]:
    """Share of signal and of noise at a timestep, and the spread of noisy latents about the noisy blend.

    For a difference from the blend of spread s the noisy latents are y = sqrt(alpha_bar) r + sqrt(1 - alpha_bar)
    noise about it. The best linear guess of the velocity from y and the scale of what it leaves to the network are
    those of Karras et al. 2022, appendix B.6, for v instead of x0.
    """
    alpha = ALPHAS_CUMPROD[timestep.cpu()]
    return alpha.sqrt(), (1 - alpha).sqrt(), (alpha * SPREAD**2 + 1 - alpha).sqrt()


def linear_blend(
    latents: Float[Tensor, "batch latent frame height width"], known: Bool[Tensor, "batch frame"]
) -> Float[Tensor, "batch latent frame height width"]:
    """A cross-fade from each known frame to the next."""
    before, after, part = neighbours(known)
    weight = part[:, None, :, None, None].to(latents)
    return torch.lerp(take_frames(latents, before), take_frames(latents, after), weight)


def take_frames(
    latents: Float[Tensor, "batch latent frame height width"], index: Int[Tensor, "batch frame"]
) -> Float[Tensor, "batch latent frame height width"]:
    """Other frames in the place of each, by index."""
    rows = torch.arange(len(latents), device=latents.device)[:, None]
    return latents.transpose(1, 2)[rows, index].transpose(1, 2)


def neighbours(
    known: Bool[Tensor, "batch frame"],
) -> tuple[Int[Tensor, "batch frame"], Int[Tensor, "batch frame"], Float[Tensor, "batch frame"]]:
    """Indices of the known frames at or before and at or after each frame, and its place between them in [0, 1].

    The first and the last frame count as known.
    """
    count = known.shape[1]
    index = torch.arange(count, device=known.device).expand_as(known)
    before = torch.where(known, index, 0).cummax(1).values
    after = torch.where(known, index, count - 1).flip(1).cummin(1).values.flip(1)
    part = (index - before) / (after - before).clamp_min(1)
    return before, after, part
