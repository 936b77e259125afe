"""Choose the camera azimuth that best constrains the motion.

A horse that walks towards the camera hides its hind legs, and no fit can find what no picture shows. Before any video
is made, the expected error of a fit is computed for each view: the spread that is left of the joints' places if the
motion were the prior's and the pictures perfect (A-optimal design of experiments, Chaloner and Verdinelli 1995).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from engine.geometry.metrics import height as size_of
from engine.mimic.confidence import sureness
from engine.mimic.fit import poses_at
from engine.mimic.fit_subject import FitSubject
from engine.mimic.gauss_newton import quadratic
from engine.mimic.kinematics import Pose
from engine.mimic.parameters import make_unknowns
from engine.mimic.pictures.photometric_term import compare, picture_form
from engine.mimic.pictures.pyramid import (
    FitScene,
    Level,
    Picture,
    channels,
    draw_frames,
    make_fit_scene,
    make_level,
    parts,
    vertices,
)
from engine.rendering.mesh.surface import Surface
from engine.rendering.views import View
from engine.settings.choices import VIEWS, Appearance
from usd_io.shapes import Float

AZIMUTHS = (0.0, 45.0, 315.0)
"""The front and both three-quarter views. From the side a fit would gain little more, and there left and right limbs
lie behind each other, so that one is taken for the other (docs/measurements.md)."""
RATE = 8.0
"""Frames per second that are looked at."""
HEIGHT = 96
"""Of the pictures [pixels]."""
NOISE = 0.03
"""Standard deviation of colour differences that a video is taken to have."""
WORTH = 0.9
"""Another view than the front is taken where it leaves at most this part of the front's expected error."""


def choose_view(
    subjects: Sequence[FitSubject],
    surface: Surface,
    appearance: Appearance,
    views: dict[float, View],
) -> tuple[float, dict[float, float]]:
    """The azimuth [degrees] to make the video from, and the expected error of each [heights].

    Args:
        subjects: All characters in the picture.
        surface: Of the subjects in their order.
        appearance: How they look.
        views: Still cameras by azimuth, the front among them.
    """
    rate = subjects[0].start.time_codes_per_second
    gaps = [gap for s in subjects if s.plan is not None for gap in s.plan.gaps]
    times = np.unique(np.concatenate([_inside(gap.start, gap.end, rate / RATE) for gap in gaps]))
    unknowns = tuple(make_unknowns(s.character, s.plan, s.start, times, pose_prior=True) for s in subjects)
    expected = {
        azimuth: _expected_error(
            make_fit_scene(unknowns, surface, view.cameras, view.backdrop, appearance), subjects
        )
        for azimuth, view in views.items()
    }
    front = VIEWS["front"]
    best = min(expected, key=lambda azimuth: expected[azimuth])
    return best if expected[best] <= WORTH * expected[front] else front, expected


def _inside(start: float, end: float, step: float) -> Float[np.ndarray, " frame"]:
    """Evenly spaced times between two, one at least."""
    count = max(1, round((end - start) / step) - 1)
    return start + (end - start) * np.arange(1, count + 1) / (count + 1)


@torch.no_grad()
def _expected_error(scene: FitScene, subjects: Sequence[FitSubject]) -> float:
    """Mean over characters, frames and joints [heights]."""
    z = [u.zeros() for u in scene.unknowns]
    poses = poses_at(scene, z)
    level, seen = _seen(scene, poses)
    terms = picture_form(scene, level, poses, compare(scene, level, poses, seen))
    left = []
    for u, term, x, s in zip(scene.unknowns, terms, z, subjects, strict=True):
        if s.plan is not None:
            spread = sureness(u, x, quadratic(u, term, x), s.fill_times, scene.cameras, seed=0)
            size = size_of(u.character, u.start, s.plan.keys[0])
            left.append(float(np.sqrt(2 * spread.plane**2 + spread.view**2).mean()) / size)
    return float(np.mean(left))


def _seen(scene: FitScene, poses: tuple[Pose, ...]) -> tuple[Level, list[Picture]]:
    """A perfect video of the poses, and what was drawn of them."""
    count = len(scene.unknowns[0].base.times)
    video = torch.zeros(count, 3, scene.cameras.height, scene.cameras.width)
    level = make_level(scene, video, HEIGHT, 1.0, 1.0)
    drawn = [draw_frames(scene, level, vertices(scene, poses, part), part) for part in parts(level)]
    aim = [channels(level, rgb, part) for (rgb, _), part in zip(drawn, parts(level), strict=True)]
    return replace(level, noise=NOISE, aim=torch.cat(aim)), drawn
