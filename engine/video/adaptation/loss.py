"""The loss of one batch of clips: the error of the predicted velocity (DynamiCrafter's own training loss)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from engine.video.adaptation.clips import ContextClip
from engine.video.adaptation.context_cache import ContextCache
from engine.video.network.conditioning import Condition, end_latents, join_context
from engine.video.network.model import VideoModel, latents_from_moments
from engine.video.network.schedule import TRAIN_STEPS, add_noise, rescale_clean, velocity
from usd_io.shapes import Float, Int


@dataclass(frozen=True)
class Draws:
    """The random numbers of a batch of clips, on the processor so that they do not depend on the device."""

    latent_noise: Float[Tensor, "batch latent frame height width"]
    """Picks a sample of the autoencoder's Gaussian."""
    noise: Float[Tensor, "batch latent frame height width"]
    timestep: Int[Tensor, " batch"]
    drop: Float[Tensor, " batch"]
    """Uniform in [0, 1): decides which conditions a clip loses; 1 or more: none."""

    def __getitem__(self, part: slice) -> "Draws":
        return Draws(self.latent_noise[part], self.noise[part], self.timestep[part], self.drop[part])


def draw(shape: tuple[int, ...], seed: int, *, spread: bool = False, timesteps: Sequence[int] = ()) -> Draws:
    """Draw for a batch.

    Args:
        shape: Of the latents: (batch, channel, frame, height, width).
        seed: Of all numbers.
        spread: Timesteps evenly spread and no condition lost, to measure rather than to train.
        timesteps: To choose from; empty: all.
    """
    generator = torch.Generator().manual_seed(seed)
    latent_noise, noise = (torch.randn(shape, generator=generator) for _ in range(2))
    timestep = torch.randint(TRAIN_STEPS, shape[:1], generator=generator)
    drop = torch.rand(shape[:1], generator=generator)
    if spread:
        timestep = (torch.arange(shape[0]) * 2 + 1) * TRAIN_STEPS // (2 * shape[0])
        drop = torch.ones(shape[0])
    if timesteps:
        timestep = torch.tensor(timesteps)[timestep * len(timesteps) // TRAIN_STEPS]
    return Draws(latent_noise, noise, timestep, drop)


def clip_loss(
    model: VideoModel, cache: ContextCache, clips: Sequence[ContextClip], draws: Draws, drop: float
) -> Float[Tensor, ""]:
    """Mean squared error of v over a batch; clean latents are rescaled before they are noised."""
    device = model.device
    moments = cache.clip_moments(clips).to(device)
    sample_noise = draws.latent_noise.transpose(1, 2).to(device)
    latents = latents_from_moments(moments, sample_noise).transpose(1, 2)
    noise = draws.noise.to(device)
    clean = rescale_clean(latents, draws.timestep)
    condition = clip_condition(model, cache, clips, latents, draws.drop, drop)
    predicted = model.unet(
        torch.cat([add_noise(clean, noise, draws.timestep), condition.ends], 1),
        draws.timestep.to(device),
        condition.context,
        condition.fps,
    )
    return mse_loss(predicted.float(), velocity(clean, noise, draws.timestep))


def clip_condition(
    model: VideoModel,
    cache: ContextCache,
    clips: Sequence[ContextClip],
    latents: Float[Tensor, "batch latent frame height width"],
    draws: Float[Tensor, " batch"],
    drop: float,
) -> Condition:
    """Conditions as in sampling; text only, both, or image only are lost with probability ``drop`` each."""
    no_text = (draws < 2 * drop)[:, None, None]
    no_image = ((draws >= drop) & (draws < 3 * drop))[:, None, None]
    text = torch.where(no_text, cache.empty.text, cache.text).to(model.device)
    image = torch.where(no_image, cache.empty.image, cache.clip_tokens(clips)).to(model.device)
    fps = cache.clip_fps(clips).to(model.device)
    return Condition(join_context(model, text, image), end_latents(latents), fps)
