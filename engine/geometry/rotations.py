"""Rotations in numpy: unit quaternions ``w x y z``, rotation vectors [rad], matrices on column vectors.

Every function works over leading batch dimensions, keeps float32 or float64, and is finite at the identity
and at half turns. ``multiply(a, b)`` turns by *b* first, then by *a*.
"""

import numpy as np

from usd_io.shapes import Float

Quaternions = Float[np.ndarray, "*batch 4"]
Vectors = Float[np.ndarray, "*batch 3"]

_SMALL_ANGLE = 1e-4
"""Below this angle [rad] sin(x)/x and its like are taken from their series."""


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
    aw, ax, ay, az = a[..., 0], a[..., 1], a[..., 2], a[..., 3]
    bw, bx, by, bz = b[..., 0], b[..., 1], b[..., 2], b[..., 3]
    made = np.empty(np.broadcast_shapes(a.shape, b.shape), np.result_type(a, b))
    made[..., 0] = aw * bw - ax * bx - ay * by - az * bz
    made[..., 1] = aw * bx + ax * bw + ay * bz - az * by
    made[..., 2] = aw * by - ax * bz + ay * bw + az * bx
    made[..., 3] = aw * bz + ax * by - ay * bx + az * bw
    return made


def rotate(q: Quaternions, v: Vectors) -> Vectors:
    """Turn vectors by unit quaternions."""
    w, xyz = q[..., :1], q[..., 1:]
    t = 2 * _cross(xyz, v)
    return v + w * t + _cross(xyz, t)


def _cross(a: Vectors, b: Vectors) -> Vectors:
    """``np.cross`` of vectors with three components, to the last bit, in half of its time for small arrays."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    made = np.empty(np.broadcast_shapes(a.shape, b.shape), np.result_type(a, b))
    made[..., 0] = ay * bz - az * by
    made[..., 1] = az * bx - ax * bz
    made[..., 2] = ax * by - ay * bx
    return made


def _length(v: Vectors) -> Float[np.ndarray, "*batch 1"]:
    """``np.linalg.norm`` of vectors with three components, to the last bit, in a third of its time."""
    x, y, z = v[..., 0], v[..., 1], v[..., 2]
    length: Float[np.ndarray, "*batch 1"] = np.sqrt(x * x + y * y + z * z)[..., None]
    return length


def log(q: Quaternions) -> Vectors:
    """Rotation vector of the shorter way round, of length 0 to pi [rad]."""
    w = q[..., :1]
    sine = _length(q[..., 1:])
    angle = 2 * np.arctan2(sine, np.abs(w))
    # angle / sin(angle / 2) -> 2 at the identity
    scale = np.where(sine > _SMALL_ANGLE, angle / np.where(sine > 0, sine, 1), 2.0).astype(q.dtype)
    return q[..., 1:] * np.where(w < 0, -scale, scale)


def log_as_signed(q: Quaternions) -> Vectors:
    """Rotation vector of the way round that the sign of the quaternion stands for, of length 0 to 2 pi [rad]."""
    w = q[..., :1]
    sine = _length(q[..., 1:])
    angle = 2 * np.arctan2(sine, w)
    # angle / sin(angle / 2) -> 2 at the identity, but not at its other sign, a full turn
    far = (sine > _SMALL_ANGLE) | (w < 0)
    return q[..., 1:] * np.where(far, angle / np.where(sine > 0, sine, 1), 2.0).astype(q.dtype)


def exp(v: Vectors) -> Quaternions:
    """Unit quaternion of a rotation vector [rad]."""
    angle = _length(v)
    safe = np.where(angle > _SMALL_ANGLE, angle, 1)
    scale = np.where(angle > _SMALL_ANGLE, np.sin(safe / 2) / safe, 0.5 - angle**2 / 48)
    return np.concatenate([np.cos(angle / 2), scale * v], axis=-1).astype(v.dtype)


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
