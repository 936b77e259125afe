"""All meshes of a shot as one list of triangles with colours, in numpy."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from engine.rendering.mesh.topology import Triangles, triangulate
from engine.settings.choices import Appearance
from usd_io.errors import UsdIoError, shown
from usd_io.model import Character, Mesh, Primvar
from usd_io.shapes import Float, Int, UInt8

LoadTexture = Callable[[str], bytes]

CLAY = (0.72, 0.70, 0.68)
GREY = (0.6, 0.6, 0.6)
"""Of what has no colour in the file."""
LARGEST_TEXTURE = 1024
"""Larger images are reduced to this [pixels]: pictures are smaller still, and more detail would only flicker."""
KEPT_TEXTURES = 32
"""Images kept at a time."""


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
    textures: tuple[UInt8[np.ndarray, "texture_height texture_width 3"], ...]
    """Display RGB, row 0 on top; as bytes, for they are most of what a picture of the shot has to hold."""
    canonical: Float[np.ndarray, "vertex 3"]
    """Bind-pose positions in the unit box of each character."""
    warnings: tuple[str, ...] = ()
    changing: "Callable[[float], Looks] | None" = None
    """Gives the colours at a time code; None where they are always the same."""

    def at(self, time: float) -> "Looks":
        """As they are at a time code."""
        return self if self.changing is None else self.changing(time)


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
    triangles = [triangulate(mesh) for mesh in meshes]
    firsts = np.cumsum([0, *(len(mesh.points) for mesh in meshes)])
    images = _Textures(load_texture)
    finder = _Finder(images, appearance)
    colors, uvs, textures = finder.all_of(meshes, triangles)
    looks = Looks(
        faces=triangles[0].faces
        if len(meshes) == 1
        else np.concatenate([own.faces + first for own, first in zip(triangles, firsts, strict=False)]),
        face_mesh=np.repeat(np.arange(len(meshes)), [len(own.faces) for own in triangles]),
        corner_colors=colors,
        corner_uvs=uvs,
        face_texture=textures,
        textures=tuple(finder.textures),
        canonical=np.concatenate([_unit_box(character) for character in characters if character.meshes]),
        warnings=tuple(images.warnings.values()),
    )
    if appearance != "textured" or not any(mesh.recoloured for mesh in meshes):
        return looks

    def at(time: float) -> Looks:
        now = _Finder(images, appearance)
        colors, uvs, textures = now.all_of([mesh.at(time) for mesh in meshes], triangles)
        return replace(
            looks,
            corner_colors=colors,
            corner_uvs=uvs,
            face_texture=textures,
            textures=tuple(now.textures),
            changing=None,
        )

    images.check(_later_textures(meshes))
    return replace(looks, changing=at, warnings=tuple(images.warnings.values()))


def _later_textures(meshes: Sequence[Mesh]) -> set[str]:
    """Textures that are shown after the first time."""
    tracks = [m.changes["texture"] for mesh in meshes for m in mesh.materials if "texture" in m.changes]
    return {path for track in tracks for path in track.values if path is not None}


def encode_srgb(linear: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """Linear light to display values (IEC 61966-2-1)."""
    value = np.clip(linear, 0, 1)
    return np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)


def decode_image(data: bytes) -> UInt8[np.ndarray, "height width 3"]:
    """An image file as display colours, transparency left out; reduced where it is large."""
    with Image.open(io.BytesIO(data)) as opened:
        image = opened.convert("RGB")
    image.thumbnail((LARGEST_TEXTURE, LARGEST_TEXTURE), Image.Resampling.BOX)
    return np.asarray(image)


class _Textures:
    """Reads textures, and keeps some of them: those that go on may come again with each frame."""

    def __init__(self, load_texture: LoadTexture) -> None:
        self.warnings: dict[str, str] = {}
        self._load = load_texture
        self._kept: dict[str, UInt8[np.ndarray, "height width 3"]] = {}

    def get(self, path: str) -> UInt8[np.ndarray, "height width 3"] | None:
        """An image; None, with a warning, where it cannot be read."""
        if path not in self._kept and path not in self.warnings:
            try:
                image = decode_image(self._load(path))
            except (UsdIoError, OSError, Image.DecompressionBombError) as error:
                self._warn(path, error)
            else:
                while len(self._kept) >= KEPT_TEXTURES:
                    del self._kept[next(iter(self._kept))]
                self._kept[path] = image
        return self._kept.get(path)

    def check(self, paths: set[str]) -> None:
        """Warn of those that are not there before anything is drawn."""
        for path in sorted(paths - set(self._kept)):
            try:
                self._load(path)
            except (UsdIoError, OSError) as error:
                self._warn(path, error)

    def _warn(self, path: str, error: Exception) -> None:
        self.warnings[path] = f"the texture {shown(path)} cannot be read and is left out: {shown(error)}"


class _Finder:
    """Finds the colours of meshes at one time."""

    def __init__(self, images: _Textures, appearance: Appearance) -> None:
        self.textures: list[UInt8[np.ndarray, "height width 3"]] = []
        self._images = images
        self._appearance = appearance
        self._known: dict[str, int] = {}

    def all_of(
        self, meshes: Sequence[Mesh], triangles: Sequence[Triangles]
    ) -> tuple[Float[np.ndarray, "face 3 3"], Float[np.ndarray, "face 3 2"], Int[np.ndarray, " face"]]:
        """Corner colours, corner uvs and textures of the triangles of some meshes, one after another."""
        parts = [self.of(mesh, own) for mesh, own in zip(meshes, triangles, strict=True)]
        if len(parts) == 1:
            return parts[0]
        colors, uvs, textures = (np.concatenate(part) for part in zip(*parts, strict=True))
        return colors, uvs, textures

    def of(
        self, mesh: Mesh, triangles: Triangles
    ) -> tuple[Float[np.ndarray, "face 3 3"], Float[np.ndarray, "face 3 2"], Int[np.ndarray, " face"]]:
        """Corner colours, corner uvs and textures of the triangles of a mesh."""
        count = len(triangles.faces)
        texture = np.full(count, -1)
        uvs = np.broadcast_to(np.zeros((1, 3, 2), np.float32), (count, 3, 2))
        if self._appearance != "textured":
            return _everywhere(CLAY, count), uvs, texture
        if mesh.display_color is not None:
            shown_colors = encode_srgb(mesh.display_color.values.astype(float)).astype(np.float32)
            colors = _at_corners(replace(mesh.display_color, values=shown_colors), triangles)
        else:
            colors = _everywhere(GREY, count)
        if mesh.uv is not None:
            uvs = _at_corners(mesh.uv, triangles).astype(np.float32)
        for index, material in enumerate(mesh.materials):
            if mesh.face_material is None:
                break
            chosen = mesh.face_material[triangles.polygon] == index
            if material.diffuse_color is not None:
                colors = colors if colors.flags.writeable else colors.copy()
                colors[chosen] = encode_srgb(np.array(material.diffuse_color))
            elif material.texture is not None and mesh.uv is not None:
                texture[chosen] = self._texture(material.texture)
        return colors, uvs, texture

    def _texture(self, path: str) -> int:
        if path not in self._known:
            image = self._images.get(path)
            self._known[path] = -1 if image is None else len(self.textures)
            self.textures += [] if image is None else [image]
        return self._known[path]


def _everywhere(color: tuple[float, float, float], faces: int) -> Float[np.ndarray, "face 3 3"]:
    """One colour for all corners, held once."""
    return np.broadcast_to(np.array(color, np.float32), (faces, 3, 3))


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
