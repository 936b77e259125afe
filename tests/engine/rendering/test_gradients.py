"""Gradients through the renderer against finite differences, in float64."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from engine.rendering.camera import repeat_cameras
from engine.rendering.mesh.skin import build_rig
from engine.rendering.mesh.surface import Surface, build_surface
from engine.rendering.torch_renderer.renderer import Images, render
from engine.rendering.torch_renderer.shade import Lighting
from engine.settings.choices import Appearance
from tests.engine.rendering.shapes import camera_at, limb, make_surface, no_texture, sphere

DOUBLE = torch.zeros((), dtype=torch.float64)


def bend(turns: Tensor, *, dual: bool = False) -> tuple[Tensor, Surface]:
    """Vertices of the limb with its joints turned by rotation vectors; the surface they belong to."""
    character = limb(dual=dual)
    rig = build_rig(character, DOUBLE)
    quaternions = torch.cat([torch.ones(1, 2, 1, dtype=turns.dtype), turns / 2], dim=-1)
    offsets = torch.from_numpy(character.rest_translations).double()[None] - torch.tensor(
        [[2.0, 0, 0], [0, 0, 0]]
    )
    posed = rig.joint_transforms(offsets, quaternions, torch.ones(1, 2, 3, dtype=turns.dtype))
    world = torch.eye(4, dtype=turns.dtype)[None]
    return rig.vertices(posed, world), build_surface([character], no_texture)


def central_difference(f: Callable[[Tensor], Tensor], x: Tensor, step: float) -> Tensor:
    result = torch.zeros_like(x)
    for i in range(x.numel()):
        delta = torch.zeros_like(x)
        delta.view(-1)[i] = step
        result.view(-1)[i] = (f(x + delta) - f(x - delta)) / (2 * step)
    return result


def smooth_weights(images: Images, seed: int = 3) -> Tensor:
    """A random image without high frequencies, so that finite differences over pixels make sense."""
    small = torch.randn(1, 3, 5, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    size = images.rgb.shape[1:3]
    big = torch.nn.functional.interpolate(small, size=size, mode="bicubic", align_corners=True)
    return big.permute(0, 2, 3, 1)


@pytest.mark.parametrize("dual", [False, True])
@pytest.mark.parametrize("appearance", ["canonical", "textured"])
def test_pose_gradients_agree_away_from_outlines(appearance: Appearance, dual: bool) -> None:
    cameras = camera_at(11.0, azimuth=0, height=64, width=96)
    lighting = Lighting(world_position=(2.0, 3.0, 4.0))
    start = torch.tensor([[[0.2, 0.1, -0.3], [0.1, -0.4, 0.5]]], dtype=torch.float64)

    def draw(turns: Tensor) -> Images:
        vertices, surface = bend(turns, dual=dual)
        return render(vertices, cameras, surface, appearance=appearance, lighting=lighting)

    images = draw(start)
    covered = (images.mask > 0).double()[:, None]
    inner = -torch.nn.functional.max_pool2d(-covered, 5, stride=1, padding=2)[:, 0, :, :, None]
    weights = inner * torch.randn(
        images.rgb.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    assert inner.sum() > 150

    def loss(turns: Tensor) -> Tensor:
        return (draw(turns).rgb * weights).sum()

    turns = start.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(turns), turns)
    torch.testing.assert_close(gradient, central_difference(loss, start, 1e-6), rtol=2e-3, atol=2e-3)


def test_outline_gradient_of_a_moving_sphere_agrees() -> None:
    points, faces = sphere(24)
    surface = make_surface(points, faces)
    cameras = camera_at(6.0, height=64, width=64)

    def loss(offset: Tensor) -> Tensor:
        images = render(points[None] + offset, cameras, surface, antialiased=True)
        return (images.mask * smooth_weights(images)[..., 0]).sum()

    offset = torch.tensor([0.1, -0.05, 0.2], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(loss(offset), offset)
    expected = central_difference(loss, offset.detach(), 0.03)
    assert expected.abs().max() > 10
    torch.testing.assert_close(gradient, expected, rtol=0.06, atol=0.04 * float(expected.abs().max()))


def test_outline_gradient_of_a_turning_limb_agrees() -> None:
    cameras = camera_at(11.0, azimuth=0, height=96, width=128)
    start = torch.tensor([[[0.0, 0.1, -0.3], [0.1, -0.2, 0.6]]], dtype=torch.float64)

    def loss(turns: Tensor) -> Tensor:
        vertices, surface = bend(turns)
        images = render(vertices, cameras, surface, appearance="canonical", antialiased=True)
        return (images.rgb * smooth_weights(images)).sum()

    turns = start.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(turns), turns)
    expected = central_difference(loss, start, 0.02)
    torch.testing.assert_close(gradient, expected, rtol=0.1, atol=0.05 * float(expected.abs().max()))


def test_only_the_outline_term_gives_coverage_a_gradient() -> None:
    points, faces = sphere()
    surface = make_surface(points, faces)
    cameras = camera_at(6.0)
    offset = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    for antialiased in (False, True):
        mask = render(points[None] + offset, cameras, surface, antialiased=antialiased).mask
        (gradient,) = torch.autograd.grad(mask[:, :, :32].sum(), offset)
        assert bool(gradient.any()) == antialiased


def test_antialiasing_covers_as_much_as_supersampling() -> None:
    points, faces = sphere(24)
    surface = make_surface(points, faces)
    coarse = render(points[None], camera_at(6.0, height=40, width=40), surface, antialiased=True).mask
    fine = render(points[None], camera_at(6.0, height=400, width=400), surface).mask
    expected = torch.nn.functional.avg_pool2d(fine[:, None], 10)[:, 0]
    hard = render(points[None], camera_at(6.0, height=40, width=40), surface).mask
    assert (coarse - expected).abs().mean() < 0.35 * (hard - expected).abs().mean()
    assert abs(float(coarse.sum() - expected.sum())) < 0.01 * float(expected.sum())


def test_gradients_are_finite_in_float32_batches() -> None:
    points, faces = sphere(8)
    surface = make_surface(points, faces)
    vertices = (points.float()[None] + torch.tensor([0.0, 0.3, 0.6]).reshape(3, 1, 1)).requires_grad_()
    cameras = repeat_cameras(camera_at(6.0), 3)
    images = render(vertices, cameras, surface, antialiased=True)
    (gradient,) = torch.autograd.grad(
        images.rgb.square().sum() + images.depth[images.mask == 1].sum(), vertices
    )
    assert gradient.isfinite().all()
    assert gradient.abs().amax((1, 2)).min() > 0
