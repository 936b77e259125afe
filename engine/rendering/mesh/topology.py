"""Polygons to triangles, and which triangles meet at an edge."""

from dataclasses import dataclass

import numpy as np

from usd_io.model import Mesh
from usd_io.shapes import Float, Int


@dataclass(frozen=True, eq=False)
class Triangles:
    """The triangles of one mesh, wound counter-clockwise seen from outside."""

    faces: Int[np.ndarray, "face 3"]
    """Vertex indices."""
    corners: Int[np.ndarray, "face 3"]
    """Indices into ``Mesh.face_vertices``, for face-varying values."""
    polygon: Int[np.ndarray, " face"]
    """The face of the mesh that each triangle is part of."""


def triangulate(mesh: Mesh) -> Triangles:
    """Split every polygon into a fan from its first corner; polygons of fewer than three corners vanish."""
    counts = mesh.face_counts
    fans = np.maximum(counts - 2, 0)
    polygon = np.repeat(np.arange(len(counts)), fans)
    first = (np.cumsum(counts) - counts)[polygon]
    step = np.arange(len(polygon)) - np.repeat(np.cumsum(fans) - fans, fans)
    second, third = first + step + 1, first + step + 2
    if mesh.left_handed:
        second, third = third, second
    corners = np.stack([first, second, third], axis=-1)
    return Triangles(mesh.face_vertices[corners], corners, polygon)


def face_neighbours(
    faces: Int[np.ndarray, "face 3"], points: Float[np.ndarray, "vertex 3"]
) -> tuple[Int[np.ndarray, "edge 2"], Int[np.ndarray, "edge 2"]]:
    """Edges as vertex pairs, and the faces at both sides of each, -1 for none.

    Vertices at the same place count as one, so that seams are no outlines; an edge of more than two faces is
    listed once per pair of them.

    Args:
        faces: Vertex indices.
        points: Positions at bind time.
    """
    welded = weld(points)
    sides = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    owner = np.repeat(np.arange(len(faces)), 3)
    ends = np.sort(welded[sides], axis=1)
    # one number per edge, sorted stably: the faces of an edge stay in their order
    numbers = ends[:, 0] * len(points) + ends[:, 1]
    order = np.argsort(numbers, kind="stable")
    keys = numbers[order]
    sides, owner = sides[order], owner[order]
    starts = np.concatenate([[True], keys[1:] != keys[:-1]]) if len(keys) else np.zeros(0, bool)
    place = np.arange(len(keys)) - np.maximum.accumulate(np.where(starts, np.arange(len(keys)), 0))
    lead = np.flatnonzero(place % 2 == 0)
    paired = np.append(place % 2 == 1, False)[lead + 1]
    other = np.where(paired, np.append(owner, -1)[lead + 1], -1)
    return sides[lead], np.stack([owner[lead], other], axis=-1)


def weld(points: Float[np.ndarray, "vertex 3"]) -> Int[np.ndarray, " vertex"]:
    """A number for each vertex, the same for vertices at the same place, below the number of vertices."""
    exact = np.ascontiguousarray(points, np.float64) + 0.0  # one zero: -0 is the same place
    bits = exact.view(np.uint64)
    # a hash of the three coordinates sorts four times as quickly as the coordinates; it is checked below
    mixed = bits * np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
    mixed ^= mixed >> np.array([29, 31, 33], np.uint64)
    _, first, welded = np.unique(
        mixed[:, 0] + (mixed[:, 1] << np.uint64(7)) + (mixed[:, 2] << np.uint64(13)),
        return_index=True,
        return_inverse=True,
    )
    welded = welded.reshape(-1)
    if not np.array_equal(exact[first[welded]], exact):  # two places with one hash
        welded = np.unique(exact, axis=0, return_inverse=True)[1].reshape(-1)
    return welded
