"""The colour of surface points before light: from vertices, textures, or the bind pose."""

import torch
from torch import Tensor

from engine.rendering.mesh.surface import Surface
from engine.rendering.torch_renderer.fragments import Fragments
from engine.rendering.torch_renderer.rasterise import nonzero
from engine.settings.choices import Appearance
from usd_io.shapes import Float, Int


def base_colors(surface: Surface, fragments: Fragments, appearance: Appearance) -> Float[Tensor, "pixel 3"]:
    """Display colours in [0, 1] of all covered pixels."""
    if appearance == "canonical":
        corners = surface.faces.index_select(0, fragments.face)
        positions = surface.canonical.index_select(0, corners.flatten()).reshape(-1, 3, 3)
        return fragments.interpolate(positions)
    colors = fragments.interpolate(_of_faces(surface.corner_colors, fragments.face))
    if appearance == "shaded" or not surface.textures:
        return colors
    uv = fragments.interpolate(_of_faces(surface.corner_uvs, fragments.face))
    which = surface.face_texture.index_select(0, fragments.face)
    for index, texture in enumerate(surface.textures):
        chosen = nonzero(which == index)
        colors = colors.index_copy(0, chosen, sample_texture(texture, uv.index_select(0, chosen)))
    return colors


def _of_faces(
    values: Float[Tensor, "face 3 channel"], face: Int[Tensor, " pixel"]
) -> Float[Tensor, "#pixel 3 channel"]:
    """Values of the corners of some faces; one entry serves all where they are held once."""
    if len(values) and values.stride(0) == 0:
        return values[:1]
    return values.index_select(0, face)


def sample_texture(
    texture: Float[Tensor, "texture_height texture_width 3"], uv: Float[Tensor, "pixel 2"]
) -> Float[Tensor, "pixel 3"]:
    """Bilinear, repeating; (0, 0) is the lower left corner of the image, as UsdUVTexture has it."""
    height, width = texture.shape[:2]
    x = uv[:, 0] * width - 0.5
    y = (1 - uv[:, 1]) * height - 0.5
    column, row = x.detach().floor(), y.detach().floor()
    right, below = (x - column)[:, None], (y - row)[:, None]
    c0, r0 = column.long() % width, row.long() % height
    c1, r1 = (c0 + 1) % width, (r0 + 1) % height
    texels = texture.flatten(0, 1)
    upper = torch.lerp(
        texels.index_select(0, r0 * width + c0), texels.index_select(0, r0 * width + c1), right
    )
    lower = torch.lerp(
        texels.index_select(0, r1 * width + c0), texels.index_select(0, r1 * width + c1), right
    )
    return torch.lerp(upper, lower, below)
