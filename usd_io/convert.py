"""Where Gf and Vt meet numpy, and nowhere else: order of quaternions, transposes, precision.

Gf matrices act on row vectors and ours on columns, so each is transposed. ``GfQuatf`` lies in memory as
``x y z w`` and ours is ``w x y z``. Vt arrays are read through their buffer: no Python loop over elements.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pxr import Gf, Usd, Vt

from usd_io.shapes import Float, Int, Shaped

_ROUNDING = 1e-6
"""Length error of a quaternion [1] that float32 rounding alone explains: such a one is kept bit for bit."""


def floats(array: Any) -> Float[np.ndarray, "element *channel"]:
    """A Vt array of scalars or vectors as float32 (half widens without loss; double stays double)."""
    return widened(np.array(array))


def widened(values: Shaped[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Numbers as float32; double stays double, and what is float32 is not copied."""
    return values if values.dtype == np.float64 else values.astype(np.float32, copy=False)


def integers(array: Any) -> Int[np.ndarray, " element"]:
    """A Vt array of ints as int64."""
    return np.array(array, np.int64)


def view(array: Any) -> Shaped[np.ndarray, "..."]:
    """A Vt array as it lies in memory, read-only and without a copy; for one element of a loop."""
    return np.asarray(array)


def from_memory_order(q: Float[np.ndarray, "*batch 4"]) -> Float[np.ndarray, "*batch 4"]:
    """Viewed quaternions, ``x y z w`` in memory, to ``w x y z``."""
    return q[..., [3, 0, 1, 2]]


def quaternions(array: Any) -> Float[np.ndarray, "element 4"]:
    """A ``Vt.QuatfArray`` or ``Vt.QuathArray`` as ``w x y z`` float32."""
    return from_memory_order(np.asarray(array).astype(np.float32))


def matrix(value: Any) -> Float[np.ndarray, "4 4"]:
    """A ``Gf.Matrix4d`` as a matrix on column vectors (float64)."""
    return np.array(value, np.float64).T.copy()


def matrices(array: Any) -> Float[np.ndarray, "element 4 4"]:
    """A ``Vt.Matrix4dArray`` as matrices on column vectors (float64)."""
    return np.array(array, np.float64).reshape(-1, 4, 4).swapaxes(-1, -2).copy()


def stacked(arrays: Sequence[Any]) -> Shaped[np.ndarray, "array element *channel"] | None:
    """Vt arrays as one array, as they lie in memory; None where they differ in type or length, have no element, or hold
    no numbers.

    Their bytes are joined at once: asking each for an array of its own takes ten times as long.
    """
    if len(set(map(type, arrays))) != 1 or len(set(map(len, arrays))) != 1 or not len(arrays[0]):
        return None
    try:
        joined = bytearray().join(arrays)
    except TypeError:  # text
        return None
    first = np.asarray(arrays[0])
    return np.frombuffer(joined, first.dtype).reshape(len(arrays), *first.shape)


class AnyQuery:
    """An array attribute of numbers, vectors or quaternions, read as arrays at one time after another."""

    def __init__(self, attribute: Usd.Attribute) -> None:
        self._query = Usd.AttributeQuery(attribute)
        self._quaternions = "quat" in str(attribute.GetTypeName().scalarType)

    def at(self, time: float | None) -> Float[np.ndarray, "element *channel"] | None:
        """The value at a time, quaternions as ``w x y z``; None at a block. Without a time, the one for all times."""
        value = self._query.Get(Usd.TimeCode.Default() if time is None else time)
        if value is None:
            return None
        return quaternions(value) if self._quaternions else floats(value)


def to_quatf(q: Float[np.ndarray, "element 4"]) -> Vt.QuatfArray:
    """``w x y z`` to USD's rotations."""
    return Vt.QuatfArray.FromNumpy(np.ascontiguousarray(np.roll(q.astype(np.float32), -1, axis=-1)))


def to_vec3f(v: Float[np.ndarray, "element 3"]) -> Vt.Vec3fArray:
    """To USD's translations or points."""
    return Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(v, np.float32))


def to_vec3h(v: Float[np.ndarray, "element 3"]) -> Vt.Vec3hArray:
    """To USD's scales, which are half precision."""
    return Vt.Vec3hArray.FromNumpy(np.ascontiguousarray(v, np.float16))


def to_floats(v: Float[np.ndarray, " element"]) -> Vt.FloatArray:
    """To USD's blend shape weights."""
    return Vt.FloatArray.FromNumpy(np.ascontiguousarray(v, np.float32))


def to_matrix(m: Float[np.ndarray, "4 4"]) -> Gf.Matrix4d:
    """A matrix on column vectors to Gf."""
    return Gf.Matrix4d(m.T.astype(float).tolist())


def to_matrices(m: Float[np.ndarray, "element 4 4"]) -> Vt.Matrix4dArray:
    """Matrices on column vectors to USD's bind and rest transforms."""
    return Vt.Matrix4dArray.FromNumpy(np.ascontiguousarray(m.swapaxes(-1, -2), np.float64))


def unit(q: Float[np.ndarray, "*batch 4"]) -> Float[np.ndarray, "*batch 4"]:
    """Normalise, but leave untouched what is unit length but for rounding; none may be zero."""
    squared = np.einsum("...c,...c->...", q, q, dtype=np.float64)
    off = np.abs(squared - 1) > 2 * _ROUNDING
    result = q.copy()
    result[off] /= np.sqrt(squared[off])[:, None]
    return result


def continuous(q: Float[np.ndarray, "frame *batch 4"]) -> Float[np.ndarray, "frame *batch 4"]:
    """Choose signs so that neighbours in time lie on one half of the sphere; the first frame stays."""
    flips = np.cumsum(np.einsum("f...c,f...c->f...", q[1:], q[:-1]) < 0, axis=0) % 2
    result = q.copy()
    result[1:] *= (1 - 2 * flips)[..., None].astype(q.dtype)
    return result


def decompose(
    m: Float[np.ndarray, "element 4 4"],
) -> tuple[
    Float[np.ndarray, "element 3"],
    Float[np.ndarray, "element 4"],
    Float[np.ndarray, "element 3"],
    Float[np.ndarray, " element"],
]:
    """Split affine matrices into translation, rotation (``w x y z``), scale, and the shear that does not fit.

    The rotation is the one nearest to the matrix with its columns scaled to unit length, so that zero
    scales are fine too; a mirrored matrix gets three negative scales, as UsdSkel gives it. The shear [1] is
    the largest cosine between two columns: 0 where translation, rotation and scale give the matrix back.
    """
    linear = m[:, :3, :3]
    sign = np.where(np.linalg.det(linear) < 0, -1.0, 1.0)
    scales = np.linalg.norm(linear, axis=-2)
    axes = linear * (sign[:, None] / np.where(scales > 0, scales, 1))[:, None, :]
    u, _, vt = np.linalg.svd(axes)
    # a zero scale leaves one axis free: turn it so that the rest is a rotation
    u[:, :, 2] *= np.where(np.linalg.det(u @ vt) < 0, -1.0, 1.0)[:, None]
    cosines = np.abs(axes.swapaxes(-1, -2) @ axes)
    cosines[:, range(3), range(3)] = 0
    return (
        m[:, :3, 3],
        _matrix_to_quaternion(u @ vt),
        scales * sign[:, None],
        cosines.max((-1, -2), initial=0.0),
    )


def _matrix_to_quaternion(r: Float[np.ndarray, "element 3 3"]) -> Float[np.ndarray, "element 4"]:
    """The eigenvector method of Bar-Itzhack (2000), "New method for extracting the quaternion from a rotation
    matrix": stable for all angles, and the nearest rotation where the matrix is not quite one."""
    xx, xy, xz, yx, yy, yz, zx, zy, zz = np.moveaxis(r.reshape(-1, 9), -1, 0)
    rows = [
        [xx + yy + zz, zy - yz, xz - zx, yx - xy],
        [zy - yz, xx - yy - zz, xy + yx, xz + zx],
        [xz - zx, xy + yx, yy - xx - zz, yz + zy],
        [yx - xy, xz + zx, yz + zy, zz - xx - yy],
    ]
    _, vectors = np.linalg.eigh(np.stack([np.stack(row, -1) for row in rows], -2) / 3)
    q = vectors[..., 3]
    return np.where(q[:, :1] < 0, -q, q)
