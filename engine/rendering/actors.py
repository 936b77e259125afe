"""Characters in motion as vertices, batch by batch."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from engine.geometry.skeleton import blend_points, joint_transforms
from engine.rendering.mesh.skin import SkinnedRig, bound_points, build_rig
from usd_io.model import Character, Motion
from usd_io.shapes import Float, Int

FRAMES_AT_ONCE = 16
"""Frames skinned together where all of a motion is walked through."""
MOST_KEPT = 16 << 20
"""Coordinates of a motion that are kept once it has been walked through, so that no view skins it again: 64 MB."""


class Actors:
    """Some characters with their motions, which share their times."""

    def __init__(
        self, characters: Sequence[Character], motions: Sequence[Motion], like: Tensor | None = None
    ) -> None:
        """``like`` gives the device and the precision of the vertices; None: float32 on the CPU."""
        self.characters = tuple(characters)
        self.motions = tuple(motions)
        self._like = torch.zeros(()) if like is None else like
        self._kept: Float[Tensor, "frame vertex 3"] | None = None
        self._rigs: tuple[SkinnedRig, ...] = tuple(
            build_rig(character, self._like) for character in characters
        )

    @property
    def frame_count(self) -> int:
        return len(self.motions[0].times)

    def times(self, frames: Int[np.ndarray, " frame"] | slice) -> Float[np.ndarray, " frame"]:
        """Of some frames [time codes]."""
        return self.motions[0].times[frames]

    @torch.no_grad()
    def vertices(self, frames: Int[np.ndarray, " frame"] | slice) -> Float[Tensor, "frame vertex 3"]:
        """World points of all meshes of all characters [stage units]; not to be changed in place."""
        if self._kept is not None:
            return self._kept[frames]
        parts = [
            _posed(rig, character, motion.at(frames), self._like)
            if not any(mesh.reskinned for mesh in character.meshes)
            else _reskinned(character, motion.at(frames), self._like)
            for rig, character, motion in zip(self._rigs, self.characters, self.motions, strict=True)
            if character.meshes
        ]
        return torch.cat(parts, dim=1)

    def clouds(self) -> Iterator[Float[np.ndarray, "frame vertex 3"]]:
        """World points of the whole motion, in parts."""
        count = sum(len(mesh.points) for character in self.characters for mesh in character.meshes)
        keep = self._kept is None and 3 * count * self.frame_count <= MOST_KEPT
        parts = []
        for first in range(0, self.frame_count, FRAMES_AT_ONCE):
            parts.append(self.vertices(slice(first, first + FRAMES_AT_ONCE)))
            yield parts[-1].cpu().numpy()
            if not keep:
                parts.clear()
        if keep:
            self._kept = torch.cat(parts)


def _posed(
    rig: SkinnedRig, character: Character, motion: Motion, like: Tensor
) -> Float[Tensor, "frame vertex 3"]:
    T_skel_joint = torch.from_numpy(joint_transforms(character, motion)).to(like)
    T_world_skel = torch.from_numpy(motion.T_world_skel).to(like)
    vertices = rig.vertices(T_skel_joint, T_world_skel, blended_points(character, motion, like))
    return _without_unseen(vertices, character, motion)


def _reskinned(character: Character, motion: Motion, like: Tensor) -> Float[Tensor, "frame vertex 3"]:
    """Of meshes whose influences change in time: each frame has a rig of its own."""
    parts = []
    for frame, time in enumerate(motion.times.tolist()):
        now = character.at(time)
        parts.append(_posed(build_rig(now, like), now, motion.at(slice(frame, frame + 1)), like))
    return torch.cat(parts)


def _without_unseen(
    vertices: Float[Tensor, "frame vertex 3"], character: Character, motion: Motion
) -> Float[Tensor, "frame vertex 3"]:
    """Meshes that are not seen at a time shrink to one of their points: a face without area is not drawn, and what is
    drawn keeps its vertices and faces over all frames."""
    first = 0
    for mesh in character.meshes:
        end = first + len(mesh.points)
        unseen = ~mesh.seen(motion.times)
        if unseen.any():
            frames = torch.from_numpy(np.flatnonzero(unseen)).to(vertices.device)
            vertices[frames, first:end] = vertices[frames, first : first + 1]
        first = end
    return vertices


def blended_points(
    character: Character, motion: Motion, like: Tensor
) -> Float[Tensor, "frame vertex 3"] | None:
    """Bind-pose points of every frame in skeleton space, blend shapes applied; None where they are always the same."""
    blended = motion.blend_weights is not None and any(mesh.blend_shapes for mesh in character.meshes)
    if not blended and all(mesh.point_times is None for mesh in character.meshes):
        return None
    parts = [bound_points(mesh, blend_points(mesh, motion)) for mesh in character.meshes]
    return torch.from_numpy(np.concatenate(parts, axis=1)).to(like)
