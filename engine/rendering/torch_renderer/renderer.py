"""The renderer: vertices and cameras to pictures, differentiable in the vertices, on any device torch knows."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.rendering.camera import Cameras
from engine.rendering.mesh.surface import Dye, Surface
from engine.rendering.projection import camera_points, homogeneous_pixels
from engine.rendering.torch_renderer.appearance import base_colors
from engine.rendering.torch_renderer.fragments import Fragments, make_fragments
from engine.rendering.torch_renderer.rasterise import PixelWindow, nonzero, pixel_ranges, triangle_ids
from engine.rendering.torch_renderer.shade import CAMERA_LIGHT, Lighting, normals_of, phong
from engine.rendering.torch_renderer.silhouette import antialias
from engine.settings.choices import Appearance
from usd_io.shapes import Float, Int, UInt8


@dataclass(frozen=True, eq=False)
class Backdrop:
    """What stands still behind and below the characters, one picture per camera."""

    rgb: Float[Tensor, "#image height width 3"]
    depth: Float[Tensor, "#image height width"]
    """inf where nothing is; characters further away than this are hidden."""


@dataclass(frozen=True, eq=False)
class Images:
    """Pictures with what is known of each pixel."""

    rgb: Float[Tensor, "image height width 3"]
    """Display colours (sRGB) in [0, 1]."""
    mask: Float[Tensor, "image height width"]
    """Share of each pixel that characters cover; 0 or 1 where outlines are not antialiased."""
    depth: Float[Tensor, "image height width"]
    """Of the characters [stage units], inf where none is."""
    mesh: Int[Tensor, "image height width"]
    """Index of the visible mesh, -1 for none."""
    face_id: Int[Tensor, "image height width"] | None
    """Index of the visible triangle, -1 for none; None where the renderer does not know it."""


def render(
    vertices: Float[Tensor, "image vertex 3"],
    cameras: Cameras,
    surface: Surface,
    *,
    appearance: Appearance = "textured",
    lighting: Lighting | None = None,
    backdrop: Backdrop | None = None,
    antialiased: bool = False,
) -> Images:
    """Draw a batch of images.

    Args:
        vertices: World points of all meshes, in the order of the surface [stage units]. Their device and
            precision are those of the result.
        cameras: One for all images, or one per image.
        surface: From :func:`engine.rendering.mesh.surface.build_surface`.
        appearance: Colours of the surface; ``canonical`` takes no light.
        lighting: None takes the default.
        backdrop: None is white.
        antialiased: Blend outlines, which gives images a gradient across them
        (:mod:`engine.rendering.torch_renderer.silhouette`).
    """
    images, window = draw_window(
        vertices,
        cameras,
        surface,
        appearance=appearance,
        lighting=lighting,
        backdrop=backdrop,
        antialiased=antialiased,
    )
    return _within(images, window, cameras, backdrop)


def draw_window(
    vertices: Float[Tensor, "image vertex 3"],
    cameras: Cameras,
    surface: Surface,
    *,
    appearance: Appearance,
    lighting: Lighting | None,
    backdrop: Backdrop | None,
    antialiased: bool,
) -> tuple[Images, PixelWindow]:
    """The part of the images that characters can be seen in, and where it is; see :func:`render`."""
    surface = surface.to(vertices)
    points = camera_points(cameras, vertices)
    pixels = homogeneous_pixels(cameras, points)
    # the picture around the window is the backdrop
    ranges = pixel_ranges(pixels, cameras)
    window = ranges.window
    behind = None if backdrop is None else Backdrop(window.of(backdrop.rgb), window.of(backdrop.depth))
    ids = triangle_ids(pixels, surface.faces, cameras, ranges)
    fragments = make_fragments(ids, pixels, surface.faces, cameras, window)
    if behind is not None:
        ids, fragments = _hide_behind(ids, fragments, behind)
    colors = base_colors(surface, fragments, appearance)
    if appearance != "canonical":
        colors = _light(colors, fragments, points, surface, cameras, lighting or Lighting())
    if surface.dye is not None:
        colors = _dyed(colors, fragments, surface, surface.dye)
    canvas = _background(ids, vertices, behind).flatten(0, 2)
    covered = torch.cat([colors, torch.ones_like(colors[:, :1])], dim=-1)
    canvas = canvas.index_copy_(0, fragments.place, covered).reshape(*ids.shape, 4)
    infinite = canvas.new_full((ids.numel(),), torch.inf)
    depth = infinite.index_copy_(0, fragments.place, fragments.depth).reshape(ids.shape)
    if antialiased:
        seen = depth.detach()
        if behind is not None:
            seen = torch.minimum(seen, behind.depth.to(seen))  # what lies further away was taken out
        canvas = antialias(canvas, seen, pixels, surface, cameras, ranges)
    mesh = torch.full_like(ids, -1).flatten()
    mesh = mesh.index_copy_(0, fragments.place, surface.face_mesh.index_select(0, fragments.face))
    mesh = mesh.reshape(ids.shape)
    return Images(canvas[..., :3], canvas[..., 3], depth, mesh, ids), window


def _within(images: Images, window: PixelWindow, cameras: Cameras, backdrop: Backdrop | None) -> Images:
    """Whole pictures: the backdrop, and what was drawn in the window of it."""
    size = len(images.rgb), cameras.height, cameras.width
    if (window.height, window.width) == size[1:]:
        return images

    def whole(part: Tensor, rest: float) -> Tensor:
        result = part.new_full((*size, *part.shape[3:]), rest)
        window.of(result).copy_(part)
        return result

    rgb = torch.ones((*size, 3), dtype=images.rgb.dtype, device=images.rgb.device)
    if backdrop is not None:
        rgb.copy_(backdrop.rgb.to(rgb))
    window.of(rgb).copy_(images.rgb)
    assert images.face_id is not None
    return Images(
        rgb,
        whole(images.mask, 0),
        whole(images.depth, torch.inf),
        whole(images.mesh, -1),
        whole(images.face_id, -1),
    )


def to_bytes(rgb: Float[Tensor, "image height width 3"]) -> UInt8[np.ndarray, "image height width 3"]:
    """Display colours in [0, 1] as bytes."""
    result: UInt8[np.ndarray, "image height width 3"] = (
        (rgb * 255).add_(0.5).clamp_(0, 255).to(torch.uint8).cpu().numpy()
    )
    return result


def one_by_one(
    drawing_at: Callable[[float], Callable[[Tensor, Cameras, Backdrop | None], Images]],
    vertices: Float[Tensor, "image vertex 3"],
    cameras: Cameras,
    backdrop: Backdrop | None,
    times: Float[np.ndarray, " image"],
) -> Images:
    """A batch of images of a surface that looks otherwise at each of their times [time codes].

    Args:
        drawing_at: Gives what draws a batch of images as the surface looks at a time.
        vertices: As for :func:`render`, as are
        cameras: and
        backdrop: one, or one per image.
        times: Of the images.
    """
    parts = []
    for i, time in enumerate(times.tolist()):
        one = slice(i, i + 1)
        behind = backdrop
        if backdrop is not None and len(backdrop.rgb) > 1:
            behind = Backdrop(backdrop.rgb[one], backdrop.depth[one])
        camera = cameras.at(one) if len(cameras) > 1 else cameras
        parts.append(drawing_at(time)(vertices[one], camera, behind))
    ids = [part.face_id for part in parts if part.face_id is not None]
    rgb, mask, depth, mesh = (
        torch.cat([getattr(part, name) for part in parts]) for name in ("rgb", "mask", "depth", "mesh")
    )
    return Images(rgb, mask, depth, mesh, torch.cat(ids) if ids else None)


def _hide_behind(
    ids: Int[Tensor, "image height width"], fragments: Fragments, backdrop: Backdrop
) -> tuple[Int[Tensor, "image height width"], Fragments]:
    """Take out the pixels where the backdrop, the ground for example, is nearer."""
    depth = fragments.depth.detach()
    limit = backdrop.depth.to(depth).expand(ids.shape).reshape(-1).index_select(0, fragments.place)
    hidden = depth > limit
    if not hidden.any():
        return ids, fragments
    flat = ids.flatten().index_fill(0, fragments.place[hidden], -1)
    return flat.reshape(ids.shape), fragments.select(nonzero(~hidden))


def _light(
    colors: Float[Tensor, "pixel 3"],
    fragments: Fragments,
    points: Float[Tensor, "image vertex 3"],
    surface: Surface,
    cameras: Cameras,
    lighting: Lighting,
) -> Float[Tensor, "pixel 3"]:
    if lighting.diffuse == 0 and lighting.specular == 0:
        return colors * lighting.ambient
    normals = normals_of(points, surface.faces, fragments.corners.flatten())
    normal = fragments.interpolate(normals.reshape(-1, 3, 3))
    if lighting.world_position is None:
        direction = torch.tensor(CAMERA_LIGHT, dtype=points.dtype, device=points.device)
        light = direction * fragments.depth.detach()[:, None]
    else:
        world = torch.tensor([[lighting.world_position]], dtype=points.dtype, device=points.device)
        light = camera_points(cameras, world)[:, 0].expand(len(points), 3).index_select(0, fragments.image)
    return phong(colors, fragments, normal, light, lighting)


def _dyed(
    colors: Float[Tensor, "pixel 3"], fragments: Fragments, surface: Surface, dye: Dye
) -> Float[Tensor, "pixel 3"]:
    corners = surface.faces.index_select(0, fragments.face)
    tint = fragments.interpolate(dye.tint.index_select(0, corners.flatten()).reshape(-1, 3, 3))
    return (dye.gain * colors + dye.offset + tint).clamp(0, 1)


def _background(
    ids: Int[Tensor, "image height width"], like: Tensor, backdrop: Backdrop | None
) -> Float[Tensor, "image height width 4"]:
    rgb = like.new_ones(1, *ids.shape[1:], 3) if backdrop is None else backdrop.rgb.to(like)
    one = torch.cat([rgb, torch.zeros_like(rgb[..., :1])], dim=-1)
    return one.expand(*ids.shape, 4).clone(memory_format=torch.contiguous_format)
