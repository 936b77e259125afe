"""All meshes of a shot as one list of triangles with colours: what a renderer draws, whatever the pose."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.rendering.mesh.looks import LoadTexture, Looks, find_looks
from engine.rendering.mesh.topology import face_neighbours
from engine.settings.choices import Appearance
from usd_io.model import Character
from usd_io.shapes import Float, Int


@dataclass(frozen=True, eq=False)
class Dye:
    """What turns the colours that we draw into those of a film."""

    gain: Float[Tensor, "3"]
    offset: Float[Tensor, "3"]
    tint: Float[Tensor, "vertex 3"]
    """Added to what gain and offset make of a colour."""


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
    changing: Callable[[float], Looks] | None = None
    """Gives the colours at a time code; None where they are always the same."""
    dye: Dye | None = None
    """Laid over the lit colours; None: they stay as they are."""

    def at(self, time: float) -> "Surface":
        """As it looks at a time code."""
        if self.changing is None:
            return self
        like = self.corner_colors
        return replace(
            self, **{k: _to(v, like) for k, v in _colours(self.changing(time)).items()}, changing=None
        )

    def to(self, like: Tensor) -> "Surface":
        """The same on the device and in the precision of a tensor."""
        return replace(self, **{name: _to(value, like) for name, value in vars(self).items()})


def build_surface(
    characters: Sequence[Character], load_texture: LoadTexture, appearance: Appearance = "textured"
) -> Surface:
    """The surface of some characters as tensors; see :func:`engine.rendering.mesh.looks.find_looks`."""
    looks = find_looks(characters, load_texture, appearance)
    edges, edge_faces = face_neighbours(looks.faces, looks.canonical)
    return Surface(
        # columns lie one after another: corners and sides are looked up one by one
        faces=torch.from_numpy(np.ascontiguousarray(looks.faces.T)).T,
        edges=torch.from_numpy(np.ascontiguousarray(edges.T)).T,
        edge_faces=torch.from_numpy(np.ascontiguousarray(edge_faces.T)).T,
        face_mesh=torch.from_numpy(looks.face_mesh),
        canonical=torch.from_numpy(looks.canonical.astype(np.float32)),
        warnings=looks.warnings,
        changing=looks.changing,
        **_colours(looks),
    )


def _colours(looks: Looks) -> dict[str, Any]:
    """What of the looks may change in time."""
    return {
        "corner_colors": _repeated(looks.corner_colors),
        "corner_uvs": _repeated(looks.corner_uvs),
        "face_texture": torch.from_numpy(looks.face_texture),
        "textures": tuple(torch.from_numpy(texture.astype(np.float32) / 255) for texture in looks.textures),
    }


def _repeated(array: Float[np.ndarray, "face 3 channel"]) -> Float[Tensor, "face 3 channel"]:
    """As a tensor; what is the same for all faces is held once there too."""
    if len(array) and array.strides[0] == 0:
        return torch.from_numpy(array[:1].copy()).expand(array.shape)
    return torch.from_numpy(array)


def _to(value: Any, like: Tensor) -> Any:
    """Tensors on the device of another one, real numbers in its precision; all else as it is."""
    if isinstance(value, tuple):
        return tuple(_to(each, like) for each in value)
    if isinstance(value, Dye):
        return Dye(*(_to(each, like) for each in vars(value).values()))
    if not isinstance(value, Tensor):
        return value
    return value.to(like.device, like.dtype if value.is_floating_point() else value.dtype)
