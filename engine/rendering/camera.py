"""Pinhole cameras: the one place that knows the conventions (docs/rendering.md). Points are projected by
:mod:`engine.rendering.projection`.

Camera space: x to the right, y down, z forward, so that depth is z, positive in front [stage units]. Pixels:
x to the right, y down, the origin in the top left corner, pixel centres at 0.5. A camera sees what lies
further than ``near``; there is no far plane.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from usd_io.shapes import Float, Int

FIELD_OF_VIEW_DEG = 30.0
"""Across the shorter side of the image; what the paper's renderer is meant to use."""


@dataclass(frozen=True, eq=False)
class Cameras:
    """One camera per view or per image, all of one image size."""

    T_camera_world: Float[np.ndarray, "camera 4 4"]
    """World space to camera space, a rotation and a translation."""
    focal: Float[np.ndarray, "camera 2"]
    """Focal lengths along x and y [pixels]."""
    centre: Float[np.ndarray, "camera 2"]
    """Where the optical axis meets the image [pixels]."""
    height: int
    width: int
    near: float
    """Least depth that is seen [stage units]."""

    def __len__(self) -> int:
        return len(self.T_camera_world)

    def at(self, cameras: Int[np.ndarray, " selected"] | slice) -> "Cameras":
        """Some of the cameras."""
        return replace(
            self,
            T_camera_world=self.T_camera_world[cameras],
            focal=self.focal[cameras],
            centre=self.centre[cameras],
        )

    def positions(self) -> Float[np.ndarray, "camera 3"]:
        """Where the cameras are in world space."""
        turn, move = self.T_camera_world[:, :3, :3], self.T_camera_world[:, :3, 3]
        result: Float[np.ndarray, "camera 3"] = -np.einsum("cba,cb->ca", turn, move)
        return result

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "T_camera_world": self.T_camera_world.tolist(),
            "focal": self.focal.tolist(),
            "centre": self.centre.tolist(),
            "height": self.height,
            "width": self.width,
            "near": self.near,
        }


def cameras_from_dict(values: dict[str, Any]) -> Cameras:
    """Read back what :meth:`Cameras.to_dict` gave."""
    return Cameras(
        T_camera_world=np.array(values["T_camera_world"], float).reshape(-1, 4, 4),
        focal=np.array(values["focal"], float).reshape(-1, 2),
        centre=np.array(values["centre"], float).reshape(-1, 2),
        height=int(values["height"]),
        width=int(values["width"]),
        near=float(values["near"]),
    )


def repeat_cameras(cameras: Cameras, images: int) -> Cameras:
    """One camera per image, each view ``images`` times in a row: all images of the first view come first."""
    return cameras.at(np.repeat(np.arange(len(cameras)), images))


def join_cameras(cameras: list[Cameras]) -> Cameras:
    """Cameras of one image size as one; the least ``near`` serves all."""
    first = cameras[0]
    assert all((c.height, c.width) == (first.height, first.width) for c in cameras), "image sizes differ"
    return replace(
        first,
        T_camera_world=np.concatenate([c.T_camera_world for c in cameras]),
        focal=np.concatenate([c.focal for c in cameras]),
        centre=np.concatenate([c.centre for c in cameras]),
        near=min(c.near for c in cameras),
    )


def focal_length(height: int, width: int, field_of_view_deg: float = FIELD_OF_VIEW_DEG) -> float:
    """Focal length [pixels] of a field of view across the shorter side."""
    return min(height, width) / 2 / float(np.tan(np.deg2rad(field_of_view_deg) / 2))


def orbit_rotation(azimuth_deg: float, elevation_deg: float, up_axis: str) -> Float[np.ndarray, "3 3"]:
    """World to camera rotation of a camera that looks at the origin from a direction.

    Args:
        azimuth_deg: 0 looks at a character's front, which faces +Z where Y is up and -Y where Z is up (as
            exporters write it); 90 sees its left side, 180 its back, 270 its right side.
        elevation_deg: How far above the horizon the camera is.
        up_axis: Y or Z, of the stage.
    """
    azimuth, elevation = np.deg2rad(azimuth_deg), np.deg2rad(elevation_deg)
    level = np.array([np.sin(azimuth), 0, np.cos(azimuth)])
    from_target = np.cos(elevation) * level + np.sin(elevation) * np.array([0.0, 1, 0])
    forward = -from_target
    right = np.cross(forward, [0, 1, 0])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    y_up_from_z_up = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    return rotation if up_axis == "Y" else rotation @ y_up_from_z_up
