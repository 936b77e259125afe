"""Poses under offsets, and how points of a character move with its unknowns."""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.geometry.rotations_torch import exp, multiply, quaternion_to_matrix, right_jacobian
from engine.mimic.parameters import Unknowns
from engine.rendering.mesh.skin import SkinnedRig
from usd_io.shapes import Float


@dataclass(frozen=True, eq=False)
class Pose:
    """Joints of one character at the frames of the video, in world space (float64)."""

    T_world_joint: Float[Tensor, "frame joint 4 4"]
    T_skel_joint: Float[Tensor, "frame joint 4 4"]
    origin: Float[Tensor, "frame free 3"]
    """Origins of the joints with unknowns, turning ones before moving ones."""
    linear: Float[Tensor, "frame free 3 3"]
    """Their parents' frames to world space, without the translation."""
    inverse: Float[Tensor, "frame turning 3 3"]
    """From the world's axes to them, of the turning joints."""
    turn: Float[Tensor, "frame free 3 3"]
    """A change of the rotation vector to the turn it makes, in the parent's frame; moves are there already."""


def pose_at(unknowns: Unknowns, rig: SkinnedRig, z: Float[Tensor, "mode parameter"]) -> Pose:
    """The pose at the frames of the video."""
    base = unknowns.base
    translations, rotations, scales, T_world_skel = (
        torch.from_numpy(a.astype(float))
        for a in (base.translations, base.rotations, base.scales, base.T_world_skel)
    )
    # offsets of the unknowns: rotation vectors in the joints' own frames, translations in their parents'
    turned, moved = unknowns.offsets(z, unknowns.basis)
    turning, moving = unknowns.turning, unknowns.moving
    rotations = rotations.index_copy(1, turning, multiply(rotations[:, turning], exp(turned)))
    translations = translations.index_copy(1, moving, translations[:, moving] + moved)
    T_skel_joint = rig.joint_transforms(translations, rotations, scales)
    T_world_joint = T_world_skel[:, None] @ T_skel_joint
    free = torch.cat([turning, moving])
    parents = torch.from_numpy(unknowns.character.parents)[free]
    # a root hangs on the skeleton, whose matrix is put last, where index -1 finds it
    above = torch.cat([T_world_joint, T_world_skel[:, None]], 1)[..., :3, :3]  # index -1: the skeleton
    linear = above[:, parents]
    local = quaternion_to_matrix(torch.nn.functional.normalize(rotations[:, turning], dim=-1))
    # from turns to changes of the rotation vector, by the right Jacobian of the exponential
    turn = torch.eye(3, dtype=linear.dtype).repeat(len(linear), len(free), 1, 1)
    turn[:, : len(turning)] = local @ right_jacobian(turned)
    return Pose(
        T_world_joint=T_world_joint,
        T_skel_joint=T_skel_joint,
        origin=T_world_joint[:, free, :3, 3],
        linear=linear,
        inverse=torch.linalg.inv(linear[:, : len(turning)]),
        turn=turn,
    )


def point_levers(
    pose: Pose,
    frame: int | slice,
    points: Float[Tensor, "*frame point 3"],
    weights: Float[Tensor, "point free"],
    rows: Float[Tensor, "*frame point row 3"],
) -> Float[Tensor, "*frame point row lever"]:
    """Derivatives of measures of points by turns and moves of the joints in their parents' frames, one axis after
    another; :func:`by_offsets` leads from sums over points on to the unknowns' offsets.

    Args:
        pose: Of the character.
        frame: Which of its frames, one or some.
        points: World points.
        weights: Share with which each joint with unknowns carries a point.
        rows: Derivatives of the measures by the world points.
    """
    linear, inverse = (a[frame].to(points) for a in (pose.linear, pose.inverse))
    free, count = linear.shape[-3], inverse.shape[-3]
    # joints come last, so that all that follows runs along them: rows in the frame of the parent of each joint with
    # unknowns, times the share with which it carries the point
    pulled = rows @ linear.movedim(-3, -1).flatten(-2)[..., None, :, :]
    pulled = pulled.reshape(*rows.shape[:-1], 3, free).mul_(weights[:, None, None])
    # the lever of a turning joint, from its origin to the point in its parent's frame; both are taken from the middle
    # of the joints, so that float32 keeps its digits far from the world's origin
    origin = pose.origin[frame]
    middle = origin.mean(-2, keepdim=True) if free else origin.new_zeros(3)
    place, origin = points - middle.to(points), (origin[..., :count, :] - middle).to(points)
    levers = (place @ inverse.transpose(-3, -1).flatten(-2)).reshape(*place.shape[:-1], 3, count)
    levers = levers - (inverse @ origin[..., None])[..., 0].mT[..., None, :, :]
    # a turn w moves the point by w x lever, and row . (w x lever) = w . (lever x row)
    (lx, ly, lz), (rx, ry, rz) = levers[..., None, :, :].unbind(-2), pulled[..., :count].unbind(-2)
    moved = pulled[..., count:].unbind(-2)
    turned = [ly * rz - lz * ry, lz * rx - lx * rz, lx * ry - ly * rx]
    return torch.cat([part for axis in range(3) for part in (turned[axis], moved[axis])], dim=-1)


def by_offsets(
    pose: Pose, frame: int | slice, values: Float[Tensor, "*frame lever other"]
) -> Float[Tensor, "*frame parameter other"]:
    """Derivatives by turns and moves, of :func:`point_levers` or sums of them, as derivatives by the unknowns' offsets,
    three for each joint."""
    # each joint's three axes alone are mixed: no product of whole matrices
    turn = pose.turn[frame]
    each = values.reshape(*values.shape[:-2], 3, turn.shape[-3], values.shape[-1]).transpose(-3, -2)
    return (turn.mT @ each).flatten(-3, -2)
