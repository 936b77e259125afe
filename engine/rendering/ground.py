"""A static ground plane with a checker, drawn once per camera; it also hides what is below it."""

from dataclasses import dataclass

import numpy as np

from engine.rendering.camera import Cameras
from usd_io.shapes import Float

LIGHT, DARK = (0.90, 0.91, 0.92), (0.78, 0.80, 0.82)
"""Display colours of the tiles."""
TILES_PER_SIZE = 3.0
RADIUS = 2.5
"""Where the ground has faded to white, in sizes of what stands on it."""
SOLE = 1e-3
"""Gap between the ground and the lowest point, in sizes: feet shall not flicker through it."""


@dataclass(frozen=True)
class Ground:
    """A level disc of tiles [stage units]."""

    up: int
    """Index of the stage's up axis: 1 or 2."""
    level: float
    centre: tuple[float, float]
    """Along the other two axes, in their order."""
    size: float
    """What sets the scale: the largest side of the box around the motion."""


def ground_below(low: Float[np.ndarray, "3"], high: Float[np.ndarray, "3"], up_axis: str) -> Ground:
    """The ground for what moves within a box of world space."""
    up = "XYZ".index(up_axis)
    size = float((high - low).max()) or 1.0
    middle = np.delete((low + high) / 2, up)
    return Ground(up, float(low[up]) - SOLE * size, (float(middle[0]), float(middle[1])), size)


def draw_ground(
    ground: Ground, cameras: Cameras
) -> tuple[Float[np.ndarray, "camera height width 3"], Float[np.ndarray, "camera height width"]]:
    """The ground seen by each camera, over white: display colours in [0, 1] and depth [stage units], inf beside it."""
    rgb, depth = zip(*(_draw(ground, cameras.at(slice(i, i + 1))) for i in range(len(cameras))), strict=True)
    return np.stack(rgb).astype(np.float32), np.stack(depth).astype(np.float32)


def _draw(
    ground: Ground, camera: Cameras
) -> tuple[Float[np.ndarray, "height width 3"], Float[np.ndarray, "height width"]]:
    """Where the rays through the pixel centres meet the plane, and its colour there."""
    focal, centre = camera.focal[0], camera.centre[0]
    x = (np.arange(camera.width) + 0.5 - centre[0]) / focal[0]
    y = (np.arange(camera.height)[:, None] + 0.5 - centre[1]) / focal[1]
    directions = np.stack(np.broadcast_arrays(x, y, 1.0), -1) @ camera.T_camera_world[0, :3, :3]
    eye = camera.positions()[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = (ground.level - eye[ground.up]) / directions[..., ground.up]
    hit = (depth > camera.near) & np.isfinite(depth)
    points = eye + np.where(hit, depth, 0)[..., None] * directions
    across = np.delete(points, ground.up, axis=-1) - ground.centre
    distance = np.linalg.norm(across, axis=-1) / (RADIUS * ground.size)
    hit &= distance < 1
    fade = np.where(hit, 1 - distance**2, 0)[..., None]
    dark = _checker(across * TILES_PER_SIZE / ground.size)[..., None]
    colors = dark * np.array(DARK) + (1 - dark) * np.array(LIGHT)
    return 1 - fade * (1 - colors), np.where(hit, depth, np.inf)


def _checker(place: Float[np.ndarray, "height width 2"]) -> Float[np.ndarray, "height width"]:
    """Share of dark tiles (of side 1) in each pixel: the square wave of each axis, box-filtered over the pixel.

    The filter is the difference of the wave's integral at both ends (Quilez, "Filtering the checkerboard
    pattern"), which leaves far tiles grey instead of flickering.
    """
    extent = sum(np.abs(np.gradient(place, axis=axis)) for axis in (0, 1)) + 1e-6

    def integral(x: Float[np.ndarray, "height width 2"]) -> Float[np.ndarray, "height width 2"]:
        return np.abs((x / 2) % 1 - 0.5)

    wave = 2 * (integral(place - extent / 2) - integral(place + extent / 2)) / extent
    result: Float[np.ndarray, "height width"] = 0.5 - 0.5 * wave.prod(-1)
    return result
