from pathlib import Path

import numpy as np
import pytest
from pxr import Gf, Usd, UsdGeom

from engine.scene.stage_camera import stage_cameras
from usd_io.errors import StageNotFoundError, StageReadError
from usd_io.read.camera import read_camera


@pytest.fixture
def camera_stage() -> Usd.Stage:
    """A camera that pans, with all its numbers set, below a scaled and turned parent."""
    stage = Usd.Stage.CreateInMemory()
    parent = UsdGeom.Xform.Define(stage, "/Rig")
    parent.AddRotateYOp().Set(40.0)
    parent.AddScaleOp().Set(Gf.Vec3f(2, 2, 2))
    camera = UsdGeom.Camera.Define(stage, "/Rig/Cam")
    move = camera.AddTranslateOp()
    move.Set(Gf.Vec3d(1, 2, 8), 0)
    move.Set(Gf.Vec3d(3, 2, 8), 10)
    camera.CreateFocalLengthAttr(35.0)
    camera.CreateHorizontalApertureAttr(24.0)
    camera.CreateVerticalApertureAttr(16.0)
    camera.CreateHorizontalApertureOffsetAttr(2.0)
    camera.CreateVerticalApertureOffsetAttr(-1.0)
    camera.CreateClippingRangeAttr(Gf.Vec2f(0.5, 1000))
    return stage


@pytest.mark.parametrize("size", [(160, 240), (200, 240), (160, 400)])
def test_pixels_agree_with_gf(camera_stage: Usd.Stage, size: tuple[int, int]) -> None:
    height, width = size
    times = np.array([0.0, 5.0])
    read = read_camera(camera_stage, "/Rig/Cam", times)
    cameras = stage_cameras(read.T_world_camera, read.aperture, read.offset, height, width, read.near)
    assert cameras.near == 0.5
    points = np.array([[0.0, 0, 0], [-6, 1, -4], [5, -2, 3]])
    for i, time in enumerate(times):
        frustum = UsdGeom.Camera(camera_stage.GetPrimAtPath("/Rig/Cam")).GetCamera(time).frustum
        both = frustum.ComputeViewMatrix() * frustum.ComputeProjectionMatrix()
        ndc = np.array([both.Transform(Gf.Vec3d(*point))[:2] for point in points.tolist()])
        scale = min(height / 16.0, width / 24.0)  # all that the camera sees is in the picture
        expected = np.array([width, height]) / 2 + ndc * [12, -8] * scale
        camera_space = points @ cameras.T_camera_world[i, :3, :3].T + cameras.T_camera_world[i, :3, 3]
        got = camera_space[:, :2] / camera_space[:, 2:] * cameras.focal[i] + cameras.centre[i]
        np.testing.assert_allclose(got, expected, atol=1e-4)


def test_a_still_camera_is_one(camera_stage: Usd.Stage) -> None:
    read = read_camera(camera_stage, "/Rig/Cam", np.array([12.0, 13.0]))
    cameras = stage_cameras(read.T_world_camera, read.aperture, read.offset, 10, 20, read.near)
    assert len(cameras) == 1


@pytest.mark.parametrize(
    ("path", "message"),
    [("/Nowhere", "/Rig/Cam"), ("no path!", "no prim"), ("", "no prim"), ("/Rig", "no Camera")],
)
def test_what_is_no_camera_is_refused_with_the_choices(
    camera_stage: Usd.Stage, path: str, message: str
) -> None:
    with pytest.raises(StageReadError, match=message):
        read_camera(camera_stage, path, np.zeros(1))


def test_a_stage_without_cameras_says_so(data: Path) -> None:
    with pytest.raises(StageNotFoundError, match="It has no camera"):
        read_camera(Usd.Stage.Open(str(data / "fox" / "fox.usdc")), "/Cam", np.zeros(1))


def test_orthographic_and_broken_cameras_are_refused(camera_stage: Usd.Stage) -> None:
    camera = UsdGeom.Camera(camera_stage.GetPrimAtPath("/Rig/Cam"))
    camera.GetFocalLengthAttr().Set(0.0)
    with pytest.raises(StageReadError, match="must be positive"):
        read_camera(camera_stage, "/Rig/Cam", np.zeros(1))
    camera.CreateProjectionAttr("orthographic")
    with pytest.raises(StageReadError, match="orthographic"):
        read_camera(camera_stage, "/Rig/Cam", np.zeros(1))
