"""The video and the characters at one picture height: what is drawn and what it is compared with.

A fit goes from coarse pictures to fine ones: what is many pixels off in a fine picture is within reach of the slopes of
a coarse one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from engine.geometry.skeleton import subtrees
from engine.mimic.kinematics import Pose
from engine.mimic.parameters import Unknowns
from engine.rendering.actors import blended_points
from engine.rendering.camera import Cameras
from engine.rendering.mesh.skin import SkinnedRig, build_rig
from engine.rendering.mesh.surface import Surface
from engine.rendering.torch_renderer.renderer import Backdrop, render
from engine.settings.choices import Appearance
from usd_io.shapes import Float, Int

FRAMES_AT_ONCE = 8
BLUR_PX = 1.0
"""Standard deviation of the blur of both pictures: slopes reach further than edges do."""
NARROW = 25
"""Kernels whose radius, times this, is less than height and width together are quicker as sums of shifted pictures than
as matrices, and"""
BLURRED_AT_ONCE = 1 << 17
"""so many values at a time stay in the cache of a core."""
CONTRAST = 0.15
"""Difference from the background at which a pixel is taken for the character's, softly."""
GEMAN = 3.0
"""Residuals beyond this many standard deviations, and beyond the width of a phase, count ever less (Geman and McClure
1987)."""


@dataclass(frozen=True, eq=False)
class FitFigure:
    """One character of a video, ready to be posed and drawn."""

    unknowns: Unknowns
    rig: SkinnedRig
    """Kinematics in float64."""
    skin: SkinnedRig
    """The same in float32, to draw with."""
    bound: Float[Tensor, "frame _ 3"] | None
    """Points with the blend shapes of each frame, float32; None where the character has no blend shapes."""
    carried: Float[Tensor, "all_vertex _"]
    """Share with which each joint with unknowns carries each vertex of the surface of all characters."""

    def at(self, unknowns: Unknowns) -> "FitFigure":
        """The same character at the frames of other unknowns."""
        return replace(self, unknowns=unknowns, bound=_bound_points(unknowns))


@dataclass(frozen=True, eq=False)
class FitScene:
    """All characters of a video, and from where they are seen."""

    figures: tuple[FitFigure, ...]
    surface: Surface
    cameras: Cameras
    """Of the video."""
    backdrop: Backdrop | None
    appearance: Appearance

    @property
    def unknowns(self) -> tuple[Unknowns, ...]:
        """What is to be found, per character."""
        return tuple(figure.unknowns for figure in self.figures)


def make_fit_scene(
    unknowns: Sequence[Unknowns],
    surface: Surface,
    cameras: Cameras,
    backdrop: Backdrop | None,
    appearance: Appearance,
) -> FitScene:
    """Gather what drawing needs; the surface is of the same characters in the same order."""
    single, double = torch.zeros(()), torch.zeros((), dtype=torch.float64)
    total = sum(len(mesh.points) for u in unknowns for mesh in u.character.meshes)
    figures, first = [], 0
    for u in unknowns:
        weights = np.zeros((total, len(u.character.joints)), np.float32)
        for mesh in u.character.meshes:
            rows = first + np.arange(len(mesh.points))[:, None]
            np.add.at(weights, (rows, mesh.joint_indices), mesh.joint_weights)
            first += len(mesh.points)
        # a joint carries what hangs on it and on all joints below it
        free = torch.cat([u.turning, u.moving])
        carried = torch.from_numpy(weights @ subtrees(u.character.parents).T.astype(np.float32))[:, free]
        rig, skin = (build_rig(u.character, like) for like in (double, single))
        figures.append(FitFigure(u, rig, skin, _bound_points(u), carried))
    return FitScene(
        figures=tuple(figures),
        surface=surface.to(single),
        cameras=cameras,
        backdrop=backdrop,
        appearance=appearance,
    )


def _bound_points(unknowns: Unknowns) -> Float[Tensor, "frame _ 3"] | None:
    return blended_points(unknowns.character, unknowns.base, torch.zeros(()))


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
    scene: FitScene,
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


def _resized(scene: FitScene, height: int) -> tuple[Cameras, Backdrop]:
    """Camera and backdrop at another height."""
    full = scene.cameras
    width = max(round(full.width * height / full.height), 1)
    # focal length and centre are in pixels and shrink with the picture; the width is rounded: each axis by its own part
    scale = np.array([width / full.width, height / full.height])
    cameras = replace(full, focal=full.focal * scale, centre=full.centre * scale, height=height, width=width)
    if scene.backdrop is None:
        return cameras, Backdrop(torch.ones(1, height, width, 3), torch.full((1, height, width), torch.inf))
    # colours as averages; depths [stage units] are never mixed, or there would be surfaces between two others
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
Picture = tuple[Float[Tensor, "_ height width 3"], Int[Tensor, "_ height width"]]
"""Colours of some frames, and the triangles in them."""


def parts(level: Level) -> list[Frames]:
    """Batches of the frames that are looked at."""
    return [level.used[i : i + FRAMES_AT_ONCE] for i in range(0, len(level.used), FRAMES_AT_ONCE)]


def vertices(scene: FitScene, poses: Sequence[Pose], frames: Frames) -> Float[Tensor, "frame vertex 3"]:
    """World points of all meshes in some frames [stage units]."""
    # kinematics are in float64, what is drawn from here on in float32
    return torch.cat(
        [
            figure.skin.vertices(
                pose.T_skel_joint[frames].float(),
                torch.from_numpy(figure.unknowns.base.T_world_skel[frames]).float(),
                None if figure.bound is None else figure.bound[frames],
            )
            for figure, pose in zip(scene.figures, poses, strict=True)
            if figure.unknowns.character.meshes
        ],
        dim=1,
    )


def draw_frames(
    scene: FitScene, level: Level, points: Float[Tensor, "frame vertex 3"], frames: Frames
) -> Picture:
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
        # averages of the finer picture's colours; of its triangles each coarse pixel keeps the one nearest its middle
        rgb = resample(rgb.permute(0, 3, 1, 2), level.cameras.height, level.cameras.width).permute(0, 2, 3, 1)
        ids = interpolate(ids[:, None].double(), rgb.shape[1:3], mode="nearest")[:, 0].to(ids.dtype)
    if level.softness > 0:
        # as soft as the video is (colour_match), before both are blurred alike
        rgb = softened(rgb, level.softness)
    return rgb, ids


def softened(
    rgb: Float[Tensor, "frame height width 3"], softness: float
) -> Float[Tensor, "frame height width 3"]:
    """Pictures as soft as a video is."""
    return blur(rgb.permute(0, 3, 1, 2), softness).permute(0, 2, 3, 1)


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
    # 0 where a pixel is the background's colour, towards 1 where it is far from it: a soft silhouette
    outline = 1 - torch.exp(-((soft - behind) ** 2).sum(1, keepdim=True) / (2 * CONTRAST**2))
    return torch.cat([soft, level.silhouette**0.5 * outline], 1)


def blur(
    images: Float[Tensor, "image channel height width"], sigma: float
) -> Float[Tensor, "image channel height width"]:
    """Gaussian blur, edges held."""
    # a Gaussian of two dimensions is the product of two of one, along rows and along columns
    radius = max(1, round(3 * sigma))
    kernel = torch.exp(-(torch.arange(-radius, radius + 1).to(images.dtype) ** 2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    height, width = images.shape[2:]
    if NARROW * radius > height + width:
        # as matrices wide ones are quicker
        down, across = (_blur_matrix(size, kernel) for size in (height, width))
        return down @ (images @ across.T)
    weights = kernel[radius:].tolist()
    padded = (radius, radius, radius, radius)
    step = max(1, BLURRED_AT_ONCE // (images.shape[1] * height * width))
    blurred = []
    for some in torch.split(images, step):
        part = pad(some.contiguous(), padded, mode="replicate")
        for axis, size in ((3, width), (2, height)):
            part = _mixed(part, axis, size, weights)
        blurred.append(part)
    return torch.cat(blurred)


def _mixed(
    images: Float[Tensor, "image channel _ _"], axis: int, size: int, weights: list[float]
) -> Float[Tensor, "image channel _ _"]:
    """Neighbours along an axis added up by a kernel's weights from its middle out; ``size`` of them are left."""
    radius = len(weights) - 1
    result = images.narrow(axis, radius, size) * weights[0]
    for away in range(1, radius + 1):
        pair = images.narrow(axis, radius - away, size) + images.narrow(axis, radius + away, size)
        result.add_(pair, alpha=weights[away])
    return result


def _blur_matrix(size: int, kernel: Float[Tensor, " place"]) -> Float[Tensor, "size size"]:
    """Row i holds the weights of all places in the blurred value at i; what is beyond an end counts as the end."""
    offset = torch.arange(len(kernel)) - len(kernel) // 2
    place = (torch.arange(size)[:, None] + offset).clamp(0, size - 1)
    return torch.zeros(size, size, dtype=kernel.dtype).scatter_add_(1, place, kernel.expand(size, -1))


def slopes(images: Float[Tensor, "channel height width"]) -> Float[Tensor, "2 channel height width"]:
    """Central differences along x and y [per pixel]."""
    # edges repeated once, so that the slope there is half the one-sided difference
    padded = pad(images[None], (1, 1, 1, 1), mode="replicate")[0]
    across = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) / 2
    down = (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) / 2
    return torch.stack([across, down])
