"""Data augmentation of labelled pictures against artefacts of generated video."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

from engine.joints.samples import JointSamples
from usd_io.shapes import Float, Int

SHIFT = (30 / 512, 8 / 512)
"""Largest shift along x and y, of the width (x: the paper's code); y is small, for feet on the ground tell depth."""
SCALE = 0.02
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
ABSENT = 0.12
"""Share of pictures that show no character: background alone, the tiles of a character in a wrong order, another shape
in other colours, noise."""
TILE = 16
"""Side of these tiles [pixels]."""
BENT = 0.25
"""Spread of the displacement that makes a character another shape [half the sides of the picture]."""
KERNEL = 7


@dataclass(frozen=True, eq=False)
class AugmentedBatch:
    """Pictures as the network sees them, and the truth."""

    images: Float[Tensor, "image 3 height width"]
    tracks: Float[Tensor, "image joint 3"]
    """NaN in pictures without a character."""
    lens: Float[Tensor, "image 4"]


def plain(
    samples: JointSamples, chosen: Int[Tensor, " image"], backdrop: Float[Tensor, "3 height width"]
) -> AugmentedBatch:
    """Samples as they are, before the scene's background."""
    layers = _layers(samples, chosen)
    images = layers[:, :3] + (1 - layers[:, 3:]) * backdrop
    return AugmentedBatch(images, samples.tracks[chosen], samples.lens[chosen])


def augmented(
    samples: JointSamples,
    chosen: Int[Tensor, " image"],
    backdrop: Float[Tensor, "3 height width"],
    generator: torch.Generator,
) -> AugmentedBatch:
    """Samples moved, before other backgrounds, recoloured, blurred, made coarser and noisy.

    A larger picture is that of a nearer character, so its depth changes with it.
    """
    layers, tracks = _without_some(*_moved(samples, chosen, generator), generator)
    images = layers[:, :3] + (1 - layers[:, 3:]) * _backgrounds(layers, backdrop, generator)
    images = _recoloured(images, generator)
    images = _noisy(_coarser(_blurred(images, generator), generator), generator)
    return AugmentedBatch(images.clamp(0, 1), tracks, samples.lens[chosen])


def _layers(samples: JointSamples, chosen: Int[Tensor, " image"]) -> Float[Tensor, "image 4 height width"]:
    return torch.cat([samples.colour[chosen], samples.mask[chosen, None]], 1).float() / 255


def _uniform(count: int, generator: torch.Generator, *more: int) -> Tensor:
    return torch.rand(count, *more, generator=generator)


def _some(count: int, share: float, generator: torch.Generator) -> Int[Tensor, " chosen"]:
    """Some of so many pictures."""
    return (_uniform(count, generator) < share).nonzero()[:, 0]


def _moved(
    samples: JointSamples, chosen: Int[Tensor, " image"], generator: torch.Generator
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
    kind = (len(NOTHINGS) / ABSENT * _uniform(len(layers), generator)).long()
    for number, change in enumerate(NOTHINGS):
        which = (kind == number).nonzero()[:, 0]
        if len(which):
            layers = layers.index_copy(0, which, change(layers[which], generator))
    return layers, torch.where((kind < len(NOTHINGS))[:, None, None], torch.nan, tracks)


def _torn(
    layers: Float[Tensor, "image 4 height width"], generator: torch.Generator
) -> Float[Tensor, "image 4 height width"]:
    """The tiles of a picture in another order."""
    count, _, height, width = layers.shape
    rows, columns = height // TILE, width // TILE
    order = torch.randperm(rows * columns, generator=generator)
    tiles = layers.reshape(count, 4, rows, TILE, columns, TILE).transpose(3, 4).flatten(2, 3)[:, :, order]
    return tiles.reshape(count, 4, rows, columns, TILE, TILE).transpose(3, 4).reshape(layers.shape)


def _bent(
    layers: Float[Tensor, "image 4 height width"], generator: torch.Generator
) -> Float[Tensor, "image 4 height width"]:
    """Characters pulled out of shape, with their colours exchanged."""
    count, size = len(layers), list(layers.shape[-2:])
    pull = BENT * torch.randn(count, 2, 4, 6, generator=generator)
    pull = interpolate(pull, size=size, mode="bicubic", align_corners=False).permute(0, 2, 3, 1)
    still = torch.eye(2, 3).expand(count, 2, 3)
    bent = grid_sample(
        layers, affine_grid(still, list(layers.shape), align_corners=False) + pull, align_corners=False
    )
    order = [*(1 + torch.randperm(2, generator=generator)).tolist(), 0, 3]
    return bent[:, order]


def _noise(
    layers: Float[Tensor, "image 4 height width"], generator: torch.Generator
) -> Float[Tensor, "image 4 height width"]:
    """Grains of 1 to 4 pixels that cover the picture."""
    count, _, height, width = layers.shape
    grain = 2 ** int(torch.randint(3, (), generator=generator))
    noise = torch.rand(count, 4, height // grain, width // grain, generator=generator)
    noise[:, 3] = 1
    return interpolate(noise, scale_factor=float(grain), mode="bilinear", align_corners=False)


def _nothing(
    layers: Float[Tensor, "image 4 height width"], generator: torch.Generator
) -> Float[Tensor, "image 4 height width"]:
    return torch.zeros_like(layers)


Change = Callable[
    [Float[Tensor, "image 4 height width"], torch.Generator], Float[Tensor, "image 4 height width"]
]

NOTHINGS: tuple[Change, ...] = (_nothing, _torn, _bent, _noise)
"""What takes the place of the character in equal shares of the pictures without one."""


def _backgrounds(
    like: Float[Tensor, "image 4 height width"],
    backdrop: Float[Tensor, "3 height width"],
    generator: torch.Generator,
) -> Float[Tensor, "image 3 height width"]:
    count, size = len(like), like.shape[-2:]
    kind = _uniform(count, generator)
    flat, spots = _uniform(count, generator, 3, 1, 1), _uniform(count, generator, 3, 5, 7)
    result = backdrop.repeat(count, 1, 1, 1)
    cloudy = ((kind >= PLAIN) & (kind < PLAIN + CLOUDS)).nonzero()[:, 0]
    if len(cloudy):
        soft = interpolate(spots[cloudy], size=list(size), mode="bilinear", align_corners=False)
        result.index_copy_(0, cloudy, soft)
    return torch.where((kind < PLAIN)[:, None, None, None], flat, result)


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
    some = _some(len(images), BLURRED, generator)
    count, _, height, width = images[some].shape
    if not count:
        return images
    sigma = 0.05 + WIDEST_BLUR * _uniform(count, generator)
    down, across = (_blur_matrices(size, sigma)[:, None] for size in (height, width))
    return images.index_copy(0, some, down @ (images[some] @ across.mT))


def _blur_matrices(size: int, sigma: Float[Tensor, " image"]) -> Float[Tensor, "image size size"]:
    """Row i holds the weights of all places in the blurred value at i, of a kernel of :data:`KERNEL` pixels; what is
    beyond an end counts as the end. As matrices blurs are quicker than as convolutions of one channel."""
    offset = torch.arange(KERNEL) - KERNEL // 2
    kernel = torch.exp(-0.5 * (offset / sigma[:, None]) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True))[:, None].expand(-1, size, -1)
    place = (torch.arange(size)[:, None] + offset).clamp(0, size - 1).expand(len(sigma), -1, -1)
    return torch.zeros(len(sigma), size, size).scatter_add_(2, place, kernel)


def _coarser(
    images: Float[Tensor, "image 3 height width"], generator: torch.Generator
) -> Float[Tensor, "image 3 height width"]:
    """Some of the pictures drawn at a lower resolution and enlarged again; they share one factor."""
    some, size = _some(len(images), COARSE, generator), list(images.shape[-2:])
    if not len(some):
        return images
    factor = 1 + (COARSEST - 1) * float(_uniform(1, generator))
    small = interpolate(images[some], size=[max(2, round(n / factor)) for n in size], mode="area")
    return images.index_copy(0, some, interpolate(small, size=size, mode="bilinear", align_corners=False))


def _noisy(
    images: Float[Tensor, "image 3 height width"], generator: torch.Generator
) -> Float[Tensor, "image 3 height width"]:
    some = _some(len(images), NOISY, generator)
    strength = MOST_NOISE * _uniform(len(some), generator, 1, 1, 1)
    noise = strength * torch.randn(images[some].shape, generator=generator)
    return images.index_copy(0, some, images[some] + noise)
