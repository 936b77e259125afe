import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pxr import Gf, UsdSkel, Vt

from usd_io import convert

numbers = st.floats(-10, 10, width=32).map(lambda x: round(x, 3))
quaternion = arrays(np.float64, 4, elements=numbers).filter(lambda q: np.linalg.norm(q) > 0.1)
positive = st.floats(0.01, 100)


def test_quaternions_come_out_real_part_first() -> None:
    array = Vt.QuatfArray([Gf.Quatf(1, 2, 3, 4), Gf.Quatf(5, 6, 7, 8)])
    np.testing.assert_array_equal(convert.quaternions(array), [[1, 2, 3, 4], [5, 6, 7, 8]])


def test_quaternions_return_to_usd_unchanged() -> None:
    array = Vt.QuatfArray([Gf.Quatf(1, 2, 3, 4), Gf.Quatf(5, 6, 7, 8)])
    assert convert.to_quatf(convert.quaternions(array)) == array


def test_matrices_act_on_columns() -> None:
    gf = Gf.Matrix4d(*range(16))
    np.testing.assert_array_equal(convert.matrix(gf), np.arange(16.0).reshape(4, 4).T)
    np.testing.assert_array_equal(convert.matrices(Vt.Matrix4dArray([gf]))[0], convert.matrix(gf))
    assert convert.to_matrix(convert.matrix(gf)) == gf
    assert convert.to_matrices(convert.matrices(Vt.Matrix4dArray([gf])))[0] == gf


def test_empty_arrays_keep_their_shape() -> None:
    assert convert.matrices([]).shape == (0, 4, 4)
    assert convert.quaternions(Vt.QuatfArray()).shape == (0, 4)


def test_half_scales_return_bit_for_bit() -> None:
    scales = Vt.Vec3hArray([Gf.Vec3h(1.0005, 0.3, 7)])
    assert convert.to_vec3h(convert.floats(scales)) == scales


@given(arrays(np.float32, (5, 2, 4), elements=st.floats(-1, 1, width=32)))
def test_continuous_only_flips_signs_and_leaves_no_flip(q: np.ndarray) -> None:
    result = convert.continuous(q)
    np.testing.assert_array_equal(np.abs(result), np.abs(q))
    dots = np.einsum("fjc,fjc->fj", result[1:].astype(float), result[:-1])
    assert (dots >= -1e-6).all()
    np.testing.assert_array_equal(result[0], q[0])


@given(quaternion)
def test_unit_leaves_unit_quaternions_bit_for_bit(q: np.ndarray) -> None:
    once = convert.unit((q / np.linalg.norm(q)).astype(np.float32)[None])
    assert np.linalg.norm(once.astype(float)) == pytest.approx(1, abs=1e-6)
    np.testing.assert_array_equal(convert.unit(once), once)


@given(quaternion, arrays(np.float64, 3, elements=positive), arrays(np.float64, 3, elements=numbers))
def test_decompose_gives_back_what_usdskel_composed(q: np.ndarray, s: np.ndarray, t: np.ndarray) -> None:
    rotation = Gf.Quatf(*(q / np.linalg.norm(q)).tolist()).GetNormalized()
    scale = Gf.Vec3h(*s.tolist())
    made = UsdSkel.MakeTransform(Gf.Vec3f(*t.tolist()), rotation, scale)
    translations, rotations, scales, shear = convert.decompose(convert.matrices(Vt.Matrix4dArray([made])))
    np.testing.assert_allclose(translations[0], t, rtol=1e-6)
    np.testing.assert_allclose(scales[0], np.array(scale, float), rtol=1e-5)
    expected = convert.quaternions(Vt.QuatfArray([rotation]))[0].astype(float)
    assert abs(rotations[0] @ expected) == pytest.approx(1, abs=1e-6)
    assert shear[0] < 1e-4


def test_decompose_survives_zero_scale_and_mirrors() -> None:
    m = np.stack([np.diag([0.0, 2, 3, 1]), np.diag([-1.0, 2, 3, 1]), np.zeros((4, 4))])
    _, rotations, scales, shear = convert.decompose(m)
    np.testing.assert_allclose(np.linalg.norm(rotations, axis=1), 1)
    np.testing.assert_array_equal(np.abs(scales), [[0, 2, 3], [1, 2, 3], [0, 0, 0]])
    np.testing.assert_allclose(shear, 0, atol=1e-12)
    assert np.prod(scales[1]) < 0


def test_decompose_reports_shear() -> None:
    m = np.eye(4)
    m[0, 1] = 0.5
    assert convert.decompose(m[None])[3][0] == pytest.approx(0.5 / np.sqrt(1.25))
