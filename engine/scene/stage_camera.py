"""The camera that somebody names, a prim of the stage or one that ``anymole render`` drew with, to draw with."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import ConfigError, DataError
from engine.rendering.camera import Cameras, cameras_from_dict
from usd_io.errors import counted, shown
from usd_io.shapes import Float

LARGEST_FILE = 64 << 20


def read_cameras(
    stage: Any, path: str, times: Float[np.ndarray, " frame"], *, height: int, width: int
) -> Cameras:
    """One camera where it stands still, else one per time.

    Args:
        stage: The stage, open or by its path.
        path: Path of a camera prim, or of a ``render.json``, of which the first view is taken.
        times: Time codes of the pictures.
        height: Of the pictures [pixels].
        width: Of the pictures [pixels].

    Raises:
        UsdIoError: There is no such camera, or it cannot be drawn with.
        ConfigError: The file has as many cameras as pictures, but of others.
        DataError: The file holds no camera, or one of another aspect.
    """
    if path.endswith(".json"):
        return _drawn_with(Path(path), len(times), height, width)
    from usd_io.read.camera import read_camera
    from usd_io.read.stage import open_stage

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
    another aspect. For the arguments see :class:`usd_io.read.camera.PinholeCamera`."""
    focal = (np.array([width, height]) / aperture).min(axis=1, keepdims=True).repeat(2, axis=1)
    centre = np.array([width, height]) / 2 + focal * offset * [-1, 1]
    transforms = np.diag([1.0, -1, -1, 1]) @ np.linalg.inv(T_world_camera)
    cameras = Cameras(transforms, focal, centre, height, width, near)
    still = all(np.allclose(a, a[:1]) for a in (transforms, focal, centre))
    return cameras.at(slice(0, 1)) if still else cameras


def _drawn_with(path: Path, pictures: int, height: int, width: int) -> Cameras:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ValueError("it is too large")
        cameras = cameras_from_dict(json.loads(path.read_text(encoding="utf-8"))["views"][0]["cameras"])
        values = (cameras.T_camera_world, cameras.focal, cameras.centre)
        if not all(np.isfinite(v).all() for v in values) or not (cameras.focal > 0).all():
            raise ValueError("its numbers are none")
    except OSError as error:
        raise ConfigError(
            f"the camera file {shown(path)} cannot be read ({error.strerror}).", settings=("camera",)
        ) from error
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise DataError(
            f"the camera file {shown(path)} is no render.json of 'anymole render' ({type(error).__name__}).",
            settings=("camera",),
        ) from error
    if len(cameras) not in (1, pictures):
        raise ConfigError(
            f"the camera file {shown(path)} has {counted(len(cameras), 'camera')} for "
            f"{counted(pictures, 'picture')}; name one that stands "
            "still.",
            settings=("camera",),
        )
    if abs(cameras.width * height - cameras.height * width) > max(height, width):
        raise DataError(
            f"the camera file {shown(path)} is of {cameras.width} x {cameras.height} pixels; the video has "
            f"{width} x {height}.",
            settings=("camera",),
        )
    scale = np.array([width / cameras.width, height / cameras.height])
    return replace(
        cameras, focal=cameras.focal * scale, centre=cameras.centre * scale, height=height, width=width
    )
