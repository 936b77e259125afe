"""Which triangle covers each pixel: a z-buffer in plain torch, for CPU and CUDA, without gradients.

Edge functions in homogeneous pixels (Olano and Greer 1997, "Triangle scan conversion using 2D homogeneous
coordinates"): for vertices ``P_i = (x_i z_i, y_i z_i, z_i)`` and a pixel centre p, with ``q_i = P_i.xy - p z_i``,
``e_i = cross(q_j, q_k)`` is proportional to the perspective-correct barycentric coordinate of vertex i. It is
linear in p, holds for vertices behind the camera, and the depth is ``det / sum(e)``. So each row of pixels meets
a triangle in a span that follows from linear inequalities, the near plane among them; none is ever cut.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from engine.rendering.camera import Cameras
from usd_io.shapes import Bool, Float, Int

ROWS_AT_ONCE = 1 << 20
"""Rows of triangles looked at together, and"""
PIXELS_AT_ONCE = 1 << 21
"""pixels drawn together: bounds memory when large triangles come close."""
OVERLAP_PX = 1e-4
"""Triangles reach this far over their edges, so that rounding leaves no hole between two of them."""
_FAR = (1 << 63) - 1
_TINY = 1e-30


class PixelWindow(NamedTuple):
    """The part of the pictures in which something is drawn [pixels]."""

    left: int
    top: int
    width: int
    height: int

    def of(self, images: Any) -> Any:
        """That part of pictures by image, row and column, as a view."""
        return images[:, self.top : self.top + self.height, self.left : self.left + self.width]


def nonzero(chosen: Bool[Tensor, " item"]) -> Int[Tensor, " chosen"]:
    """Where something is true: on a CPU by numpy, which takes a tenth of the time of torch."""
    if chosen.device.type != "cpu":
        return torch.nonzero(chosen)[:, 0]
    return torch.from_numpy(np.flatnonzero(chosen.numpy()))


class Ranges(NamedTuple):
    """Which pixel centres lie beyond each vertex, as whole numbers: triangles and edges that pass between all centres
    are found with these alone."""

    bounds: Int[Tensor, "image vertex 4"]
    """First column and row that are not before the vertex, and past the last ones that are not after it, negative, all
    within the picture: the minimum over some vertices is the box of pixels whose centres lie between them."""
    behind: Bool[Tensor, "image vertex"] | None
    """What lies nearer than the near plane, whose bounds say nothing; None where nothing does."""
    window: PixelWindow
    """Around all vertices, one pixel wider."""


@torch.no_grad()
def pixel_ranges(pixels: Float[Tensor, "image vertex 3"], cameras: Cameras) -> Ranges:
    """The ranges of homogeneous pixels."""
    size = torch.tensor([cameras.width, cameras.height], dtype=pixels.dtype, device=pixels.device)
    narrow = torch.int16 if max(cameras.width, cameras.height) < 1 << 15 else torch.int32
    xy = pixels[..., :2] / pixels[..., 2:].clamp_min(cameras.near)
    # pixel i has its centre at i + 0.5
    centre = xy.sub_(0.5).nan_to_num_()
    bounds = torch.empty((*pixels.shape[:2], 4), dtype=narrow, device=pixels.device)
    none = torch.zeros_like(size)
    bounds[..., :2] = torch.ceil(centre).clamp_(none, size)
    bounds[..., 2:] = torch.floor_(centre).add_(1).clamp_(none, size).neg_()
    behind = pixels[..., 2] < cameras.near
    if not pixels.shape[1] or bool(behind.any()):
        return Ranges(bounds, behind, PixelWindow(0, 0, cameras.width, cameras.height))
    left, top, right, bottom = bounds.flatten(0, 1).amin(0).tolist()
    left, top = max(left - 1, 0), max(top - 1, 0)
    right, bottom = min(1 - right, cameras.width), min(1 - bottom, cameras.height)
    return Ranges(bounds, None, PixelWindow(left, top, max(right - left, 1), max(bottom - top, 1)))


@torch.no_grad()
def triangle_ids(
    pixels: Float[Tensor, "image vertex 3"],
    faces: Int[Tensor, "face 3"],
    cameras: Cameras,
    ranges: Ranges | None = None,
) -> Int[Tensor, "image height width"]:
    """Index of the nearest triangle at each pixel centre, -1 where there is none; both sides are seen.

    Args:
        pixels: Homogeneous pixels, from :func:`engine.rendering.projection.homogeneous_pixels`.
        faces: Vertex indices.
        cameras: Give the image size and the near plane.
        ranges: Of the pixels; only their window is drawn. None: all of the picture.
    """
    if ranges is None:
        ranges = pixel_ranges(pixels, cameras)._replace(
            window=PixelWindow(0, 0, cameras.width, cameras.height)
        )
    window = ranges.window
    images, height, width = len(pixels), window.height, window.width
    nearest = torch.full((images * height * width,), _FAR, dtype=torch.int64, device=pixels.device)
    image, face, box = _boxes(pixels, faces, cameras, ranges)
    if len(face):
        left, top, right, bottom = (box * box.new_tensor([1, 1, -1, -1])).unbind(1)
        rows = bottom - top
        # the place of the first pixel of each box, over all images
        first = (image * height + top - window.top) * width + left - window.left
        edges = _edge_functions(_corners(pixels, faces, image, face), left, top)
        # nothing lies nearer than the near plane where no vertex does
        limit = None if ranges.behind is None else 1.0 / cameras.near
        for part in _parts(rows, ROWS_AT_ONCE):
            spans = _spans(edges[:, :, part], (right - left)[part], rows[part], limit)
            place = first[part].index_select(0, spans.box) + spans.row * width + spans.start
            for piece in _parts(spans.length, PIXELS_AT_ONCE):
                _draw(
                    nearest, place[piece], face[part].index_select(0, spans.box[piece]), spans.select(piece)
                )
    # the lower half, with its sign: that of what is far is -1
    ids = nearest.bitwise_left_shift_(32).bitwise_right_shift_(32)
    return ids.reshape(images, height, width)


def _boxes(
    pixels: Float[Tensor, "image vertex 3"], faces: Int[Tensor, "face 3"], cameras: Cameras, ranges: Ranges
) -> tuple[Int[Tensor, " box"], Int[Tensor, " box"], Int[Tensor, "box 4"]]:
    """Image and index of the triangles that may cover a pixel centre, and their boxes of pixels: left, top, right and
    bottom, the latter two negative and past the last."""
    images, chosen, boxes = [], [], []
    sides = faces.T.contiguous()
    for image, bounds in enumerate(ranges.bounds):
        box = lowest(bounds, sides)
        if ranges.behind is not None:
            _box_behind(box, pixels[image], sides, ranges.behind[image], cameras)
        # most triangles of a fine mesh lie between the centres
        seen = nonzero((box[:, 0] + box[:, 2] < 0) & (box[:, 1] + box[:, 3] < 0))
        chosen.append(seen)
        images.append(torch.full_like(seen, image))
        boxes.append(box.index_select(0, seen))
    return torch.cat(images), torch.cat(chosen), torch.cat(boxes).long()


def lowest(values: Int[Tensor, "vertex 4"], sides: Int[Tensor, "corner shape"]) -> Int[Tensor, "shape 4"]:
    """The least values of the vertices of each triangle or edge."""
    first, *others = (values.index_select(0, vertices) for vertices in sides)
    for other in others:
        torch.minimum(first, other, out=first)
    return first


def _box_behind(
    box: Int[Tensor, "face 4"],
    pixels: Float[Tensor, "vertex 3"],
    sides: Int[Tensor, "3 face"],
    behind: Bool[Tensor, " vertex"],
    cameras: Cameras,
) -> None:
    """Correct the boxes of triangles that reach behind the near plane: their corners there would be mirrored, so that
    the box comes from where their edges cross the plane."""
    count = behind.index_select(0, sides.flatten()).reshape(3, -1).sum(0)
    box[count == 3] = 0
    crossing = nonzero((count > 0) & (count < 3))
    if not len(crossing):
        return
    size = torch.tensor([cameras.width, cameras.height], dtype=pixels.dtype, device=pixels.device)
    low, high = _clipped_box(pixels[sides[:, crossing].T], cameras.near)
    first = torch.ceil(low - 0.5).clamp_min(0).minimum(size)
    end = (torch.floor(high - 0.5) + 1).clamp_min(0).minimum(size)
    end = torch.where(torch.isfinite(end), end, 0)
    box[crossing] = torch.cat([torch.nan_to_num(first), -end], dim=1).to(box.dtype)


def _clipped_box(corners: Float[Tensor, "box 3 3"], near: float) -> tuple[Tensor, Tensor]:
    """Box of the corners in front of the near plane and of the points where edges cross it."""
    following = corners[:, [1, 2, 0]]
    z0, z1 = corners[..., 2], following[..., 2]
    # homogeneous pixels are linear along an edge: the crossing is where z reaches the near plane
    share = ((near - z0) / torch.where(z1 == z0, 1, z1 - z0)).clamp(0, 1)
    cut = torch.lerp(corners[..., :2], following[..., :2], share[..., None]) / near
    crosses = ((z0 >= near) != (z1 >= near))[..., None]
    front = (z0 >= near)[..., None]
    inside = corners[..., :2] / z0.clamp_min(near)[..., None]
    candidates = torch.cat([inside, cut], dim=1)
    valid = torch.cat([front, crosses], dim=1)
    return (
        torch.where(valid, candidates, torch.inf).amin(1),
        torch.where(valid, candidates, -torch.inf).amax(1),
    )


def _corners(
    pixels: Float[Tensor, "image vertex 3"],
    faces: Int[Tensor, "face 3"],
    image: Int[Tensor, " box"],
    face: Int[Tensor, " box"],
) -> list[list[Float[Tensor, " box"]]]:
    """The homogeneous pixels of the corners of triangles: a list for each axis, with an entry for each corner. Single
    numbers are looked up several times as quickly as rows of three."""
    planes = pixels.flatten(0, 1).T.contiguous()
    before = image * pixels.shape[1]
    vertices = [side.index_select(0, face).add_(before) for side in faces.T.contiguous()]
    return [[plane.index_select(0, corner) for corner in vertices] for plane in planes]


def _edge_functions(
    corners: list[list[Float[Tensor, " box"]]], left: Int[Tensor, " box"], top: Int[Tensor, " box"]
) -> Float[Tensor, "3 4 box"]:
    """Coefficients (constant, per column, per row) of the three edge functions over the determinant, and of their sum,
    which is 1 / depth. Relative to the first pixel of the box, so that float32 keeps its digits."""
    x, y, (z0, z1, z2) = corners
    column, row = left.to(z0.dtype) + 0.5, top.to(z0.dtype) + 0.5
    x0, x1, x2 = (x - column * z for x, z in zip(x, (z0, z1, z2), strict=True))
    y0, y1, y2 = (y - row * z for y, z in zip(y, (z0, z1, z2), strict=True))
    # e_i = cross(q_j, q_k), with q = P.xy - p z: constant, then the factors of the pixel's column and row
    result = z0.new_empty(3, 4, len(z0))
    constant = result[0]
    for i, (xj, yj, zj, xk, yk, zk) in enumerate(
        ((x1, y1, z1, x2, y2, z2), (x2, y2, z2, x0, y0, z0), (x0, y0, z0, x1, y1, z1))
    ):
        torch.sub(xj * yk, yj * xk, out=result[0, i])
        torch.sub(yj * zk, zj * yk, out=result[1, i])
        torch.sub(zj * xk, xj * zk, out=result[2, i])
    a, b, c = constant[0] * z0, constant[1] * z1, constant[2] * z2
    determinant = a + b + c
    # the determinant is twice the signed area times depths; below its own rounding error there is no area to see
    largest = torch.maximum(torch.maximum(a.abs_(), b.abs_()), c.abs_())
    noise = 4 * torch.finfo(z0.dtype).eps * largest
    scale = 1 / torch.where(
        determinant.abs() > noise, determinant, torch.nan
    )  # without area, without a picture
    result[:, :3] *= scale
    torch.add(result[:, 0] + result[:, 1], result[:, 2], out=result[:, 3])
    return result


def _parts(counts: Int[Tensor, " item"], limit: int) -> list[slice]:
    """Runs of items with about ``limit`` counts together; one item alone may have more."""
    total = counts.cumsum(0)
    most = int(total[-1]) if len(total) else 0
    if most <= limit:
        return [slice(0, len(counts))] if most else []
    steps = torch.arange(0, most, limit, device=counts.device)
    bounds = sorted(set(torch.searchsorted(total, steps, right=True).tolist()))
    return [slice(a, b) for a, b in pairwise((*bounds, len(counts))) if b > a]


class _Spans(NamedTuple):
    """Runs of covered pixels, one per triangle and row."""

    box: Int[Tensor, " span"]
    row: Int[Tensor, " span"]
    start: Int[Tensor, " span"]
    """First column; row and column count from the first pixel of the triangle's box."""
    length: Int[Tensor, " span"]
    inverse_depth: Float[Tensor, " span"]
    """1 / depth at the first pixel."""
    slope: Float[Tensor, " span"]
    """Its growth per column."""

    def select(self, part: slice) -> "_Spans":
        return _Spans(*(value[part] for value in self))


def _spans(
    edges: Float[Tensor, "3 4 box"], wide: Int[Tensor, " box"], rows: Int[Tensor, " box"], limit: float | None
) -> _Spans:
    """Where all edge functions are positive and 1 / depth is at most ``limit`` (None: it always is), row by row.

    Each of these conditions bounds the columns of a row on one side, as they are linear.
    """
    box = torch.repeat_interleave(rows)
    row = torch.arange(len(box), device=box.device) - (rows.cumsum(0) - rows).index_select(0, box)
    down_by = row.to(edges.dtype)
    # each condition is `value + growth * column >= 0` in a row; it bounds the columns from below where it grows, from
    # above where it falls, and all or none of them where it does neither, as if it grew by next to nothing
    low, high = torch.zeros_like(down_by), (wide - 1).index_select(0, box).to(edges.dtype)
    conditions = [edges[:, number] for number in range(3)]
    if limit is not None:
        conditions.append(-edges[:, 3])
        conditions[-1][0] += limit
    for constant, across, down in conditions:
        growth = torch.where(across == 0, torch.finfo(edges.dtype).tiny, across)
        growth = growth.index_select(0, box)
        value = torch.addcmul(constant.index_select(0, box), down.index_select(0, box), down_by)
        crossing = value.div_(growth).neg_()
        # `torch.where` takes thirty times as long as these; NaN, of what has no area, stays NaN
        side = growth.mul_(torch.inf)
        low = torch.maximum(low, torch.minimum(crossing, side).sub_(OVERLAP_PX))
        high = torch.minimum(high, torch.maximum(crossing, side).add_(OVERLAP_PX))
    # the span lies between the largest lower and the least upper bound, widened against holes between neighbours
    start, end = torch.ceil(low), torch.floor(high)
    # false for NaN, so that such a row stays empty
    kept = nonzero(end >= start)
    box, row, start, end = (part.index_select(0, kept) for part in (box, row, start, end))
    constant, slope, down = (part.index_select(0, box) for part in edges[:, 3])
    at_start = torch.addcmul(constant, down, row.to(down.dtype))
    length = (end - start).long() + 1
    return _Spans(box, row, start.long(), length, at_start + slope * start, slope)


def _draw(
    nearest: Int[Tensor, " pixel"], place: Int[Tensor, " span"], face: Int[Tensor, " span"], spans: _Spans
) -> None:
    """Keep the nearest at every pixel of the spans; ties go to the lower face index."""
    span = torch.repeat_interleave(spans.length)
    step = torch.arange(len(span), device=span.device)
    step -= (spans.length.cumsum(0) - spans.length).index_select(0, span)
    inverse = spans.inverse_depth.index_select(0, span) + spans.slope.index_select(0, span) * step
    # positive floats sort like their bits: depth above, face index below, so that one minimum finds the nearest face
    depth_bits = (1.0 / inverse.clamp_min(_TINY)).float().view(torch.int32).long()
    keys = (depth_bits << 32) | face.index_select(0, span)
    nearest.scatter_reduce_(0, place.index_select(0, span) + step, keys, "amin")
