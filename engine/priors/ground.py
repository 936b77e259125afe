"""Which joints carry a skeleton through the world, and turning them about the up axis."""

from dataclasses import replace

import numpy as np

from engine.geometry import rotations, skeleton
from engine.geometry.once import once
from engine.priors import offsets
from usd_io.model import Character, Motion
from usd_io.shapes import Bool, Float, Int

LEVEL = np.zeros(3)
"""The rise of level ground."""


@once
def carriers(character: Character, known: Motion) -> Int[np.ndarray, " carrier"]:
    """Moving joints below which nothing moves: the hips under a still armature root, IK handles beside them."""
    moves: Bool[np.ndarray, " joint"] = np.any(offsets.moving(known), axis=-1)
    under_moving = np.zeros(len(moves), bool)
    for level in skeleton.levels(character.parents):
        parents = character.parents[level]
        inside = parents >= 0
        under_moving[level[inside]] = under_moving[parents[inside]] | moves[parents[inside]]
    return np.flatnonzero(moves & ~under_moving)


@once
def carried(character: Character, known: Motion) -> Bool[np.ndarray, " joint"]:
    """Joints that may come to another place or turn: the carriers and what is below them; all where nothing moves."""
    tops = carriers(character, known)
    below: Bool[np.ndarray, " joint"] = skeleton.subtrees(character.parents)[tops].any(0)
    return below if below.any() else ~below


@once
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
) -> None:
    """Turn offsets in place with the whole motion about the up axis: the carriers' translations turn in the frame of
    their still parents; rotation offsets live in their joint's own frame and stay."""
    axes = T_ground_skel(character, known)
    turned = axes.T @ turn(angle) @ axes
    for joint, frame in zip(carriers(character, known), _carrying(character, known), strict=True):
        matrices = frame.T @ turned @ frame
        moved = values[:, :, joint, offsets.TRANSLATION]
        moved[:] = moved @ matrices.transpose(0, 2, 1)


def positions(
    character: Character, known: Motion, motion: Motion, rise: Float[np.ndarray, "3"] = LEVEL
) -> Float[np.ndarray, "frame carried 3"]:
    """Places of the carried joints in ground space [stage units], heights over ground that rises so much for each unit
    of way along its axes."""
    places = skeleton.joint_transforms(character, motion)[..., :3, 3]
    return levelled(places[:, carried(character, known)] @ T_ground_skel(character, known).T, rise, 2)


def levelled(
    positions: Float[np.ndarray, "*batch 3"], rise: Float[np.ndarray, "*#batch 3"], up: int
) -> Float[np.ndarray, "*batch 3"]:
    """Places or ways with the slope taken out; ``-rise`` puts it back."""
    if not rise.any():
        return positions
    result = positions.copy()
    result[..., up] -= (positions * rise).sum(-1)
    return result


def rise_in_ground(
    character: Character, known: Motion, rise: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "3"]:
    """A rise along the world's axes along those of ground space; none where the skeleton moves in the world."""
    T = known.T_world_skel
    if not rise.any() or np.ptp(T, axis=0).any():
        return LEVEL
    R = T[0, :3, :3] / np.linalg.norm(T[0, :3, :3], axis=0)
    return T_ground_skel(character, known) @ R.T @ rise


def centres(positions: Float[np.ndarray, "*batch joint 3"]) -> Float[np.ndarray, "*batch 3"]:
    """Mean places on the ground."""
    return positions.mean(-2) * np.array([1, 1, 0])


def moved(
    before: Float[np.ndarray, "joint 3"], after: Float[np.ndarray, "joint 3"]
) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3"]]:
    """The turn about the up axis, and the shift over the ground after it, that fit one pose to another best."""
    a, b = before - centres(before), after - centres(after)
    angle = np.arctan2((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum(), (a[:, :2] * b[:, :2]).sum())
    R = turn(np.array([angle]))[0]
    return R, centres(after) - R @ centres(before)


def move(
    character: Character,
    known: Motion,
    motion: Motion,
    R: Float[np.ndarray, "3 3"],
    shift: Float[np.ndarray, "3"],
) -> Motion:
    """A motion turned, then shifted [stage units], in ground space: its carriers are."""
    axes = T_ground_skel(character, known)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = axes.T @ R @ axes, axes.T @ shift
    translations, q = motion.translations.astype(float), motion.rotations.astype(float)
    above = skeleton.joint_transforms(character, known.at(slice(0, 1)))[0]
    for joint in carriers(character, known):
        # in the axes of the carrier's parent, which is still
        T_parent = above[parent] if (parent := character.parents[joint]) >= 0 else np.eye(4)
        local = np.linalg.inv(T_parent) @ T @ T_parent
        translations[:, joint] = translations[:, joint] @ local[:3, :3].T + local[:3, 3]
        turned = rotations.from_matrix(local[:3, :3] / np.linalg.norm(local[:3, :3], axis=0))
        q[:, joint] = rotations.multiply(np.broadcast_to(turned, q[:, joint].shape), q[:, joint])
    return replace(
        motion,
        translations=translations.astype(motion.translations.dtype),
        rotations=q.astype(motion.rotations.dtype),
    )


def joint_rms(character: Character, known: Motion, values: Float[np.ndarray, "*batch joint 9"]) -> float:
    """How far offsets or their changes move joints: root mean square over the batch and the carried joints
    [stage units].

    Rotations count by the lever arms of the joints below them in the first known pose, to first order.
    """
    each = joint_rms_of_each(character, known, values.reshape(-1, *values.shape[-2:]))
    return float(np.sqrt((each**2).mean()))


def joint_rms_of_each(
    character: Character, known: Motion, values: Float[np.ndarray, "each joint 9"]
) -> Float[np.ndarray, " each"]:
    """:func:`joint_rms` of each of the offsets by itself."""
    result: Float[np.ndarray, " each"] = np.sqrt(
        (values**2).reshape(len(values), -1) @ _levers(character, known)
    )
    return result


@once
def _carrying(character: Character, known: Motion) -> Float[np.ndarray, "carrier 3 3"]:
    """Rotations of the carriers' parents in the first known pose, from skeleton space."""
    local = known.rotations[:1].astype(float)
    matrices = rotations.to_matrix(skeleton.global_rotations(character.parents, local)[0])
    above = np.asarray(character.parents)[carriers(character, known)]
    return np.where((above >= 0)[:, None, None], matrices[above], np.eye(3))


@once
def _levers(character: Character, known: Motion) -> Float[np.ndarray, " channel"]:
    """What the square of each channel of an offset moves in the first known pose, in the mean over the carried joints
    [squares of stage units]: turns what is below the joint by its arms, shifts all of it alike."""
    positions = skeleton.joint_transforms(character, known.at(slice(0, 1)))[0, :, :3, 3]
    positions = positions - positions.mean(0)
    below, sums, squared = np.ones(len(positions)), positions.copy(), (positions**2).sum(1)
    for joint in range(len(positions) - 1, -1, -1):
        if (parent := character.parents[joint]) >= 0:
            for total in (below, sums, squared):
                total[parent] += total[joint]
    # sum over the subtree of |p - p_j|^2
    arms = squared - 2 * (positions * sums).sum(1) + below * (positions**2).sum(1)
    count = carried(character, known).sum()
    return np.repeat(np.stack([arms, below, 0 * below], -1) / count, 3, axis=1).ravel()
