"""Small scenes made of numbers alone."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from engine.rendering.camera import Cameras, focal_length, orbit_rotation
from engine.rendering.mesh.surface import Surface
from engine.rendering.mesh.topology import face_neighbours
from usd_io.model import Character, Mesh


def make_surface(points: Float[Tensor, "vertex 3"], faces: Int[Tensor, "face 3"]) -> Surface:
    """Triangles with the colours of their positions, as float64."""
    edges, edge_faces = face_neighbours(faces.numpy(), points.numpy())
    colors = (points - points.amin(0)) / (points.amax(0) - points.amin(0)).clamp_min(1e-9)
    return Surface(
        faces=faces,
        edges=torch.from_numpy(edges),
        edge_faces=torch.from_numpy(edge_faces),
        face_mesh=torch.zeros(len(faces), dtype=torch.int64),
        corner_colors=colors[faces],
        corner_uvs=torch.zeros(len(faces), 3, 2, dtype=points.dtype),
        face_texture=torch.full((len(faces),), -1),
        textures=(),
        canonical=colors,
    )


def sphere(rings: int = 12, radius: float = 1.0) -> tuple[Float[Tensor, "vertex 3"], Int[Tensor, "face 3"]]:
    """A closed sphere around the origin (float64)."""
    polar = np.linspace(0, np.pi, rings + 1)[1:-1]
    around = np.arange(2 * rings) * np.pi / rings
    p, a = np.meshgrid(polar, around, indexing="ij")
    body = np.stack([np.sin(p) * np.cos(a), np.cos(p), np.sin(p) * np.sin(a)], -1).reshape(-1, 3)
    points = np.concatenate([[[0, 1, 0]], body, [[0, -1, 0]]]) * radius
    n, last = 2 * rings, len(points) - 1
    faces = []
    for k in range(n):
        m = (k + 1) % n
        faces.append([0, 1 + m, 1 + k])
        for r in range(rings - 2):
            i, j = 1 + r * n + k, 1 + r * n + m
            faces += [[i, j, j + n], [i, j + n, i + n]]
        faces.append([1 + (rings - 2) * n + k, 1 + (rings - 2) * n + m, last])
    return torch.from_numpy(points), torch.tensor(faces)


def camera_at(
    distance: float, *, height: int = 48, width: int = 64, azimuth: float = 20.0, near: float = 0.05
) -> Cameras:
    """Looks at the origin."""
    transform = np.eye(4)
    transform[:3, :3] = orbit_rotation(azimuth, 15.0, "Y")
    transform[2, 3] = distance
    focal = focal_length(height, width)
    return Cameras(
        transform[None], np.full((1, 2), focal), np.array([[width / 2, height / 2]]), height, width, near
    )


def limb(segments: int = 16, *, dual: bool = False) -> Character:
    """A tube along x of length 4 with joints at 0 and 2, Y up."""
    x = np.linspace(0, 4, segments + 1)
    around = np.arange(12) * np.pi / 6
    grid = np.stack(np.broadcast_arrays(x[:, None], 0.4 * np.cos(around), 0.4 * np.sin(around)), -1)
    points = np.concatenate([grid.reshape(-1, 3), [[-0.2, 0, 0], [4.2, 0, 0]]])
    quads = [
        [12 * s + k, 12 * s + (k + 1) % 12, 12 * s + 12 + (k + 1) % 12, 12 * s + 12 + k]
        for s in range(segments)
        for k in range(12)
    ]
    first = [[(k + 1) % 12, k, len(points) - 2] for k in range(12)]
    last = [[12 * segments + k, 12 * segments + (k + 1) % 12, len(points) - 1] for k in range(12)]
    share = np.clip((points[:, 0] - 1.5) / 1.0, 0, 1)
    bind = np.tile(np.eye(4), (2, 1, 1))
    bind[1, 0, 3] = 2
    mesh = Mesh(
        path="/Limb/Skin",
        points=points.astype(np.float32),
        face_counts=np.array([4] * len(quads) + [3] * 24),
        face_vertices=np.concatenate([np.ravel(quads), np.ravel(first), np.ravel(last)]),
        joint_indices=np.tile([0, 1], (len(points), 1)),
        joint_weights=np.stack([1 - share, share], -1).astype(np.float32),
        T_skel_mesh=np.eye(4),
        skinning_method="dualQuaternion" if dual else "classicLinear",
    )
    return Character(
        name="Limb",
        skeleton_path="/Limb/Skel",
        joints=("upper", "upper/lower"),
        parents=np.array([-1, 0]),
        T_skel_joint_bind=bind,
        rest_translations=np.array([[0, 0, 0], [2, 0, 0]], np.float32),
        rest_rotations=np.tile(np.array([1, 0, 0, 0], np.float32), (2, 1)),
        rest_scales=np.ones((2, 3), np.float32),
        meshes=(mesh,),
    )


def no_texture(path: str) -> bytes:
    """For characters without textures."""
    raise AssertionError(f"no texture is to be read, not {path}")
