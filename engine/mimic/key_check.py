"""What a video shows at the keys, where all is known: how far a fit would move the poses there is how wrong it is.

A video of something else, of another time, of a character that has lost its shape, or one that stands still, does not
meet the keys. A generated one does, since its model was given them; what it shows between them is another question.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from engine.geometry.skeleton import joint_positions
from engine.mimic.confidence import explained
from engine.mimic.fit import Fit, fit
from engine.mimic.parameters import Unknowns, spacing
from engine.mimic.pictures.pyramid import FitScene
from engine.mimic.settings import MimicSettings
from engine.priors import offsets
from engine.progress import Progress
from engine.rendering.projection import camera_points
from usd_io.shapes import Float, Int

NEAR = 0.25
"""So many frames from a key a frame still shows it."""


def frames_at_keys(
    times: Float[np.ndarray, " frame"], unknowns: Sequence[Unknowns]
) -> Int[np.ndarray, " key"]:
    """The frames of a video [time codes] that show a key of some character."""
    keys = np.unique([t for u in unknowns for gap in u.gaps for t in (gap.start, gap.end)])
    if len(times) < 2 or not len(keys):
        return np.zeros(0, int)
    # time codes: a quarter of the usual distance of two frames of the video
    near = NEAR * spacing(times, unknowns[0].start.time_codes_per_second)
    return np.flatnonzero((np.abs(times[:, None] - keys) <= near).any(1))


def off_at_keys(
    scene: FitScene,
    times: Float[np.ndarray, " key"],
    frames: Float[torch.Tensor, "key 3 height width"],
    settings: MimicSettings,
) -> tuple[float, tuple[Float[np.ndarray, " key"], ...]]:
    """How much of what differs from the background the known poses explain, of 1; and how far each character is moved
    away from them, per key: mean over the joints that are seen, across the view axis [stage units].

    Args:
        scene: As it is fitted.
        times: Of the frames [time codes].
        frames: Of the size of the scene's camera.
        settings: Of the fit.
    """
    # every frame has unknowns of its own (the identity as basis), as if its key were not known
    figures = tuple(figure.at(_each_by_itself(figure.unknowns, times)) for figure in scene.figures)
    scene = replace(scene, figures=figures)
    unknowns = scene.unknowns
    problem = Fit(scene, [None] * len(unknowns), frames, settings)
    found = fit(problem, Progress(), None, "")
    # zero offsets are the known poses; how far the fit left them is what the video contradicts
    nothing = [u.zeros() for u in unknowns]
    known, (level, _) = problem.poses(nothing), problem.level(problem.phases[0], nothing)
    result = []
    for u, pose, true in zip(unknowns, found.poses, known, strict=True):
        # world positions [stage units]; only across the view axis, since one picture hardly shows depth
        apart = (pose.T_world_joint - true.T_world_joint)[..., :3, 3].numpy()
        result.append(across(apart[:, u.character.observable], scene))
    return 1.0 if level is None else explained(scene, level, known), tuple(result)


def across(apart: Float[np.ndarray, "frame joint 3"], scene: FitScene) -> Float[np.ndarray, " frame"]:
    """Mean length across the view axis, per frame."""
    axes = scene.cameras.T_camera_world[:, :2, :3]
    # each frame has its own camera where there are as many, else the first one's axes stand for all
    axes = axes if len(axes) == len(apart) else axes[:1]
    # world vectors in the camera's x (right) and y (down)
    turned = apart @ axes.transpose(0, 2, 1)
    return np.linalg.norm(turned, axis=-1).mean(-1)


def pixel(
    scene: FitScene, unknowns: Unknowns, times: Float[np.ndarray, " key"], height: int
) -> Float[np.ndarray, " key"]:
    """What a pixel of pictures of some height [pixels] spans at a character's distance [stage units], per key."""
    positions = joint_positions(unknowns.character, offsets.sample(unknowns.start, times))
    depth = camera_points(scene.cameras, torch.from_numpy(positions))[..., 2].median(1).values.numpy()
    return depth / scene.cameras.focal.mean(1) * scene.cameras.height / height


def _each_by_itself(unknowns: Unknowns, times: Float[np.ndarray, " key"]) -> Unknowns:
    """The unknowns as if nothing were known at some times."""
    alone = torch.eye(len(times), dtype=torch.float64)
    base = offsets.sample(unknowns.start, times)
    return replace(unknowns, gaps=(), base=base, basis=alone, fill_basis=alone[:0])
