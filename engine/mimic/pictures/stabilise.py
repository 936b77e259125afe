"""A video whose camera shakes, held still: what stands behind the characters tells by how much each frame is shifted.

Without this a fit would take the shaking for motion of the whole character.
"""

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from engine.mimic.pictures.pyramid import blur, resample, slopes
from engine.rendering.torch_renderer.renderer import Backdrop
from usd_io.shapes import Float

HEIGHT = 160
"""Of the pictures that are compared [pixels]: enough to tell a tenth of a pixel."""
SOFTNESS_PX = (3.0, 1.5)
"""Blur of frames and backdrop, from coarse to fine: as far as that, shifts are found."""
ITERATIONS = 6
"""For each of them."""
UNLIKE = 0.05
"""Colours that differ by more than this count ever less: there stands a character (Geman and McClure 1987)."""
LEAST_TEXTURE = 0.1
"""Squared slopes summed over the picture below which a backdrop shows no shift."""
LEAST, LARGEST = 0.5, 16.0
"""Shifts of less than this, which noise can make, and of more are none [pixels of a picture of 320 pixels height]."""


@torch.no_grad()
def shifts(frames: Float[Tensor, "frame 3 height width"], backdrop: Backdrop) -> Float[Tensor, "frame 2"]:
    """How far each frame lies right and down of the backdrop [pixels]; zero where that shows nothing.

    Lucas and Kanade's method (1981) with robust weights.
    """
    height = frames.shape[2]
    size = min(HEIGHT, height), max(1, round(frames.shape[3] * min(HEIGHT, height) / height))
    # shifts are found in pictures of one small size, first in soft ones, where far ones are within reach
    small, behind = (resample(each, *size) for each in (frames, backdrop.rgb.permute(0, 3, 1, 2)))
    found = torch.zeros(len(frames), 2)
    for softness in SOFTNESS_PX:
        still, soft = blur(behind, softness).expand(len(frames), -1, -1, -1), blur(small, softness)
        for index in range(len(frames)):
            found[index] = _shift(soft[index], still[index], found[index])
    found *= height / size[0]
    # back to pixels of the frames, and what is too small to tell or too large to be shaking is none
    far = found.norm(dim=1) * 320 / height
    return torch.where(((far >= LEAST) & (far <= LARGEST))[:, None], found, 0.0)


def _shift(
    frame: Float[Tensor, "3 height width"], still: Float[Tensor, "3 height width"], shift: Float[Tensor, "2"]
) -> Float[Tensor, "2"]:
    for _ in range(ITERATIONS):
        moved = steadied(frame[None], shift[None])[0]
        error = moved - still
        slope = slopes((moved + still) / 2)
        # weights after Geman and McClure: where a character stands the backdrop is not to be expected
        trust = 1 / (1 + (error**2).sum(0) / UNLIKE**2) ** 2
        # normal equations of the shift: slopes of the mean of both pictures, weighted; without texture along some
        # direction they have no solution there
        matrix = torch.einsum("xchw,ychw,hw->xy", slope, slope, trust)
        if float(torch.linalg.eigvalsh(matrix)[0]) < LEAST_TEXTURE:
            return shift
        step = torch.linalg.solve(matrix, torch.einsum("xchw,chw,hw->x", slope, error, trust))
        shift = shift - step
        if float(step.norm()) < 0.01:
            break
    return shift


def steadied(
    frames: Float[Tensor, "frame 3 height width"], shift: Float[Tensor, "frame 2"]
) -> Float[Tensor, "frame 3 height width"]:
    """The frames moved back by their shifts, their edges held."""
    height, width = frames.shape[2:]
    theta = torch.eye(2, 3).repeat(len(frames), 1, 1)
    # the grid of torch runs from -1 to 1 over a picture, so a pixel is 2 / size
    theta[:, :, 2] = 2 * shift / torch.tensor([width, height])
    grid = affine_grid(theta, list(frames.shape), align_corners=False)
    return grid_sample(frames, grid, padding_mode="border", align_corners=False)
