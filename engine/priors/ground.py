"""Which joints carry a skeleton through the world, and turning them about the up axis."""

import numpy as np

from engine.geometry import rotations, skeleton
from engine.priors import offsets
from usd_io.model import Character, Motion
from usd_io.shapes import Bool, Float, Int


def carriers(character: Character, moves: Bool[np.ndarray, " joint"]) -> Int[np.ndarray, " carrier"]:
    """Moving joints below which nothing moves: the hips under a still armature root, IK handles beside them."""
    under_moving = np.zeros(len(moves), bool)
    for level in skeleton.levels(character.parents):
        parents = character.parents[level]
        inside = parents >= 0
        under_moving[level[inside]] = under_moving[parents[inside]] | moves[parents[inside]]
    return np.flatnonzero(moves & ~under_moving)


def T_ground_skel(character: Character, known: Motion) -> Float[np.ndarray, "3 3"]:
    """Rotation from skeleton space to axes whose third is the world's up axis, as it is at the first known frame."""
    up_world = np.eye(3)["XYZ".index(character.up_axis)]
    up = known.T_world_skel[0, :3, :3].T @ up_world
    up /= np.linalg.norm(up)
    side = np.cross(up, np.eye(3)[np.argmin(np.abs(up))])
    side /= np.linalg.norm(side)
    return np.stack([side, np.cross(up, side), up])


def turn(angle: Float[np.ndarray, " window"]) -> Float[np.ndarray, "window 3 3"]:
    """Rotation matrices about the third axis of ground space."""
    cosine, sine, zero = np.cos(angle), np.sin(angle), np.zeros_like(angle)
    rows = [[cosine, -sine, zero], [sine, cosine, zero], [zero, zero, zero + 1]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def turn_carriers(
    values: Float[np.ndarray, "window time joint 9"],
    angle: Float[np.ndarray, " window"],
    character: Character,
    known: Motion,
    ground: Float[np.ndarray, "3 3"],
) -> Float[np.ndarray, "window time joint 9"]:
    """Offsets after turning the whole motion about the up axis: the carriers' translations turn in the frame of
    their still parents; rotation offsets live in their joint's own frame and stay."""
    result = values.copy()
    local = known.rotations[:1].astype(float)
    parent_rotations = rotations.to_matrix(skeleton.global_rotations(character.parents, local)[0])
    turned = ground.T @ turn(angle) @ ground
    moves: Bool[np.ndarray, " joint"] = np.any(offsets.moving(known), axis=-1)
    for joint in carriers(character, moves):
        parent = character.parents[joint]
        frame = parent_rotations[parent] if parent >= 0 else np.eye(3)
        matrices = frame.T @ turned @ frame
        result[:, :, joint, offsets.TRANSLATION] = np.einsum(
            "wab,wtb->wta", matrices, values[:, :, joint, offsets.TRANSLATION]
        )
    return result


def joint_rms(character: Character, known: Motion, values: Float[np.ndarray, "*batch joint 9"]) -> float:
    """How far offsets or their changes move joints: root mean square over the batch and joints [stage units].

    Rotations count by the lever arms of the joints below them in the first known pose, to first order.
    """
    each = joint_rms_of_each(character, known, values.reshape(-1, *values.shape[-2:]))
    return float(np.sqrt((each**2).mean()))


def joint_rms_of_each(
    character: Character, known: Motion, values: Float[np.ndarray, "each joint 9"]
) -> Float[np.ndarray, " each"]:
    """:func:`joint_rms` of each of the offsets by itself."""
    positions = skeleton.joint_transforms(character, known.at(slice(0, 1)))[0, :, :3, 3]
    positions = positions - positions.mean(0)
    below, sums, squared = np.ones(len(positions)), positions.copy(), (positions**2).sum(1)
    for joint in range(len(positions) - 1, -1, -1):
        if (parent := character.parents[joint]) >= 0:
            for total in (below, sums, squared):
                total[parent] += total[joint]
    # sum over the subtree of |p - p_j|^2
    arms = squared - 2 * (positions * sums).sum(1) + below * (positions**2).sum(1)
    squares = values**2
    turned = squares[..., offsets.ROTATION].sum(-1) @ arms
    moved = squares[..., offsets.TRANSLATION].sum(-1) @ below
    result: Float[np.ndarray, " each"] = np.sqrt((turned + moved) / len(positions))
    return result
