"""How sure a fit is of each joint, and whether a video shows the character at all."""

from dataclasses import dataclass

import numpy as np
import torch

from engine.geometry import skeleton
from engine.mimic.fit import Unknown
from engine.mimic.gauss_newton import Quadratic, draw
from engine.mimic.kinematics import Pose
from engine.mimic.parameters import Unknowns
from engine.mimic.pictures.pyramid import CONTRAST, FitScene, Level, at_frames, draw_frames, parts, vertices
from engine.rendering.camera import Cameras
from usd_io.shapes import Float

SAMPLES = 24
"""Motions drawn to count the confidence from."""
LEAST_EXPLAINED = 0.25
"""Part of the character's pixels that a fit has to explain better than an empty picture does."""
LARGEST_RESIDUAL = 6.0
"""Median residual of joint evidence [standard deviations] above which it is no evidence of this character."""


@dataclass(frozen=True, eq=False)
class Sureness:
    """Expected errors of joint positions as standard deviations [stage units]."""

    plane: Float[np.ndarray, "fill joint"]
    """Across the view axis, per axis."""
    view: Float[np.ndarray, "fill joint"]
    """Along the view axis."""


def sureness(
    unknowns: Unknowns,
    z: Unknown,
    form: Quadratic,
    fill_times: Float[np.ndarray, " fill"],
    cameras: Cameras,
    seed: int,
) -> Sureness:
    """Spread of joint positions over motions drawn from the Gaussian around the outcome.

    Args:
        unknowns: Of the character.
        z: The outcome.
        form: The cost around it.
        fill_times: When [time codes].
        cameras: The view axis is that of the first one.
        seed: Of the samples.
    """
    centre = unknowns.filled(z, fill_times)
    samples = draw(form, z, SAMPLES, seed)
    positions = skeleton.joint_positions(unknowns.character, centre)
    # the first camera's axes in the world: x right, y down, z forward along the view
    axes = cameras.T_camera_world[0, :3, :3]
    squares = np.zeros((*positions.shape[:2], 3))
    for sample in samples:
        # mean square of each joint's way from the outcome over the samples, in those axes [stage units^2]
        moved = skeleton.joint_positions(unknowns.character, unknowns.filled(sample, fill_times)) - positions
        squares += (moved @ axes.T) ** 2 / SAMPLES
    # x and y as one standard deviation per axis, depth by itself
    return Sureness(np.sqrt(squares[..., :2].mean(-1)), np.sqrt(squares[..., 2]))


@torch.no_grad()
def explained(scene: FitScene, level: Level, poses: tuple[Pose, ...]) -> float:
    """How much better the drawn characters agree with the video than an empty picture does, 0 (no better, or worse) to
    1 (perfectly), over the pixels where either shows something."""
    ours, empty = 0.0, 0.0
    for frames in parts(level):
        # colours of the fitted characters before the backdrop, and which triangle each pixel shows (-1: none)
        rgb, ids = draw_frames(scene, level, vertices(scene, poses, frames), frames)
        video, backdrop = level.frames[frames], at_frames(level, frames)[1]
        # pixels that show a character here or there: drawn ones, and those where the video is not the backdrop
        apart = (video - backdrop.rgb).norm(dim=-1)
        seen = (ids >= 0) | (apart > CONTRAST)
        # sums of colour distances. Ours from the video; for comparison what an empty picture misses, the mean of how
        # far the drawn character and the video are from the backdrop, so that neither a small nor a large one gains
        ours += float((rgb - video).norm(dim=-1)[seen].sum())
        empty += float(torch.where(ids >= 0, (rgb - backdrop.rgb).norm(dim=-1), 0)[seen].sum()) / 2
        empty += float(apart[seen].sum()) / 2
    return max(0.0, 1 - ours / empty) if empty > 0 else 0.0
