"""Which triangle covers each pixel: a z-buffer in plain torch, for CPU and CUDA, without gradients.

Edge functions in homogeneous pixels (Olano and Greer 1997, "Triangle scan conversion using 2D homogeneous
coordinates"): for vertices ``P_i = (x_i z_i, y_i z_i, z_i)`` and a pixel centre p, with ``q_i = P_i.xy - p z_i``,
``e_i = cross(q_j, q_k)`` is proportional to the perspective-correct barycentric coordinate of vertex i. It is
linear in p, holds for vertices behind the camera, and the depth is ``det / sum(e)``. So each row of pixels meets
a triangle in a span that follows from linear inequalities, the near plane among them; none is ever cut.
"""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from engine.rendering.camera import Cameras
from usd_io.shapes import Float, Int

ROWS_AT_ONCE = 1 << 20
"""Rows of triangles looked at together, and"""
PIXELS_AT_ONCE = 1 << 21
"""pixels drawn together: bounds memory when large triangles come close."""
OVERLAP_PX = 1e-4
"""Triangles reach this far over their edges, so that rounding leaves no hole between two of them."""
NONE = -1
"""Face id where no triangle is."""
_FAR = (1 << 63) - 1
_FACE_BITS = (1 << 32) - 1
_TINY = 1e-30


@torch.no_grad()
def triangle_ids(
    pixels: Float[Tensor, "image vertex 3"], faces: Int[Tensor, "face 3"], cameras: Cameras
) -> Int[Tensor, "image height width"]:
    """Index of the nearest triangle at each pixel centre, -1 where there is none; both sides are seen.

    Args:
        pixels: Homogeneous pixels, from :func:`engine.rendering.projection.homogeneous_pixels`.
        faces: Vertex indices.
        cameras: Give the image size and the near plane.
    """
    images, height, width = len(pixels), cameras.height, cameras.width
    nearest = torch.full((images * height * width,), _FAR, dtype=torch.int64, device=pixels.device)
    # one box of pixels per image and triangle; those without any pixel go first
    corners = pixels.index_select(1, faces.flatten()).reshape(-1, 3, 3)
    left, right, top, bottom = _boxes(corners, cameras)
    seen = torch.nonzero((right > left) & (bottom > top))[:, 0]
    if len(seen):
        corners, left, right, top = (v.index_select(0, seen) for v in (corners, left, right, top))
        rows = bottom.index_select(0, seen) - top
        # image and triangle share one index, the triangle's the faster one; `first` counts rows over all images
        face, first = seen % len(faces), torch.div(seen, len(faces), rounding_mode="floor") * height + top
        edges = _edge_functions(corners, left, top)
        for part in _parts(rows, ROWS_AT_ONCE):
            spans = _spans(edges[part], (right - left)[part], rows[part], 1.0 / cameras.near)
            place = (
                (first[part] * width + left[part]).index_select(0, spans.box)
                + spans.row * width
                + spans.start
            )
            for piece in _parts(spans.length, PIXELS_AT_ONCE):
                _draw(
                    nearest, place[piece], face[part].index_select(0, spans.box[piece]), spans.select(piece)
                )
    return torch.where(nearest == _FAR, NONE, nearest & _FACE_BITS).reshape(images, height, width)


def _boxes(corners: Float[Tensor, "box 3 3"], cameras: Cameras) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Half-open ranges of the pixels whose centres lie in the box of each triangle's visible part."""
    # a triangle in front of the near plane is as large as its corners tell; the corners of one that crosses it would be
    # mirrored behind the camera, so that its box comes from where its edges cross the plane
    z = corners[..., 2]
    xy = corners[..., :2] / z.clamp_min(cameras.near)[..., None]
    low, high = xy.amin(1), xy.amax(1)
    front = z >= cameras.near
    crossing = torch.nonzero(front.any(1) & ~front.all(1))[:, 0]
    if len(crossing):
        low[crossing], high[crossing] = _clipped_box(corners[crossing], cameras.near)
    size = torch.tensor([cameras.width, cameras.height], dtype=low.dtype, device=low.device)
    # pixel i has its centre at i + 0.5 and belongs to the box when that lies inside
    first = torch.ceil(low - 0.5).clamp_min(0).minimum(size)
    end = (torch.floor(high - 0.5) + 1).minimum(size)
    end = torch.where(front.any(1)[:, None] & torch.isfinite(end), end, 0).long()
    first = torch.nan_to_num(first).long()
    return first[:, 0], end[:, 0], first[:, 1], end[:, 1]


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


def _edge_functions(
    corners: Float[Tensor, "box 3 3"], left: Int[Tensor, " box"], top: Int[Tensor, " box"]
) -> Float[Tensor, "box 3 3"]:
    """Coefficients (constant, per column, per row) of the three edge functions over the determinant; their sum is
    1 / depth. Relative to the first pixel of the box, so that float32 keeps its digits."""
    origin = torch.stack([left, top], dim=-1).to(corners.dtype) + 0.5
    z = corners[..., 2]
    x, y = (corners[..., :2] - origin[:, None] * z[..., None]).unbind(-1)
    (z0, z1, z2), (x0, x1, x2), (y0, y1, y2) = z.unbind(1), x.unbind(1), y.unbind(1)
    # e_i = cross(q_j, q_k), with q = P.xy - p z: constant, then the factors of the pixel's column and row
    e0 = torch.stack([x1 * y2 - y1 * x2, y1 * z2 - z1 * y2, z1 * x2 - x1 * z2], dim=-1)
    e1 = torch.stack([x2 * y0 - y2 * x0, y2 * z0 - z2 * y0, z2 * x0 - x2 * z0], dim=-1)
    e2 = torch.stack([x0 * y1 - y0 * x1, y0 * z1 - z0 * y1, z0 * x1 - x0 * z1], dim=-1)
    terms = torch.stack([e0[:, 0] * z0, e1[:, 0] * z1, e2[:, 0] * z2])
    determinant = terms.sum(0)
    # the determinant is twice the signed area times depths; below its own rounding error there is no area to see
    noise = 4 * torch.finfo(corners.dtype).eps * terms.abs().amax(0)
    scale = 1 / torch.where(
        determinant.abs() > noise, determinant, torch.nan
    )  # without area, without a picture
    return torch.stack([e0, e1, e2], dim=1) * scale[:, None, None]


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
    edges: Float[Tensor, "box 3 3"], wide: Int[Tensor, " box"], rows: Int[Tensor, " box"], limit: float
) -> _Spans:
    """Where all edge functions are positive and 1 / depth is at most ``limit``, row by row.

    Each of these conditions bounds the columns of a row on one side, as they are linear.
    """
    box = torch.repeat_interleave(rows)
    row = torch.arange(len(box), device=box.device) - (rows.cumsum(0) - rows).index_select(0, box)
    inverse = edges.sum(1, keepdim=True)
    # the fourth condition: 1 / depth may not exceed that of the near plane
    near = inverse.new_tensor([[[limit, 0, 0]]]) - inverse
    conditions = torch.cat([edges, near], dim=1).index_select(0, box)
    # each condition is `value + growth * column >= 0` in a row; it bounds the columns from below where it grows, from
    # above where it falls, and all or none of them where it does neither
    value = conditions[..., 0] + conditions[..., 2] * row[:, None]
    growth = conditions[..., 1]
    crossing = -value / growth
    open_left = (growth < 0) | ((growth == 0) & (value >= 0))  # false for NaN, so that such a row stays empty
    low = torch.where(growth > 0, crossing, torch.where(open_left, -torch.inf, torch.inf))
    high = torch.where(growth < 0, crossing, torch.inf)
    last = (wide - 1).index_select(0, box)
    # the span lies between the largest lower and the least upper bound, widened against holes between neighbours
    start = torch.ceil(low.amax(1) - OVERLAP_PX).clamp_min(0)
    end = torch.floor(high.amin(1) + OVERLAP_PX).minimum(last.to(edges.dtype))
    kept = torch.nonzero(end >= start)[:, 0]
    start, length = start[kept], (end - start)[kept].long() + 1
    box, row = box[kept], row[kept]
    at_start = inverse[:, 0].index_select(0, box)
    inverse_depth = at_start[:, 0] + at_start[:, 2] * row + at_start[:, 1] * start
    return _Spans(box, row, start.long(), length, inverse_depth, at_start[:, 1])


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
