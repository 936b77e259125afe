"""The covered pixels of a batch of images, with perspective-correct barycentric coordinates that carry gradients."""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.rendering.camera import Cameras
from engine.rendering.torch_renderer.rasterise import PixelWindow, nonzero
from usd_io.shapes import Float, Int


@dataclass(frozen=True, eq=False)
class Fragments:
    """One entry per covered pixel; ids are constants, coordinates and depth follow the vertices."""

    place: Int[Tensor, " pixel"]
    """Index into the window of the images laid out flat (image, row, column)."""
    image: Int[Tensor, " pixel"]
    face: Int[Tensor, " pixel"]
    corners: Int[Tensor, "pixel 3"]
    """Indices into the vertices of all images laid out flat."""
    weights: Float[Tensor, "pixel 3"]
    """Barycentric coordinates of the visible point in its triangle."""
    depth: Float[Tensor, " pixel"]
    ray: Float[Tensor, "pixel 3"]
    """The visible point over its depth, in camera space: z is 1."""

    def select(self, which: Int[Tensor, " selected"]) -> "Fragments":
        """Some of the pixels."""
        return Fragments(*(value.index_select(0, which) for value in vars(self).values()))

    def interpolate(self, values: Float[Tensor, "#pixel 3 *channel"]) -> Float[Tensor, "pixel *channel"]:
        """Mix values of the three corners."""
        shape = (-1, *(1,) * (values.ndim - 2))  # three products are much quicker than tiny matrix products
        w0, w1, w2 = (w.reshape(shape) for w in self.weights.unbind(1))
        return w0 * values[:, 0] + w1 * values[:, 1] + w2 * values[:, 2]


def make_fragments(
    ids: Int[Tensor, "image height width"],
    pixels: Float[Tensor, "image vertex 3"],
    faces: Int[Tensor, "face 3"],
    cameras: Cameras,
    window: PixelWindow | None = None,
) -> Fragments:
    """Recompute, differentiably, where the centre of each covered pixel meets its triangle.

    Args:
        ids: From :func:`engine.rendering.torch_renderer.rasterise.triangle_ids`.
        pixels: Homogeneous pixels of the vertices.
        faces: Vertex indices.
        cameras: One, or one per image.
        window: The part of the pictures that the ids are of; None: all.
    """
    images, height, width = ids.shape
    window = window or PixelWindow(0, 0, width, height)
    place = nonzero(ids.flatten() >= 0)
    face = ids.flatten().index_select(0, place)
    image = torch.div(place, height * width, rounding_mode="floor")
    within = place - image * (height * width)
    row = torch.div(within, width, rounding_mode="floor")
    column = within - row * width + window.left
    centre = torch.stack([column, row + window.top], dim=-1).to(pixels.dtype) + 0.5
    before = image * pixels.shape[1]
    corners = [side.index_select(0, face).add_(before) for side in faces.T.contiguous()]
    # single numbers are looked up several times as quickly as rows of three
    planes = [
        [plane.index_select(0, corner) for corner in corners]
        for plane in pixels.flatten(0, 1).T.contiguous().unbind(0)
    ]
    weights, depth = _barycentric(planes, centre)
    focal = torch.as_tensor(cameras.focal, dtype=pixels.dtype, device=pixels.device).expand(images, 2)
    axis = torch.as_tensor(cameras.centre, dtype=pixels.dtype, device=pixels.device).expand(images, 2)
    ray = (centre - axis.index_select(0, image)) / focal.index_select(0, image)
    ray = torch.cat([ray, torch.ones_like(ray[:, :1])], dim=-1)
    return Fragments(place, image, face, torch.stack(corners, dim=-1), weights, depth, ray)


def _barycentric(
    corners: list[list[Float[Tensor, " pixel"]]], centre: Float[Tensor, "pixel 2"]
) -> tuple[Float[Tensor, "pixel 3"], Float[Tensor, " pixel"]]:
    """The edge functions of :mod:`engine.rendering.torch_renderer.rasterise` at the pixel centre, divided by
    their sum. ``corners``: the homogeneous pixels, by axis, then by corner."""
    x, y, (z0, z1, z2) = corners
    column, row = centre.unbind(1)
    x0, x1, x2 = (x - column * z for x, z in zip(x, (z0, z1, z2), strict=True))
    y0, y1, y2 = (y - row * z for y, z in zip(y, (z0, z1, z2), strict=True))
    e0, e1, e2 = x1 * y2 - y1 * x2, x2 * y0 - y2 * x0, x0 * y1 - y0 * x1
    inverse = 1 / (e0 + e1 + e2)
    return torch.stack([e0, e1, e2], dim=-1) * inverse[:, None], (e0 * z0 + e1 * z1 + e2 * z2) * inverse
