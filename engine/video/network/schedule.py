"""The noise schedule of DynamiCrafter: zero terminal SNR, v-prediction, dynamic rescaling of the clean latents.

Symbols follow the papers: alpha_bar is the cumulated product of 1 - beta (Ho et al. 2020, eq. 4); v = sqrt(alpha_bar) *
noise - sqrt(1 - alpha_bar) * x0 (Salimans & Ho 2022, appendix D); betas are rescaled so that the last step is pure
noise (Lin et al. 2024, algorithm 1). diffusers' DDIM scheduler has the same schedule, but no dynamic rescale, and with
eta = 1 it returns NaN at the first of 25, 30 or 50 steps, where 1 - alpha_bar - sigma^2 rounds below zero.
"""

import torch
from torch import Tensor

from usd_io.shapes import Float, Int

TRAIN_STEPS = 1000
BETA_FIRST, BETA_LAST = 0.00085, 0.012
"""Ends of the schedule that is linear in sqrt(beta) (upstream ``linear_start``, ``linear_end``)."""
RESCALE_LAST, RESCALE_STEPS = 0.7, 400
"""Clean latents are scaled by 1 at t = 0, falling linearly to 0.7 at t = 399 and constant after (``base_scale``)."""


def _alphas() -> Float[Tensor, " 1000"]:
    betas = torch.linspace(BETA_FIRST**0.5, BETA_LAST**0.5, TRAIN_STEPS, dtype=torch.float64) ** 2
    root = (1 - betas).cumprod(0).sqrt()
    root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    return root**2


ALPHAS_CUMPROD = _alphas()
"""alpha_bar for t = 0 to 999, float64; the last is 0."""
RESCALE = torch.cat(
    [
        torch.linspace(1, RESCALE_LAST, RESCALE_STEPS, dtype=torch.float64),
        torch.full((TRAIN_STEPS - RESCALE_STEPS,), RESCALE_LAST, dtype=torch.float64),
    ]
)
"""Factor on the clean latents for t = 0 to 999, float64 (``scale_arr``)."""


def trailing_timesteps(steps: int) -> list[int]:
    """Timesteps of a sampler from noise to image, ending the range exactly ("trailing", Lin et al. 2024, table 2)."""
    return [round(TRAIN_STEPS * (1 - i / steps)) - 1 for i in range(steps)]


def _at(table: Tensor, t: Tensor, like: Tensor) -> Tensor:
    """Values of a table at each timestep, shaped to multiply ``like``."""
    return table[t.cpu()].to(like).reshape(-1, *(1 for _ in like.shape[1:]))


def add_noise(
    x0: Float[Tensor, "batch *latent"], noise: Float[Tensor, "batch *latent"], t: Int[Tensor, " batch"]
) -> Float[Tensor, "batch *latent"]:
    """Clean latents noised to timestep t: q(x_t | x0) (Ho et al. 2020, eq. 4)."""
    return _at(ALPHAS_CUMPROD.sqrt(), t, x0) * x0 + _at((1 - ALPHAS_CUMPROD).sqrt(), t, x0) * noise


def velocity(
    x0: Float[Tensor, "batch *latent"], noise: Float[Tensor, "batch *latent"], t: Int[Tensor, " batch"]
) -> Float[Tensor, "batch *latent"]:
    """What the network is trained to predict."""
    return _at(ALPHAS_CUMPROD.sqrt(), t, x0) * noise - _at((1 - ALPHAS_CUMPROD).sqrt(), t, x0) * x0


def rescale_clean(
    x0: Float[Tensor, "batch *latent"], t: Int[Tensor, " batch"]
) -> Float[Tensor, "batch *latent"]:
    """Scale clean latents as in training, before noise is added."""
    return _at(RESCALE, t, x0) * x0


def predicted_clean(
    x: Float[Tensor, "*latent"], v: Float[Tensor, "*latent"], t: int
) -> Float[Tensor, "*latent"]:
    """The clean latents that a velocity points to, without the dynamic rescale."""
    alpha = ALPHAS_CUMPROD[t].item()
    return (alpha**0.5 * x - (1 - alpha) ** 0.5 * v) / RESCALE[t].item()


def ddim_step(
    x: Float[Tensor, "*latent"],
    v: Float[Tensor, "*latent"],
    noise: Float[Tensor, "*latent"],
    t: int,
    t_next: int | None,
    eta: float = 1.0,
) -> Float[Tensor, "*latent"]:
    """One step of DDIM (Song et al. 2021, eq. 12 and 16) from t to the less noisy ``t_next``; None: the last step.

    The predicted clean latents are rescaled from t's to t_next's factor; the predicted noise is left as it was
    (upstream ``use_dynamic_rescale``). The last step keeps t's factor and ends at alpha_bar of t = 0.
    """
    alpha = ALPHAS_CUMPROD[t].item()
    alpha_next = ALPHAS_CUMPROD[t_next or 0].item()
    x0 = alpha**0.5 * x - (1 - alpha) ** 0.5 * v
    e = alpha**0.5 * v + (1 - alpha) ** 0.5 * x
    if t_next is not None:
        x0 = x0 * (RESCALE[t_next] / RESCALE[t]).item()
    sigma = eta * ((1 - alpha_next) / (1 - alpha) * (1 - alpha / alpha_next)) ** 0.5
    direction = max(1 - alpha_next - sigma**2, 0.0) ** 0.5
    return alpha_next**0.5 * x0 + direction * e + sigma * noise
