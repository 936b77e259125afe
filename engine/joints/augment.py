"""Changes of labelled pictures, so that the estimator bears what generated video does to them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import affine_grid, conv2d, grid_sample, interpolate

from engine.joints.samples import Samples

SHIFT = (30 / 512, 8 / 512)
"""Largest shift along x and y, of the width (x: the paper's code); y is small, for feet on the ground tell depth."""
SCALE = 0.06
"""Largest change of size: of the depth, then, of the whole character."""
PLAIN, CLOUDS = 0.1, 0.15
"""Share of pictures with a background of one colour, and of soft spots; the others keep the scene's."""
GAIN, BIAS, GAMMA = 0.15, 0.05, 0.2
"""Largest changes of each colour channel, and of the logarithm of the gamma."""
BLURRED, WIDEST_BLUR = 0.3, 1.5
"""Share of blurred pictures, and the largest standard deviation [pixels]."""
COARSE, COARSEST = 0.2, 3.0
"""Share of pictures that lose resolution, and the most of it."""
NOISY, MOST_NOISE = 0.4, 0.06
ABSENT = 0.1
"""Share of pictures that show no character: half of them none at all, half the tiles of one in a wrong order."""
TILE = 16
"""Side of these tiles [pixels]."""
KERNEL = 7


@dataclass(frozen=True, eq=False)
class Batch:
    """Pictures as the network sees them, and the truth."""

    images: Float[Tensor, "image 3 height width"]
    tracks: Float[Tensor, "image joint 3"]
    """NaN in pictures without a character."""
    lens: Float[Tensor, "image 4"]


def plain(
    samples: Samples, chosen: Int[Tensor, " image"], backdrop: Float[Tensor, "3 height width"]
) -> Batch:
    """Samples as they are, before the scene's background."""
    layers = _layers(samples, chosen)
    images = layers[:, :3] + (1 - layers[:, 3:]) * backdrop
    return Batch(images, samples.tracks[chosen], samples.lens[chosen])


def augmented(
    samples: Samples,
    chosen: Int[Tensor, " image"],
    backdrop: Float[Tensor, "3 height width"],
    generator: torch.Generator,
) -> Batch:
    """Samples moved, before other backgrounds, recoloured, blurred, made coarser and noisy.

    A larger picture is that of a nearer character, so its depth changes with it.
    """
    layers, tracks = _without_some(*_moved(samples, chosen, generator), generator)
    images = layers[:, :3] + (1 - layers[:, 3:]) * _backgrounds(layers, backdrop, generator)
    images = _recoloured(images, generator)
    images = _coarser(_blurred(images, generator), generator)
    strength = MOST_NOISE * _chance(len(images), NOISY, generator) * _uniform(len(images), generator)
    images = images + strength[:, None, None, None] * torch.randn(images.shape, generator=generator)
    return Batch(images.clamp(0, 1), tracks, samples.lens[chosen])


def _layers(samples: Samples, chosen: Int[Tensor, " image"]) -> Float[Tensor, "image 4 height width"]:
    return torch.cat([samples.colour[chosen], samples.mask[chosen, None]], 1).float() / 255


def _uniform(count: int, generator: torch.Generator, *more: int) -> Tensor:
    return torch.rand(count, *more, generator=generator)


def _chance(count: int, share: float, generator: torch.Generator) -> Float[Tensor, " image"]:
    return (_uniform(count, generator) < share).float()


def _moved(
    samples: Samples, chosen: Int[Tensor, " image"], generator: torch.Generator
) -> tuple[Float[Tensor, "image 4 height width"], Float[Tensor, "image joint 3"]]:
    layers, tracks, count = _layers(samples, chosen), samples.tracks[chosen], len(chosen)
    height, width = layers.shape[-2:]
    size = torch.tensor([width, height])
    scale = 1 + SCALE * (2 * _uniform(count, generator) - 1)
    shift = width * torch.tensor(SHIFT) * (2 * _uniform(count, generator, 2) - 1)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 / scale
    theta[:, :, 2] = -2 * shift / size / scale[:, None]
    grid = affine_grid(theta, list(layers.shape), align_corners=False)
    layers = grid_sample(layers, grid, align_corners=False)
    xy = size / 2 + (tracks[..., :2] - size / 2) * scale[:, None, None] + shift[:, None]
    middle = samples.distance[chosen] + tracks[..., 2].mean(1)
    depth = tracks[..., 2] + (middle * (1 / scale - 1))[:, None]
    return layers, torch.cat([xy, depth[..., None]], -1)


def _without_some(
    layers: Float[Tensor, "image 4 height width"],
    tracks: Float[Tensor, "image joint 3"],
    generator: torch.Generator,
) -> tuple[Float[Tensor, "image 4 height width"], Float[Tensor, "image joint 3"]]:
    """Take the character out of some pictures: what is no character must look like none."""
    count, _, height, width = layers.shape
    rows, columns = height // TILE, width // TILE
    order = torch.randperm(rows * columns, generator=generator)
    tiles = layers.reshape(count, 4, rows, TILE, columns, TILE).transpose(3, 4).flatten(2, 3)[:, :, order]
    torn = tiles.reshape(count, 4, rows, columns, TILE, TILE).transpose(3, 4).reshape(layers.shape)
    kind = _uniform(count, generator)
    layers = torch.where((kind < ABSENT)[:, None, None, None], torn, layers)
    layers = torch.where((kind < ABSENT / 2)[:, None, None, None], 0.0, layers)
    return layers, torch.where((kind < ABSENT)[:, None, None], torch.nan, tracks)


def _backgrounds(
    like: Float[Tensor, "image 4 height width"],
    backdrop: Float[Tensor, "3 height width"],
    generator: torch.Generator,
) -> Float[Tensor, "image 3 height width"]:
    count, size = len(like), like.shape[-2:]
    kind = _uniform(count, generator)[:, None, None, None]
    flat = _uniform(count, generator, 3, 1, 1)
    spots = interpolate(
        _uniform(count, generator, 3, 5, 7), size=list(size), mode="bilinear", align_corners=False
    )
    result = torch.where(kind < PLAIN + CLOUDS, spots, backdrop.expand(count, -1, -1, -1))
    return torch.where(kind < PLAIN, flat, result)


def _recoloured(
    images: Float[Tensor, "image 3 height width"], generator: torch.Generator
) -> Float[Tensor, "image 3 height width"]:
    count = len(images)
    draw = 2 * _uniform(count, generator, 7, 1, 1) - 1
    gamma = torch.exp(GAMMA * draw[:, 6:])
    return ((1 + GAIN * draw[:, :3]) * images.clamp(1e-4, 1) ** gamma + BIAS * draw[:, 3:6]).clamp(0, 1)


def _blurred(
    images: Float[Tensor, "image 3 height width"], generator: torch.Generator
) -> Float[Tensor, "image 3 height width"]:
    count, _, height, width = images.shape
    sigma = 0.05 + WIDEST_BLUR * _chance(count, BLURRED, generator) * _uniform(count, generator)
    place = torch.arange(KERNEL) - KERNEL // 2
    kernel = torch.exp(-0.5 * (place / sigma[:, None]) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0)[:, None]
    flat = torch.nn.functional.pad(images, [KERNEL // 2] * 4, mode="replicate").reshape(
        1, 3 * count, height + 6, -1
    )
    flat = conv2d(flat, kernel[:, :, None], groups=3 * count)
    return conv2d(flat, kernel[:, :, :, None], groups=3 * count).reshape(count, 3, height, width)


def _coarser(
    images: Float[Tensor, "image 3 height width"], generator: torch.Generator
) -> Float[Tensor, "image 3 height width"]:
    """Some of the pictures drawn at a lower resolution and enlarged again; they share one factor."""
    size = list(images.shape[-2:])
    factor = 1 + (COARSEST - 1) * float(_uniform(1, generator))
    small = interpolate(images, size=[max(2, round(n / factor)) for n in size], mode="area")
    coarse = interpolate(small, size=size, mode="bilinear", align_corners=False)
    some = _chance(len(images), COARSE, generator)[:, None, None, None] > 0
    return torch.where(some, coarse, images)
