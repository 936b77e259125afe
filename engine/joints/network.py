"""The estimator's network: features, heatmaps, soft-argmax, and depth from what is found there (paper section 3.3).

Where we differ from the paper: beside the features at a joint its depth follows from the places of all joints together
(which is lifting) and from a summary of the whole picture (which recognises poses); both errors are predicted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from engine.joints.features import channels_of, patch_features
from usd_io.shapes import Float

STRIDE = 4
"""Pixels of the picture to one cell of the heatmaps."""
REACH = 3
"""Cells on each side of a heatmap's peak that tell the place."""
DEEPEST = 32
"""Pixels to one cell of the coarsest features; sides of pictures are multiples of it."""
PATCH_STRIDE = 8
"""Pixels of the picture to one patch of frozen features (the paper: 320 x 512 to 40 x 64)."""
CHANNELS = (32, 48, 96, 128)
"""Of the features at strides 4 to 32."""
WIDTH = 32
"""Channels of the features that joints are found in."""
CODE = 64
"""Of the code of all places together."""
SUMMARY = 32
"""Of the summary of the picture."""
EMBEDDING = 16
"""Of a joint's index."""
HIDDEN = 128


@dataclass(frozen=True, eq=False)
class JointPrediction:
    """Joints in pictures of the network's size; logarithms of standard deviations beside."""

    heat: Float[Tensor, "image joint cell"]
    """Logarithms of the heatmaps, which sum to 1."""
    xy: Float[Tensor, "image joint 2"]
    """[pixels]"""
    depth: Float[Tensor, "image joint"]
    """From the reference depth of the camera [heights of the character]."""
    log_xy_sigma: Float[Tensor, "image joint"]
    log_depth_sigma: Float[Tensor, "image joint"]


class EstimatorNetwork(nn.Module):
    """Pictures to joints."""

    def __init__(self, joints: int, frozen: Sequence[nn.Module] = ()) -> None:
        """``frozen``: networks of :mod:`engine.joints.features`; none: features are trained from scratch."""
        super().__init__()
        self.trunk = FrozenTrunk(frozen) if frozen else ScratchTrunk()
        self.heat = nn.Conv2d(WIDTH, joints, 1)
        self.embedding = nn.Parameter(0.1 * torch.randn(joints, EMBEDDING))
        self.code = nn.Sequential(nn.Linear(2 * joints, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, CODE))
        inputs = WIDTH + 4 + EMBEDDING + CODE + SUMMARY + 1
        self.joint = nn.Sequential(
            nn.Linear(inputs, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, 3)
        )

    def forward(
        self, images: Float[Tensor, "image 3 height width"], lens: Float[Tensor, "image 4"]
    ) -> JointPrediction:
        """Find the joints.

        Args:
            images: Display-referred RGB in [0, 1]; sides are multiples of :data:`DEEPEST`.
            lens: Optical axis x, y [pixels], and the heights of the character to a pixel along x and y at the
                reference depth.
        """
        # Convolutions on a CPU are a sixth quicker with channels last; weights follow the pictures.
        features, summary = self.trunk(images.contiguous(memory_format=torch.channels_last))
        heat = self.heat(features).flatten(2).log_softmax(-1)
        cells = cell_centres(features)
        share = heat.exp()
        xy = around_peak(share, cells, features.shape[3])
        with torch.no_grad():
            mean, square = (share @ torch.cat([cells, cells * cells], 1)).split(2, -1)
            spread = (square - mean**2).clamp_min(0).sum(-1).add(1e-2).log() / 2
            place = (xy - lens[:, None, :2]) * lens[:, None, 2:]
        found = share.detach() @ features.flatten(2).mT
        code = torch.cat([self.code(place.flatten(1)), summary], -1)
        count = heat.shape[1]
        inputs = torch.cat(
            [
                found,
                place,
                place - place.mean(1, keepdim=True),
                self.embedding.expand(len(images), -1, -1),
                code[:, None].expand(-1, count, -1),
                spread[..., None],
            ],
            dim=-1,
        )
        depth, log_xy, log_depth = self.joint(inputs).unbind(-1)
        return JointPrediction(heat, xy, depth, log_xy + spread.clamp(-1, 4), log_depth - 3)


def cell_centres(features: Float[Tensor, "image channel rows columns"]) -> Float[Tensor, "cell 2"]:
    """x, y of the cells of heatmaps [pixels]."""
    rows, columns = (STRIDE * (torch.arange(n) + 0.5).to(features) for n in features.shape[-2:])
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y], -1).flatten(0, 1)


def around_peak(
    share: Float[Tensor, "image joint cell"], cells: Float[Tensor, "cell 2"], columns: int
) -> Float[Tensor, "image joint 2"]:
    """Middles of heatmaps [pixels] near their peaks alone, so that a second peak (the other hand) does not draw the
    place between both. ``columns``: cells to a row."""
    peak = share.argmax(-1, keepdim=True)
    down, across = (torch.arange(n, device=share.device) for n in (len(cells) // columns, columns))
    near_down = (down - peak // columns).abs() <= REACH
    near_across = (across - peak % columns).abs() <= REACH
    near = share * (near_down[..., None] & near_across[..., None, :]).flatten(2)
    # sums over cells of x, y and 1, times the share; divided at the end, where there are few numbers left
    total = near @ torch.cat([cells, torch.ones_like(cells[:, :1])], 1)
    return total[..., :2] / total[..., 2:]


class ScratchTrunk(nn.Module):
    """A small U-net; most of its work is done at stride 8 and beyond, which a CPU can bear."""

    def __init__(self) -> None:
        super().__init__()
        s4, s8, s16, s32 = CHANNELS
        self.stem = _conv(3, s4, kernel=6, stride=4)
        self.down = nn.ModuleList(
            [
                nn.Sequential(_conv(s4, s8, stride=2), Residual(s8)),
                nn.Sequential(_conv(s8, s16, stride=2), Residual(s16)),
                nn.Sequential(_conv(s16, s32, stride=2), Residual(s32)),
            ]
        )
        self.up = nn.ModuleList([nn.Conv2d(s32, s16, 1), nn.Conv2d(s16, s8, 1), nn.Conv2d(s8, s4, 1)])
        self.mix = nn.ModuleList([_conv(s16, s16), _conv(s8, s8), _conv(s4, WIDTH)])
        self.summary = nn.Linear(s32, SUMMARY)

    def forward(
        self, images: Float[Tensor, "image 3 height width"]
    ) -> tuple[Float[Tensor, "image channel rows columns"], Float[Tensor, "image summary"]]:
        """Features at stride 4 and a summary of the picture."""
        levels = [self.stem((images - 0.5) * 2)]
        for down in self.down:
            levels.append(down(levels[-1]))
        features = levels.pop()
        summary = self.summary(features.mean((2, 3)))
        for up, mix in zip(self.up, self.mix, strict=True):
            features = mix(levels.pop() + interpolate(up(features), scale_factor=2.0, mode="nearest"))
        return features, summary


class FrozenTrunk(nn.Module):
    """Frozen features of several networks, fused by convolutions (the paper's way)."""

    def __init__(self, frozen: Sequence[nn.Module]) -> None:
        super().__init__()
        self.frozen = tuple(frozen)  # a tuple: their weights belong to no checkpoint of ours
        channels = sum(channels_of(network) for network in frozen)
        self.fuse = nn.Sequential(
            _conv(channels, CHANNELS[2], kernel=1), Residual(CHANNELS[2]), Residual(CHANNELS[2])
        )
        self.refine = nn.Sequential(_conv(CHANNELS[2], WIDTH), Residual(WIDTH))
        self.summary = nn.Linear(CHANNELS[2], SUMMARY)

    def forward(
        self, images: Float[Tensor, "image 3 height width"]
    ) -> tuple[Float[Tensor, "image channel rows columns"], Float[Tensor, "image summary"]]:
        """Features at stride 4 and a summary of the picture."""
        rows, columns = (side // PATCH_STRIDE for side in images.shape[-2:])
        with torch.no_grad():
            found = [
                patch_features(network.to(images.device), images, rows, columns) for network in self.frozen
            ]
        fused = self.fuse(torch.cat(found, 1))
        finer = interpolate(fused, scale_factor=PATCH_STRIDE / STRIDE, mode="bilinear", align_corners=False)
        return self.refine(finer), self.summary(fused.mean((2, 3)))


class Residual(nn.Module):
    """Two convolutions beside the identity, which they start from."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _conv(channels, channels)
        norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(norm.weight)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), norm)

    def forward(
        self, x: Float[Tensor, "image channel rows columns"]
    ) -> Float[Tensor, "image channel rows columns"]:
        return nn.functional.silu(x + self.second(self.first(x)))


def _conv(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, (kernel - stride + 1) // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.SiLU(),
    )
