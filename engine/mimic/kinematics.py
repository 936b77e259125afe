"""Poses under offsets, and how points of a character move with its unknowns."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from engine.geometry.rotations_torch import multiply, quaternion_to_matrix
from engine.mimic.parameters import Unknowns
from engine.rendering.mesh.skin import Rig

_SMALL = 1e-4
"""Below this angle [rad] coefficients are taken from their series."""


def exp(v: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 4"]:
    """Unit quaternion of a rotation vector [rad], with gradients at zero too."""
    square = (v * v).sum(-1, keepdim=True)
    small = square < _SMALL**2
    angle = torch.where(small, torch.ones_like(square), square).sqrt()
    scale = torch.where(small, 0.5 - square / 48, torch.sin(angle / 2) / angle)
    w = torch.where(small, 1 - square / 8, torch.cos(angle / 2))
    return torch.cat([w, scale * v], dim=-1)


def right_jacobian(v: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """J with ``exp(v + d) = exp(v) exp(J d)`` for small d (Sola et al. 2018, "A micro Lie theory", eq. 143)."""
    square = (v * v).sum(-1)[..., None, None]
    small = square < _SMALL**2
    angle = torch.where(small, torch.ones_like(square), square).sqrt()
    first = torch.where(small, 0.5 - square / 24, (1 - torch.cos(angle)) / angle**2)
    second = torch.where(small, 1 / 6 - square / 120, (angle - torch.sin(angle)) / angle**3)
    x, y, z = v.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*v.shape, 3)
    return torch.eye(3).to(v) - first * cross + second * (cross @ cross)


@dataclass(frozen=True, eq=False)
class Pose:
    """Joints of one character at the frames of the video, in world space (float64)."""

    T_world_joint: Float[Tensor, "frame joint 4 4"]
    T_skel_joint: Float[Tensor, "frame joint 4 4"]
    origin: Float[Tensor, "frame free 3"]
    """Origins of the joints with unknowns, turning ones before moving ones."""
    linear: Float[Tensor, "frame free 3 3"]
    """Their parents' frames to world space, without the translation."""
    inverse: Float[Tensor, "frame free 3 3"]
    turn: Float[Tensor, "frame turning 3 3"]
    """A change of the rotation vector to the turn it makes, in the parent's frame."""


def pose_at(unknowns: Unknowns, rig: Rig, z: Float[Tensor, "mode parameter"]) -> Pose:
    """The pose at the frames of the video."""
    base = unknowns.base
    translations, rotations, scales, T_world_skel = (
        torch.from_numpy(a.astype(float))
        for a in (base.translations, base.rotations, base.scales, base.T_world_skel)
    )
    turned, moved = unknowns.offsets(z, unknowns.basis)
    turning, moving = unknowns.turning, unknowns.moving
    rotations = rotations.index_copy(1, turning, multiply(rotations[:, turning], exp(turned)))
    translations = translations.index_copy(1, moving, translations[:, moving] + moved)
    T_skel_joint = rig.joint_transforms(translations, rotations, scales)
    T_world_joint = T_world_skel[:, None] @ T_skel_joint
    free = torch.cat([turning, moving])
    parents = torch.from_numpy(unknowns.character.parents)[free]
    above = torch.cat([T_world_joint, T_world_skel[:, None]], 1)[..., :3, :3]  # index -1: the skeleton
    linear = above[:, parents]
    local = quaternion_to_matrix(torch.nn.functional.normalize(rotations[:, turning], dim=-1))
    return Pose(
        T_world_joint=T_world_joint,
        T_skel_joint=T_skel_joint,
        origin=T_world_joint[:, free, :3, 3],
        linear=linear,
        inverse=torch.linalg.inv(linear),
        turn=local @ right_jacobian(turned),
    )


def point_rows(
    pose: Pose,
    frame: int,
    points: Float[Tensor, "point 3"],
    weights: Float[Tensor, "point free"],
    rows: Float[Tensor, "point row 3"],
) -> Float[Tensor, "point row parameter"]:
    """Derivatives of measures of points by the unknowns' offsets.

    Args:
        pose: Of the character.
        frame: Which of its frames.
        points: World points.
        weights: Share with which each joint with unknowns carries a point.
        rows: Derivatives of the measures by the world points.
    """
    linear, inverse, turn = (a[frame].to(points) for a in (pose.linear, pose.inverse, pose.turn))
    rows = torch.einsum("nka,jab,nj->njkb", rows, linear, weights)
    count = len(turn)
    lever = torch.einsum(
        "jab,njb->nja", inverse[:count], points[:, None] - pose.origin[frame, :count].to(points)
    )
    turned = torch.linalg.cross(lever[:, :, None].expand_as(rows[:, :count]), rows[:, :count])
    turned = torch.einsum("njkb,jbc->nkjc", turned, turn)
    return torch.cat([turned, rows[:, count:].transpose(1, 2)], dim=2).flatten(2)
