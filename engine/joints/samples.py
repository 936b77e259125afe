"""Labelled pictures of the characters: drawn once, kept in bytes, without a background."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from engine.geometry.skeleton import joint_positions
from engine.joints.network import DEEPEST
from engine.progress import Progress
from engine.rendering.actors import Actors
from engine.rendering.camera import Cameras
from engine.rendering.projection import project
from engine.rendering.renderers import Renderer
from engine.rendering.views import IMAGES_AT_ONCE
from usd_io.shapes import Bool, Float, UInt8


@dataclass(frozen=True, eq=False)
class TrainingScene:
    """The units that places and depths are predicted in: the same for training and use."""

    reference: Float[np.ndarray, "3"]
    """The middle of the known motion in world space [stage units]; depths are measured from its depth."""
    height: float
    """Of the characters [stage units]: the largest side of the box of the joints at bind time."""
    size: tuple[int, int]
    """Height and width of the pictures that the network sees [pixels]."""

    def reference_depth(self, cameras: Cameras) -> Float[np.ndarray, " camera"]:
        """Depth of the reference in each camera [stage units]; at least a thousandth of the height."""
        transform = cameras.T_camera_world
        depth = transform[:, 2, :3] @ self.reference + transform[:, 2, 3]
        return np.maximum(depth, 1e-3 * self.height)

    def lens(self, cameras: Cameras) -> Float[Tensor, "camera 4"]:
        """See :meth:`engine.joints.network.EstimatorNetwork.forward`; the cameras are of the network's size."""
        heights = self.reference_depth(cameras)[:, None] / self.height / cameras.focal
        return torch.from_numpy(np.concatenate([cameras.centre, heights], 1)).float()


@dataclass(frozen=True, eq=False)
class JointSamples:
    """Pictures with their joints."""

    colour: UInt8[Tensor, "sample 3 height width"]
    """Display colours times the mask."""
    mask: UInt8[Tensor, "sample height width"]
    tracks: Float[Tensor, "sample joint 3"]
    """x, y [pixels of the network's pictures] and depth from the reference [heights]."""
    lens: Float[Tensor, "sample 4"]
    distance: Float[Tensor, " sample"]
    """Of the reference from the camera [heights]."""

    def __len__(self) -> int:
        return len(self.mask)


def make_training_scene(
    actors: Actors, seen: Sequence[Bool[np.ndarray, " joint"]], cameras: Cameras, area: int
) -> TrainingScene:
    """The scene of some known motion, for videos of the aspect of some cameras."""
    points = [
        joint_positions(c, m)[:, s] for c, m, s in zip(actors.characters, actors.motions, seen, strict=True)
    ]
    boxes = [np.ptp(c.T_skel_joint_bind[:, :3, 3], axis=0).max(initial=0) for c in actors.characters]
    scales = [np.linalg.norm(m.T_world_skel[0, :3, 0]) for m in actors.motions]
    height = max(float(b * s) for b, s in zip(boxes, scales, strict=True)) or 1.0
    aspect = cameras.width / cameras.height
    sides = (np.sqrt(area / aspect), np.sqrt(area * aspect))
    rows, columns = (max(2, round(side / DEEPEST)) * DEEPEST for side in sides)
    return TrainingScene(np.concatenate(points, 1).mean((0, 1)), height, (rows, columns))


def resized(cameras: Cameras, size: tuple[int, int]) -> Cameras:
    """The same cameras with pictures of another size; pixels need not stay square."""
    scale = np.array([size[1] / cameras.width, size[0] / cameras.height])
    return replace(
        cameras,
        focal=cameras.focal * scale,
        centre=cameras.centre * scale,
        height=size[0],
        width=size[1],
    )


def draw_samples(
    actors: Actors,
    seen: Sequence[Bool[np.ndarray, " joint"]],
    renderer: Renderer,
    cameras: Cameras,
    scene: TrainingScene,
    progress: Progress,
) -> JointSamples:
    """Draw every frame of some actors.

    Args:
        actors: In motion.
        seen: Joints to predict, for each character.
        renderer: Draws their surface.
        cameras: One, or one per frame; of any size.
        scene: Sets the size of the pictures.
        progress: Ends the work once the user has cancelled it.
    """
    cameras = resized(cameras, scene.size)
    cameras = cameras if len(cameras) > 1 else cameras.at(np.zeros(actors.frame_count, int))
    colours, masks = [], []
    for first in range(0, actors.frame_count, IMAGES_AT_ONCE):
        progress.check()
        frames = slice(first, first + IMAGES_AT_ONCE)
        images = renderer.render(actors.vertices(frames), cameras.at(frames), times=actors.times(frames))
        covered = (images.rgb - (1 - images.mask[..., None])).clamp(0, 1)  # drawn over white
        colours.append((covered * 255 + 0.5).to(torch.uint8).permute(0, 3, 1, 2).cpu())
        masks.append((images.mask * 255 + 0.5).to(torch.uint8).cpu())
    points = [
        joint_positions(c, m)[:, s] for c, m, s in zip(actors.characters, actors.motions, seen, strict=True)
    ]
    tracks = project(cameras, torch.from_numpy(np.concatenate(points, 1)))
    distance = scene.reference_depth(cameras)
    tracks[..., 2] = (tracks[..., 2] - torch.from_numpy(distance)[:, None]) / scene.height
    return JointSamples(
        torch.cat(colours).contiguous(),
        torch.cat(masks),
        tracks.float(),
        scene.lens(cameras),
        torch.from_numpy(distance / scene.height).float(),
    )


def join_samples(parts: Sequence[JointSamples]) -> JointSamples:
    """Samples one after another."""
    return JointSamples(*(torch.cat([getattr(part, name) for part in parts]) for name in vars(parts[0])))
