from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import Float
from pxr import Gf, Usd, UsdGeom, UsdSkel

from engine.geometry.skeleton import joint_positions
from engine.rendering.camera import (
    Cameras,
    cameras_from_dict,
    focal_length,
    join_cameras,
    orbit_rotation,
    repeat_cameras,
)
from engine.rendering.framing import MARGIN, frame_views
from engine.rendering.projection import project
from engine.rendering.views import joint_tracks
from engine.settings.choices import VIEWS
from tests.engine.rendering.shapes import camera_at
from usd_io.read.character import read_character
from usd_io.read.motion import read_motion


def gf_pixels(cameras: Cameras, points: Float[np.ndarray, "point 3"]) -> Float[np.ndarray, "point 2"]:
    """The same camera in USD's terms: a frustum that looks along -z with y up, window from -1 to 1."""
    transform = np.diag([1.0, -1, -1, 1]) @ cameras.T_camera_world[0]
    matrix = Gf.Matrix4d(np.linalg.inv(transform).T.tolist())
    camera = Gf.Camera(
        transform=matrix,
        horizontalAperture=cameras.width,
        verticalAperture=cameras.height,
        horizontalApertureOffset=cameras.width / 2 - cameras.centre[0, 0],
        verticalApertureOffset=cameras.centre[0, 1] - cameras.height / 2,
        focalLength=cameras.focal[0, 0],
        clippingRange=Gf.Range1f(0.1, 1e6),
    )
    both = camera.frustum.ComputeViewMatrix() * camera.frustum.ComputeProjectionMatrix()
    ndc = np.array([both.Transform(Gf.Vec3d(*map(float, point))) for point in points])
    return np.stack([(ndc[:, 0] + 1) / 2 * cameras.width, (1 - ndc[:, 1]) / 2 * cameras.height], axis=-1)


@pytest.mark.parametrize(
    ("name", "time"),
    [("edge/fox_shot_layered.usda", 1010.0), ("mocap/fair_jumping.usdc", 40.0), ("fox/fox.usdc", 7.5)],
)
def test_projected_joints_agree_with_usdskel_and_gf(data: Path, name: str, time: float) -> None:
    stage = Usd.Stage.Open(str(data / name))
    prim = next(p for p in Usd.PrimRange.Stage(stage) if p.IsA(UsdSkel.Skeleton))
    cache = UsdSkel.Cache()
    query = cache.GetSkelQuery(UsdSkel.Skeleton(prim))
    world = query.ComputeJointWorldTransforms(UsdGeom.XformCache(time))
    expected_points = np.array([m.ExtractTranslation() for m in world])
    character = read_character(stage, str(prim.GetPath()), meshes=False)
    motion = read_motion(stage, str(prim.GetPath()), np.array([time]))
    cameras = frame_views(
        [expected_points], [33.0], up_axis=character.up_axis, height=320, width=512, elevation_deg=20
    )
    tracks = joint_tracks(character, motion, cameras)[0]
    np.testing.assert_allclose(tracks[:, :2], gf_pixels(cameras, expected_points), atol=0.01)
    distance = np.linalg.inv(cameras.T_camera_world[0])[:3, 2] @ (expected_points - cameras.positions()[0]).T
    np.testing.assert_allclose(tracks[:, 2], distance, rtol=1e-5)
    np.testing.assert_allclose(
        joint_positions(character, motion)[0], expected_points, atol=1e-4 * np.ptp(expected_points)
    )


@pytest.mark.parametrize("up_axis", ["Y", "Z"])
def test_views_look_from_where_they_are_named(up_axis: str) -> None:
    """A character that faces +Z (Y up) or -Y (Z up), nose in front, with its left arm at +X."""
    nose, arm, crown = np.array([0.0, 0, 1]), np.array([1.0, 0, 0]), np.array([0.0, 1, 0])
    if up_axis == "Z":
        nose, crown = np.array([0.0, -1, 0]), np.array([0.0, 0, 1])
    points = np.stack([nose, arm, crown, -nose, -arm, -crown])
    cameras = frame_views([points], list(VIEWS.values()), up_axis=up_axis, height=64, width=64)
    pixels = project(cameras, torch.from_numpy(points)[None].expand(4, -1, -1)).numpy()
    front, left, right, back = pixels
    assert front[0, 2] < front[3, 2]
    assert back[0, 2] > back[3, 2]
    assert left[1, 2] < left[4, 2]
    assert right[1, 2] > right[4, 2]
    assert front[1, 0] > front[4, 0]  # what faces us has its left on our right
    assert (pixels[:, 2, 1] < pixels[:, 5, 1]).all()  # up is up


def test_framing_is_tight_and_complete() -> None:
    random = np.random.default_rng(1)
    for up_axis in ("Y", "Z"):
        points = random.normal(size=(500, 3)) * random.uniform(0.1, 20, 3) + random.normal(size=3) * 50
        cameras = frame_views(np.array_split(points, 3), [0, 77, 200], up_axis=up_axis, height=100, width=160)
        pixels = project(cameras, torch.from_numpy(points)[None].expand(3, -1, -1)).numpy()
        margins = np.array([160, 100]) * MARGIN
        low, high = pixels[..., :2].min(1), pixels[..., :2].max(1)
        assert (low > margins - 1e-6).all()
        assert (high < [160, 100] - margins + 1e-6).all()
        assert (np.minimum(low - margins, np.abs(high - ([160, 100] - margins))).min(1) < 1e-6).all()
        assert (pixels[..., 2] > cameras.near).all()


def test_a_single_point_can_be_framed() -> None:
    cameras = frame_views([np.array([[3.0, 4, 5]])], [0.0], up_axis="Y", height=10, width=20)
    np.testing.assert_allclose(project(cameras, torch.tensor([[[3.0, 4, 5]]]))[0, 0, :2], [10, 5], atol=1e-4)


def test_points_behind_the_camera_have_no_pixel() -> None:
    pixels = project(camera_at(5.0, azimuth=0), torch.tensor([[[0.0, 0, 0], [0, 0, 90]]]))
    assert pixels[0, 0].isfinite().all()
    assert pixels[0, 1, :2].isnan().all()
    assert pixels[0, 1, 2] < 0


def test_the_optical_axis_meets_the_middle_and_the_field_of_view_the_short_side() -> None:
    cameras = camera_at(2.0, height=100, width=160)
    assert project(cameras, torch.zeros(1, 1, 3))[0, 0].tolist() == pytest.approx([80, 50, 2])
    assert focal_length(100, 160, 90.0) == pytest.approx(50)
    assert focal_length(160, 100, 90.0) == pytest.approx(50)


def test_rotations_are_proper() -> None:
    for up_axis in ("Y", "Z"):
        rotation = orbit_rotation(37, 12, up_axis)
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(rotation) == pytest.approx(1)


def test_cameras_survive_json_and_joining() -> None:
    a, b = camera_at(2.0), camera_at(3.0, near=0.01)
    both = join_cameras([a, b])
    assert both.near == 0.01
    again = cameras_from_dict(both.to_dict())
    np.testing.assert_array_equal(again.T_camera_world, both.T_camera_world)
    assert (again.height, again.width, len(repeat_cameras(again, 3))) == (48, 64, 6)
