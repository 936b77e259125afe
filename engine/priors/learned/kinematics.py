"""Rotations and forward kinematics in torch, for batches of different skeletons. Quaternions are ``w x y z``; leading
dimensions broadcast."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

Quaternions = Float[Tensor, "... 4"]
Vectors = Float[Tensor, "... 3"]

_SMALL = 1e-6
"""Squared half angles below this are taken as their limit, so that gradients stay finite at the identity."""


def multiply(a: Quaternions, b: Quaternions) -> Quaternions:
    """Hamilton product: the rotation *b* followed by *a*."""
    aw, ax, ay, az = a.unbind(-1)
    bw, bx, by, bz = b.unbind(-1)
    return torch.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        -1,
    )


def conjugate(q: Quaternions) -> Quaternions:
    """The inverse of a unit quaternion."""
    return q * q.new_tensor([1.0, -1.0, -1.0, -1.0])


def rotate(q: Quaternions, v: Vectors) -> Vectors:
    """Turn vectors by unit quaternions."""
    w, x, y, z = q.unbind(-1)
    a, b, c = v.unbind(-1)
    i, j, k = 2 * (y * c - z * b), 2 * (z * a - x * c), 2 * (x * b - y * a)
    return torch.stack([a + w * i + y * k - z * j, b + w * j + z * i - x * k, c + w * k + x * j - y * i], -1)


def log(q: Quaternions) -> Vectors:
    """Rotation vector of the shorter way round [rad]."""
    q = torch.where(q[..., :1] < 0, -q, q)
    square = (q[..., 1:] ** 2).sum(-1, keepdim=True)
    small = square < _SMALL
    sine = torch.where(small, torch.ones_like(square), square).sqrt()
    return q[..., 1:] * torch.where(small, 2.0, 2 * torch.atan2(sine, q[..., :1]) / sine)


def exp(v: Vectors) -> Quaternions:
    """Unit quaternion of a rotation vector [rad]."""
    square = (v**2).sum(-1, keepdim=True)
    small = square < _SMALL
    angle = torch.where(small, torch.ones_like(square), square).sqrt()
    scale = torch.where(small, 0.5 - square / 48, torch.sin(angle / 2) / angle)
    real = torch.where(small, 1 - square / 8, torch.cos(angle / 2))
    return torch.cat([real, scale * v], -1)


def slerp(a: Quaternions, b: Quaternions, part: Float[Tensor, "..."]) -> Quaternions:
    """Spherical interpolation from *a* to *b*, the shorter way round."""
    return multiply(a, exp(log(multiply(conjugate(a), b)) * part[..., None]))


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
