"""Forward kinematics and skinning in torch: what :mod:`engine.geometry.skeleton` does in numpy, with gradients."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from engine.geometry.rotations_torch import (
    conjugate,
    matrix_to_quaternion,
    multiply,
    polar_rotation,
    rotate,
)
from engine.geometry.skeleton import levels
from engine.geometry.skeleton_torch import Level, chain, compose
from usd_io.model import Character, Mesh
from usd_io.shapes import Float, Int


@dataclass(frozen=True, eq=False)
class Skin:
    """Skin weights of meshes that are skinned by one method. The last joint is an extra one that never moves: it
    carries the points without any weight."""

    weights: Float[Tensor, "vertex used"]
    used: Int[Tensor, " used_joint"]
    """Joints of the character, one fewer than the columns of the weights."""
    inverse_bind: Float[Tensor, "used_joint 4 4"]
    bound: Float[Tensor, "vertex 3"]
    """Bind-pose points in skeleton space."""
    dual: bool


@dataclass(frozen=True, eq=False)
class SkinnedRig:
    """A character's kinematics and skins as tensors of one device and precision."""

    levels: tuple[Level, ...]
    """Joints by depth, roots first, and the places of their parents among all joints of the levels before."""
    places: Int[Tensor, " joint"]
    """Place of every joint in the levels, one after another."""
    skins: tuple[Skin, ...]

    def joint_transforms(
        self,
        translations: Float[Tensor, "frame joint 3"],
        rotations: Float[Tensor, "frame joint 4"],
        scales: Float[Tensor, "frame joint 3"],
    ) -> Float[Tensor, "frame joint 4 4"]:
        """``T_skel_joint`` from local transforms; quaternions ``w x y z`` of any length but zero."""
        return chain(self.levels, self.places, compose(translations, rotations, scales))

    def vertices(
        self,
        T_skel_joint: Float[Tensor, "frame joint 4 4"],
        T_world_skel: Float[Tensor, "frame 4 4"],
        bound: Float[Tensor, "frame vertex 3"] | None = None,
    ) -> Float[Tensor, "frame vertex 3"]:
        """World points of all meshes [stage units].

        Args:
            T_skel_joint: Pose of every joint.
            T_world_skel: Place of the skeleton.
            bound: Bind-pose points in skeleton space with blend shapes applied, from :func:`bound_points`; None
                takes those without.
        """
        parts, first = [], 0
        for skin in self.skins:
            end = first + len(skin.bound)
            parts.append(
                skin_points(skin, T_skel_joint, skin.bound[None] if bound is None else bound[:, first:end])
            )
            first = end
        points = torch.cat(parts, dim=1)
        return points @ T_world_skel[:, :3, :3].mT + T_world_skel[:, None, :3, 3]


def build_rig(character: Character, like: Tensor) -> SkinnedRig:
    """The tensors of a character, on the device and in the precision of ``like``."""
    runs = groupby(character.meshes, key=lambda mesh: mesh.skinning_method)
    order = list(levels(character.parents)) if len(character.parents) else []
    places = np.argsort(np.concatenate([*order, np.zeros(0, int)]))

    def indices(array: Int[np.ndarray, " _"]) -> Tensor:
        return torch.tensor(array, device=like.device)

    return SkinnedRig(
        levels=tuple(
            (indices(level), indices(places[character.parents[level]] if depth else level[:0]))
            for depth, level in enumerate(order)
        ),
        places=indices(places),
        skins=tuple(_build_skin(character, tuple(run), like) for _, run in runs),
    )


def bound_points(
    mesh: Mesh, points: Float[np.ndarray, "*frame vertex 3"]
) -> Float[np.ndarray, "*frame vertex 3"]:
    """Mesh-space points at bind time in skeleton space."""
    result: Float[np.ndarray, "*frame vertex 3"] = (
        points @ mesh.T_skel_mesh[:3, :3].T + mesh.T_skel_mesh[:3, 3]
    )
    return result


def _build_skin(character: Character, meshes: Sequence[Mesh], like: Tensor) -> Skin:
    used = np.unique(
        np.concatenate([mesh.joint_indices[mesh.joint_weights != 0] for mesh in meshes] or [np.zeros(0, int)])
    )
    counts = [len(mesh.points) for mesh in meshes]
    weights = torch.zeros((sum(counts), len(used) + 1), dtype=like.dtype)
    dense = weights.numpy()  # shares its memory; of the joints that move anything alone
    for mesh, end in zip(meshes, np.cumsum(counts), strict=True):
        rows = np.arange(end - len(mesh.points), end)
        columns = np.searchsorted(used, mesh.joint_indices)
        for k in range(mesh.joint_indices.shape[1]):  # a vertex may name a joint more than once
            weighted = np.flatnonzero(mesh.joint_weights[:, k])
            dense[rows[weighted], columns[weighted, k]] += mesh.joint_weights[weighted, k]
        still = np.zeros(len(rows), np.float32) if mesh.still_weights is None else mesh.still_weights
        unweighted = ~(mesh.joint_weights != 0).any(axis=1) & (still == 0)
        dense[rows, len(used)] = np.where(unweighted, 1, still)
    points = np.concatenate([bound_points(mesh, mesh.points.astype(float)) for mesh in meshes])

    def tensor(array: Float[np.ndarray, "..."]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(like)

    return Skin(
        weights=weights.to(like),
        used=torch.from_numpy(used).to(like.device),
        inverse_bind=tensor(np.linalg.inv(character.T_skel_joint_bind[used])),
        bound=tensor(points),
        dual=meshes[0].skinning_method == "dualQuaternion",
    )


def skin_points(
    skin: Skin, T_skel_joint: Float[Tensor, "frame joint 4 4"], bound: Float[Tensor, "#frame vertex 3"]
) -> Float[Tensor, "frame vertex 3"]:
    """Points in skeleton space of a posed skin."""
    T_skin = T_skel_joint.index_select(1, skin.used) @ skin.inverse_bind
    still = torch.eye(4).to(T_skin).expand(len(T_skin), 1, 4, 4)
    T_skin = torch.cat([T_skin, still], dim=1)
    return (
        _dual_quaternions(skin, T_skin, bound)
        if skin.dual
        else _linear(skin.weights, T_skin[..., :3, :], bound)
    )


def _linear(
    weights: Float[Tensor, "vertex used"],
    T_skin: Float[Tensor, "frame used 3 columns"],
    points: Float[Tensor, "#frame vertex 3"],
) -> Float[Tensor, "frame vertex 3"]:
    """One product of all weights with all matrices, translations in a fourth column where there is one."""
    frames, used, _, columns = T_skin.shape
    blended = (weights @ T_skin.reshape(frames, used, 3 * columns)).reshape(frames, -1, 3, columns)
    moved = (blended[..., :3] * points[..., None, :]).sum(-1)
    return moved + blended[..., 3] if columns == 4 else moved


def _dual_quaternions(
    skin: Skin, T_skin: Float[Tensor, "frame used 4 4"], bound: Float[Tensor, "#frame vertex 3"]
) -> Float[Tensor, "frame vertex 3"]:
    """Kavan et al. 2007, "Skinning with dual quaternions", as in :mod:`engine.geometry.skeleton`: scale is blended
    linearly before, quaternions are flipped to the side of the joint with the largest weight."""
    linear = T_skin[..., :3, :3]
    turn = polar_rotation(linear)
    stretched = _linear(skin.weights, turn.mT @ linear, bound)
    real = matrix_to_quaternion(turn)
    moved = torch.cat([torch.zeros_like(T_skin[..., :1, 3]), T_skin[..., :3, 3]], dim=-1)
    dual = 0.5 * multiply(moved, real)
    leading = real.detach().index_select(1, skin.weights.argmax(dim=1))
    flips = torch.where(leading @ real.detach().mT < 0, -1.0, 1.0).to(real) * skin.weights
    q, d = flips @ real, flips @ dual
    length = q.norm(dim=-1, keepdim=True)
    q, d = q / length, d / length
    return rotate(q, stretched) + 2 * multiply(d, conjugate(q))[..., 1:]
