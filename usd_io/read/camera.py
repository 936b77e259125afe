"""A UsdGeom.Camera -> numbers of a pinhole camera, at given times."""

from dataclasses import dataclass

import numpy as np
from pxr import Gf, Sdf, Usd, UsdGeom

from usd_io import convert
from usd_io.diagnostics import captured
from usd_io.errors import StageNotFoundError, StageReadError, shown
from usd_io.shapes import Float


@dataclass(frozen=True, eq=False)
class PinholeCamera:
    """A camera as USD has it, over some times."""

    T_world_camera: Float[np.ndarray, "frame 4 4"]
    """The camera looks along its -z, y is up; a rotation and a translation."""
    aperture: Float[np.ndarray, "frame 2"]
    """Width and height of what it sees, at distance 1."""
    offset: Float[np.ndarray, "frame 2"]
    """Middle of what it sees, to the right and up, at distance 1."""
    near: float
    """Least near clipping distance [stage units]."""


def read_camera(stage: Usd.Stage, path: str, times: Float[np.ndarray, " frame"]) -> PinholeCamera:
    """Read a perspective camera.

    Raises:
        StageNotFoundError: There is no such prim.
        StageReadError: It is no camera, orthographic, or has values that cannot be used.
    """
    with captured():  # USD would remark on a path that is none
        prim = stage.GetPrimAtPath(path) if Sdf.Path(path).IsAbsoluteRootOrPrimPath() else None
    if not prim:
        raise StageNotFoundError(
            f"There is no prim {shown(path)} in the stage; name a camera of it, the render.json that 'anymole render' "
            f"wrote, or a view (front, left, right, back, or degrees).{_others(stage)}",
            settings=("camera",),
        )
    camera = UsdGeom.Camera(prim)
    if not camera:
        raise StageReadError(
            f"<{prim.GetPath()}> is a {prim.GetTypeName() or 'prim without a type'}, no Camera.{_others(stage)}",
            settings=("camera",),
        )
    frames = [_read(camera, Usd.TimeCode(float(time))) for time in times]
    transforms, apertures, offsets, nears = zip(*frames, strict=True)
    return PinholeCamera(np.stack(transforms), np.stack(apertures), np.stack(offsets), min(nears))


def _others(stage: Usd.Stage) -> str:
    names = [str(prim.GetPath()) for prim in stage.Traverse() if prim.IsA(UsdGeom.Camera)]
    return f" Its cameras: {shown(', '.join(names))}." if names else " It has no camera."


def _read(
    camera: UsdGeom.Camera, time: Usd.TimeCode
) -> tuple[Float[np.ndarray, "4 4"], Float[np.ndarray, "2"], Float[np.ndarray, "2"], float]:
    gf = camera.GetCamera(time)
    where = f"<{camera.GetPath()}> at {time}"
    if gf.projection == Gf.Camera.Orthographic:
        raise StageReadError(
            f"{where} is orthographic; only perspective cameras are drawn.", settings=("camera",)
        )
    sizes = np.array([gf.horizontalAperture, gf.verticalAperture, gf.focalLength])
    if not (np.isfinite(sizes).all() and (sizes > 0).all()):
        raise StageReadError(
            f"{where}: apertures and focal length are {sizes.tolist()}; they must be positive.",
            settings=("camera",),
        )
    window = gf.frustum.GetWindow()
    low, high = np.array(window.GetMin()), np.array(window.GetMax())
    transform = convert.matrix(gf.transform)
    transform[:3, :3] /= np.linalg.norm(transform[:3, :3], axis=0)
    return transform, high - low, (high + low) / 2, max(float(gf.clippingRange.min), 1e-6)
