"""The network that answers with what differs from a cross-fade, and the autoencoder that loses nothing."""

import pytest
import torch
from torch import Tensor

from engine.video.network.blend import SPREAD, BlendUNet, linear_blend, neighbours
from engine.video.network.model import build_model, decode_latents, encode_frames
from engine.video.network.sample import Hold, SamplerSettings, sample_window, seeded_noise
from engine.video.network.schedule import add_noise, rescale_clean, velocity
from engine.video.network.shapes import TINY_TRAINED


@pytest.fixture
def unet() -> BlendUNet:
    torch.manual_seed(3)
    return BlendUNet(TINY_TRAINED.unet).eval().requires_grad_(False)


def known_window(frames: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Latents of a window and which of its frames are known."""
    latents = torch.randn(1, 48, 16, 4, 4, generator=torch.Generator().manual_seed(1))
    known = torch.zeros(1, 16, dtype=torch.bool)
    known[:, list(frames)] = True
    return torch.where(known[:, None, :, None, None], latents, 0), known


def test_neighbours_are_the_nearest_known_frames() -> None:
    known = torch.zeros(1, 8, dtype=torch.bool)
    known[:, [0, 3, 7]] = True
    before, after, part = neighbours(known)
    assert before.tolist() == [[0, 0, 0, 3, 3, 3, 3, 7]]
    assert after.tolist() == [[0, 3, 3, 3, 7, 7, 7, 7]]
    torch.testing.assert_close(part, torch.tensor([[0, 1 / 3, 2 / 3, 0, 0.25, 0.5, 0.75, 0]]))


@pytest.mark.parametrize("steps", [1, 4, 9])
def test_untrained_network_samples_the_cross_fade(unet: BlendUNet, steps: int) -> None:
    latents, known = known_window((0, 5, 15))
    context, fps = torch.zeros(1, 77 + 256, 32), torch.tensor([15.0])

    def predict(x: Tensor, t: int) -> tuple[Tensor, Tensor]:
        v = unet(torch.cat([x, latents], 1), torch.tensor([t]), context, fps)
        return v, v

    never = torch.zeros_like(known)
    settings = SamplerSettings(steps, guidance=1.0, eta=0.0)
    out = sample_window(
        predict, Hold(latents, never, never), settings, seeded_noise(latents.shape, 1, device="cpu")
    )
    blend = linear_blend(latents, known)
    straying = (out - blend).std() / blend.std()
    assert straying < SPREAD  # noise that the best linear guess leaves, of the spread that it expects
    if steps == 1:
        torch.testing.assert_close(out, blend, atol=1e-4, rtol=0)


def test_linear_guess_is_the_velocity_where_the_truth_is_the_cross_fade(unet: BlendUNet) -> None:
    latents, known = known_window((0, 15))
    truth, timestep = linear_blend(latents, known), torch.tensor([700])
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(2))
    clean = rescale_clean(truth, timestep)
    v = unet(
        torch.cat([add_noise(clean, noise, timestep), latents], 1),
        timestep,
        torch.zeros(1, 333, 32),
        torch.ones(1),
    )
    target = velocity(clean, noise, timestep)
    assert (v - target).std() < 0.1 * target.std()


def test_patches_lose_nothing() -> None:
    model = build_model(TINY_TRAINED)
    frames = torch.rand(5, 3, 32, 48, generator=torch.Generator().manual_seed(4))
    latents = encode_frames(model, frames)
    assert latents.shape == (5, 48, 8, 12)
    torch.testing.assert_close(decode_latents(model, latents), frames, atol=1e-6, rtol=0)
