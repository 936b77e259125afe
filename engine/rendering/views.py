"""Run stage *render*: characters in motion -> pictures from some views, with joints and cameras as data."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from engine.files.images import Picture
from engine.geometry.skeleton import joint_positions
from engine.progress import Progress
from engine.rendering.actors import Actors
from engine.rendering.camera import Cameras
from engine.rendering.framing import frame_views
from engine.rendering.ground import Ground, draw_ground, ground_below
from engine.rendering.projection import project
from engine.rendering.renderers import Renderer
from engine.rendering.torch_renderer.renderer import Backdrop
from usd_io.model import Character, Motion
from usd_io.shapes import Float

IMAGES_AT_ONCE = 8
"""Drawn in one batch: more is no quicker on a CPU and takes more memory."""


@dataclass(frozen=True, eq=False)
class View:
    """A named camera, still or with one place per frame."""

    name: str
    cameras: Cameras
    """One, or one per frame."""
    backdrop: Backdrop | None = None
    """As many pictures as cameras."""


def orbit_views(
    actors: Actors,
    azimuths_deg: dict[str, float],
    *,
    height: int,
    width: int,
    elevation_deg: float = 10.0,
    ground: bool = True,
) -> tuple[View, ...]:
    """Views around a motion, by name, each framed so that the whole motion is in the picture and large."""
    up_axis = actors.characters[0].up_axis
    low, high = np.full(3, np.inf), np.full(3, -np.inf)

    def clouds() -> Iterator[Float[np.ndarray, "frame vertex 3"]]:
        nonlocal low, high
        for cloud in actors.clouds():
            axes = [cloud[..., axis] for axis in range(3)]
            low = np.minimum(low, [values.min() for values in axes])
            high = np.maximum(high, [values.max() for values in axes])
            yield cloud

    cameras = frame_views(
        clouds(),
        list(azimuths_deg.values()),
        up_axis=up_axis,
        height=height,
        width=width,
        elevation_deg=elevation_deg,
    )
    floor = ground_below(low, high, up_axis) if ground else None
    return tuple(make_view(name, cameras.at(slice(i, i + 1)), floor) for i, name in enumerate(azimuths_deg))


def make_view(name: str, cameras: Cameras, ground: Ground | None = None) -> View:
    """A view with its ground drawn once per place of the camera."""
    if ground is None:
        return View(name, cameras)
    rgb, depth = draw_ground(ground, cameras)
    return View(name, cameras, Backdrop(torch.from_numpy(rgb), torch.from_numpy(depth)))


def render_view(
    renderer: Renderer,
    actors: Actors,
    view: View,
    progress: Progress | None = None,
    *,
    first: int = 0,
    total: int = 0,
) -> Iterator[Picture]:
    """Draw every frame of a view, a few at a time.

    Args:
        renderer: Draws the surface of the actors.
        actors: Their motion has one frame per picture.
        view: From where.
        progress: Reports after every batch.
        first: Pictures of other views that are done already, for the progress.
        total: Pictures of all views; 0: those of this one.
    """
    progress = progress or Progress()
    count = actors.frame_count
    for start in range(0, count, IMAGES_AT_ONCE):
        frames = slice(start, min(start + IMAGES_AT_ONCE, count))
        moving = len(view.cameras) > 1
        cameras = view.cameras.at(frames) if moving else view.cameras
        backdrop = view.backdrop
        if backdrop is not None and moving:
            backdrop = Backdrop(backdrop.rgb[frames], backdrop.depth[frames])
        pictures = renderer.pictures(actors.vertices(frames), cameras, backdrop, actors.times(frames))
        progress.step(first + frames.stop, total or count)
        yield from pictures


def joint_tracks(
    character: Character, motion: Motion, cameras: Cameras
) -> Float[np.ndarray, "frame joint 3"]:
    """Joint origins as x, y [pixels] and depth [stage units] in a still or moving camera (float64)."""
    positions = torch.from_numpy(joint_positions(character, motion))
    return project(cameras, positions).numpy()
