"""Cameras that frame a whole motion by themselves, one per view."""

from collections.abc import Iterable, Sequence

import numpy as np

from engine.rendering.camera import FIELD_OF_VIEW_DEG, Cameras, focal_length, join_cameras, orbit_rotation
from engine.settings.choices import VIEWS, view_azimuth
from usd_io.shapes import Float

ELEVATION_DEG = 10.0
MARGIN = 0.06
"""Part of the image left free at each side."""
POINTS_AT_ONCE = 1 << 14
"""Looked at together: what is made of them stays in the cache of a core."""
NEAR_SHARE = 0.02
"""The near plane, as part of the least depth of the framed points."""


def azimuths(views: Sequence[str]) -> dict[str, float]:
    """Azimuths [degrees] of views that :func:`engine.settings.choices.view_azimuth` knows, by their name: ``front``,
    ``azimuth30``."""
    found = {}
    for view in views:
        azimuth = view_azimuth(view)
        assert azimuth is not None, view
        found[view if view in VIEWS else f"azimuth{azimuth:g}"] = azimuth
    return found


def frame_views(
    clouds: Iterable[Float[np.ndarray, "... 3"]],
    azimuths_deg: Sequence[float],
    *,
    up_axis: str,
    height: int,
    width: int,
    elevation_deg: float = ELEVATION_DEG,
    field_of_view_deg: float = FIELD_OF_VIEW_DEG,
) -> Cameras:
    """The closest cameras that look from given directions and see all points.

    For a fixed direction each side of the image bounds the camera by one plane, so the closest place follows
    from the extremes of two linear functions per axis: no search.

    Args:
        clouds: World points [stage units], in parts, so that long motions need not be held at once.
        azimuths_deg: One camera each.
        up_axis: Y or Z.
        height: Of the images [pixels].
        width: Of the images [pixels].
        elevation_deg: Of all cameras.
        field_of_view_deg: Across the shorter side.
    """
    rotations = np.stack([orbit_rotation(a, elevation_deg, up_axis) for a in azimuths_deg])
    focal = focal_length(height, width, field_of_view_deg)
    tangents = np.array([width, height]) * (0.5 - MARGIN) / focal
    least = np.full((len(rotations), 5), np.inf)
    most = np.full((len(rotations), 5), -np.inf)
    for cloud in clouds:
        points = cloud.reshape(-1, 3)
        for first in range(0, len(points), POINTS_AT_ONCE):
            low, high = _extremes(points[first : first + POINTS_AT_ONCE], rotations, tangents)
            least, most = np.minimum(least, low), np.maximum(most, high)
    cameras = [
        _camera(rotation, low, high, tangents, focal, (height, width))
        for rotation, low, high in zip(rotations, least, most, strict=True)
    ]
    return join_cameras(cameras)


def _extremes(
    points: Float[np.ndarray, "point 3"],
    rotations: Float[np.ndarray, "camera 3 3"],
    tangents: Float[np.ndarray, "2"],
) -> tuple[Float[np.ndarray, "camera 5"], Float[np.ndarray, "camera 5"]]:
    """Least and greatest of the functions that the sides of each picture bound, and of the depth."""
    x, y, z = np.moveaxis(rotations @ points.T.astype(float), 1, 0)
    tx, ty = tangents
    sides = (x + tx * z, x - tx * z, y + ty * z, y - ty * z, z)
    return np.stack([s.min(1) for s in sides], -1), np.stack([s.max(1) for s in sides], -1)


def _camera(
    rotation: Float[np.ndarray, "3 3"],
    low: Float[np.ndarray, "5"],
    high: Float[np.ndarray, "5"],
    tangents: Float[np.ndarray, "2"],
    focal: float,
    size: tuple[int, int],
) -> Cameras:
    """The position c (in rotated axes) has |x - c_x| <= t_x (z - c_z) for all points, and the same along y."""
    far_side = np.array([high[1], high[3]])
    near_side = np.array([low[0], low[2]])
    position = np.empty(3)
    position[:2] = (far_side + near_side) / 2
    position[2] = ((near_side - far_side) / (2 * tangents)).min()
    nearest = low[4] - position[2]
    extent = max(high[4] - low[4], nearest, 1e-6)
    if nearest < 0.1 * extent:  # a single point, or points in one line of sight
        position[2] -= extent
        nearest += extent
    transform = np.eye(4)
    transform[:3, :3] = rotation
    transform[:3, 3] = -position
    height, width = size
    return Cameras(
        transform[None],
        np.full((1, 2), focal),
        np.array([[width / 2, height / 2]]),
        height,
        width,
        near=NEAR_SHARE * nearest,
    )
