"""The networks and the sampler agree with what was recorded from DynamiCrafter and AnyMoLe."""

import math

import pytest
import torch
from torch import Tensor

from engine.video.catalogue.checkpoint_names import (
    map_clip_image,
    map_clip_text,
    map_resampler,
    map_unet,
    map_vae,
    unet_name,
)
from engine.video.network import shapes
from engine.video.network.networks import build_image_encoder, build_resampler, build_text_encoder, build_vae
from engine.video.network.sample import Hold, SamplerSettings, sample_window
from engine.video.network.schedule import ALPHAS_CUMPROD, RESCALE_LAST
from engine.video.network.unet import DynamiCrafterUNet
from tests.parity import facts, fill, normal, records

NETWORK, SAMPLER, GRADIENT = 2e-5, 1e-4, 1e-3
"""Largest differences; that of gradients is relative."""
ZERO_GRADIENT = 1e-4
"""A bias before a group norm with one channel to a group has no gradient but rounding (1e-5; all others are over 1)."""


def difference(a: Tensor, b: Tensor) -> float:
    return (a - b).abs().max().item()


@pytest.fixture(scope="module")
def unet() -> DynamiCrafterUNet:
    shape = shapes.unet_shape(facts("records")["unet_config"])
    network = DynamiCrafterUNet(shape).eval()
    network.load_state_dict(map_unet(fill(facts("records")["unet_shapes"]), shape.layers), strict=True)
    return network


def run_unet(network: DynamiCrafterUNet) -> Tensor:
    inputs = facts("records")["unet_inputs"]
    return network(
        normal("x", inputs["x"]),
        torch.tensor(inputs["timesteps"]),
        normal("context", inputs["context"]),
        torch.tensor(inputs["fs"]),
    )


@torch.no_grad()
def test_unet_gives_the_recorded_velocities(unet: DynamiCrafterUNet) -> None:
    assert difference(run_unet(unet), records("records")["unet_out"]) < NETWORK


@pytest.mark.parametrize("recompute", [False, True])
def test_unet_has_the_recorded_gradients(unet: DynamiCrafterUNet, recompute: bool) -> None:
    unet.requires_grad_(True).zero_grad()
    unet.recompute = recompute
    out = run_unet(unet)
    (out * normal("grad", out.shape)).sum().backward()
    found = {name: p.grad.norm().item() for name, p in unet.named_parameters() if p.grad is not None}
    layers = len(unet.down_blocks[0].resnets)
    for name, norm in facts("records")["unet_grad_norms"].items():
        assert found[unet_name(name, layers)] == pytest.approx(norm, rel=GRADIENT, abs=ZERO_GRADIENT), name


@torch.no_grad()
def test_resampler_gives_the_recorded_tokens() -> None:
    config = facts("records")["resampler_config"]
    network = build_resampler(shapes.resampler_shape(config)).eval()
    network.load_state_dict(map_resampler(fill(facts("records")["resampler_shapes"])), strict=True)
    expected = records("records")["resampler_out"]
    tokens = normal("image_tokens", (len(expected), 257, config["embedding_dim"]))
    assert difference(network(tokens), expected) < NETWORK


@torch.no_grad()
def test_autoencoder_gives_the_recorded_moments_and_image() -> None:
    config = facts("records")["vae_config"]
    network = build_vae(shapes.vae_shape(config)).eval()
    network.load_state_dict(map_vae(fill(facts("records")["vae_shapes"])), strict=True)
    image = normal("image", (1, 3, config["resolution"], config["resolution"])).clamp(-1, 1)
    mean = network.encode(image).latent_dist.mean
    assert difference(mean, records("records")["vae_moments_mean"]) < NETWORK
    decoded = network.decode(normal("latent", mean.shape)).sample
    assert difference(decoded, records("records")["vae_decoded"]) < NETWORK


@torch.no_grad()
def test_clip_text_gives_the_recorded_tokens() -> None:
    shape = shapes.clip_text_shape(facts("encoders")["clip_text_config"])
    network = build_text_encoder(shape).eval()
    state = map_clip_text(fill(facts("encoders")["clip_shapes"]), shape.layers)
    network.load_state_dict(state, strict=True)
    out = network(input_ids=torch.tensor(facts("encoders")["clip_token_ids"])).last_hidden_state
    assert difference(out, records("encoders")["clip_text_tokens"]) < NETWORK


@torch.no_grad()
def test_clip_image_gives_the_recorded_tokens() -> None:
    shape = shapes.clip_image_shape(facts("encoders")["clip_vision_config"])
    network = build_image_encoder(shape).eval()
    network.load_state_dict(map_clip_image(fill(facts("encoders")["clip_shapes"])), strict=True)
    expected = records("encoders")["clip_image_tokens"]
    pixels = normal("clip_image", (len(expected), 3, shape.image, shape.image))
    assert difference(network(pixel_values=pixels).last_hidden_state, expected) < NETWORK


def test_schedule_is_the_recorded_one() -> None:
    assert difference(ALPHAS_CUMPROD, records("records")["alphas_cumprod"].double()) < 1e-6
    assert ALPHAS_CUMPROD[-1] == 0


@pytest.mark.parametrize("kind", ["coarse_first", "coarse_second", "coarse_later", "fine"])
def test_sampler_gives_the_recorded_window(kind: str) -> None:
    given = facts("records")[f"sampler_{kind}"]
    expected = records("records")[f"sampler_{kind}_out"]
    noises = iter(records("records")[f"sampler_{kind}_noises"])
    known, condition, empty = (normal(name, expected.shape) for name in ("x0", "cond", "uncond"))
    matrix = 0.3 * normal("net", (4, 4))

    def predict(x: Tensor, t: int) -> tuple[Tensor, Tensor]:
        same = torch.einsum("oc,bcthw->bothw", matrix, x) * math.cos(t / 1000)
        return same + 0.2 * condition, same + 0.2 * empty

    frames = torch.arange(expected.shape[2])
    above, below = (torch.isin(frames, torch.tensor(given[k]))[None] for k in ("held", "held_below_750"))
    settings = SamplerSettings(given["steps"], guidance_rescale=RESCALE_LAST, exact=False)
    out = sample_window(predict, Hold(known, above, below), settings, lambda: next(noises))
    assert difference(out, expected) < SAMPLER
    assert next(noises, None) is None
