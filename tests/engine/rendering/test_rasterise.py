import numpy as np
import pytest
import torch
from torch import Tensor

from engine.rendering.camera import Cameras
from engine.rendering.projection import camera_points, homogeneous_pixels
from engine.rendering.torch_renderer import rasterise
from engine.rendering.torch_renderer.fragments import make_fragments
from engine.rendering.torch_renderer.rasterise import triangle_ids
from tests.engine.rendering.shapes import camera_at, sphere


def cast_rays(points: Tensor, faces: Tensor, cameras: Cameras) -> tuple[np.ndarray, np.ndarray]:
    """Nearest triangle and its depth by intersecting every ray with every triangle (Moeller and Trumbore 1997)."""
    corners = camera_points(cameras, points[None])[0].double().numpy()[faces.numpy()]
    x = (np.arange(cameras.width) + 0.5 - cameras.centre[0, 0]) / cameras.focal[0, 0]
    y = (np.arange(cameras.height) + 0.5 - cameras.centre[0, 1]) / cameras.focal[0, 1]
    rays = np.stack([*np.meshgrid(x, y), np.ones((cameras.height, cameras.width))], -1)[:, :, None]
    a, ab, ac = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    p = np.cross(rays, ac)
    determinant = (p * ab).sum(-1)
    u = (p * -a).sum(-1) / determinant
    q = np.cross(-a, ab)
    v = (rays * q).sum(-1) / determinant
    depth = (q * ac).sum(-1) / determinant
    hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (depth >= cameras.near)
    depth = np.where(hit, depth, np.inf)
    return np.where(hit.any(-1), depth.argmin(-1), -1), depth.min(-1)


def rasterised(points: Tensor, faces: Tensor, cameras: Cameras) -> tuple[np.ndarray, np.ndarray]:
    pixels = homogeneous_pixels(cameras, camera_points(cameras, points[None]))
    ids = triangle_ids(pixels, faces, cameras)
    fragments = make_fragments(ids, pixels, faces, cameras)
    depth = torch.full(ids.shape, torch.inf, dtype=points.dtype).flatten()
    return ids[0].numpy(), depth.index_copy(0, fragments.place, fragments.depth).reshape(ids.shape)[0].numpy()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sphere_is_what_rays_hit(dtype: torch.dtype) -> None:
    points, faces = sphere()
    cameras = camera_at(5.0)
    ids, depth = rasterised(points.to(dtype), faces, cameras)
    expected, expected_depth = cast_rays(points, faces, cameras)
    assert (ids >= 0).sum() > 200
    assert (ids != expected).sum() <= 1
    both = (ids >= 0) & (expected >= 0)
    np.testing.assert_allclose(depth[both], expected_depth[both], rtol=1e-5)


def test_random_triangles_through_the_camera_are_what_rays_hit() -> None:
    """Corners lie in front of, beside and behind the camera, so most triangles cross the near plane."""
    random = np.random.default_rng(4)
    for _ in range(20):
        points = torch.from_numpy(random.normal(size=(24, 3)))
        faces = torch.arange(24).reshape(8, 3)
        cameras = camera_at(0.3, near=0.1)
        ids, depth = rasterised(points, faces, cameras)
        expected, expected_depth = cast_rays(points, faces, cameras)
        assert (ids != expected).sum() <= 2
        both = (ids == expected) & (ids >= 0)
        np.testing.assert_allclose(depth[both], expected_depth[both], rtol=1e-6)


def test_shared_edges_leave_no_hole() -> None:
    """A sheet of many slivers around points that fall on pixel centres."""
    random = np.random.default_rng(0)
    inner = np.concatenate(
        [np.linspace(-1.5, 1.5, 13).repeat(13)[:, None], np.tile(np.linspace(-1.5, 1.5, 13), 13)[:, None]], 1
    )
    inner += random.normal(scale=1e-3, size=inner.shape)
    points = torch.from_numpy(np.concatenate([inner, np.zeros((169, 1))], 1)).float()
    quad = np.arange(168)[(np.arange(168) % 13) < 12][:144]
    faces = torch.from_numpy(
        np.concatenate([np.stack([quad, quad + 1, quad + 14], 1), np.stack([quad, quad + 14, quad + 13], 1)])
    )
    cameras = camera_at(4.0, height=512, width=512, azimuth=0)
    ids, _ = rasterised(points, faces, cameras)
    covered = ids >= 0
    for row in covered[covered.any(1)]:
        first, last = np.flatnonzero(row)[[0, -1]]
        assert row[first : last + 1].all()


def test_many_parts_give_the_same_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    points, faces = sphere()
    cameras = camera_at(2.0)
    whole, _ = rasterised(points, faces, cameras)
    monkeypatch.setattr(rasterise, "ROWS_AT_ONCE", 50)
    monkeypatch.setattr(rasterise, "PIXELS_AT_ONCE", 70)
    parts, _ = rasterised(points, faces, cameras)
    np.testing.assert_array_equal(whole, parts)


def test_degenerate_and_unseen_triangles_draw_nothing() -> None:
    points = torch.tensor(
        [
            [0.0, 0, 0],
            [0, 0, 0],
            [1, 1, 0],
            [0, 0, 50],
            [1, 0, 50],
            [0, 1, 50],
            [90, 0, 0],
            [91, 0, 0],
            [90, 1, 0],
        ]
    )
    cameras = camera_at(5.0, azimuth=0)
    ids, _ = rasterised(points, torch.arange(9).reshape(3, 3), cameras)
    assert (ids == -1).all()


def test_nothing_to_draw_is_fine() -> None:
    cameras = camera_at(5.0)
    ids = triangle_ids(torch.zeros(2, 0, 3), torch.zeros(0, 3, dtype=torch.int64), cameras)
    assert ids.shape == (2, 48, 64)
    assert (ids == -1).all()
