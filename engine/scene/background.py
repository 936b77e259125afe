"""What stands still behind the characters of a video, learnt from the video itself."""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

from engine.rendering.torch_renderer.renderer import Backdrop
from usd_io.shapes import Bool, Float

ALIKE = 0.8
"""Least correlation of the background that is seen with the one that is known, if they are one."""
MARGIN_SHARE = 0.04
"""So far around the characters, as part of the picture's width, nothing counts as background."""


def seen_backdrop(
    frames: Float[Tensor, "frame 3 height width"],
    covered: Bool[Tensor, "frame height width"],
    known: Backdrop | None,
) -> Backdrop:
    """The median of every pixel over the frames in which no character is expected near it.

    Args:
        frames: Of a camera that stands still, display-referred RGB in [0, 1].
        covered: Where the characters are expected, roughly.
        known: What is taken where no frame shows the background, if the video shows the like elsewhere; else, and with
            None: what is seen around.
    """
    width = frames.shape[-1]
    reach = 2 * max(1, round(MARGIN_SHARE * width)) + 1
    near = max_pool2d(covered.float()[:, None], reach, 1, reach // 2) > 0.5
    free = torch.where(near, torch.nan, frames)
    median = torch.nanmedian(free, dim=0).values.permute(1, 2, 0)
    depth = torch.full(median.shape[:2], torch.inf) if known is None else known.depth[0]
    if known is None or not _alike(median, known.rgb[0]):
        return Backdrop(spread(median)[None], depth[None])
    return Backdrop(torch.where(median.isnan(), known.rgb[0], median)[None], depth[None])


def _alike(seen: Float[Tensor, "height width 3"], known: Float[Tensor, "height width 3"]) -> bool:
    """Whether they show the same, in whatever colours, where anything is seen (not NaN)."""
    free = ~seen.isnan().any(-1)
    if torch.equal(seen[free], known[free]):
        return True
    # correlation over pixels, each colour about its own mean: what is plain shows nothing, and so is like nothing else
    ours, theirs = (each[free].double() - each[free].double().mean(0) for each in (known, seen))
    size = float(ours.norm() * theirs.norm())
    return size > 0 and float((ours * theirs).sum()) >= ALIKE * size


def spread(picture: Float[Tensor, "height width 3"]) -> Float[Tensor, "height width 3"]:
    """Holes (NaN) filled with the mean of what is around, of the nearest first; white where there is nothing at all."""
    values = picture.permute(2, 0, 1)[None]
    while values.isnan().any():
        known = (~values.isnan()).float()
        if not known.any():
            return torch.ones_like(picture)
        share = avg_pool2d(known, 3, 1, 1)
        around = avg_pool2d(values.nan_to_num(0.0), 3, 1, 1) / share
        values = torch.where(values.isnan(), around, values)
    return values[0].permute(1, 2, 0)
