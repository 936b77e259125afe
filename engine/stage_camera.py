"""A camera prim of a stage as cameras to draw with."""

import numpy as np
from jaxtyping import Float

from engine.rendering.camera import Cameras


def read_cameras(
    stage: str, path: str, times: Float[np.ndarray, " frame"], *, height: int, width: int
) -> Cameras:
    """One camera where it stands still, else one per time.

    Raises:
        UsdIoError: There is no such camera, or it cannot be drawn with.
    """
    from usd_io.read_camera import read_camera
    from usd_io.stage import open_stage

    pinhole = read_camera(open_stage(stage), path, times)
    return stage_cameras(
        pinhole.T_world_camera, pinhole.aperture, pinhole.offset, height, width, pinhole.near
    )


def stage_cameras(
    T_world_camera: Float[np.ndarray, "frame 4 4"],
    aperture: Float[np.ndarray, "frame 2"],
    offset: Float[np.ndarray, "frame 2"],
    height: int,
    width: int,
    near: float,
) -> Cameras:
    """A camera of a stage as ours; all that it sees is in the picture, with more at two sides where the image has
    another aspect. For the arguments see :class:`usd_io.read_camera.PinholeCamera`."""
    focal = (np.array([width, height]) / aperture).min(axis=1, keepdims=True).repeat(2, axis=1)
    centre = np.array([width, height]) / 2 + focal * offset * [-1, 1]
    transforms = np.diag([1.0, -1, -1, 1]) @ np.linalg.inv(T_world_camera)
    cameras = Cameras(transforms, focal, centre, height, width, near)
    still = all(np.allclose(a, a[:1]) for a in (transforms, focal, centre))
    return cameras.at(slice(0, 1)) if still else cameras
