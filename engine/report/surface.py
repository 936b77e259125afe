"""A character's skin as arrays for the player: split at seams, at most four joints a vertex, small enough to send."""

from dataclasses import dataclass

import numpy as np

from engine.rendering.mesh.looks import LoadTexture, Looks, find_looks
from engine.settings.choices import Appearance
from usd_io.model import Character
from usd_io.shapes import Float, Int, UInt8

INFLUENCES = 4
"""Joints that move a vertex, as many as graphics hardware takes in one attribute; the largest weights stay."""
MOST_FACES = 60_000
"""Larger surfaces are made coarser for the player."""
GRIDS = (256, 192, 128, 96, 64, 48, 32)
"""Cells along the largest side of the box in which vertices are joined."""


@dataclass(frozen=True, eq=False)
class SkinnedSurface:
    """Triangles at bind time, in the space of the skeleton. Vertices are split where colours or textures meet."""

    points: Float[np.ndarray, "vertex 3"]
    normals: Float[np.ndarray, "vertex 3"]
    colors: UInt8[np.ndarray, "vertex 3"]
    """Display RGB; white where a texture counts."""
    uvs: Float[np.ndarray, "vertex 2"]
    joints: Int[np.ndarray, "vertex 4"]
    """Indices of joints; the number of joints stands for what never moves."""
    weights: UInt8[np.ndarray, "vertex 4"]
    """Rows sum to 255."""
    faces: Int[np.ndarray, "face 3"]
    """In the order of their textures."""
    groups: tuple[tuple[int, int, int, int], ...]
    """First face, number of faces, index of the texture, -1 for none, and of the mesh if that is not always seen, else
    -1."""
    textures: tuple[UInt8[np.ndarray, "texture_height texture_width 3"], ...]
    """Display RGB, row 0 on top."""
    coarser: bool
    """Whether faces were joined."""


def skinned_surface(character: Character, load_texture: LoadTexture) -> SkinnedSurface:
    """The surface of a character; of one without any mesh it is empty.

    Args:
        character: With its meshes.
        load_texture: As for :func:`engine.rendering.mesh.looks.find_looks`.
    """
    meshes = character.meshes
    if not meshes:
        return _empty()
    textured: Appearance = "textured"
    surface = find_looks([character], load_texture, textured)
    points = np.concatenate(
        [m.points.astype(float) @ m.T_skel_mesh[:3, :3].T + m.T_skel_mesh[:3, 3] for m in meshes]
    )
    pairs = [_largest(m.joint_indices, m.joint_weights, len(character.joints)) for m in meshes]
    joints, weights = (np.concatenate(part) for part in zip(*pairs, strict=True))
    faces, kept = _coarser(surface.faces, points)
    fleeting = np.array([i if mesh.visibility else -1 for i, mesh in enumerate(meshes)])
    return _split(surface, faces, kept, points, joints, weights, fleeting)


def _empty() -> SkinnedSurface:
    none = np.zeros((0, 3))
    no_faces = np.zeros((0, 3), int)
    bytes3, bytes4 = np.zeros((0, 3), np.uint8), np.zeros((0, 4), np.uint8)
    return SkinnedSurface(
        none, none, bytes3, np.zeros((0, 2)), np.zeros((0, 4), int), bytes4, no_faces, (), (), coarser=False
    )


def _largest(
    indices: Int[np.ndarray, "vertex influence"], weights: Float[np.ndarray, "vertex influence"], still: int
) -> tuple[Int[np.ndarray, "vertex 4"], Float[np.ndarray, "vertex 4"]]:
    """The largest weights of every vertex, scaled to sum to 1; a vertex without any is tied to ``still``."""
    room = max(0, INFLUENCES - indices.shape[1])
    wide = np.pad(indices, ((0, 0), (0, room)))
    weight = np.pad(weights.astype(float), ((0, 0), (0, room)))
    order = np.argsort(-weight, axis=1, kind="stable")[:, :INFLUENCES]
    wide, weight = np.take_along_axis(wide, order, 1), np.take_along_axis(weight, order, 1)
    total = weight.sum(1, keepdims=True)
    free = total[:, 0] <= 0
    weight = weight / np.where(total > 0, total, 1)
    wide[free], weight[free] = still, np.eye(INFLUENCES)[0]
    return wide, weight


def _coarser(
    faces: Int[np.ndarray, "face 3"], points: Float[np.ndarray, "vertex 3"]
) -> tuple[Int[np.ndarray, "left 3"], Int[np.ndarray, " left"]]:
    """Faces with the vertices of each cell of a grid joined to one, where there are too many; and which faces
    those were."""
    every = np.arange(len(faces))
    if len(faces) <= MOST_FACES:
        return faces, every
    low, side = points.min(0), float(np.ptp(points, axis=0).max()) or 1.0
    joined, kept = faces, every
    for cells in GRIDS:
        place = ((points - low) / side * cells).astype(np.int64)
        _, first, cell = np.unique(
            place @ np.array([1, cells + 1, (cells + 1) ** 2]), return_index=True, return_inverse=True
        )
        moved = first[cell.reshape(-1)][faces]
        a, b, c = moved.T
        kept = np.flatnonzero((a != b) & (b != c) & (c != a))
        joined = moved[kept]
        if len(joined) <= MOST_FACES:
            break
    return joined[:MOST_FACES], kept[:MOST_FACES]


def _split(
    surface: Looks,
    faces: Int[np.ndarray, "left 3"],
    kept: Int[np.ndarray, " left"],
    points: Float[np.ndarray, "vertex 3"],
    joints: Int[np.ndarray, "vertex 4"],
    weights: Float[np.ndarray, "vertex 4"],
    fleeting: Int[np.ndarray, " mesh"],
) -> SkinnedSurface:
    """One vertex for every corner that differs from the others in place, colour or texture coordinates."""
    texture = surface.face_texture[kept]
    mesh = fleeting[surface.face_mesh[kept]]
    order = np.lexsort((mesh, texture))
    faces, kept, texture, mesh = faces[order], kept[order], texture[order], mesh[order]
    corner = faces.reshape(-1)
    colors = np.where((texture >= 0)[:, None, None], 1.0, surface.corner_colors[kept])
    colors = (colors.reshape(-1, 3) * 255 + 0.5).astype(np.uint8)
    uvs = np.where((texture >= 0)[:, None, None], surface.corner_uvs[kept], 0).reshape(-1, 2)
    first, inverse = _distinct(corner, colors, uvs)
    normals = _normals(points, faces)
    of = corner[first]
    new = (texture[1:] != texture[:-1]) | (mesh[1:] != mesh[:-1])
    starts = np.flatnonzero(np.append(True, new)[: len(texture)])
    ends = [*starts[1:], len(texture)]
    return SkinnedSurface(
        points=points[of],
        normals=normals[of],
        colors=colors[first],
        uvs=uvs[first],
        joints=joints[of],
        weights=_to_bytes(weights[of]),
        faces=inverse.reshape(-1, 3),
        groups=tuple(
            (int(a), int(b - a), int(texture[a]), int(mesh[a])) for a, b in zip(starts, ends, strict=True)
        ),
        textures=surface.textures,
        coarser=len(kept) < len(surface.faces),
    )


def _distinct(
    corner: Int[np.ndarray, " corner"],
    colors: UInt8[np.ndarray, "corner 3"],
    uvs: Float[np.ndarray, "corner 2"],
) -> tuple[Int[np.ndarray, " vertex"], Int[np.ndarray, " corner"]]:
    """First corner of every distinct one, and which distinct one each corner is. Sorting two integers per corner is
    many times faster than sorting rows."""
    rgb = colors.astype(np.uint64) @ np.array([1, 1 << 8, 1 << 16], np.uint64)
    place = corner.astype(np.uint64) << np.uint64(24) | rgb
    texel = np.ascontiguousarray(uvs.astype(np.float32) + 0.0).view(np.uint32).astype(np.uint64)
    look = texel[:, 0] << np.uint64(32) | texel[:, 1]
    order = np.lexsort((look, place))
    place, look = place[order], look[order]
    new = (
        np.append(True, (place[1:] != place[:-1]) | (look[1:] != look[:-1]))
        if len(order)
        else np.zeros(0, bool)
    )
    inverse = np.empty(len(order), int)
    inverse[order] = np.cumsum(new) - 1
    return order[new], inverse


def _normals(
    points: Float[np.ndarray, "vertex 3"], faces: Int[np.ndarray, "face 3"]
) -> Float[np.ndarray, "vertex 3"]:
    """Unit normals at bind time: mean of the faces around each vertex, by their area."""
    a, b, c = points[faces].transpose(1, 0, 2)
    area = np.cross(b - a, c - a)
    summed = np.stack(
        [np.bincount(faces.reshape(-1), np.repeat(area[:, k], 3), len(points)) for k in range(3)], axis=-1
    )
    size = np.linalg.norm(summed, axis=-1, keepdims=True)
    return summed / np.where(size > 0, size, 1)


def _to_bytes(weights: Float[np.ndarray, "vertex 4"]) -> UInt8[np.ndarray, "vertex 4"]:
    """Weights in 255ths whose sum is exactly 255: what rounding leaves over goes to the largest."""
    rounded = np.floor(weights * 255 + 0.5).astype(int)
    rounded[:, 0] += 255 - rounded.sum(1)
    return np.clip(rounded, 0, 255).astype(np.uint8)
