"""Rotations in numpy: unit quaternions ``w x y z``, rotation vectors [rad], matrices on column vectors.

Every function works over leading batch dimensions, keeps float32 or float64, and is finite at the identity
and at half turns. ``multiply(a, b)`` turns by *b* first, then by *a*.
"""

import numpy as np

from usd_io.shapes import Float

Quaternions = Float[np.ndarray, "*batch 4"]
Vectors = Float[np.ndarray, "*batch 3"]

_TINY = 1e-30
"""Sines and angles are taken to be no less: sin(x)/x and its like are exact for all that divides."""


def normalise(q: Quaternions) -> Quaternions:
    """Scale to unit length; a zero quaternion becomes the identity."""
    norm = np.linalg.norm(q, axis=-1, keepdims=True)
    identity = np.zeros_like(q)
    identity[..., 0] = 1
    return np.where(norm > 0, q / np.where(norm > 0, norm, 1), identity)


def conjugate(q: Quaternions) -> Quaternions:
    """The inverse of a unit quaternion."""
    return q * np.array([1, -1, -1, -1], q.dtype)


def multiply(a: Quaternions, b: Quaternions) -> Quaternions:
    """Hamilton product: the rotation *b* followed by *a*."""
    # pairs of complex numbers, q = (w + x i) + (y + z i) j: eight products of whole arrays in place of twenty-eight
    dtype = np.result_type(a, b, np.float32)
    (a0, a1), (b0, b1) = _pairs(a.astype(dtype, copy=False)), _pairs(b.astype(dtype, copy=False))
    made = np.empty(np.broadcast_shapes(a.shape, b.shape), dtype)
    first, second = _pairs(made)
    np.subtract(a0 * b0, a1 * b1.conj(), out=first)
    np.add(a0 * b1, a1 * b0.conj(), out=second)
    return made


def _pairs(q: Quaternions) -> tuple[np.ndarray, np.ndarray]:
    """Views of w + x i and y + z i."""
    if q.strides[-1] != q.itemsize:
        q = np.ascontiguousarray(q)
    pairs = q.view(np.result_type(q, np.complex64))
    return pairs[..., 0], pairs[..., 1]


def rotate(q: Quaternions, v: Vectors) -> Vectors:
    """Turn vectors by unit quaternions."""
    w, xyz = q[..., :1], q[..., 1:]
    t = 2 * cross(xyz, v)
    return v + w * t + cross(xyz, t)


def cross(a: Float[np.ndarray, "... 3"], b: Float[np.ndarray, "... 3"]) -> Float[np.ndarray, "... 3"]:
    """``np.cross`` of vectors with three components, to the last bit, in half of its time for small arrays."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    made = np.empty(np.broadcast_shapes(a.shape, b.shape), np.result_type(a, b))
    made[..., 0] = ay * bz - az * by
    made[..., 1] = az * bx - ax * bz
    made[..., 2] = ax * by - ay * bx
    return made


def log(q: Quaternions) -> Vectors:
    """Rotation vector of the shorter way round, of length 0 to pi [rad]."""
    w = q[..., 0]
    return _log(q, np.asarray(np.abs(w)), np.where(w < 0, -2, 2).astype(q.dtype))


def log_as_signed(q: Quaternions) -> Vectors:
    """Rotation vector of the way round that the sign of the quaternion stands for, of length 0 to 2 pi [rad]."""
    return _log(q, np.asarray(q[..., 0]), 2)


def _log(
    q: Quaternions, cosine: Float[np.ndarray, "*batch"], twice: Float[np.ndarray, "*batch"] | int
) -> Vectors:
    """Rotation vector by the cosine of half the angle, along the axis or, if ``twice`` is -2, against it."""
    x, y, z = (q[..., i] for i in (1, 2, 3))
    sine = np.maximum(np.sqrt(x * x + y * y + z * z), _TINY)
    scale = twice * np.arctan2(sine, cosine) / sine
    made = np.empty((*q.shape[:-1], 3), q.dtype)
    for i, part in enumerate((x, y, z)):
        np.multiply(part, scale, out=made[..., i])
    return made


def exp(v: Vectors) -> Quaternions:
    """Unit quaternion of a rotation vector [rad]."""
    x, y, z = (v[..., i] for i in range(3))
    half = np.maximum(0.5 * np.sqrt(x * x + y * y + z * z), _TINY)
    scale = 0.5 * np.sin(half) / half
    made = np.empty((*v.shape[:-1], 4), v.dtype)
    made[..., 0] = np.cos(half)
    for i, part in enumerate((x, y, z), start=1):
        np.multiply(part, scale, out=made[..., i])
    return made


def angle_between(a: Quaternions, b: Quaternions) -> Float[np.ndarray, "*batch"]:
    """Geodesic angle [rad], 0 to pi."""
    return np.linalg.norm(log(multiply(conjugate(a), b)), axis=-1)


def slerp(a: Quaternions, b: Quaternions, t: Float[np.ndarray, "*batch"]) -> Quaternions:
    """Spherical interpolation from *a* (t = 0) to *b* (t = 1) the shorter way round."""
    return multiply(a, exp(log(multiply(conjugate(a), b)) * t[..., None]))


def continuous(q: Float[np.ndarray, "frame *batch 4"]) -> Float[np.ndarray, "frame *batch 4"]:
    """Choose signs so that neighbours in time lie on one half of the sphere; the first frame keeps its own."""
    dots = np.sum(q[1:] * q[:-1], axis=-1, keepdims=True)
    signs = np.cumprod(np.where(dots < 0, -1, 1), axis=0)
    return np.concatenate([q[:1], q[1:] * signs.astype(q.dtype)])


def to_matrix(q: Quaternions) -> Float[np.ndarray, "*batch 3 3"]:
    """Rotation matrix of a unit quaternion."""
    w, x, y, z = q[..., 0], q[..., 1], q[..., 2], q[..., 3]
    made = np.empty((*q.shape[:-1], 3, 3), q.dtype)
    xx, yy, zz = x * x, y * y, z * z
    for i, both in enumerate((yy + zz, xx + zz, xx + yy)):
        made[..., i, i] = 1 - 2 * both
    for i, j, even, odd in ((0, 1, x * y, w * z), (2, 0, x * z, w * y), (1, 2, y * z, w * x)):
        made[..., i, j] = 2 * (even - odd)
        made[..., j, i] = 2 * (even + odd)
    return made


def from_matrix(m: Float[np.ndarray, "*batch 3 3"]) -> Quaternions:
    """Unit quaternion of a rotation matrix, from the best conditioned of the four classic forms."""
    m00, m11, m22 = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    a = m[..., 2, 1] - m[..., 1, 2]
    b = m[..., 0, 2] - m[..., 2, 0]
    c = m[..., 1, 0] - m[..., 0, 1]
    d = m[..., 1, 0] + m[..., 0, 1]
    e = m[..., 0, 2] + m[..., 2, 0]
    f = m[..., 2, 1] + m[..., 1, 2]
    one = np.ones_like(m00)
    forms = np.stack(
        [
            np.stack([one + m00 + m11 + m22, a, b, c], -1),
            np.stack([a, one + m00 - m11 - m22, d, e], -1),
            np.stack([b, d, one - m00 + m11 - m22, f], -1),
            np.stack([c, e, f, one - m00 - m11 + m22], -1),
        ],
        axis=-2,
    )
    best = np.argmax(np.diagonal(forms, axis1=-2, axis2=-1), axis=-1)
    return normalise(np.take_along_axis(forms, best[..., None, None], axis=-2)[..., 0, :])


def about_axis(axis: Float[np.ndarray, "3"], angle: Float[np.ndarray, "*batch"]) -> Quaternions:
    """Turn by an angle [rad] about a unit axis."""
    return exp(np.asarray(angle)[..., None] * axis)


def twist_angle(q: Quaternions, axis: Float[np.ndarray, "3"]) -> Float[np.ndarray, "*batch"]:
    """Signed angle [rad] about a unit axis of the swing-twist decomposition, -pi to pi."""
    angle = 2 * np.arctan2(q[..., 1:] @ axis, q[..., 0])
    return (angle + np.pi) % (2 * np.pi) - np.pi
