"""The video at one picture height, and what its colours say of the unknowns.

Lucas and Kanade's method (1981; Baker and Matthews 2004) on the surface of a posed character: the picture is drawn
once per step without gradients; how a pixel would change follows from the slope of the drawn picture and from how
the surface point under it moves. Differentiating the renderer costs more and gives no Gauss-Newton matrix.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

from engine.mimic.gauss_newton import Term
from engine.mimic.joint_term import camera_rows, subtrees
from engine.mimic.kinematics import Pose, point_rows
from engine.mimic.parameters import Unknowns
from engine.rendering.actors import blended_points
from engine.rendering.camera import Cameras, camera_points, homogeneous_pixels
from engine.rendering.mesh.skin import Rig, build_rig
from engine.rendering.mesh.surface import Appearance, Surface
from engine.rendering.torch_renderer.fragments import Fragments, make_fragments
from engine.rendering.torch_renderer.renderer import Backdrop, render

FRAMES_AT_ONCE = 8
BLUR_PX = 1.0
"""Standard deviation of the blur of both pictures: slopes reach further than edges do."""
REACH = 3
"""Pixels beside an outline that speak of it."""
DEPTH_STEP_PX = 6.0
"""A neighbour nearer than this by depth, in pixels at its depth, is another surface, whose outline this is."""
PIXELS = 2000
"""Most pixels of a frame that are looked at; of more, every second, third ..."""
CORRELATION = 50.0
"""So many pixels are worth one independent number: blur, shading and skin are off together."""
UPPER_QUARTILE = 0.5
"""The same over the upper quartile where either picture shows one."""
GEMAN = 3.0
"""Residuals beyond this many standard deviations, and beyond the width of a phase, count ever less (Geman and McClure
1987)."""
CONTRAST = 0.15
"""Difference from the background at which a pixel is taken for the character's, softly."""
QUARTILE = 0.9
"""Standard deviation of each of three colours over the lower quartile of their distance where both pictures show a
character: with the pose still off, the rest tells more of the pose than of the noise."""
MOST_SOFTNESS = 4.0
"""Videos softer than by this blur [pixels] are taken for as soft."""
SHARP = 0.98
"""A video with more than this part of the squared slopes of what is drawn is not called soft."""
_FLAT = 1e-4
"""Pixels whose squared slopes are below this tell nothing."""


@dataclass(frozen=True, eq=False)
class Scene:
    """All characters of a video, and from where they are seen."""

    unknowns: tuple[Unknowns, ...]
    rigs: tuple[Rig, ...]
    """Kinematics in float64."""
    skins: tuple[Rig, ...]
    """The same in float32, to draw with."""
    bound: tuple[Float[Tensor, "frame _ 3"] | None, ...]
    """Points with blend shapes."""
    carried: tuple[Float[Tensor, "all_vertex _"], ...]
    """Share with which each joint with unknowns carries each vertex of the surface."""
    surface: Surface
    cameras: Cameras
    """Of the video."""
    backdrop: Backdrop | None
    appearance: Appearance


def make_scene(
    unknowns: Sequence[Unknowns],
    surface: Surface,
    cameras: Cameras,
    backdrop: Backdrop | None,
    appearance: Appearance,
) -> Scene:
    """Gather what drawing needs; the surface is of the same characters in the same order."""
    single, double = torch.zeros(()), torch.zeros((), dtype=torch.float64)
    total = sum(len(mesh.points) for u in unknowns for mesh in u.character.meshes)
    carried, first = [], 0
    for u in unknowns:
        weights = np.zeros((total, len(u.character.joints)), np.float32)
        for mesh in u.character.meshes:
            rows = first + np.arange(len(mesh.points))[:, None]
            np.add.at(weights, (rows, mesh.joint_indices), mesh.joint_weights)
            first += len(mesh.points)
        free = torch.cat([u.turning, u.moving])
        carried.append(torch.from_numpy(weights @ subtrees(u.character).T.astype(np.float32))[:, free])
    return Scene(
        unknowns=tuple(unknowns),
        rigs=tuple(build_rig(u.character, double) for u in unknowns),
        skins=tuple(build_rig(u.character, single) for u in unknowns),
        bound=bound_points(unknowns),
        carried=tuple(carried),
        surface=surface.to(single),
        cameras=cameras,
        backdrop=backdrop,
        appearance=appearance,
    )


def bound_points(unknowns: Sequence[Unknowns]) -> tuple[Float[Tensor, "frame _ 3"] | None, ...]:
    """Points with the blend shapes of each frame, float32; None where a character has none."""
    return tuple(blended_points(u.character, u.base, torch.zeros(())) for u in unknowns)


@dataclass(frozen=True, eq=False)
class Level:
    """The video at one picture height."""

    frames: Float[Tensor, "frame height width 3"]
    """Resampled, later in our colours."""
    cameras: Cameras
    backdrop: Backdrop
    behind: Float[Tensor, "image 3 height width"]
    """The backdrop's colours, blurred: one picture or one per frame."""
    silhouette: float
    """Weight of the outline."""
    weight: float
    used: Int[np.ndarray, " used"]
    """Frames that are looked at."""
    noise: float = 0.01
    """Standard deviation of colour differences."""
    width: float = GEMAN
    """Of the robust function [standard deviations]."""
    softness: float = 0.0
    """Blur that the video has and what is drawn has not [pixels]: a soft outline would be taken for a nearer one."""
    fine: tuple[Cameras, Backdrop] | None = None
    """To draw with, of twice the height; None draws at the level's own."""
    aim: Float[Tensor, "frame 4 height width"] | None = None
    """The :func:`channels` of the video, its colours made ours."""


def make_level(
    scene: Scene,
    frames: Float[Tensor, "frame 3 height width"],
    height: int,
    silhouette: float,
    weight: float,
    used: Int[np.ndarray, " used"] | None = None,
) -> Level:
    """Resample video, camera and backdrop to a height; larger than the video's own is not. All frames are looked at, or
    those ``used``."""
    height = min(height, scene.cameras.height)
    cameras, backdrop = _resized(scene, height)
    small = resample(frames, cameras.height, cameras.width).permute(0, 2, 3, 1).contiguous()
    # pixel by pixel a coarse picture would skip thin limbs, which the video's, being averages, do not
    fine = _resized(scene, 2 * height) if height < scene.cameras.height else None
    behind = blur(backdrop.rgb.permute(0, 3, 1, 2), BLUR_PX)
    used = np.arange(len(frames)) if used is None else used
    return Level(small, cameras, backdrop, behind, silhouette, weight, used, fine=fine)


def _resized(scene: Scene, height: int) -> tuple[Cameras, Backdrop]:
    """Camera and backdrop at another height."""
    full = scene.cameras
    width = max(round(full.width * height / full.height), 1)
    scale = np.array([width / full.width, height / full.height])
    cameras = replace(full, focal=full.focal * scale, centre=full.centre * scale, height=height, width=width)
    if scene.backdrop is None:
        return cameras, Backdrop(torch.ones(1, height, width, 3), torch.full((1, height, width), torch.inf))
    rgb = resample(scene.backdrop.rgb.permute(0, 3, 1, 2), height, width).permute(0, 2, 3, 1)
    depth = interpolate(scene.backdrop.depth[:, None], (height, width), mode="nearest")[:, 0]
    return cameras, Backdrop(rgb, depth)


def resample(
    images: Float[Tensor, "image 3 _ _"], height: int, width: int
) -> Float[Tensor, "image 3 height width"]:
    """Area-weighted where it shrinks; the same where the size is the same."""
    if images.shape[2:] == (height, width):
        return images.float()
    return interpolate(
        images.float(), (height, width), mode="bilinear", antialias=True, align_corners=False
    ).clamp(0, 1)


Frames = Int[np.ndarray, " frame"]


def parts(level: Level) -> list[Frames]:
    """Batches of the frames that are looked at."""
    return [level.used[i : i + FRAMES_AT_ONCE] for i in range(0, len(level.used), FRAMES_AT_ONCE)]


def vertices(scene: Scene, poses: Sequence[Pose], frames: Frames) -> Float[Tensor, "frame vertex 3"]:
    """World points of all meshes in some frames."""
    return torch.cat(
        [
            skin.vertices(
                pose.T_skel_joint[frames].float(),
                torch.from_numpy(u.base.T_world_skel[frames]).float(),
                None if bound is None else bound[frames],
            )
            for u, skin, pose, bound in zip(scene.unknowns, scene.skins, poses, scene.bound, strict=True)
            if u.character.meshes
        ],
        dim=1,
    )


def draw_frames(
    scene: Scene, level: Level, points: Float[Tensor, "frame vertex 3"], frames: Frames
) -> tuple[Float[Tensor, "frame height width 3"], Int[Tensor, "frame height width"]]:
    """The pictures and the triangles in them."""
    cameras, backdrop = _some(*(level.fine or (level.cameras, level.backdrop)), frames)
    images = render(
        points,
        cameras,
        scene.surface,
        appearance=scene.appearance,
        backdrop=backdrop,
        antialiased=True,
    )
    assert images.face_id is not None
    rgb, ids = images.rgb, images.face_id
    if level.fine is not None:
        rgb = resample(rgb.permute(0, 3, 1, 2), level.cameras.height, level.cameras.width).permute(0, 2, 3, 1)
        ids = interpolate(ids[:, None].double(), rgb.shape[1:3], mode="nearest")[:, 0].to(ids.dtype)
    if level.softness > 0:
        rgb = blur(rgb.permute(0, 3, 1, 2), level.softness).permute(0, 2, 3, 1)
    return rgb, ids


def at_frames(level: Level, frames: Frames) -> tuple[Cameras, Backdrop]:
    """Camera and backdrop of some frames."""
    return _some(level.cameras, level.backdrop, frames)


def _some(cameras: Cameras, backdrop: Backdrop, frames: Frames) -> tuple[Cameras, Backdrop]:
    if len(cameras) > 1:
        cameras = cameras.at(frames)
    if len(backdrop.rgb) > 1:
        backdrop = Backdrop(backdrop.rgb[frames], backdrop.depth[frames])
    return cameras, backdrop


def channels(
    level: Level, rgb: Float[Tensor, "frame height width 3"], frames: Frames
) -> Float[Tensor, "frame 4 height width"]:
    """Blurred colours, and how surely each pixel is not the background's."""
    soft = blur(
        rgb.permute(0, 3, 1, 2), BLUR_PX
    )  # first, or noise would look like something before the background
    behind = level.behind[frames] if len(level.behind) > 1 else level.behind
    outline = 1 - torch.exp(-((soft - behind) ** 2).sum(1, keepdim=True) / (2 * CONTRAST**2))
    return torch.cat([soft, level.silhouette**0.5 * outline], 1)


def blur(images: Float[Tensor, "image channel height width"], sigma: float) -> Tensor:
    """Gaussian blur, edges held."""
    radius = max(1, round(3 * sigma))
    x = torch.arange(-radius, radius + 1, dtype=images.dtype)
    kernel = torch.exp(-(x**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).reshape(1, 1, 1, -1)
    flat = images.flatten(0, 1)[:, None]
    flat = conv2d(pad(flat, (radius, radius, 0, 0), mode="replicate"), kernel)
    flat = conv2d(pad(flat, (0, 0, radius, radius), mode="replicate"), kernel.transpose(2, 3))
    return flat.reshape(images.shape)


def picture_form(scene: Scene, level: Level, poses: Sequence[Pose]) -> tuple[Term, ...]:
    """Cost of the pictures, and its Gauss-Newton form per character; the cost is told with the first one."""
    assert level.aim is not None, "colours are matched first"
    count = len(level.frames)
    sizes = [len(u.mixing) for u in scene.unknowns]
    hessians = [torch.zeros(count, size, size, dtype=torch.float64) for size in sizes]
    gradients = [torch.zeros(count, size, dtype=torch.float64) for size in sizes]
    cost = 0.0
    for frames in parts(level):
        points = vertices(scene, poses, frames)
        rgb, ids = draw_frames(scene, level, points, frames)
        cameras = at_frames(level, frames)[0]
        drawn = channels(level, rgb, frames)
        error = drawn - level.aim[frames]
        square = (error**2).sum(1) / level.noise**2
        scale = level.weight / CORRELATION
        cost += scale * float((0.5 * square / (1 + square / level.width**2)).double().sum())
        trust = scale / (level.noise**2 * (1 + square / level.width**2) ** 2)
        fragments = _fragments(scene, ids, points, cameras)
        for own, index in enumerate(frames.tolist()):
            camera = cameras.at(slice(own, own + 1)) if len(cameras) > 1 else cameras
            mine = fragments.select(torch.nonzero(fragments.image == own)[:, 0])
            steep = slopes(drawn[own] - error[own] / 2)
            found = _pixels(mine, own, camera, steep, error[own], trust[own])
            world = points[own], found.corners - own * points.shape[1]
            for pose, u, carried, hessian, gradient in zip(
                poses, scene.unknowns, scene.carried, hessians, gradients, strict=True
            ):
                if len(u.mixing) and u.free[index]:
                    hessian[index], gradient[index] = _normal(found, *world, carried, pose, index, camera)
    costs = [cost] + [0.0] * (len(sizes) - 1)
    return tuple(map(Term, costs, hessians, gradients))


def _fragments(
    scene: Scene,
    ids: Int[Tensor, "frame height width"],
    points: Float[Tensor, "frame vertex 3"],
    cameras: Cameras,
) -> Fragments:
    """The surface points under the pixels. A coarse pixel has the triangle of a fine one beside its middle, whose plane
    may pass it far off where the triangle is seen edge on: points are kept within their triangles."""
    pixels = homogeneous_pixels(cameras, camera_points(cameras, points))
    found = make_fragments(ids, pixels, scene.surface.faces, cameras)
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
    depth = torch.full((height * width,), torch.inf).index_copy(0, place, fragments.depth)
    source = torch.full((height * width,), -1).index_copy(0, place, torch.arange(len(place)))
    step = DEPTH_STEP_PX / float(camera.focal.min())
    source = _nearest_surface(source.reshape(height, width), depth.reshape(height, width), step).flatten()
    steep = steep.flatten(2)
    strong = torch.nonzero((source >= 0) & ((steep**2).sum((0, 1)) > _FLAT))[:, 0]
    stride = max(1, -(-len(strong) // PIXELS))
    strong = strong[::stride]
    slope, share, chosen = steep[..., strong], stride * trust.flatten()[strong], source[strong]
    return _Pixels(
        corners=fragments.corners[chosen],
        weights=fragments.weights[chosen],
        tensor=torch.einsum("xcp,ycp,p->pxy", slope, slope, share),
        pull=torch.einsum("xcp,cp,p->px", slope, error.flatten(1)[:, strong], share),
    )


def _nearest_surface(
    source: Int[Tensor, "height width"], depth: Float[Tensor, "height width"], step: float
) -> Int[Tensor, "height width"]:
    """Which fragment each pixel speaks of: pixels beside an outline speak of the surface that has it."""
    for _ in range(REACH):
        for axis, by in ((0, 1), (0, -1), (1, 1), (1, -1)):
            beside, theirs = depth.roll(by, axis), source.roll(by, axis)
            nearer = beside * (1 + step) < depth
            depth, source = torch.where(nearer, beside, depth), torch.where(nearer, theirs, source)
    return source


def slopes(images: Float[Tensor, "channel height width"]) -> Float[Tensor, "2 channel height width"]:
    """Central differences along x and y [per pixel]."""
    padded = pad(images[None], (1, 1, 1, 1), mode="replicate")[0]
    across = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) / 2
    down = (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) / 2
    return torch.stack([across, down])


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
    where = (points[corners] * mix).sum(1)
    shares = (carried[corners] * mix).sum(1)
    rows = camera_rows(where[None], camera)[0, :, :2]
    jacobian = point_rows(pose, frame, where, shares, rows)
    weighted = torch.einsum("nxy,nyp->nxp", pixels.tensor, jacobian)
    hessian = jacobian.flatten(0, 1).T @ weighted.flatten(0, 1)
    return hessian.double(), -torch.einsum("nxp,nx->p", jacobian, pixels.pull).double()


def match_colours(
    scene: Scene, level: Level, poses: Sequence[Pose], *, least_noise: float, width: float, settled: bool
) -> Level:
    """The level with the noise and softness of its pictures and the colours of the video as they now look.

    A video model, or a file, shifts colours: one gain and offset per channel over all frames that are looked at are
    fitted, robustly, since many pixels still show something else.

    Args:
        scene: What is drawn.
        level: As made.
        poses: As they are now.
        least_noise: Colour differences are taken to be no smaller than this.
        width: Colour differences up to this count in full.
        settled: Pictures have been fitted already, so that what outlines differ by counts as noise as well.
    """
    drawn, either, both = [], [], []
    for frames in parts(level):
        rgb, ids = draw_frames(scene, level, vertices(scene, poses, frames), frames)
        apart = ((level.frames[frames] - at_frames(level, frames)[1].rgb) ** 2).sum(-1) > CONTRAST**2
        drawn.append(blur(rgb.permute(0, 3, 1, 2), BLUR_PX))
        either.append(((ids >= 0) | apart).flatten())
        both.append(((ids >= 0) & apart).flatten())
    pictures, seen = torch.cat(drawn), blur(level.frames[level.used].permute(0, 3, 1, 2), BLUR_PX)
    softness = softness_of(pictures, seen)
    if softness > 0:
        pictures = blur(pictures, softness)
    ours, theirs = (each.transpose(0, 1).flatten(1).double() for each in (pictures, seen))
    gain, offset = _fit_colours(ours, theirs)
    error = ((ours - (theirs - offset[:, None]) / gain[:, None]) ** 2).sum(0).sqrt()
    inner, error = error[torch.cat(both)], error[torch.cat(either)]
    noise = least_noise
    if len(inner):
        noise = max(noise, QUARTILE * float(inner.quantile(0.25)))
    if len(error) and settled:
        noise = max(noise, UPPER_QUARTILE * float(error.quantile(0.75)))
    matched = (level.frames - offset.float()) / gain.float()
    level = replace(level, frames=matched, noise=noise, width=max(GEMAN, width / noise), softness=softness)
    return replace(level, aim=channels(level, matched, np.arange(len(matched))))


def softness_of(
    ours: Float[Tensor, "frame 3 height width"], theirs: Float[Tensor, "frame 3 height width"]
) -> float:
    """Blur under which our pictures have the squared slopes of the video's, both in units of their own contrast: a
    pose that is still off leaves these alone."""

    def sharpness(images: Tensor) -> float:
        slopes = sum(float(images.diff(dim=axis).double().square().sum()) for axis in (2, 3))
        return slopes / max(float(images.double().var((0, 2, 3)).sum()), 1e-12)

    wanted = sharpness(theirs)
    if wanted > SHARP * sharpness(ours):
        return 0.0
    low, high = 0.0, MOST_SOFTNESS
    for _ in range(6):
        middle = (low + high) / 2
        low, high = (middle, high) if sharpness(blur(ours, middle)) > wanted else (low, middle)
    return high


def _fit_colours(
    ours: Float[Tensor, "3 pixel"], theirs: Float[Tensor, "3 pixel"]
) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"]]:
    """Gain and offset per channel by least squares, with ever less of the pixels that do not fit."""
    gain, offset = torch.ones(3).double(), torch.zeros(3).double()
    for _ in range(4):
        error = ((theirs - gain[:, None] * ours - offset[:, None]) ** 2).sum(0)
        trust = 1 / (1 + error / 0.1**2) ** 2
        total = trust.sum()
        a, b = (ours * trust).sum(1) / total, (theirs * trust).sum(1) / total
        x, y = ours - a[:, None], theirs - b[:, None]
        ridge = 1e-3 * total
        gain = (((x * y * trust).sum(1) + ridge) / ((x * x * trust).sum(1) + ridge)).clamp(0.5, 2)
        offset = (b - gain * a).clamp(-0.3, 0.3)
    return gain, offset
