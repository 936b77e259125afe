"""Forward kinematics in torch: :mod:`engine.geometry.skeleton` with gradients, of one skeleton and of many at once."""

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.geometry.rotations_torch import multiply, quaternion_to_matrix, rotate
from usd_io.shapes import Float, Int

Level = tuple[Int[Tensor, " _"], Int[Tensor, " _"]]
"""Joints of one depth, and the places of their parents among all joints of the levels before."""


def compose(
    translations: Float[Tensor, "*batch 3"],
    rotations: Float[Tensor, "*batch 4"],
    scales: Float[Tensor, "*batch 3"],
) -> Float[Tensor, "*batch 4 4"]:
    """Matrices that scale, then rotate, then translate."""
    linear = quaternion_to_matrix(torch.nn.functional.normalize(rotations, dim=-1)) * scales[..., None, :]
    upper = torch.cat([linear, translations[..., None]], dim=-1)
    last = upper.new_tensor([0.0, 0, 0, 1]).expand(*upper.shape[:-2], 1, 4)
    return torch.cat([upper, last], dim=-2)


def chain(
    levels: Sequence[Level], places: Int[Tensor, " joint"], T_parent_joint: Float[Tensor, "frame joint 4 4"]
) -> Float[Tensor, "frame joint 4 4"]:
    """Joint to skeleton space, from local joint matrices.

    Args:
        levels: Roots first.
        places: Of every joint in the levels, one after another.
        T_parent_joint: Local matrices.
    """
    done = T_parent_joint[:, :0]
    for joints, parents in levels:
        own = T_parent_joint.index_select(1, joints)
        done = torch.cat([done, done.index_select(1, parents) @ own if len(parents) else own], dim=1)
    return done.index_select(1, places)


def forward(
    parents: Int[Tensor, "batch joint"],
    rotations: Float[Tensor, "batch time joint 4"],
    translations: Float[Tensor, "batch time joint 3"],
    depth: int,
) -> tuple[Float[Tensor, "batch time joint 4"], Float[Tensor, "batch time joint 3"]]:
    """Rotations and positions of joints in skeleton space.

    Chains are joined in doubling strides, so that the work grows with the logarithm of the depth.

    Args:
        parents: -1 for roots.
        rotations: Local rotations.
        translations: Local translations.
        depth: Most ancestors that any joint has.
    """
    q, p = rotations, translations
    ancestors = parents
    for _ in range(int(depth).bit_length()):
        index = ancestors.clamp_min(0)
        at = index[:, None, :, None].expand(-1, q.shape[1], -1, -1)
        has = (ancestors >= 0)[:, None, :, None]
        above_q, above_p = q.gather(2, at.expand(-1, -1, -1, 4)), p.gather(2, at.expand(-1, -1, -1, 3))
        p = torch.where(has, above_p + rotate(above_q, p), p)
        q = torch.where(has, multiply(above_q, q), q)
        ancestors = torch.where(ancestors >= 0, ancestors.gather(1, index), ancestors)
    return q, p
