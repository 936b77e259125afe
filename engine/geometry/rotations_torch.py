"""Rotations in torch: the few of :mod:`engine.geometry.rotations` that skinning needs, with gradients."""

import torch
from jaxtyping import Float
from torch import Tensor

POLAR_STEPS = 10
"""Newton steps of the polar decomposition; scaled, they converge quadratically from the start."""


def multiply(a: Float[Tensor, "*batch 4"], b: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 4"]:
    """Hamilton product of ``w x y z``: the rotation *b* followed by *a*."""
    aw, av = a[..., :1], a[..., 1:]
    bw, bv = b[..., :1], b[..., 1:]
    w = aw * bw - (av * bv).sum(-1, keepdim=True)
    return torch.cat([w, aw * bv + bw * av + torch.linalg.cross(av, bv)], dim=-1)


def rotate(q: Float[Tensor, "*batch 4"], v: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    """Turn vectors by unit quaternions."""
    w, xyz = q[..., :1], q[..., 1:]
    t = 2 * torch.linalg.cross(xyz, v)
    return v + w * t + torch.linalg.cross(xyz, t)


def quaternion_to_matrix(q: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation matrix of a unit quaternion."""
    w, x, y, z = q.unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z),
        2 * (x * y - w * z),
        2 * (x * z + w * y),
        2 * (x * y + w * z),
        1 - 2 * (x * x + z * z),
        2 * (y * z - w * x),
        2 * (x * z - w * y),
        2 * (y * z + w * x),
        1 - 2 * (x * x + y * y),
    ]
    return torch.stack(rows, dim=-1).reshape(*q.shape[:-1], 3, 3)


def matrix_to_quaternion(m: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """Unit quaternion of a rotation matrix, from the best conditioned of the four classic forms."""
    (m00, m01, m02), (m10, m11, m12), (m20, m21, m22) = (row.unbind(-1) for row in m.unbind(-2))
    a, b, c = m21 - m12, m02 - m20, m10 - m01
    d, e, f = m10 + m01, m02 + m20, m21 + m12
    diagonal = torch.stack(
        [1 + m00 + m11 + m22, 1 + m00 - m11 - m22, 1 - m00 + m11 - m22, 1 - m00 - m11 + m22], dim=-1
    )
    w, x, y, z = diagonal.unbind(-1)
    forms = torch.stack([w, a, b, c, a, x, d, e, b, d, y, f, c, e, f, z], dim=-1)
    forms = forms.reshape(*m.shape[:-2], 4, 4)
    best = diagonal.argmax(-1)[..., None, None].expand(*diagonal.shape[:-1], 1, 4)
    return torch.nn.functional.normalize(forms.gather(-2, best)[..., 0, :], dim=-1)


def polar_rotation(m: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
    """The rotation nearest to a matrix; of a mirrored one, that of its negative.

    Newton's iteration (Higham 1986, "Computing the polar decomposition with applications", section 3)
    instead of an SVD, whose gradient is not finite where singular values are equal, as they are for rotations.
    A matrix that squashes space to a plane is first thickened a little.
    """
    determinant = torch.linalg.det(m)
    size = m.detach().norm(dim=(-2, -1), keepdim=True).clamp_min(1e-30)
    x = m * torch.where(determinant < 0, -1.0, 1.0).to(m)[..., None, None] / size
    flat = (determinant.abs() / size[..., 0, 0] ** 3 < 1e-7)[..., None, None]
    x = torch.where(flat, x + 1e-3 * torch.eye(3).to(m), x)
    for _ in range(POLAR_STEPS):
        inverse = torch.linalg.inv(x).mT
        with torch.no_grad():  # any scale leads to the same rotation
            scale = (inverse.norm(dim=(-2, -1), keepdim=True) / x.norm(dim=(-2, -1), keepdim=True)).sqrt()
        x = 0.5 * (scale * x + inverse / scale)
    return x
