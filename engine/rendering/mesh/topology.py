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
    ends = faces if welded is None else welded[faces]
    # one number per edge, sorted stably: the faces of an edge stay in their order
    numbers = np.empty(faces.shape, np.int64)
    for side in range(3):
        a, b = ends[:, side], ends[:, (side + 1) % 3]
        numbers[:, side] = np.minimum(a, b) * len(points) + np.maximum(a, b)
    keys, order = _sorted(numbers.ravel())
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])[: len(keys)])
    counts = np.diff(starts, append=len(keys))
    lead = starts
    paired = counts > 1
    if len(counts) and counts.max() > 2:
        # an edge of many faces has several pairs
        pairs = (counts + 1) // 2
        nth = np.arange(pairs.sum()) - np.repeat(np.cumsum(pairs) - pairs, pairs)
        lead = np.repeat(starts, pairs) + 2 * nth
        paired = 2 * nth + 1 < np.repeat(counts, pairs)
    first = order[lead]
    owner, corner = first // 3, first % 3
    second = np.full(len(lead), -1)
    second[paired] = order[lead[paired] + 1] // 3
    sides = np.stack([faces[owner, corner], faces[owner, (corner + 1) % 3]], axis=-1)
    return sides, np.stack([owner, second], axis=-1)


def _sorted(numbers: Int[np.ndarray, " side"]) -> tuple[Int[np.ndarray, " side"], Int[np.ndarray, " side"]]:
    """Whole numbers in ascending order, and where each was; equal ones stay in their order."""
    bits = len(numbers).bit_length()
    if len(numbers) and int(numbers.max()) >> (63 - bits):
        order = np.argsort(numbers, kind="stable")
        return numbers[order], order
    # number and place as one number: sorting values is ten times as quick as sorting places
    both = numbers << bits
    both |= np.arange(len(numbers))
    both.sort()
    return both >> bits, both & ((1 << bits) - 1)


def weld(points: Float[np.ndarray, "vertex 3"]) -> Int[np.ndarray, " vertex"] | None:
    """A number for each vertex, the same for vertices at the same place, below the number of vertices; None where no
    two are at the same place."""
    exact = np.ascontiguousarray(points, np.float64) + 0.0  # one zero: -0 is the same place
    bits = exact.view(np.uint64)
    # a hash of the three coordinates sorts four times as quickly as the coordinates; it is checked below
    mixed = bits * np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
    mixed ^= mixed >> np.array([29, 31, 33], np.uint64)
    hashes = mixed[:, 0] + (mixed[:, 1] << np.uint64(7)) + (mixed[:, 2] << np.uint64(13))
    ordered = np.sort(hashes)
    if not (ordered[1:] == ordered[:-1]).any():
        return None
    _, first, welded = np.unique(hashes, return_index=True, return_inverse=True)
    welded = welded.reshape(-1)
    if not np.array_equal(exact[first[welded]], exact):  # two places with one hash
        welded = np.unique(exact, axis=0, return_inverse=True)[1].reshape(-1)
    return welded
