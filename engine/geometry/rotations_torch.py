"""Rotations in torch: :mod:`engine.geometry.rotations` with gradients, which are finite at the identity too.

Quaternions are ``w x y z``; leading dimensions broadcast.
"""

import torch
from torch import Tensor

from usd_io.shapes import Float

Quaternions = Float[Tensor, "... 4"]
Vectors = Float[Tensor, "... 3"]

POLAR_STEPS = 10
"""Newton steps of the polar decomposition; scaled, they converge quadratically from the start."""
_SMALL = 1e-6
"""Squared angles below this are taken from their series, so that gradients stay finite at the identity."""
_SMALL_ANGLE = 1e-4
"""The same for the derivative of the exponential [rad]."""


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


def right_jacobian(v: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """J with ``exp(v + d) = exp(v) exp(J d)`` for small d (Sola et al. 2018, "A micro Lie theory", eq. 143)."""
    square = (v * v).sum(-1)[..., None, None]
    small = square < _SMALL_ANGLE**2
    angle = torch.where(small, torch.ones_like(square), square).sqrt()
    first = torch.where(small, 0.5 - square / 24, (1 - torch.cos(angle)) / angle**2)
    second = torch.where(small, 1 / 6 - square / 120, (angle - torch.sin(angle)) / angle**3)
    x, y, z = v.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*v.shape, 3)
    return torch.eye(3).to(v) - first * cross + second * (cross @ cross)
