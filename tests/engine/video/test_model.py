"""What goes into the networks and comes out: tokens, images, latents."""

import pytest
import torch
from torch import Tensor

from engine.video.network.conditioning import encode_empty, end_latents
from engine.video.network.model import (
    LATENT_SCALE,
    VideoModel,
    clip_pixels,
    decode_latents,
    encode_frames,
    encode_images,
    encode_moments,
    latents_from_moments,
    resize_smooth,
)
from engine.video.network.sample import combine_seeds, seeded_noise
from engine.video.network.tokens import PADDING_ID, tokenize

START, END = 49406, 49407


def test_text_becomes_the_tokens_of_clip() -> None:
    (ids,) = tokenize(["a photo of a cat"]).tolist()
    assert ids[:7] == [START, 320, 1125, 539, 320, 2368, END]
    assert set(ids[7:]) == {PADDING_ID}


def test_letter_case_and_spaces_do_not_matter() -> None:
    assert torch.equal(tokenize(["A  Fox\\n runs"]), tokenize(["a fox\\n runs"]))


def test_empty_and_long_texts_have_start_and_end() -> None:
    empty, long = tokenize(["", "word " * 100]).tolist()
    assert empty[:3] == [START, END, PADDING_ID]
    assert (long[0], long[-1], len(long)) == (START, END, 77)


def test_any_bytes_are_tokens() -> None:
    ids = tokenize(["".join(map(chr, range(32, 400)))])
    assert ids.min() >= 0
    assert ids.max() == END


@pytest.mark.parametrize("size", [224, 28])
def test_images_are_resized_as_kornia_does(size: int) -> None:
    from diffusers.pipelines.stable_video_diffusion.pipeline_stable_video_diffusion import (
        _resize_with_antialiasing,
    )

    images = torch.rand(2, 3, 96, 160, generator=torch.Generator().manual_seed(1))
    expected = _resize_with_antialiasing(images, (size, size))
    torch.testing.assert_close(resize_smooth(images, size), expected, atol=1e-5, rtol=0)


def test_pixels_of_clip_are_normalised() -> None:
    grey = torch.full((1, 3, 64, 64), 0.48145466)
    assert clip_pixels(grey, 28)[0, 0].abs().max() < 1e-5


def test_each_frame_has_its_own_latents(model: VideoModel) -> None:
    """Whatever other frames come with it: holding a frame is exact."""
    frames = torch.rand(6, 3, 32, 48, generator=torch.Generator().manual_seed(1))
    together = encode_frames(model, frames)
    assert together.shape == (6, 4, 4, 6)
    torch.testing.assert_close(encode_frames(model, frames[4:5]), together[4:5])
    decoded = decode_latents(model, together)
    assert decoded.shape == frames.shape
    assert decoded.min() >= 0
    assert decoded.max() <= 1


def test_latents_are_the_scaled_mean_or_a_sample(model: VideoModel) -> None:
    moments = encode_moments(model, torch.rand(1, 3, 32, 48))
    mean, log_variance = moments.chunk(2, 1)
    torch.testing.assert_close(latents_from_moments(moments), LATENT_SCALE * mean)
    sample = latents_from_moments(moments, torch.ones_like(mean))
    torch.testing.assert_close(sample, LATENT_SCALE * (mean + torch.exp(log_variance / 2)))


def test_end_latents_are_the_first_and_last_frame() -> None:
    latents = torch.ones(1, 4, 16, 2, 2)
    ends = end_latents(latents)
    assert ends.sum((0, 1, 3, 4)).tolist() == [16.0, *[0.0] * 14, 16.0]


def test_empty_condition_is_no_text_and_a_grey_image(model: VideoModel) -> None:
    empty = encode_empty(model)
    torch.testing.assert_close(encode_images(model, torch.full((1, 3, 64, 96), 0.5)), empty.image)


def test_seeds_give_their_own_noise() -> None:
    def first(*seed: int) -> Tensor:
        return seeded_noise((3,), *seed, device="cpu")()

    assert torch.equal(first(1, 2), first(1, 2))
    assert not torch.equal(first(1, 2), first(2, 1))
    assert 0 <= combine_seeds(2**63 - 1, 5) < 2**63
