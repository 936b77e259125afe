"""Sampling one window: DDIM with frames that are held at what is known (context guidance, paper section 3.2)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from engine.video.network.schedule import add_noise, ddim_step, predicted_clean, trailing_timesteps
from usd_io.shapes import Bool, Float

Predict = Callable[[Tensor, int], tuple[Tensor, Tensor]]
"""Velocities with and without condition at a timestep: ``(x, t) -> (v_condition, v_empty)``."""


@dataclass(frozen=True)
class SamplerSettings:
    """How a window is sampled; the defaults are those of the paper's code."""

    steps: int = 50
    guidance: float = 7.5
    """Weight of the condition (classifier-free guidance); 1 is none."""
    guidance_rescale: float = 0.7
    """How far the guided prediction takes back the spread of the unguided one (Lin et al. 2024, eq. 15 and 16)."""
    eta: float = 1.0
    """1: fresh noise at each step (DDPM); 0: none."""
    only_keys_below: int = 750
    """At and below this timestep only true frames are held, no generated guides (``onlykey`` of the code)."""
    hold: Literal["noised", "clean"] = "noised"
    """Held frames are noised to the current timestep (``ddpm`` of the code) or stay clean (``x0``)."""
    exact: bool = True
    """Give true held frames back as they were, and the others as the last step predicts them: in full contrast and
    without noise. Upstream's last step leaves noise of 0.03 and a contrast of 0.99 (of 0.91 with 8 steps)."""


@dataclass(frozen=True)
class Hold:
    """Known latents of a window and the frames they are held at."""

    latents: Float[Tensor, "batch channel frame height width"]
    above: Bool[Tensor, "batch frame"]
    """Held at high noise: true frames and guides."""
    below: Bool[Tensor, "batch frame"]
    """Held down to the end: true frames only."""


def guide(
    conditional: Float[Tensor, "batch *latent"],
    empty: Float[Tensor, "batch *latent"],
    weight: float,
    rescale: float,
) -> Float[Tensor, "batch *latent"]:
    """Classifier-free guidance with rescaled spread (Lin et al. 2024, eq. 14 to 16)."""
    guided = empty + weight * (conditional - empty)
    over = tuple(range(1, guided.ndim))
    spread = conditional.std(over, keepdim=True) / guided.std(over, keepdim=True)
    return guided * (rescale * spread + 1 - rescale)


def nothing() -> None:
    """An ``on_step`` that does nothing."""


def sample_window(
    predict: Predict,
    hold: Hold,
    settings: SamplerSettings,
    draw: Callable[[], Tensor],
    *,
    on_step: Callable[[], object] = nothing,
) -> Float[Tensor, "batch channel frame height width"]:
    """Sample the latents of a window.

    Args:
        predict: The network with its conditions.
        hold: What is known.
        settings: Steps, guidance and holding.
        draw: Gives standard normal noise of the latents' shape: first the start, then for each step that of the
            held frames and that of the step (the order of upstream's random numbers).
        on_step: Called after each step; may raise to stop.

    Returns:
        Clean latents, in the scale that the network was trained on.
    """
    x = draw()
    above, below = (held.to(x.device)[:, None, :, None, None] for held in (hold.above, hold.below))
    times = trailing_timesteps(settings.steps)
    for t, t_next in zip(times, [*times[1:], None], strict=True):
        noise = draw()
        known = _noised(hold.latents, noise, t) if settings.hold == "noised" else hold.latents
        x = torch.where(above if t > settings.only_keys_below else below, known, x)
        v = guide(*predict(x, t), settings.guidance, settings.guidance_rescale)
        fresh = draw()
        last = t_next is None and settings.exact
        x = predicted_clean(x, v, t) if last else ddim_step(x, v, fresh, t, t_next, settings.eta)
        on_step()
    return torch.where(below, hold.latents, x) if settings.exact else x


def _noised(latents: Tensor, noise: Tensor, t: int) -> Tensor:
    """Held frames at a timestep; upstream leaves out the dynamic rescale here, and so do we."""
    return add_noise(latents, noise, torch.full((len(latents),), t))


def seeded_noise(shape: tuple[int, ...], *seed: int, device: torch.device | str) -> Callable[[], Tensor]:
    """A ``draw`` whose numbers depend on the seeds alone, not on the device.

    Args:
        shape: Of the latents.
        seed: Any number of parts, such as the run's seed and the window's place.
        device: Where the noise is needed.
    """
    generator = torch.Generator().manual_seed(combine_seeds(*seed))
    return lambda: torch.randn(shape, generator=generator).to(device)


def combine_seeds(*parts: int) -> int:
    """One 63-bit seed of several (the mixing function of splitmix64)."""
    mixed = 0
    for part in parts:
        mixed = (mixed + part + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        mixed ^= mixed >> 31
    return mixed >> 1
