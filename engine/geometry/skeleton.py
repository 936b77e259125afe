"""Forward kinematics and skinning in numpy. Matrices act on column vectors (docs/conventions.md)."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from engine.geometry import rotations
from usd_io.model import Character, Motion


def levels(parents: Int[np.ndarray, " joint"]) -> Iterator[Int[np.ndarray, " level"]]:
    """Joint indices by depth, roots first: one vectorised step per level instead of one per joint."""
    depth = np.zeros(len(parents), int)
    for joint, parent in enumerate(parents):
        depth[joint] = depth[parent] + 1 if parent >= 0 else 0
    for d in range(depth.max(initial=-1) + 1):
        yield np.flatnonzero(depth == d)


def compose(
    translations: Float[np.ndarray, "*batch 3"],
    quaternions: Float[np.ndarray, "*batch 4"],
    scales: Float[np.ndarray, "*batch 3"],
) -> Float[np.ndarray, "*batch 4 4"]:
    """Matrices that scale, then rotate, then translate (float64)."""
    matrices = np.zeros((*translations.shape[:-1], 4, 4))
    matrices[..., :3, :3] = rotations.to_matrix(quaternions.astype(float)) * scales[..., None, :]
    matrices[..., :3, 3] = translations
    matrices[..., 3, 3] = 1
    return matrices


def chain(
    parents: Int[np.ndarray, " joint"], T_parent_joint: Float[np.ndarray, "*batch joint 4 4"]
) -> Float[np.ndarray, "*batch joint 4 4"]:
    """Joint to skeleton space, from local joint matrices."""
    T_skel_joint = T_parent_joint.copy()
    for level in levels(parents):
        if parents[level[0]] >= 0:
            T_skel_joint[..., level, :, :] = T_skel_joint[..., parents[level], :, :] @ T_parent_joint[..., level, :, :]
    return T_skel_joint


def global_rotations(
    parents: Int[np.ndarray, " joint"], local: Float[np.ndarray, "*batch joint 4"]
) -> Float[np.ndarray, "*batch joint 4"]:
    """Unit quaternions of joint to skeleton space (scale left out)."""
    result = local.copy()
    for level in levels(parents):
        if parents[level[0]] >= 0:
            result[..., level, :] = rotations.multiply(result[..., parents[level], :], local[..., level, :])
    return result


def joint_transforms(character: Character, motion: Motion) -> Float[np.ndarray, "frame joint 4 4"]:
    """``T_skel_joint`` of every frame (float64)."""
    return chain(character.parents, compose(motion.translations, motion.rotations, motion.scales))


def joint_positions(character: Character, motion: Motion) -> Float[np.ndarray, "frame joint 3"]:
    """Joint origins in world space [stage units]."""
    T_skel_joint = joint_transforms(character, motion)
    return np.einsum("fab,fjb->fja", motion.T_world_skel, T_skel_joint[..., 3])[..., :3]
