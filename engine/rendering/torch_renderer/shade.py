"""Light on surfaces: one Phong model for every picture, in display colours as the paper's renderer has it."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from engine.rendering.torch_renderer.fragments import Fragments
from engine.rendering.torch_renderer.rasterise import nonzero
from usd_io.shapes import Float, Int


@dataclass(frozen=True)
class Lighting:
    """A point light and how surfaces answer it."""

    ambient: float = 0.5
    diffuse: float = 0.5
    specular: float = 0.08
    shininess: float = 32.0
    world_position: tuple[float, float, float] | None = None
    """Place of the light [stage units]; None: it goes with the camera, above it to the left."""
    two_sided: bool = True
    """Light the side that is seen, also of open surfaces."""


UNLIT = Lighting(ambient=1.0, diffuse=0.0, specular=0.0)
"""Colours as they are."""
PAPER_LIGHT = Lighting(
    diffuse=0.3, specular=0.2, shininess=64.0, world_position=(0.0, 0.0, 3.0), two_sided=False
)
"""What the paper's renderer uses: PyTorch3D's defaults and a light in front, so that backs get ambient light only."""
CAMERA_LIGHT = (-0.5, -0.7, 0.0)
"""The light that goes with the camera, in camera space, as parts of the depth of what it lights."""


def vertex_normals(
    points: Float[Tensor, "image vertex 3"], faces: Int[Tensor, "face 3"]
) -> Float[Tensor, "image vertex 3"]:
    """Unit normals: means of those of the faces around each vertex, weighted by area."""
    flat = points.transpose(0, 1)
    a, b, c = (flat.index_select(0, faces[:, k]) for k in range(3))
    normals = torch.linalg.cross(b - a, c - a)
    total = torch.zeros_like(flat).index_add(0, faces.T.flatten(), normals.repeat(3, 1, 1))
    return normalize(total.transpose(0, 1), dim=-1, eps=1e-12)


def normals_of(
    points: Float[Tensor, "image vertex 3"],
    faces: Int[Tensor, "face 3"],
    vertices: Int[Tensor, " chosen"],
) -> Float[Tensor, "chosen 3"]:
    """Those of :func:`vertex_normals`, of some vertices of all images laid out flat, from the faces around them alone:
    of a fine mesh few vertices are seen."""
    images, count = points.shape[:2]
    wanted = torch.zeros(images * count, dtype=torch.bool, device=points.device).index_fill_(
        0, vertices, True
    )
    sides = faces.T.contiguous()
    around = []
    for image, own in enumerate(wanted.reshape(images, count)):
        first, second, third = (own.index_select(0, side) for side in sides)
        chosen = nonzero(first.logical_or_(second).logical_or_(third))
        around.append(sides.index_select(1, chosen) + image * count)
    used = torch.cat(around, dim=1)
    flat = points.flatten(0, 1)
    a, b, c = (flat.index_select(0, side) for side in used)
    normals = torch.linalg.cross(b - a, c - a)
    total = torch.zeros_like(flat)
    for side in used:
        total = total.index_add(0, side, normals)
    return _unit(total.index_select(0, vertices))


def phong(
    colors: Float[Tensor, "pixel 3"],
    fragments: Fragments,
    normals: Float[Tensor, "pixel 3"],
    light: Float[Tensor, "pixel 3"],
    lighting: Lighting,
) -> Float[Tensor, "pixel 3"]:
    """Phong 1975, "Illumination for computer generated pictures", in camera space.

    Args:
        colors: Of the surface, in [0, 1].
        fragments: Give the lit points.
        normals: Interpolated normals, of any length.
        light: Place of the light, in camera space [stage units].
        lighting: Reflectances.
    """
    normal = _unit(normals)
    to_light = _unit(light - fragments.ray * fragments.depth[:, None])
    to_camera = -_unit(fragments.ray)
    facing = _dot(normal, to_camera)
    cosine = _dot(normal, to_light)
    if lighting.two_sided:
        side = torch.where(facing < 0, -1.0, 1.0).to(facing)
        facing, cosine = facing * side, cosine * side
    lit = lighting.ambient + lighting.diffuse * cosine.clamp_min(0)
    # the mirrored direction is 2 cosine normal - to_light
    glance = (2 * cosine * facing - _dot(to_light, to_camera)).clamp_min(0)
    glint = torch.where(cosine > 0, glance, 0) ** lighting.shininess
    return colors * lit[:, None] + lighting.specular * glint[:, None]


def _dot(a: Float[Tensor, "pixel 3"], b: Float[Tensor, "pixel 3"]) -> Float[Tensor, " pixel"]:
    return a[:, 0] * b[:, 0] + a[:, 1] * b[:, 1] + a[:, 2] * b[:, 2]


def _unit(a: Float[Tensor, "pixel 3"]) -> Float[Tensor, "pixel 3"]:
    return a * torch.rsqrt(_dot(a, a).clamp_min(1e-24))[:, None]
