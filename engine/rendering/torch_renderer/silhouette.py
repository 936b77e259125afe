"""Antialiased outlines, so that the gradient of an image sees them.

After Laine et al. 2020, "Modular primitives for high-performance differentiable rendering", section 3.4: where
an outline passes between the centres of two neighbouring pixels, the share of the pixel that the nearer
surface covers blends the two colours, and that share depends on the vertices. They look at the edges of the
triangle under the nearer pixel; we walk along the outline edges instead, since the edge is often that of a
neighbouring triangle where triangles are smaller than pixels.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from engine.rendering.camera import Cameras
from engine.rendering.mesh.surface import Surface
from engine.rendering.torch_renderer.rasterise import PixelWindow, Ranges, lowest, nonzero
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
    ranges: Ranges,
) -> Float[Tensor, "image height width channel"]:
    """Blend the colours of pixels at outlines by how much of them the nearer surface covers.

    Args:
        canvas: The picture at pixel centres, in the window of the ranges.
        depth: Visible depth [stage units], inf where nothing is; a constant here.
        pixels: Homogeneous pixels of the vertices.
        surface: Gives the edges.
        cameras: One, or one per image. Edges nearer than their ``near`` are left alone.
        ranges: Of the pixels.
    """
    outlines = _find(pixels, surface, cameras, ranges)
    along, across = _Grid.of(ranges.window), _Grid.of(ranges.window).swapped()
    changes = (
        *_changes_along_rows(canvas, depth, outlines, along),
        *_changes_along_rows(canvas, depth, outlines.swapped(), across),
    )
    channels = canvas.shape[-1]
    place = torch.cat([place for place, _ in changes])[:, None] * channels
    place = place + torch.arange(channels, device=place.device)
    # number by number: several times as quick as adding rows of four
    change = torch.cat([change for _, change in changes])
    return canvas.flatten().index_add(0, place.flatten(), change.flatten()).reshape(canvas.shape)


class _Grid(NamedTuple):
    """Where the pixels of a canvas lie, seen along rows or along columns."""

    first: tuple[int, int]
    """Along a row and across rows, in the picture."""
    size: tuple[int, int]
    steps: tuple[int, int]
    """Between the places of neighbours in the canvas laid out flat."""

    @staticmethod
    def of(window: PixelWindow) -> "_Grid":
        return _Grid((window.left, window.top), (window.width, window.height), (1, window.width))

    def swapped(self) -> "_Grid":
        """With x and y exchanged."""
        return _Grid(self.first[::-1], self.size[::-1], self.steps[::-1])


def _find(
    pixels: Float[Tensor, "image vertex 3"], surface: Surface, cameras: Cameras, ranges: Ranges
) -> _Outlines:
    """Edges between a face seen from one side and a face seen from the other, or none, that pass a pixel centre in a
    row or column."""
    with torch.no_grad():
        found = [
            _outlines_of(own, bounds, surface, cameras.near)
            for own, bounds in zip(pixels, ranges.bounds, strict=True)
        ]
        image = torch.cat([torch.full_like(edges, i) for i, edges in enumerate(found)])
        edge = torch.cat(found)
        first_vertex = (image * pixels.shape[1])[:, None]
        # the middle of a face of the edge tells on which side of it the surface lies
        corners = surface.faces.index_select(0, surface.edge_faces[:, 0].index_select(0, edge)) + first_vertex
        triangle = pixels.flatten(0, 1).index_select(0, corners.flatten()).reshape(-1, 3, 3)
        inner = (triangle[..., :2] / triangle[..., 2:].clamp_min(cameras.near)).mean(1)
    vertices = surface.edges.index_select(0, edge) + first_vertex
    points = pixels.flatten(0, 1).index_select(0, vertices.flatten()).reshape(-1, 2, 3)
    focal = torch.as_tensor(cameras.focal.min(1), dtype=pixels.dtype, device=pixels.device)
    return _Outlines(
        image=image,
        ends=points[..., :2] / points[..., 2:],
        inverse_depth=1 / points[..., 2].detach(),
        inner=inner,
        footprint=1 / focal.expand(len(pixels)).index_select(0, image),
    )


def _outlines_of(
    pixels: Float[Tensor, "vertex 3"], bounds: Int[Tensor, "vertex 4"], surface: Surface, near: float
) -> Int[Tensor, " edge"]:
    """The edges that are outlines in one image and pass a centre."""
    box = lowest(bounds, surface.edges.T.contiguous())
    passing = (box[:, 0] + box[:, 2] < 0) | (box[:, 1] + box[:, 3] < 0)
    edge = nonzero(passing)
    # both ends have to lie in front of the camera
    behind = pixels[:, 2] <= near
    if behind.any():
        ends = surface.edges.index_select(0, edge)
        edge = edge[~behind.index_select(0, ends.flatten()).reshape(-1, 2).any(1)]
    # an edge is an outline where one of its faces is seen from the front and the other from the back, or where it has
    # one face only
    first, second = (side.index_select(0, edge) for side in surface.edge_faces.T.contiguous())
    pairs = torch.cat([first, second.clamp_min(0)])
    touched = torch.zeros(len(surface.faces), dtype=torch.bool, device=pixels.device)
    chosen = nonzero(touched.index_fill_(0, pairs, True))
    corners = [side.index_select(0, chosen) for side in surface.faces.T.contiguous()]
    facing = touched.index_copy_(0, chosen, _facing(pixels.T.contiguous(), corners))
    one, other = facing.index_select(0, pairs).reshape(2, -1)
    return edge.index_select(0, nonzero((one != other) | (second < 0)))


def _facing(planes: Float[Tensor, "3 vertex"], sides: list[Int[Tensor, " face"]]) -> Bool[Tensor, " face"]:
    """Which side of each triangle, given by its three corners, is seen; relative to a corner, so that small triangles
    keep their sign."""
    # homogeneous pixels relative to the first corner: the depths of the corners cancel out of small differences
    (xa, ya, za), (xb, yb, zb), (xc, yc, zc) = (
        [plane.index_select(0, side) for plane in planes] for side in sides
    )
    qx, qy = xb * za - xa * zb, yb * za - ya * zb
    rx, ry = xc * za - xa * zc, yc * za - ya * zc
    return (qx * ry - qy * rx) * za > 0


def _changes_along_rows(
    canvas: Float[Tensor, "image height width channel"],
    depth: Float[Tensor, "image height width"],
    outlines: _Outlines,
    grid: _Grid,
) -> tuple[tuple[Int[Tensor, " crossing"], Float[Tensor, "crossing channel"]], ...]:
    """What the outlines steeper than 45 degrees, which cross rows of pixel centres, add to which pixels outside and
    inside; these in the canvas laid out flat."""
    flat = canvas.reshape(-1, canvas.shape[-1])
    crossing, crossed = _crossings(depth.flatten(), outlines, grid)
    # how far the outline lies from the centre of the inner pixel towards the outer one [pixels], 0 to 1
    position, _ = _meet(crossed.ends, crossing.row)
    extent = (position - crossing.centre) * crossing.side
    # beyond the border between the two (0.5) the surface covers part of the outer pixel; short of it the background
    # covers part of the inner one
    onto_far = (extent - 0.5).clamp_min(0)[:, None]
    onto_near = (0.5 - extent).clamp_min(0)[:, None]
    difference = flat.index_select(0, crossing.near) - flat.index_select(0, crossing.far)
    return (crossing.far, onto_far * difference), (crossing.near, -onto_near * difference)


class _Crossing(NamedTuple):
    """Pairs of neighbouring pixels with an outline between their centres."""

    near: Int[Tensor, " crossing"]
    """The pixel inside, in the canvas laid out flat, and"""
    far: Int[Tensor, " crossing"]
    """the one outside."""
    row: Float[Tensor, " crossing"]
    """The y of the row."""
    centre: Float[Tensor, " crossing"]
    """The x of the pixel inside."""
    side: Int[Tensor, " crossing"]
    """1 where the surface is on the left, -1 where it is on the right."""


@torch.no_grad()
def _crossings(
    depth: Float[Tensor, " pixel"], outlines: _Outlines, grid: _Grid
) -> tuple[_Crossing, _Outlines]:
    """One crossing for each pair of pixels, and the outline of each.

    The outline's ends keep their gradient: indexing by constants is all that happens to them.
    """
    (side, top), (width, height), (step, stride) = grid
    # edges steeper than 45 degrees cross rows of pixel centres; the others are looked at with x and y exchanged
    run = (outlines.ends[:, 1] - outlines.ends[:, 0]).abs()
    steep = nonzero(run[:, 1] > run[:, 0])
    y = outlines.ends[steep, :, 1]
    first = torch.ceil(y.amin(1) - 0.5).clamp(top, top + height).long()
    end = (torch.floor(y.amax(1) - 0.5) + 1).clamp(top, top + height).long()
    counts = (end - first).clamp_min(0)
    # one candidate for every row that an edge crosses, numbered within its edge
    box = torch.repeat_interleave(counts)
    which = steep[box]
    row = first[box] + torch.arange(len(box), device=box.device) - (counts.cumsum(0) - counts)[box]
    found = outlines.select(which)
    position, share = _meet(found.ends, row + 0.5)
    # the outline passes between the centres of columns `left` and `left + 1`
    left = torch.floor(position - 0.5)
    inside = (left >= side) & (left < side + width - 1)
    base = found.image * (height * width) + (row - top) * stride
    base += (left - side).clamp(0, max(width - 2, 0)).long() * step
    # the inner pixel is the one on the side of the outline's own surface
    boundary, _ = _meet(found.ends, found.inner[:, 1])
    inner_left = found.inner[:, 0] < boundary
    outer = (base + step).clamp_max_(len(depth) - 1)
    near, far = torch.where(inner_left, base, outer), torch.where(inner_left, outer, base)
    inside &= _visible(depth[near], depth[far], found, share)
    extent = torch.where(inner_left, position - left - 0.5, left + 1.5 - position)
    chosen = nonzero(inside)
    chosen = chosen[_outermost(extent[chosen], 2 * base[chosen] + inner_left[chosen], 2 * len(depth))]
    with torch.enable_grad():
        crossed = outlines.select(which[chosen])
    inner_left = inner_left[chosen]
    crossing = _Crossing(
        near=near[chosen],
        far=far[chosen],
        row=row[chosen] + 0.5,
        centre=left[chosen] + torch.where(inner_left, 0.5, 1.5).to(left),
        side=torch.where(inner_left, 1, -1),
    )
    return crossing, crossed


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
    return nonzero(best[pair] == keys)
