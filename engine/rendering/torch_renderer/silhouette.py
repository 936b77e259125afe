"""Antialiased outlines, so that the gradient of an image sees them.

After Laine et al. 2020, "Modular primitives for high-performance differentiable rendering", section 3.4: where
an outline passes between the centres of two neighbouring pixels, the share of the pixel that the nearer
surface covers blends the two colours, and that share depends on the vertices. They look at the edges of the
triangle under the nearer pixel; we walk along the outline edges instead, since the edge is often that of a
neighbouring triangle where triangles are smaller than pixels.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.rendering.camera import Cameras
from engine.rendering.mesh.surface import Surface
from usd_io.shapes import Bool, Float, Int

TOLERANCE_PX = 24.0
"""The surface seen at the inner pixel may lie this far in depth from the outline, in pixels at its depth: round
surfaces fall away quickly there. An outline that is hidden further behind another surface is left alone."""


@dataclass(frozen=True, eq=False)
class _Outlines:
    """Edges with the surface on one side of the picture only."""

    image: Int[Tensor, " outline"]
    ends: Float[Tensor, "outline 2 2"]
    """x and y [pixels]; these carry gradients."""
    inverse_depth: Float[Tensor, "outline 2"]
    inner: Float[Tensor, "outline 2"]
    """A point on the side of the surface."""
    footprint: Float[Tensor, " outline"]
    """Size of a pixel at depth 1."""

    def swapped(self) -> "_Outlines":
        """With x and y exchanged."""
        return replace(self, ends=self.ends.flip(-1), inner=self.inner.flip(-1))

    def select(self, which: Int[Tensor, " selected"]) -> "_Outlines":
        return _Outlines(*(value.index_select(0, which) for value in vars(self).values()))


def antialias(
    canvas: Float[Tensor, "image height width channel"],
    depth: Float[Tensor, "image height width"],
    pixels: Float[Tensor, "image vertex 3"],
    surface: Surface,
    cameras: Cameras,
) -> Float[Tensor, "image height width channel"]:
    """Blend the colours of pixels at outlines by how much of them the nearer surface covers.

    Args:
        canvas: The picture at pixel centres.
        depth: Visible depth [stage units], inf where nothing is; a constant here.
        pixels: Homogeneous pixels of the vertices.
        surface: Gives the edges.
        cameras: One, or one per image. Edges nearer than their ``near`` are left alone.
    """
    outlines = _find(pixels, surface, cameras)
    rows = _blend_along_rows(canvas, depth, outlines)
    columns = _blend_along_rows(canvas.transpose(1, 2), depth.transpose(1, 2), outlines.swapped())
    return canvas + rows + columns.transpose(1, 2)


def _find(pixels: Float[Tensor, "image vertex 3"], surface: Surface, cameras: Cameras) -> _Outlines:
    """Edges between a face seen from one side and a face seen from the other, or none."""
    with torch.no_grad():
        corners = pixels.index_select(1, surface.faces.flatten()).reshape(len(pixels), -1, 3, 3)
        # an edge is an outline where one of its faces is seen from the front and the other from the back, or where it
        # has one face only; both ends have to lie in front of the camera
        facing = _determinant(corners) > 0
        first, second = surface.edge_faces.unbind(1)
        behind = (pixels[..., 2] <= cameras.near).index_select(1, surface.edges.flatten())
        across = facing.index_select(1, first) != facing.index_select(1, second.clamp_min(0))
        outline = (across | (second < 0)) & ~behind.reshape(len(pixels), -1, 2).any(-1)
        image, edge = torch.nonzero(outline, as_tuple=True)
        # the middle of a face of the edge tells on which side of it the surface lies
        triangle = corners[image, first[edge]]
        inner = (triangle[..., :2] / triangle[..., 2:].clamp_min(cameras.near)).mean(1)
    vertices = surface.edges.index_select(0, edge) + (image * pixels.shape[1])[:, None]
    points = pixels.flatten(0, 1).index_select(0, vertices.flatten()).reshape(-1, 2, 3)
    focal = torch.as_tensor(cameras.focal.min(1), dtype=pixels.dtype, device=pixels.device)
    return _Outlines(
        image=image,
        ends=points[..., :2] / points[..., 2:],
        inverse_depth=1 / points[..., 2].detach(),
        inner=inner,
        footprint=1 / focal.expand(len(pixels)).index_select(0, image),
    )


def _determinant(corners: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch"]:
    """Positive on one side of a triangle; relative to a corner, so that small triangles keep their sign."""
    # homogeneous pixels relative to the first corner: the depths of the corners cancel out of small differences
    a, b, c = corners.unbind(-2)
    q, r = (p[..., :2] * a[..., 2:] - a[..., :2] * p[..., 2:] for p in (b, c))
    return (q[..., 0] * r[..., 1] - q[..., 1] * r[..., 0]) * a[..., 2]


def _blend_along_rows(
    canvas: Float[Tensor, "image height width channel"],
    depth: Float[Tensor, "image height width"],
    outlines: _Outlines,
) -> Float[Tensor, "image height width channel"]:
    """What the outlines steeper than 45 degrees change: they cross rows of pixel centres."""
    flat = canvas.reshape(-1, canvas.shape[-1])
    near, far, row, crossed = _crossings(depth, outlines)
    # how far the outline lies from the centre of the inner pixel towards the outer one [pixels], 0 to 1
    position, _ = _meet(crossed.ends, row)
    centre = (near % depth.shape[2]).to(position.dtype) + 0.5
    extent = (position - centre) * (far - near)
    # beyond the border between the two (0.5) the surface covers part of the outer pixel; short of it the background
    # covers part of the inner one
    onto_far = (extent - 0.5).clamp_min(0)[:, None]
    onto_near = (0.5 - extent).clamp_min(0)[:, None]
    difference = flat.index_select(0, near) - flat.index_select(0, far)
    change = torch.zeros_like(flat).index_add(0, far, onto_far * difference)
    return change.index_add(0, near, -onto_near * difference).reshape(canvas.shape)


@torch.no_grad()
def _crossings(
    depth: Float[Tensor, "image height width"], outlines: _Outlines
) -> tuple[Int[Tensor, " crossing"], Int[Tensor, " crossing"], Float[Tensor, " crossing"], _Outlines]:
    """Flat indices of the pixels inside and outside, the row's y, and the outline, one for each pair of pixels.

    The outline's ends keep their gradient: indexing by constants is all that happens to them.
    """
    height, width = depth.shape[1:]
    # edges steeper than 45 degrees cross rows of pixel centres; the others are looked at with x and y exchanged
    run = (outlines.ends[:, 1] - outlines.ends[:, 0]).abs()
    steep = torch.nonzero(run[:, 1] > run[:, 0])[:, 0]
    y = outlines.ends[steep, :, 1]
    first = torch.ceil(y.amin(1) - 0.5).clamp(0, height).long()
    end = (torch.floor(y.amax(1) - 0.5) + 1).clamp(0, height).long()
    counts = (end - first).clamp_min(0)
    # one candidate for every row that an edge crosses, numbered within its edge
    box = torch.repeat_interleave(counts)
    which = steep[box]
    row = first[box] + torch.arange(len(box), device=box.device) - (counts.cumsum(0) - counts)[box]
    found = outlines.select(which)
    position, share = _meet(found.ends, row + 0.5)
    # the outline passes between the centres of columns `left` and `left + 1`
    left = torch.floor(position - 0.5)
    inside = (left >= 0) & (left < width - 1)
    base = (found.image * height + row) * width + left.clamp(0, width - 2).long()
    # the inner pixel is the one on the side of the outline's own surface
    boundary, _ = _meet(found.ends, found.inner[:, 1])
    inner_left = found.inner[:, 0] < boundary
    near, far = torch.where(inner_left, base, base + 1), torch.where(inner_left, base + 1, base)
    inside &= _visible(depth.reshape(-1)[near], depth.reshape(-1)[far], found, share)
    extent = torch.where(inner_left, position - left - 0.5, left + 1.5 - position)
    chosen = torch.nonzero(inside)[:, 0]
    chosen = chosen[_outermost(extent[chosen], 2 * base[chosen] + inner_left[chosen], 2 * depth.numel())]
    with torch.enable_grad():
        crossed = outlines.select(which[chosen])
    return near[chosen], far[chosen], row[chosen] + 0.5, crossed


def _meet(
    ends: Float[Tensor, "crossing 2 2"], y: Float[Tensor, " crossing"]
) -> tuple[Float[Tensor, " crossing"], Float[Tensor, " crossing"]]:
    """The x of an edge's line at some y, and at which share of the edge."""
    a, b = ends.unbind(1)
    share = (y - a[:, 1]) / (b[:, 1] - a[:, 1])
    return a[:, 0] + share * (b[:, 0] - a[:, 0]), share


def _visible(
    near: Float[Tensor, " crossing"],
    far: Float[Tensor, " crossing"],
    outlines: _Outlines,
    share: Float[Tensor, " crossing"],
) -> Bool[Tensor, " crossing"]:
    """The inner pixel shows the outline's own surface and the outer one something behind it."""
    # 1 / depth is linear in the picture along an edge
    edge = 1 / torch.lerp(outlines.inverse_depth[:, 0], outlines.inverse_depth[:, 1], share)
    own = (near - edge).abs() <= TOLERANCE_PX * outlines.footprint * edge
    return own & (far > edge) & (far > near)


def _outermost(
    extent: Float[Tensor, " crossing"], pair: Int[Tensor, " crossing"], pairs: int
) -> Int[Tensor, " chosen"]:
    """Of all crossings between the same two pixels the one that reaches furthest out."""
    index = torch.arange(len(pair), device=pair.device)
    # positive floats sort like their bits: one maximum per pair finds the crossing that reaches furthest
    keys = (extent.clamp_min(0).float().view(torch.int32).long() << 32) | index
    best = torch.full((pairs,), -1, dtype=torch.int64, device=pair.device)
    best.scatter_reduce_(0, pair, keys, "amax")
    return torch.nonzero(best[pair] == keys)[:, 0]
