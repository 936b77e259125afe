"""A renderer in numpy for small pictures: no gradients, no depth, and nothing of torch, which takes longer to import
than a preview to draw.

The pictures are those of :mod:`engine.rendering.torch_renderer.renderer` but for two things: light is computed at the
vertices (Gouraud 1971), and outlines are smooth since each pixel is the mean of some samples.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from engine.geometry.skeleton import blend_points, joint_transforms, skin_points
from engine.rendering.camera import Cameras
from engine.rendering.mesh.looks import Looks
from usd_io.model import Character, Mesh, Motion
from usd_io.shapes import Bool, Float, Int, UInt8

ROWS = 2
"""Rows of samples in a pixel, one sample each, which lie on a diagonal: outlines of any direction show in steps."""
POINTS_AT_ONCE = 1 << 18
"""Vertices of some frames skinned together, and"""
FACES_AT_ONCE = 100_000
"""triangles and"""
IMAGES_AT_ONCE = 8
"""pictures drawn together: bounds memory."""
AMBIENT, DIFFUSE, SPECULAR, SHININESS = 0.5, 0.5, 0.08, 32
LIGHT = (-0.5, -0.7, 0.0)
"""Goes with the camera, in camera space, as parts of the depth of what it lights."""
ROWS_AT_ONCE = 1 << 15
"""Rows of triangles looked at together, and"""
SAMPLES_AT_ONCE = 1 << 17
"""samples filled together: bounds memory where large triangles lie one over another."""
LEAST_AREA = 1e-9
"""Of a triangle that is drawn [samples], doubled."""
LEAST_VOLUME = 1e-6
"""Of a surface that has an inside, in parts of the sum of what lies between its triangles and the camera."""
OVERLAP = 1e-4
"""Triangles reach this far over their edges [samples], so that rounding leaves no hole between two of them."""
_FACE_BITS = (1 << 32) - 1


def posed_points(
    characters: Sequence[Character], motions: Sequence[Motion]
) -> Iterator[Float[np.ndarray, "frame vertex 3"]]:
    """World points of all meshes of some characters [stage units], some frames at a time."""
    vertices = sum(len(mesh.points) for character in characters for mesh in character.meshes)
    step = max(1, POINTS_AT_ONCE // max(1, vertices))
    for first in range(0, len(motions[0].times), step):
        frames = np.arange(first, min(first + step, len(motions[0].times)))
        parts = [_posed(c, motion.at(frames)) for c, motion in zip(characters, motions, strict=True)]
        yield np.concatenate(parts, axis=1)


def _posed(character: Character, motion: Motion) -> Float[np.ndarray, "frame vertex 3"]:
    T_skel_joint = joint_transforms(character, motion)
    parts = [np.zeros((len(motion.times), 0, 3))]
    for mesh in character.meshes:
        moves = bool(mesh.blend_shapes) or mesh.point_times is not None
        bound = blend_points(mesh, motion) if moves else None
        if mesh.reskinned:
            one_by_one = [
                skin_points(
                    mesh.at(time),
                    character.T_skel_joint_bind,
                    T_skel_joint[frame : frame + 1],
                    None if bound is None else bound[frame : frame + 1],
                )
                for frame, time in enumerate(motion.times.tolist())
            ]
            points = np.concatenate(one_by_one)
        else:
            points = skin_points(mesh, character.T_skel_joint_bind, T_skel_joint, bound)
        parts.append(_without_unseen(points, mesh, motion))
    T_world_skel = motion.T_world_skel
    return np.concatenate(parts, axis=1) @ T_world_skel[:, :3, :3].mT + T_world_skel[:, None, :3, 3]


def _without_unseen(
    points: Float[np.ndarray, "frame vertex 3"], mesh: Mesh, motion: Motion
) -> Float[np.ndarray, "frame vertex 3"]:
    """A mesh that is not seen at a time shrinks to one of its points: a face without area is not drawn."""
    unseen = ~mesh.seen(motion.times)
    points[unseen] = points[unseen, :1]
    return points


def draw_pictures(
    points: Float[np.ndarray, "image vertex 3"],
    looks: Looks,
    camera: Cameras,
    ground_rgb: Float[np.ndarray, "height width 3"],
    ground_depth: Float[np.ndarray, "height width"],
    times: Float[np.ndarray, " image"] | None = None,
) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """Draw one picture per set of points.

    Args:
        points: World points of all meshes, in the order of the looks [stage units].
        looks: Triangles and their colours.
        camera: One. Triangles that reach nearer than its ``near`` are left out.
        ground_rgb: What stands behind, and
        ground_depth: how far [stage units]; what lies further away is hidden.
        times: Of the pictures [time codes], for looks that change.
    """
    changing = looks.changing is not None and times is not None
    step = 1 if changing else max(1, min(IMAGES_AT_ONCE, FACES_AT_ONCE // max(1, len(looks.faces))))
    surfaces = _surfaces(looks.faces, points.shape[1])
    for first in range(0, len(points), step):
        now = looks.at(float(times[first])) if changing and times is not None else looks
        yield from _draw(points[first : first + step], now, surfaces, camera, ground_rgb, ground_depth)


class _Surfaces(NamedTuple):
    """Triangles that share vertices."""

    of_face: Int[np.ndarray, " face"]
    closed: Bool[np.ndarray, " surface"]
    """Whether the triangles pass every edge as often one way as the other."""


class _Faces(NamedTuple):
    """Triangles that may be seen, over some pictures. What is linear in a picture is given as (constant, per column of
    pixels, per row of samples)."""

    image: Int[np.ndarray, " seen"]
    face: Int[np.ndarray, " seen"]
    y: Float[np.ndarray, "3 seen"]
    """Of the corners, in rows of samples."""
    shares: Float[np.ndarray, "3 3 seen"]
    """Of the corners (second axis), as linear functions (first axis) that are positive inside."""
    values: Float[np.ndarray, "3 6 seen"]
    """Linear functions (first axis) of these over the depth: 1, what light multiplies the colour with and adds to it,
    and the colour or the place in its texture."""


def _draw(
    points: Float[np.ndarray, "image vertex 3"],
    looks: Looks,
    surfaces: _Surfaces,
    camera: Cameras,
    ground_rgb: Float[np.ndarray, "height width 3"],
    ground_depth: Float[np.ndarray, "height width"],
) -> UInt8[np.ndarray, "image height width 3"]:
    height, width = camera.height, camera.width
    turn, move = camera.T_camera_world[0, :3, :3], camera.T_camera_world[0, :3, 3]
    faces = _project(np.moveaxis(turn @ points.mT + move[:, None], 0, 1), looks, surfaces, camera)
    pixel, ids = _visible(faces, len(points), height, width)
    # numpy divides whole numbers by one number several times as quickly as it takes remainders
    place = pixel - pixel // (height * width) * (height * width)
    row = place // width
    column = place - row * width
    limit = ground_depth.ravel()[place]
    color = np.zeros((3, len(pixel)))
    covered = np.zeros(len(pixel))
    for sample, which in enumerate(ids):
        # a face that shows in several samples of a pixel is shaded once, at the first of them
        new = which >= 0
        for earlier in ids[:sample]:
            new &= which != earlier
        own = np.flatnonzero(new)
        shown = which[own]
        x, y = column[own] + (sample + 0.5) / ROWS, row[own] * ROWS + (sample + 0.5)
        depth, shaded = _shade(faces, looks, shown, x, y)
        share = (depth <= limit[own]) * sum(other[own] == shown for other in ids) / ROWS
        covered[own] += share
        shaded *= share
        for channel, more in zip(color, shaded, strict=True):
            channel[own] += more
    # what of a pixel shows no character shows the ground
    rest = np.flatnonzero(covered < 1)
    color[:, rest] += (1 - covered[rest]) * ground_rgb.reshape(-1, 3)[place[rest]].T
    color *= 255
    color += 0.5
    pictures = np.tile((ground_rgb * 255 + 0.5).astype(np.uint8).reshape(-1, 3), (len(points), 1))
    pictures[pixel] = np.ascontiguousarray(color.astype(np.uint8).T)
    return pictures.reshape(-1, height, width, 3)


def _project(
    points: Float[np.ndarray, "3 image vertex"], looks: Looks, surfaces: _Surfaces, camera: Cameras
) -> _Faces:
    """The triangles of camera-space points that lie in front of the camera and in the picture, without those that a
    closed surface hides."""
    front = points[2] > camera.near
    inverse = 1 / np.where(front, points[2], np.inf)
    corners = looks.faces.T
    a, b, c = (points[:, :, own] for own in corners)
    area = np.stack(_cross(b - a, c - a))
    focal, centre = camera.focal[0][:, None, None], camera.centre[0][:, None, None]
    x, y = (points[:2] * inverse * focal + centre)[:, :, corners]
    inside = (x.max(1) > 0) & (x.min(1) < camera.width) & (y.max(1) > 0) & (y.min(1) < camera.height)
    inside &= front[:, corners].all(1) & ~_turned_away((a * area).sum(0), surfaces, front)
    image, face = np.nonzero(inside)
    x, y = x[image, :, face].T, y[image, :, face].T * ROWS
    # the share of a corner is the area between a place and the opposite edge, of that of the triangle
    (x1, x2), (y1, y2) = ((v[[1, 2, 0]], v[[2, 0, 1]]) for v in (x, y))
    edges = np.stack([x1 * y2 - x2 * y1, y1 - y2, x2 - x1])
    doubled = edges[0].sum(0)
    shares = edges / np.where(np.abs(doubled) > LEAST_AREA, doubled, np.nan)
    vertices = looks.faces[face].T
    textured = (looks.face_texture[face] >= 0)[:, None, None]
    place = np.pad(looks.corner_uvs, ((0, 0), (0, 0), (0, 1)))
    # by value, corner and face: faces come last, so that all that follows runs along them
    corner = np.empty((6, *vertices.shape))
    corner[0] = 1
    corner[1:3] = _light(points, area, looks.faces)[:, image, vertices]
    corner[3:] = np.where(textured, place[face], looks.corner_colors[face]).T
    corner *= inverse[image, vertices]
    return _Faces(image, face, y, shares, np.einsum("lkf,vkf->lvf", shares, corner))


def _turned_away(
    volume: Float[np.ndarray, "image face"],
    surfaces: _Surfaces,
    front: Bool[np.ndarray, "image vertex"],
) -> Bool[np.ndarray, "image face"]:
    """Triangles of closed surfaces that are seen from inside: others of their surface hide them, whatever its pose.

    Args:
        volume: Of what lies between each triangle and the camera, times six, signed by the side that is seen.
        surfaces: Of the triangles.
        front: Vertices that are not behind the camera, which is outside what lies in front of it.
    """
    surface, closed = surfaces
    count = len(closed)
    place = np.arange(len(front))[:, None] * count + surface
    enclosed, parts = (
        np.bincount(place.ravel(), values.ravel(), len(front) * count).reshape(len(front), count)
        for values in (volume, np.abs(volume))
    )
    # what encloses nothing, as two sheets back to back do, has no inside
    sure = closed & (np.abs(enclosed) > LEAST_VOLUME * parts) & front.all(1, keepdims=True)
    result: Bool[np.ndarray, "image face"] = (volume * np.where(sure, enclosed, 0)[:, surface]) > 0
    return result


def _surfaces(faces: Int[np.ndarray, "face 3"], vertices: int) -> _Surfaces:
    """Which surface, of those that share no vertex, each triangle belongs to, and which are closed."""
    # the least vertex of each surface: surfaces that a triangle joins take the lesser's, until none is joined
    label = np.arange(vertices)
    while ((of_corners := label[faces]) != (least := of_corners.min(1, keepdims=True))).any():
        np.minimum.at(label, of_corners, least)
        while (label[label] != label).any():
            label = label[label]
    names, surface = np.unique(label[faces[:, 0]], return_inverse=True)
    start, end = faces, faces[:, [1, 2, 0]]
    _, edge = np.unique(np.minimum(start, end) * vertices + np.maximum(start, end), return_inverse=True)
    passed = np.bincount(edge.ravel(), np.sign(end - start).ravel())
    opened = (passed[edge.reshape(faces.shape)] != 0).any(1)
    return _Surfaces(surface, np.bincount(surface, opened, len(names)) == 0)


def _light(
    points: Float[np.ndarray, "3 image vertex"],
    area: Float[np.ndarray, "3 image face"],
    faces: Int[np.ndarray, "face 3"],
) -> Float[np.ndarray, "2 image vertex"]:
    """Phong 1975 at every vertex, on the side that is seen; ``area`` are the normals of the triangles as long as twice
    their area."""
    images, vertices = points.shape[1:]
    # normals are the means of those of the faces around each vertex, weighted by area
    place = (np.arange(images)[:, None] * vertices + faces.reshape(-1)).ravel()
    sums = [np.bincount(place, np.repeat(part, 3, axis=1).ravel(), images * vertices) for part in area]
    normal = _unit(np.stack(sums, dtype=float).reshape(points.shape))
    to_camera, to_light = _unit(-points), _unit(np.array(LIGHT)[:, None, None] * points[2] - points)
    facing, cosine = (normal * to_camera).sum(0), (normal * to_light).sum(0)
    side = np.where(facing < 0, -1.0, 1.0)
    facing, cosine = side * facing, side * cosine
    # the mirrored direction is 2 cosine normal - to_light
    glance = np.maximum(2 * cosine * facing - (to_light * to_camera).sum(0), 0)
    glint = np.where(cosine > 0, glance, 0) ** SHININESS
    return np.stack([AMBIENT + DIFFUSE * np.maximum(cosine, 0), SPECULAR * glint])


def _cross(a: Float[np.ndarray, "3 *any"], b: Float[np.ndarray, "3 *any"]) -> list[Float[np.ndarray, "*any"]]:
    """Components of vectors' cross products."""
    return [a[i] * b[j] - a[j] * b[i] for i, j in ((1, 2), (2, 0), (0, 1))]


def _unit(vectors: Float[np.ndarray, "3 *any"]) -> Float[np.ndarray, "3 *any"]:
    length = np.sqrt((vectors**2).sum(0))
    result: Float[np.ndarray, "3 ..."] = vectors / np.maximum(length, 1e-12)
    return result


def _visible(
    faces: _Faces, images: int, height: int, width: int
) -> tuple[Int[np.ndarray, " pixel"], Int[np.ndarray, "sample pixel"]]:
    """The pixels, over all pictures, that show a face, and which is the nearest at each of their samples (-1: none)."""
    low_y, high_y = np.minimum.reduce(faces.y), np.maximum.reduce(faces.y)
    top = np.ceil(low_y - 0.5).clip(0, height * ROWS).astype(int)
    counts = (np.floor(high_y + 0.5).clip(0, height * ROWS).astype(int) - top).clip(0)
    pixels = images * height * width
    best = np.zeros(ROWS * pixels, np.int64)
    drawn = np.flatnonzero(counts)
    for some in _parts(counts[drawn], ROWS_AT_ONCE):
        own = drawn[some]
        which, before = _owners(counts[own])
        face = own[which]
        row = np.arange(len(face)) + np.take(top[own] - before, which)
        start, length = _spans(faces, face, row, width)
        kept = np.flatnonzero(length > 0)  # no span where there is no area, and so no shares (NaN)
        face, row, start, length = face[kept], row[kept], start[kept].astype(int), length[kept].astype(int)
        pixel_row = row // ROWS
        place = (faces.image[face] * height + pixel_row) * width + start
        place += (row - pixel_row * ROWS) * pixels
        for part in _parts(length, SAMPLES_AT_ONCE):
            _fill(best, faces, face[part], row[part], start[part], length[part], place[part])
    samples = best.reshape(ROWS, pixels)
    pixel = np.flatnonzero(np.bitwise_or.reduce(samples) > 0)
    samples = samples[:, pixel]
    return pixel, np.where(samples > 0, _FACE_BITS - (samples & _FACE_BITS), -1)


def _parts(counts: Int[np.ndarray, " item"], limit: int) -> Iterator[slice]:
    """Runs of items with about ``limit`` counts together; one item alone may have more."""
    total = np.cumsum(counts)
    most = int(total[-1]) if len(total) else 0
    bounds = np.unique(np.searchsorted(total, np.arange(0, most, limit), side="right"))
    for first, end in pairwise([*bounds.tolist(), len(counts)]):
        if end > first:
            yield slice(first, end)


def _owners(counts: Int[np.ndarray, " item"]) -> tuple[Int[np.ndarray, " one"], Int[np.ndarray, " item"]]:
    """The item of each of ``counts`` things, of which every item has some, and how many come before each item's. As
    ``np.repeat`` of the items' numbers, which takes several times as long where they have few."""
    end = np.cumsum(counts)
    before = end - counts
    owner = np.zeros(end[-1] if len(end) else 0, np.int64)
    owner[before[1:]] = 1
    return np.cumsum(owner, out=owner), before


def _spans(
    faces: _Faces, face: Int[np.ndarray, " span"], row: Int[np.ndarray, " span"], width: int
) -> tuple[Float[np.ndarray, " span"], Float[np.ndarray, " span"]]:
    """First column and length of what each triangle covers of a row of samples: one span, whose ends are where a share
    becomes negative."""
    low, high = np.zeros(len(face)), np.full(len(face), width - 1.0)
    across, down = _across(row), row + 0.5
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for constant, growth, fall in np.moveaxis(faces.shares, 1, 0):
            # one that is the same along a row bounds all of it or nothing, as if it grew by next to nothing
            growth = np.take(np.where(growth == 0, np.finfo(float).tiny, growth), face)
            crossing = np.take(fall, face)
            crossing *= down
            crossing += np.take(constant, face)
            crossing /= -growth
            crossing -= across
            # a share that grows bounds the span from below, another from above; NaN, of what has no area, stays NaN
            growth *= np.inf
            np.maximum(low, np.minimum(crossing, growth), out=low)
            np.minimum(high, np.maximum(crossing, growth), out=high)
    start = np.ceil(low - OVERLAP)
    return start, np.floor(high + OVERLAP) - start + 1


def _fill(
    best: Int[np.ndarray, " sample"],
    faces: _Faces,
    face: Int[np.ndarray, " span"],
    row: Int[np.ndarray, " span"],
    start: Int[np.ndarray, " span"],
    length: Int[np.ndarray, " span"],
    place: Int[np.ndarray, " span"],
) -> None:
    """Keep the nearest at every sample of some spans, which begin at ``place``."""
    # 1 / depth is linear in the picture
    constant, slope, fall = np.take(faces.values[:, 0], face, axis=1)
    near = constant + slope * (start + _across(row)) + fall * (row + 0.5)
    span, before = _owners(length)
    order = np.arange(len(span))
    nearness = np.take(slope, span)
    nearness *= order
    nearness += np.take(near - slope * before, span)
    # positive floats sort like their bits: nearness above, face below, so that one maximum finds the nearest face
    keys = np.maximum(nearness, 1e-30, out=nearness).astype(np.float32).view(np.int32).astype(np.int64)
    keys <<= 32
    keys |= np.take(_FACE_BITS - face, span)
    order += np.take(place - before, span)
    np.maximum.at(best, order, keys)


def _across(row: Int[np.ndarray, " sample"]) -> Float[np.ndarray, " sample"]:
    """How far right in their pixel the samples of a row lie [pixels]."""
    result: Float[np.ndarray, " sample"] = (row - row // ROWS * ROWS + 0.5) / ROWS
    return result


def _shade(
    faces: _Faces,
    looks: Looks,
    which: Int[np.ndarray, " sample"],
    x: Float[np.ndarray, " sample"],
    y: Float[np.ndarray, " sample"],
) -> tuple[Float[np.ndarray, " sample"], Float[np.ndarray, "3 sample"]]:
    """Depth and display colours in [0, 1] of samples: of the corners or a texture, in the light at the corners.

    ``x`` and ``y``: where they lie, in columns of pixels and rows of samples.
    """
    # value by value: single numbers are looked up several times as quickly as rows of them
    constant, right, below = (np.take(part, which, axis=1) for part in faces.values)
    values = right
    values *= x
    values += constant
    below *= y
    values += below
    depth = 1 / values[0]
    values *= depth
    colors = values[3:]
    texture = looks.face_texture[faces.face[which]]
    for index, texels in enumerate(looks.textures):
        textured = texture == index
        own = slice(None) if textured.all() else np.flatnonzero(textured)
        u, v = colors[:2, own]
        # the origin is the lower left corner of the image, which repeats
        across, down = (u - np.floor(u)) * texels.shape[1], (np.ceil(v) - v) * texels.shape[0]
        texel = down.astype(int) * texels.shape[1] + across.astype(int)
        colors[:, own] = np.take(texels.reshape(-1, 3), texel, axis=0, mode="clip").T / np.float32(255)
    colors *= values[1]
    colors += values[2]
    return depth, colors.clip(0, 1, out=colors)
