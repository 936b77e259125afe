"""All meshes of a shot as one list of triangles with colours: what a renderer draws, whatever the pose."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor

from engine.rendering.mesh.topology import Triangles, face_neighbours, triangulate
from engine.settings.choices import Appearance
from usd_io.errors import UsdIoError, shown
from usd_io.model import Character, Mesh, Primvar

LoadTexture = Callable[[str], bytes]

CLAY = (0.72, 0.70, 0.68)
GREY = (0.6, 0.6, 0.6)
"""Of what has no colour in the file."""
LARGEST_TEXTURE = 1024
"""Larger images are reduced to this [pixels]: pictures are smaller still, and more detail would only flicker."""


@dataclass(frozen=True, eq=False)
class Surface:
    """Triangles and their looks; vertices are those of all meshes one after another. Colours are sRGB in [0, 1]."""

    faces: Int[Tensor, "face 3"]
    edges: Int[Tensor, "edge 2"]
    """Vertices of every edge."""
    edge_faces: Int[Tensor, "edge 2"]
    """Faces at both sides of an edge, -1 where there is none."""
    face_mesh: Int[Tensor, " face"]
    """Index of the mesh, over all characters."""
    corner_colors: Float[Tensor, "face 3 3"]
    corner_uvs: Float[Tensor, "face 3 2"]
    face_texture: Int[Tensor, " face"]
    """Index into ``textures``, -1 where ``corner_colors`` count."""
    textures: tuple[Float[Tensor, "texture_height texture_width 3"], ...]
    """Row 0 on top."""
    canonical: Float[Tensor, "vertex 3"]
    """Bind-pose positions in the unit box of each character."""
    warnings: tuple[str, ...] = ()

    def to(self, like: Tensor) -> "Surface":
        """The same on the device and in the precision of a tensor."""
        moved: dict[str, Any] = {
            name: value.to(like.device, like.dtype if value.is_floating_point() else value.dtype)
            for name, value in vars(self).items()
            if isinstance(value, Tensor)
        }
        return replace(self, **moved, textures=tuple(t.to(like) for t in self.textures))


def build_surface(
    characters: Sequence[Character], load_texture: LoadTexture, appearance: Appearance = "textured"
) -> Surface:
    """Triangulate all meshes of some characters and find their colours.

    Args:
        characters: In the order in which their vertices will be given.
        load_texture: Bytes of an image file from ``Material.texture``; a UsdIoError of it becomes a warning.
        appearance: ``shaded`` and ``canonical`` need no texture, so none is read.
    """
    meshes = [mesh for character in characters for mesh in character.meshes]
    parts, looks, first = [], _Looks(load_texture, appearance), 0
    for mesh in meshes:
        triangles = triangulate(mesh)
        parts.append((triangles.faces + first, *looks.of(mesh, triangles)))
        first += len(mesh.points)
    faces, colors, uvs, textures = (np.concatenate(p) for p in zip(*parts, strict=True))
    canonical = np.concatenate([_unit_box(character) for character in characters if character.meshes])
    edges, edge_faces = face_neighbours(faces, canonical)
    counts = [len(part[0]) for part in parts]
    return Surface(
        faces=torch.from_numpy(faces),
        edges=torch.from_numpy(edges),
        edge_faces=torch.from_numpy(edge_faces),
        face_mesh=torch.from_numpy(np.repeat(np.arange(len(meshes)), counts)),
        corner_colors=torch.from_numpy(colors.astype(np.float32)),
        corner_uvs=torch.from_numpy(uvs.astype(np.float32)),
        face_texture=torch.from_numpy(textures),
        textures=tuple(looks.textures),
        canonical=torch.from_numpy(canonical.astype(np.float32)),
        warnings=tuple(looks.warnings),
    )


def encode_srgb(linear: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """Linear light to display values (IEC 61966-2-1)."""
    value = np.clip(linear, 0, 1)
    return np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)


def decode_image(data: bytes) -> Float[Tensor, "height width 3"]:
    """An image file as display colours in [0, 1], transparency left out; reduced where it is large."""
    with Image.open(io.BytesIO(data)) as opened:
        image = opened.convert("RGB")
    image.thumbnail((LARGEST_TEXTURE, LARGEST_TEXTURE), Image.Resampling.BOX)
    return torch.from_numpy(np.asarray(image, np.float32) / 255)


class _Looks:
    """Finds the colours of meshes and reads each texture once."""

    def __init__(self, load_texture: LoadTexture, appearance: Appearance) -> None:
        self.textures: list[Tensor] = []
        self.warnings: list[str] = []
        self._load = load_texture
        self._appearance = appearance
        self._known: dict[str, int] = {}

    def of(
        self, mesh: Mesh, triangles: Triangles
    ) -> tuple[Float[np.ndarray, "face 3 3"], Float[np.ndarray, "face 3 2"], Int[np.ndarray, " face"]]:
        """Corner colours, corner uvs and textures of the triangles of a mesh."""
        count = len(triangles.faces)
        texture = np.full(count, -1)
        uvs = np.zeros((count, 3, 2))
        if self._appearance != "textured":
            return np.broadcast_to(np.array(CLAY), (count, 3, 3)), uvs, texture
        colors = np.broadcast_to(np.array(GREY), (count, 3, 3)).copy()
        if mesh.display_color is not None:
            colors = encode_srgb(_at_corners(mesh.display_color, triangles).astype(float))
        if mesh.uv is not None:
            uvs = _at_corners(mesh.uv, triangles).astype(float)
        materials = (
            np.full(count, -1) if mesh.face_material is None else mesh.face_material[triangles.polygon]
        )
        for index, material in enumerate(mesh.materials):
            chosen = materials == index
            if material.diffuse_color is not None:
                colors[chosen] = encode_srgb(np.array(material.diffuse_color))
            elif material.texture is not None and mesh.uv is not None:
                texture[chosen] = self._texture(material.texture)
        return colors, uvs, texture

    def _texture(self, path: str) -> int:
        if path not in self._known:
            try:
                self.textures.append(decode_image(self._load(path)))
                self._known[path] = len(self.textures) - 1
            except (UsdIoError, OSError, Image.DecompressionBombError) as error:
                self.warnings.append(
                    f"the texture {shown(path)} cannot be read and is left out: {shown(error)}"
                )
                self._known[path] = -1
        return self._known[path]


def _at_corners(primvar: Primvar, triangles: Triangles) -> Float[np.ndarray, "face 3 channel"]:
    """Values of a primvar at the three corners of each triangle."""
    if primvar.interpolation == "faceVarying":
        return primvar.values[triangles.corners]
    if primvar.interpolation == "vertex":
        return primvar.values[triangles.faces]
    element = triangles.polygon if primvar.interpolation == "uniform" else np.zeros(len(triangles.faces), int)
    return np.repeat(primvar.values[element][:, None], 3, axis=1)


def _unit_box(character: Character) -> Float[np.ndarray, "vertex 3"]:
    """Bind-pose points of a character, moved and scaled alike along all axes into the unit box."""
    points = np.concatenate(
        [
            mesh.points.astype(float) @ mesh.T_skel_mesh[:3, :3].T + mesh.T_skel_mesh[:3, 3]
            for mesh in character.meshes
        ]
    )
    low, high = points.min(0), points.max(0)
    size = (high - low).max()
    return (points - (low + high) / 2) / (size if size > 0 else 1) + 0.5
