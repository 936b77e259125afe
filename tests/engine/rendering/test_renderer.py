"""Only the window around the characters is drawn, from the vertices that are seen: nothing of the pictures changes."""

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.rendering.actors import Actors
from engine.rendering.camera import Cameras
from engine.rendering.mesh.surface import Surface
from engine.rendering.renderers import TorchRenderer
from engine.rendering.torch_renderer import renderer
from engine.rendering.torch_renderer.rasterise import PixelWindow, Ranges, pixel_ranges
from engine.rendering.torch_renderer.renderer import Backdrop, Images, render
from engine.rendering.torch_renderer.shade import normals_of, vertex_normals
from tests.engine.rendering.shapes import camera_at, limb, make_surface, sphere
from usd_io.model import Motion


def everything(pixels: Tensor, cameras: Cameras) -> Ranges:
    """The ranges with all of the picture as their window."""
    return pixel_ranges(pixels, cameras)._replace(window=PixelWindow(0, 0, cameras.width, cameras.height))


def scene() -> tuple[Tensor, Surface, Backdrop]:
    """A sphere in three places, one of them partly out of the picture, above a backdrop that hides its lower half."""
    points, faces = sphere(8, 0.5)
    moved = points + torch.tensor([[[0.0, 0, 0]], [[0.4, -0.2, 0.3]], [[1.6, 0.9, 0]]])
    colors = torch.rand(1, 48, 64, 3, generator=torch.Generator().manual_seed(1))
    depth = torch.full((1, 48, 64), torch.inf)
    depth[:, 26:] = 4.9
    return moved.float(), make_surface(points, faces), Backdrop(colors, depth)


@pytest.mark.parametrize("antialiased", [False, True])
@pytest.mark.parametrize("before", [False, True], ids=["white", "backdrop"])
def test_the_window_holds_all_that_is_seen(
    monkeypatch: pytest.MonkeyPatch, antialiased: bool, before: bool
) -> None:
    points, surface, backdrop = scene()
    shown = backdrop if before else None

    def drawn() -> Images:
        return render(points, camera_at(5.0), surface, backdrop=shown, antialiased=antialiased)

    found = drawn()
    monkeypatch.setattr(renderer, "pixel_ranges", everything)
    expected = drawn()
    for name, values in vars(expected).items():
        assert torch.equal(getattr(found, name), values), name
    assert 0 < int((expected.mesh >= 0).sum()) < expected.mesh.numel() / 2


def test_what_crosses_the_near_plane_is_drawn_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    points, surface, _ = scene()
    cameras = camera_at(0.6, near=0.4)
    found = render(points, cameras, surface, antialiased=True)
    monkeypatch.setattr(renderer, "pixel_ranges", everything)
    assert torch.equal(found.rgb, render(points, cameras, surface, antialiased=True).rgb)
    assert bool((found.mesh >= 0).any())


@pytest.mark.parametrize("place", [(50.0, 0.0, 0.0), (0.0, -50.0, 0.0), (0.0, 0.0, 50.0)])
def test_a_character_out_of_the_picture_leaves_the_backdrop(place: tuple[float, float, float]) -> None:
    points, surface, backdrop = scene()
    away = points + torch.tensor(place) @ torch.from_numpy(
        camera_at(5.0).T_camera_world[0, :3, :3]
    ).float() * torch.tensor([1.0, 1, -1])
    images = render(away, camera_at(5.0), surface, backdrop=backdrop, antialiased=True)
    assert torch.equal(images.rgb, backdrop.rgb.expand(3, -1, -1, -1))
    assert not bool((images.mesh >= 0).any())


def test_gradients_are_those_of_whole_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    points, surface, backdrop = scene()

    def gradient() -> Tensor:
        moving = points.clone().requires_grad_()
        images = render(moving, camera_at(5.0), surface, backdrop=backdrop, antialiased=True)
        weights = torch.rand(images.rgb.shape, generator=torch.Generator().manual_seed(2))
        (found,) = torch.autograd.grad((images.rgb * weights).sum() + images.mask.sum(), moving)
        return found

    found = gradient()
    monkeypatch.setattr(renderer, "pixel_ranges", everything)
    expected = gradient()
    assert float(expected.abs().max()) > 0
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_pictures_are_the_colours_as_bytes() -> None:
    points, surface, backdrop = scene()
    drawing = TorchRenderer(surface)
    rgb = drawing.render(points, camera_at(5.0), backdrop).rgb
    expected = (rgb * 255 + 0.5).clamp(0, 255).to(torch.uint8).numpy()
    np.testing.assert_array_equal(drawing.pictures(points, camera_at(5.0), backdrop), expected)


def test_normals_of_some_vertices_are_those_of_all() -> None:
    points, surface, _ = scene()
    chosen = torch.tensor([3, 3, 40, len(points[0]) + 7, 2 * len(points[0])])
    expected = vertex_normals(points, surface.faces).flatten(0, 1)[chosen]
    torch.testing.assert_close(normals_of(points, surface.faces, chosen), expected, rtol=1e-6, atol=1e-7)


def turning(frames: int) -> Motion:
    """The limb with its second joint turning about z."""
    angle = np.linspace(0, 1, frames)
    rotations = np.zeros((frames, 2, 4), np.float32)
    rotations[..., 0] = 1
    rotations[:, 1, 0], rotations[:, 1, 3] = np.cos(angle / 2), np.sin(angle / 2)
    return Motion(
        times=np.arange(frames, dtype=float),
        time_codes_per_second=24.0,
        frame_rate=24.0,
        translations=np.tile(np.array([[0, 0, 0], [2, 0, 0]], np.float32), (frames, 1, 1)),
        rotations=rotations,
        scales=np.ones((frames, 2, 3), np.float32),
        T_world_skel=np.tile(np.eye(4), (frames, 1, 1)),
    )


def test_vertices_are_the_same_once_the_motion_was_walked_through() -> None:
    fresh, walked = Actors([limb()], [turning(40)]), Actors([limb()], [turning(40)])
    assert sum(map(len, walked.clouds())) == 40
    for frames in (slice(0, 8), slice(35, 40), np.array([39, 2])):
        assert torch.equal(fresh.vertices(frames), walked.vertices(frames))
