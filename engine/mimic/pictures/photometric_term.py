"""What the colours of a video say of the unknowns.

Lucas and Kanade's method (1981; Baker and Matthews 2004) on the surface of a posed character: the picture is drawn
once per step without gradients; how a pixel would change follows from the slope of the drawn picture and from how
the surface point under it moves. Differentiating the renderer costs more and gives no Gauss-Newton matrix.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.mimic.gauss_newton import Term
from engine.mimic.joint_term import camera_rows
from engine.mimic.kinematics import Pose, by_offsets, point_levers
from engine.mimic.pictures.pyramid import (
    FitScene,
    Level,
    Picture,
    at_frames,
    channels,
    draw_frames,
    parts,
    slopes,
    vertices,
)
from engine.rendering.camera import Cameras
from engine.rendering.projection import camera_points, homogeneous_pixels
from engine.rendering.torch_renderer.fragments import Fragments, make_fragments
from usd_io.shapes import Float, Int

REACH = 3
"""Pixels beside an outline that speak of it."""
DEPTH_STEP_PX = 6.0
"""A neighbour nearer than this by depth, in pixels at its depth, is another surface, whose outline this is."""
PIXELS = 2000
"""Most pixels of a frame that are looked at; of more, every second, third ..."""
CORRELATION = 50.0
"""So many pixels are worth one independent number: blur, shading and skin are off together."""
_FLAT = 1e-4
"""Pixels whose squared slopes are below this tell nothing."""


@dataclass(frozen=True, eq=False)
class PictureCosts:
    """What is drawn of some poses beside the video, in the frames that are looked at."""

    cost: float
    parts: tuple[tuple[Float[Tensor, "_ 4 height width"], Int[Tensor, "_ height width"]], ...]
    """Of each of :func:`engine.mimic.pictures.pyramid.parts`: the channels, and the triangles in them."""


def compare(
    scene: FitScene, level: Level, poses: Sequence[Pose], pictures: Sequence[Picture] | None = None
) -> PictureCosts:
    """Cost of the pictures alone, which is most of the work of a step and all that a step that fails needs.

    Args:
        scene: What is drawn.
        level: Its colours matched.
        poses: Of each character.
        pictures: What :func:`engine.mimic.pictures.pyramid.draw_frames` gives of these poses for each part, where it
            is known.
    """
    assert level.aim is not None, "colours are matched first"
    cost, compared = 0.0, []
    for number, frames in enumerate(parts(level)):
        if pictures is None:
            rgb, ids = draw_frames(scene, level, vertices(scene, poses, frames), frames)
        else:
            rgb, ids = pictures[number]
        drawn = channels(level, rgb, frames)
        square = _square(drawn - level.aim[frames], level)
        # Geman and McClure's function rho(s) = s / (1 + s / w^2) / 2 of the squared residual s
        robust = 0.5 * square / (1 + square / level.width**2)
        cost += level.weight / CORRELATION * float(robust.double().sum())
        compared.append((drawn, ids))
    return PictureCosts(cost, tuple(compared))


def _square(
    error: Float[Tensor, "frame 4 height width"], level: Level
) -> Float[Tensor, "frame height width"]:
    """Residuals in the units of colours, squared and summed over channels, in standard deviations of the noise."""
    return (error**2).sum(1) / level.noise**2


def picture_form(
    scene: FitScene, level: Level, poses: Sequence[Pose], compared: PictureCosts | None = None
) -> tuple[Term, ...]:
    """Cost of the pictures, and its Gauss-Newton form per character; the cost stands with the first one.
    ``compared``: what :func:`compare` has found of these poses, where it is known."""
    compared = compared or compare(scene, level, poses)
    assert level.aim is not None
    count = len(level.frames)
    sizes = [len(u.mixing) for u in scene.unknowns]
    hessians = [torch.zeros(count, size, size, dtype=torch.float64) for size in sizes]
    gradients = [torch.zeros(count, size, dtype=torch.float64) for size in sizes]
    for frames, (drawn, ids) in zip(parts(level), compared.parts, strict=True):
        points = vertices(scene, poses, frames)
        cameras = at_frames(level, frames)[0]
        error = drawn - level.aim[frames]
        scale = level.weight / CORRELATION
        # the derivative of the robust function of the squared residual s is the weight 1 / (1 + s / w^2)^2 of
        # iteratively reweighted least squares
        trust = scale / (level.noise**2 * (1 + _square(error, level) / level.width**2) ** 2)
        fragments = _fragments(scene, ids, points, cameras)
        for own, index in enumerate(frames.tolist()):
            camera = cameras.at(slice(own, own + 1)) if len(cameras) > 1 else cameras
            mine = fragments.select(torch.nonzero(fragments.image == own)[:, 0])
            # slopes of the mean of both pictures: symmetric, the drawn one is as far off as the video (as in efficient
            # second-order minimisation, Benhimane and Malis 2004)
            steep = slopes(drawn[own] - error[own] / 2)
            found = _pixels(mine, own, camera, steep, error[own], trust[own])
            world = points[own], found.corners - own * points.shape[1]
            for figure, pose, hessian, gradient in zip(
                scene.figures, poses, hessians, gradients, strict=True
            ):
                if len(figure.unknowns.mixing) and figure.unknowns.free[index]:
                    hessian[index], gradient[index] = _normal(
                        found, *world, figure.carried, pose, index, camera
                    )
    costs = [compared.cost] + [0.0] * (len(sizes) - 1)
    return tuple(map(Term, costs, hessians, gradients))


def _fragments(
    scene: FitScene,
    ids: Int[Tensor, "frame height width"],
    points: Float[Tensor, "frame vertex 3"],
    cameras: Cameras,
) -> Fragments:
    """The surface points under the pixels. A coarse pixel has the triangle of a fine one beside its middle, whose plane
    may pass it far off where the triangle is seen edge on: points are kept within their triangles."""
    pixels = homogeneous_pixels(cameras, camera_points(cameras, points))
    found = make_fragments(ids, pixels, scene.surface.faces, cameras)
    # barycentric weights back into the triangle, and the camera depth [stage units] of the point they give
    weights = found.weights.clamp(0, 1)
    weights = weights / weights.sum(1, keepdim=True)
    depths = pixels[..., 2].flatten()[found.corners]
    return replace(found, weights=weights, depth=(weights * depths).sum(1))


@dataclass(frozen=True, eq=False)
class _Pixels:
    """Pixels of one frame that tell something, and whose surface point each is about."""

    corners: Int[Tensor, "pixel 3"]
    weights: Float[Tensor, "pixel 3"]
    tensor: Float[Tensor, "pixel 2 2"]
    """Trust times the outer products of the slopes."""
    pull: Float[Tensor, "pixel 2"]
    """Trust times slopes times errors."""


def _pixels(
    fragments: Fragments,
    own: int,
    camera: Cameras,
    steep: Float[Tensor, "2 4 height width"],
    error: Float[Tensor, "4 height width"],
    trust: Float[Tensor, "height width"],
) -> _Pixels:
    """What the picture ``own`` of a batch tells; the fragments are its own."""
    height, width = trust.shape
    place = fragments.place - own * height * width
    # the depth of the surface in each pixel, inf for the background, and which fragment the pixel has, -1 for none
    depth = torch.full((height * width,), torch.inf).index_copy(0, place, fragments.depth)
    source = torch.full((height * width,), -1).index_copy(0, place, torch.arange(len(place)))
    step = DEPTH_STEP_PX / float(camera.focal.min())
    source = _nearest_surface(source.reshape(height, width), depth.reshape(height, width), step).flatten()
    steep = steep.flatten(2)
    strong = torch.nonzero((source >= 0) & ((steep**2).sum((0, 1)) > _FLAT))[:, 0]
    # of too many every n-th is taken, and counts n times
    stride = max(1, -(-len(strong) // PIXELS))
    strong = strong[::stride]
    slope, share, chosen = steep[..., strong], stride * trust.flatten()[strong], source[strong]
    return _Pixels(
        corners=fragments.corners[chosen],
        weights=fragments.weights[chosen],
        tensor=(((slope[:, None] * slope).sum(2)) * share).permute(2, 0, 1),
        pull=((slope * error.flatten(1)[:, strong]).sum(1) * share).T,
    )


def _nearest_surface(
    source: Int[Tensor, "height width"], depth: Float[Tensor, "height width"], step: float
) -> Int[Tensor, "height width"]:
    """Which fragment each pixel speaks of: pixels beside an outline speak of the surface that has it."""
    # each round a pixel takes over the fragment of a neighbour that is nearer by more than a surface slopes; a pixel
    # of the background has depth inf, and so takes any
    for _ in range(REACH):
        for axis, by in ((0, 1), (0, -1), (1, 1), (1, -1)):
            beside, theirs = depth.roll(by, axis), source.roll(by, axis)
            nearer = beside * (1 + step) < depth
            depth, source = torch.where(nearer, beside, depth), torch.where(nearer, theirs, source)
    return source


def _normal(
    pixels: _Pixels,
    points: Float[Tensor, "vertex 3"],
    corners: Int[Tensor, "pixel 3"],
    carried: Float[Tensor, "vertex free"],
    pose: Pose,
    frame: int,
    camera: Cameras,
) -> tuple[Float[Tensor, "parameter parameter"], Float[Tensor, "parameter"]]:
    """Gauss-Newton matrix and gradient of one frame: a point that moves by u takes the drawn picture with it, so
    that the difference at a pixel changes by minus its slope times u."""
    mix = pixels.weights[..., None]
    # world point under each pixel, and the share with which each joint carries it, mixed from the triangle's corners
    where = (points[corners] * mix).sum(1)
    shares = (carried[corners] * mix).sum(1)
    rows = camera_rows(where[None], camera)[0, :, :2]
    # d(x, y) [pixels] / d(world point), times d(world point) / d(unknown): the motion of the picture per unknown
    jacobian = point_levers(pose, frame, where, shares, rows)
    across, down = pixels.tensor[..., None].unbind(2)
    weighted = across * jacobian[:, :1] + down * jacobian[:, 1:]
    flat = jacobian.flatten(0, 1)
    # J^T W J and -J^T W r, where W r holds slopes, errors and trust summed over channels
    hessian = (flat.T @ weighted.flatten(0, 1)).double()
    gradient = -(pixels.pull.flatten() @ flat).double()
    hessian = by_offsets(pose, frame, by_offsets(pose, frame, hessian).T)
    return hessian, by_offsets(pose, frame, gradient[:, None])[:, 0]
