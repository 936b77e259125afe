"""Forward kinematics and skinning in numpy. Matrices act on column vectors (docs/conventions.md)."""

from functools import lru_cache

import numpy as np

from engine.geometry import rotations
from usd_io.model import BlendShape, Character, Mesh, Motion
from usd_io.shapes import Bool, Float, Int

MOST_WEIGHTS = 1 << 26
"""Of points times joints, held in memory at once: 0.5 GB. More points are skinned in parts."""


def levels(parents: Int[np.ndarray, " joint"]) -> tuple[Int[np.ndarray, " level"], ...]:
    """Joint indices by depth, roots first: one vectorised step per level instead of one per joint."""
    return _levels(tuple(np.asarray(parents).tolist()))


@lru_cache(maxsize=64)  # poses are asked for again and again, of few skeletons
def _levels(parents: tuple[int, ...]) -> tuple[Int[np.ndarray, " level"], ...]:
    depth = np.zeros(len(parents), int)
    for joint, parent in enumerate(parents):
        depth[joint] = depth[parent] + 1 if parent >= 0 else 0
    found = tuple(np.flatnonzero(depth == d) for d in range(depth.max(initial=-1) + 1))
    for level in found:
        level.flags.writeable = False  # one for all who ask
    return found


def subtrees(parents: Int[np.ndarray, " joint"]) -> Bool[np.ndarray, "joint below"]:
    """Which joints each joint carries, itself included; parents come first."""
    carries = np.eye(len(parents), dtype=bool)
    for joint in range(len(parents) - 1, -1, -1):
        if parents[joint] >= 0:
            carries[parents[joint]] |= carries[joint]
    return carries


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
            T_skel_joint[..., level, :, :] = (
                T_skel_joint[..., parents[level], :, :] @ T_parent_joint[..., level, :, :]
            )
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
    positions: Float[np.ndarray, "frame joint 4"] = np.einsum(
        "fab,fjb->fja", motion.T_world_skel, T_skel_joint[..., 3]
    )
    return positions[..., :3]


def blend_points(mesh: Mesh, motion: Motion) -> Float[np.ndarray, "frame vertex 3"]:
    """Mesh points of every frame with its blend shapes applied, in mesh space before skinning."""
    points = mesh.points_at(motion.times)
    if motion.blend_weights is None:
        return points
    for shape in mesh.blend_shapes:
        if shape.name in motion.blend_shapes:
            weights = motion.blend_weights[:, motion.blend_shapes.index(shape.name)].astype(float)
            points[:, shape.vertices] += _blend_offsets(shape, weights)
    return points


def _blend_offsets(
    shape: BlendShape, weights: Float[np.ndarray, " frame"]
) -> Float[np.ndarray, "frame target_vertex 3"]:
    """Linear between neighbouring in-betweens, the rest shape at weight 0 among them, and beyond the ends."""
    place = int(np.searchsorted(shape.weights, 0))
    knots = np.insert(shape.weights.astype(float), place, 0)
    offsets = np.insert(shape.offsets.astype(float), place, 0, axis=0)
    upper = np.clip(np.searchsorted(knots, weights, side="right"), 1, len(knots) - 1)
    share = (weights - knots[upper - 1]) / (knots[upper] - knots[upper - 1])
    lower_part = (1 - share)[:, None, None] * offsets[upper - 1]
    result: Float[np.ndarray, "frame target_vertex 3"] = lower_part + share[:, None, None] * offsets[upper]
    return result


def skin_points(
    mesh: Mesh,
    T_skel_joint_bind: Float[np.ndarray, "joint 4 4"],
    T_skel_joint: Float[np.ndarray, "frame joint 4 4"],
    points: Float[np.ndarray, "frame vertex 3"] | None = None,
) -> Float[np.ndarray, "frame vertex 3"]:
    """Points of a posed mesh in skeleton space [stage units], as UsdSkel skins them (float64).

    Args:
        mesh: Its skinning method decides between linear blend and dual quaternions. Points without any weight
            stay at the bind pose.
        T_skel_joint_bind: Bind pose of all joints of the character.
        T_skel_joint: Their pose at every frame.
        points: Mesh space points of every frame, from :func:`blend_points`; None takes ``mesh.points``.
    """
    source = mesh.points[None].astype(float) if points is None else points
    bound = source @ mesh.T_skel_mesh[:3, :3].T + mesh.T_skel_mesh[:3, 3]
    skin = _skin_dual_quaternions if mesh.skinning_method == "dualQuaternion" else _skin_linear
    result = np.broadcast_to(bound, (len(T_skel_joint), *bound.shape[1:])).copy()
    still = np.tile(np.eye(4), (len(T_skel_joint), 1, 1, 1))
    count = max(1, MOST_WEIGHTS // (len(np.unique(mesh.joint_indices)) + 1))
    for some in (slice(first, first + count) for first in range(0, len(mesh.points), count)):
        used, weights = _dense_weights(mesh, some)
        T_bind_inverse = np.linalg.inv(T_skel_joint_bind[used])
        T_skin = np.concatenate([T_skel_joint[:, used] @ T_bind_inverse, still], axis=1)
        weighted = weights.any(axis=1)
        for posed, T in zip(result[:, some], T_skin, strict=True):
            posed[weighted] = skin(weights[weighted], T, posed[weighted])
    return result


def _dense_weights(
    mesh: Mesh, some: slice
) -> tuple[Int[np.ndarray, " joint"], Float[np.ndarray, "vertex joint_and_still"]]:
    """The joints that move some points of a mesh, and their weights; in the last column what stays."""
    indices = mesh.joint_indices[some]
    used, local = np.unique(indices, return_inverse=True)
    weights = np.zeros((len(indices), len(used) + 1))
    np.add.at(
        weights, (np.arange(len(indices))[:, None], local.reshape(indices.shape)), mesh.joint_weights[some]
    )
    if mesh.still_weights is not None:
        weights[:, -1] = mesh.still_weights[some]
    return used, weights


def _skin_linear(
    weights: Float[np.ndarray, "vertex joint"],
    T_skin: Float[np.ndarray, "joint 4 4"],
    points: Float[np.ndarray, "vertex 3"],
) -> Float[np.ndarray, "vertex 3"]:
    """One product of all weights with all matrices: no matrix per vertex and influence is ever built."""
    blended = (weights @ T_skin[:, :3].reshape(-1, 12)).reshape(-1, 3, 4)
    result: Float[np.ndarray, "vertex 3"] = (
        np.einsum("vab,vb->va", blended[..., :3], points) + blended[..., 3]
    )
    return result


def _skin_dual_quaternions(
    weights: Float[np.ndarray, "vertex joint"],
    T_skin: Float[np.ndarray, "joint 4 4"],
    points: Float[np.ndarray, "vertex 3"],
) -> Float[np.ndarray, "vertex 3"]:
    """Kavan et al. 2007, "Skinning with dual quaternions", with scale blended linearly before, as UsdSkel does.

    Each matrix is split by polar decomposition into a stretch and a rotation; quaternions are flipped to the
    side of the joint with the largest weight.
    """
    u, stretch, vt = np.linalg.svd(T_skin[:, :3, :3])
    sign = np.where(np.linalg.det(u @ vt) < 0, -1.0, 1.0)
    stretches = (vt.swapaxes(-1, -2) * (sign[:, None] * stretch)[:, None, :]) @ vt
    real = rotations.from_matrix((u @ vt) * sign[:, None, None])
    moved = np.concatenate([np.zeros((len(T_skin), 1)), T_skin[:, :3, 3]], axis=-1)
    dual = 0.5 * rotations.multiply(moved, real)
    flips = np.where(real[weights.argmax(axis=1)] @ real.T < 0, -1.0, 1.0) * weights
    q, d = flips @ real, flips @ dual
    length = np.linalg.norm(q, axis=-1, keepdims=True)
    q, d = q / length, d / length
    stretched = np.einsum("vab,vb->va", (weights @ stretches.reshape(-1, 9)).reshape(-1, 3, 3), points)
    translations = 2 * rotations.multiply(d, rotations.conjugate(q))[..., 1:]
    result: Float[np.ndarray, "vertex 3"] = rotations.rotate(q, stretched) + translations
    return result
