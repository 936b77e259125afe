"""What the estimator is trained by, and how what it says of its own errors is set right afterwards."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.joints.network import STRIDE, JointPrediction
from usd_io.shapes import Bool, Float

TARGET_SIGMA = 1.0
"""Of the heatmaps to learn [cells]."""
HEAT, PLACE, DEPTH, SPREAD = 1.0, 0.5, 15.0, 0.1
"""Weights of the terms: cells for places, heights of the character for depths."""
ONE_SIGMA = 0.683
"""Share of errors within one standard deviation. The spread is set by it: a few wild errors, which a robust fit forgets
in any case, shall not make all others look unsure."""
PRIOR_COUNT = 20.0
"""How many errors of a joint weigh as much as those of all joints together, when its spread is set."""


@dataclass(frozen=True, eq=False)
class Spread:
    """Factors that make what the network says of its errors true, by joint."""

    xy: Float[Tensor, " joint"]
    depth: Float[Tensor, " joint"]
    common: float
    """Share of the variance of the depth that the joints of a frame have in common."""


def inside(tracks: Float[Tensor, "image joint 3"], height: int, width: int) -> Bool[Tensor, "image joint"]:
    """Joints that lie in the picture."""
    x, y = tracks[..., 0], tracks[..., 1]
    return (x >= 0) & (x < width) & (y >= 0) & (y < height)


def estimation_loss(
    prediction: JointPrediction, tracks: Float[Tensor, "image joint 3"], height: int, width: int
) -> Float[Tensor, ""]:
    """Cross-entropy of the heatmaps, absolute errors of place and depth, and the likelihood of the predicted errors.

    Pictures without a character (NaN throughout) shall give even heatmaps, which :func:`entropy` tells.
    The paper takes the squared errors of x, y and depth alone; heatmaps whose place is given learn in far fewer
    steps. The likelihood sees the errors as constants: it shall not make places worse in order to know them better.
    """
    absent = tracks.isnan().all((1, 2))
    inner = inside(tracks, height, width).float()
    count = inner.sum().clamp_min(1)
    tracks = torch.nan_to_num(tracks)
    heat = _divergence(prediction.heat, tracks[..., :2], height // STRIDE, width // STRIDE)
    xy = prediction.xy - tracks[..., :2]
    depth = prediction.depth - tracks[..., 2]
    likelihood = _unlikelihood(xy.detach().square().mean(-1), prediction.log_xy_sigma)
    likelihood = likelihood + _unlikelihood(depth.detach().square(), prediction.log_depth_sigma)
    place = xy.abs().mean(-1) / STRIDE
    each = HEAT * heat + PLACE * place + DEPTH * depth.abs() + SPREAD * likelihood
    nowhere = -prediction.heat.mean((1, 2)) - math.log(
        prediction.heat.shape[2]
    )  # from evenly spread heatmaps
    return (each * inner).sum() / count + HEAT * torch.where(absent, nowhere, 0.0).mean()


def _divergence(
    heat: Float[Tensor, "image joint cell"], places: Float[Tensor, "image joint 2"], rows: int, columns: int
) -> Float[Tensor, "image joint"]:
    """Of heatmaps (Kullback and Leibler 1951) from Gaussians around places: a Gaussian over cells is the product of one
    over columns and one over rows, so that neither it nor its logarithm is ever written down for all cells."""
    across, down = (
        torch.log_softmax(
            -((places[..., axis, None] - STRIDE * (torch.arange(n).to(heat) + 0.5)) ** 2)
            / (2 * (TARGET_SIGMA * STRIDE) ** 2),
            -1,
        )
        for axis, n in enumerate((columns, rows))
    )
    # sum t (log t - h) with t = a d: the sums of a log a and of d log d, less the heatmap h between both
    own = (across.exp() * across).sum(-1) + (down.exp() * down).sum(-1)
    cells = heat.reshape(*places.shape[:-1], rows, columns)
    between = (cells @ across.exp()[..., None])[..., 0]
    return own - (down.exp() * between).sum(-1)


def _unlikelihood(square: Float[Tensor, "*any"], log_sigma: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """Minus the logarithm of a Gaussian, without its constant."""
    return 0.5 * square * torch.exp(-2 * log_sigma.clamp(-7, 7)) + log_sigma


def entropy(prediction: JointPrediction) -> Float[Tensor, " image"]:
    """Mean entropy of the heatmaps of a picture [nats]: low where the joints are found."""
    return -(prediction.heat.exp() * prediction.heat).sum(-1).mean(1)


def measure_spread(
    prediction: JointPrediction,
    tracks: Float[Tensor, "image joint 3"],
    counts: Sequence[int],
    height: int,
    width: int,
) -> Spread:
    """The spread of the errors in predicted standard deviations, over pictures that were not trained on.

    ``counts``: joints of each character.
    """
    inner = inside(tracks, height, width)
    xy = (prediction.xy - tracks[..., :2]).abs() * torch.exp(-prediction.log_xy_sigma)[..., None]
    depth = prediction.depth - tracks[..., 2]
    scaled = depth.abs() * torch.exp(-prediction.log_depth_sigma)
    shared = torch.cat(
        [part.mean(1, keepdim=True).expand_as(part) for part in torch.split(depth, list(counts), 1)], 1
    )
    common = shared.square().mean() / depth.square().mean().clamp_min(1e-12)
    return Spread(_quantile(xy, inner), _quantile(scaled[..., None], inner), float(common))


def _quantile(
    ratios: Float[Tensor, "image joint axis"], inner: Bool[Tensor, "image joint"]
) -> Float[Tensor, " joint"]:
    """Bound of the smaller errors of each joint; with few of them, nearer to that of all joints."""
    overall = torch.quantile(ratios[inner].flatten(), ONE_SIGMA) if inner.any() else torch.tensor(1.0)
    result = []
    for joint in range(ratios.shape[1]):
        own = ratios[inner[:, joint], joint].flatten()
        bound = torch.quantile(own, ONE_SIGMA) if len(own) else overall
        count = int(inner[:, joint].sum())
        result.append((count * bound + PRIOR_COUNT * overall) / (count + PRIOR_COUNT))
    return torch.stack(result).clamp_min(0.2)
