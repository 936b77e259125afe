"""All meshes of a shot as one list of triangles with colours, in numpy."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from PIL import Image

from engine.rendering.mesh.topology import Triangles, triangulate
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
class Looks:
    """Triangles and their colours; vertices are those of all meshes one after another. Colours are sRGB in [0, 1]."""

    faces: Int[np.ndarray, "face 3"]
    face_mesh: Int[np.ndarray, " face"]
    """Index of the mesh, over all characters."""
    corner_colors: Float[np.ndarray, "face 3 3"]
    corner_uvs: Float[np.ndarray, "face 3 2"]
    face_texture: Int[np.ndarray, " face"]
    """Index into ``textures``, -1 where ``corner_colors`` count."""
    textures: tuple[Float[np.ndarray, "texture_height texture_width 3"], ...]
    """Row 0 on top."""
    canonical: Float[np.ndarray, "vertex 3"]
    """Bind-pose positions in the unit box of each character."""
    warnings: tuple[str, ...] = ()


def find_looks(
    characters: Sequence[Character], load_texture: LoadTexture, appearance: Appearance = "textured"
) -> Looks:
    """Triangulate all meshes of some characters and find their colours.

    Args:
        characters: In the order in which their vertices will be given.
        load_texture: Bytes of an image file from ``Material.texture``; a UsdIoError of it becomes a warning.
        appearance: ``shaded`` and ``canonical`` need no texture, so none is read.
    """
    meshes = [mesh for character in characters for mesh in character.meshes]
    parts, finder, first = [], _Finder(load_texture, appearance), 0
    for mesh in meshes:
        triangles = triangulate(mesh)
        parts.append((triangles.faces + first, *finder.of(mesh, triangles)))
        first += len(mesh.points)
    faces, colors, uvs, textures = (np.concatenate(p) for p in zip(*parts, strict=True))
    counts = [len(part[0]) for part in parts]
    return Looks(
        faces=faces,
        face_mesh=np.repeat(np.arange(len(meshes)), counts),
        corner_colors=colors.astype(np.float32),
        corner_uvs=uvs.astype(np.float32),
        face_texture=textures,
        textures=tuple(finder.textures),
        canonical=np.concatenate([_unit_box(character) for character in characters if character.meshes]),
        warnings=tuple(finder.warnings),
    )


def encode_srgb(linear: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """Linear light to display values (IEC 61966-2-1)."""
    value = np.clip(linear, 0, 1)
    return np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)


def decode_image(data: bytes) -> Float[np.ndarray, "height width 3"]:
    """An image file as display colours in [0, 1], transparency left out; reduced where it is large."""
    with Image.open(io.BytesIO(data)) as opened:
        image = opened.convert("RGB")
    image.thumbnail((LARGEST_TEXTURE, LARGEST_TEXTURE), Image.Resampling.BOX)
    return np.asarray(image, np.float32) / 255


class _Finder:
    """Finds the colours of meshes and reads each texture once."""

    def __init__(self, load_texture: LoadTexture, appearance: Appearance) -> None:
        self.textures: list[Float[np.ndarray, "height width 3"]] = []
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
