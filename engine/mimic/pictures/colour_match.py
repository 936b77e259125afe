"""The colours, softness and noise of a video beside what is drawn of the characters."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from engine.mimic.kinematics import Pose
from engine.mimic.pictures.pyramid import (
    BLUR_PX,
    CONTRAST,
    GEMAN,
    FitScene,
    Level,
    Picture,
    at_frames,
    blur,
    channels,
    draw_frames,
    parts,
    softened,
    vertices,
)
from usd_io.shapes import Float

UPPER_QUARTILE_FACTOR = 0.5
"""The same over the upper quartile where either picture shows one."""
LOWER_QUARTILE_FACTOR = 0.9
"""Standard deviation of each of three colours over the lower quartile of their distance where both pictures show a
character: with the pose still off, the rest tells more of the pose than of the noise."""
MOST_SOFTNESS = 4.0
"""Videos softer than by this blur [pixels] are taken for as soft."""
PIXELS_AT_ONCE = 1 << 13
"""Whose colours are compared: they stay in the cache of a core."""
SHARP = 0.98
"""A video with more than this part of the squared slopes of what is drawn is not called soft."""


def match_colours(
    scene: FitScene, level: Level, poses: Sequence[Pose], *, least_noise: float, width: float, settled: bool
) -> tuple[Level, list[Picture]]:
    """The level with the noise and softness of its pictures and the colours of the video as they now look; and what
    was drawn of the poses.

    A video model, or a file, shifts colours: one gain and offset per channel over all frames that are looked at are
    fitted, robustly, since many pixels still show something else.

    Args:
        scene: What is drawn.
        level: As made.
        poses: As they are now.
        least_noise: Colour differences are taken to be no smaller than this.
        width: Colour differences up to this count in full.
        settled: Pictures have been fitted already, so that what outlines differ by counts as noise as well.
    """
    drawn, either, both, made = [], [], [], []
    for frames in parts(level):
        rgb, ids = draw_frames(scene, level, vertices(scene, poses, frames), frames)
        # pixels that the video shows to be another thing than the background [sRGB distance]
        apart = ((level.frames[frames] - at_frames(level, frames)[1].rgb) ** 2).sum(-1) > CONTRAST**2
        made.append((rgb, ids))
        drawn.append(blur(rgb.permute(0, 3, 1, 2), BLUR_PX))
        # a pixel counts as the character's where it is drawn there or seen there; surely, where both
        either.append(((ids >= 0) | apart).flatten())
        both.append(((ids >= 0) & apart).flatten())
    pictures, seen = torch.cat(drawn), blur(level.frames[level.used].permute(0, 3, 1, 2), BLUR_PX)
    # what is drawn is made as soft as the video, so that edges of the same place have the same slope
    softness = softness_of(pictures, seen)
    if softness > 0:
        pictures = blur(pictures, softness)
        made = [(softened(rgb, softness), ids) for rgb, ids in made]
    ours, theirs = (each.transpose(0, 1).flatten(1).double() for each in (pictures, seen))
    gain, offset = fit_colours(ours, theirs)
    # distance of colours per pixel once the video has ours; its quartiles are robust measures of the noise
    error = ((ours - (theirs - offset[:, None]) / gain[:, None]) ** 2).sum(0).sqrt()
    inner, error = error[torch.cat(both)], error[torch.cat(either)]
    noise = least_noise
    if len(inner):
        noise = max(noise, LOWER_QUARTILE_FACTOR * float(inner.quantile(0.25)))
    if len(error) and settled:
        noise = max(noise, UPPER_QUARTILE_FACTOR * float(error.quantile(0.75)))
    matched = (level.frames - offset.float()) / gain.float()
    level = replace(level, frames=matched, noise=noise, width=max(GEMAN, width / noise), softness=softness)
    return replace(level, aim=channels(level, matched, np.arange(len(matched)))), made


def softness_of(
    ours: Float[Tensor, "frame 3 height width"], theirs: Float[Tensor, "frame 3 height width"]
) -> float:
    """Blur under which our pictures have the squared slopes of the video's, both in units of their own contrast: a
    pose that is still off leaves these alone."""

    def sharpness(images: Tensor) -> float:
        slopes = sum(float(images.diff(dim=axis).double().square().sum()) for axis in (2, 3))
        by_channel = images.transpose(0, 1).flatten(1).double()
        return slopes / max(float(by_channel.var(1).sum()), 1e-12)

    wanted = sharpness(theirs)
    if wanted > SHARP * sharpness(ours):
        return 0.0
    # sharpness falls with blur: halve the interval until the blur is known to a sixteenth of a pixel
    low, high = 0.0, MOST_SOFTNESS
    for _ in range(6):
        middle = (low + high) / 2
        low, high = (middle, high) if sharpness(blur(ours, middle)) > wanted else (low, middle)
    return high


def fit_colours(
    ours: Float[Tensor, "3 pixel"], theirs: Float[Tensor, "3 pixel"]
) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"]]:
    """Gain and offset per channel that take our colours to theirs: least squares with ever less of what does not
    fit."""
    gain, offset = torch.ones(3).double(), torch.zeros(3).double()
    both = torch.cat([torch.ones_like(ours[:1]), ours, theirs])
    for _ in range(4):
        moments = torch.zeros(7, 7).double()
        for part in torch.split(both, PIXELS_AT_ONCE, dim=1):
            x, y = part[1:4], part[4:]
            error = ((y - gain[:, None] * x - offset[:, None]) ** 2).sum(0)
            # Geman and McClure's weights (1987) at a scale of a tenth of the range: pixels of other things count less
            moments += (part / (1 + error / 0.1**2) ** 2) @ part.T
        total, a, b = moments[0, 0], moments[0, 1:4] / moments[0, 0], moments[0, 4:] / moments[0, 0]
        square, product = moments[1:4, 1:4].diagonal(), moments[1:4, 4:].diagonal()
        # weighted regression around the weighted means; the ridge draws the gain to 1 where colours hardly vary
        ridge = 1e-3 * total
        gain = ((product - total * a * b + ridge) / (square - total * a * a + ridge)).clamp(0.5, 2)
        offset = (b - gain * a).clamp(-0.3, 0.3)
    return gain, offset
