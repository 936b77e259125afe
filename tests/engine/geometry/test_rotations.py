"""Rotations against scipy, and where formulas are apt to fail: the identity, half turns, float32."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation, Slerp

from engine.geometry import rotations

finite = st.floats(-1, 1, allow_nan=False, width=32)
vectors = arrays(float, (2, 3), elements=finite)
quaternions = (
    arrays(float, (2, 4), elements=finite)
    .filter(lambda q: bool((np.linalg.norm(q, axis=-1) > 0.1).all()))
    .map(rotations.normalise)
)
PRECISION = {np.float32: 2e-6, np.float64: 1e-12}


def to_scipy(q: np.ndarray) -> Rotation:
    return Rotation.from_quat(np.roll(q, -1, axis=-1))


def same_rotation(a: np.ndarray, b: np.ndarray, tolerance: float = 1e-9) -> bool:
    return bool(np.abs(1 - np.abs((a * b).sum(-1))).max() < tolerance)


@given(quaternions, quaternions)
def test_products_agree_with_scipy(a: np.ndarray, b: np.ndarray) -> None:
    expected = np.roll((to_scipy(a) * to_scipy(b)).as_quat(), 1, axis=-1)
    assert same_rotation(rotations.multiply(a, b), expected)


@given(quaternions, vectors)
def test_rotating_agrees_with_the_matrix_and_scipy(q: np.ndarray, v: np.ndarray) -> None:
    np.testing.assert_allclose(rotations.rotate(q, v), to_scipy(q).apply(v), atol=1e-12)
    np.testing.assert_allclose(
        (rotations.to_matrix(q) @ v[..., None])[..., 0], to_scipy(q).apply(v), atol=1e-12
    )


@given(quaternions)
def test_log_agrees_with_scipy_and_exp_undoes_it(q: np.ndarray) -> None:
    vector = rotations.log(q)
    assert np.linalg.norm(vector, axis=-1).max() <= np.pi + 1e-12
    assert same_rotation(rotations.exp(vector), q)
    np.testing.assert_allclose(np.linalg.norm(vector, axis=-1), to_scipy(q).magnitude(), atol=1e-7)


@given(vectors.map(lambda v: 3 * v / np.sqrt(3)))
def test_exp_agrees_with_scipy(v: np.ndarray) -> None:
    assert same_rotation(rotations.exp(v), np.roll(Rotation.from_rotvec(v).as_quat(), 1, axis=-1))


@given(quaternions)
def test_matrices_give_back_the_rotation(q: np.ndarray) -> None:
    assert same_rotation(rotations.from_matrix(rotations.to_matrix(q)), q)


@given(quaternions, quaternions, st.floats(0, 1))
@settings(max_examples=50)
def test_slerp_agrees_with_scipy(a: np.ndarray, b: np.ndarray, t: float) -> None:
    got = rotations.slerp(a, b, np.full(2, t))
    for start, end, between in zip(a, b, got, strict=True):
        if np.abs(start @ end) > 1e-3:  # at a half turn both ways round are right
            expected = Slerp([0, 1], to_scipy(np.stack([start, end])))(t).as_quat()
            assert same_rotation(between, np.roll(expected, 1), 1e-8)


@pytest.mark.parametrize("dtype", PRECISION)
@pytest.mark.parametrize("angle", [0.0, 1e-8, 1e-5, 0.9e-4, 1.1e-4, 1e-2, np.pi - 1e-4, np.pi])
def test_log_undoes_exp_at_the_edges(dtype: type, angle: float) -> None:
    vector = (angle * np.array([[0.6, 0.0, 0.8]])).astype(dtype)
    got = rotations.log(rotations.exp(vector))
    assert got.dtype == dtype
    np.testing.assert_allclose(np.abs(got), np.abs(vector), atol=4 * PRECISION[dtype])


@pytest.mark.parametrize("angle", [0.0, 1e-6, 3.0, np.pi + 0.1, 2 * np.pi - 1e-6])
def test_signs_say_which_way_round_is_meant(angle: float) -> None:
    vector = angle * np.array([[0.6, 0.0, 0.8]])
    np.testing.assert_allclose(rotations.log_as_signed(rotations.exp(vector)), vector, atol=1e-8)


@pytest.mark.parametrize("dtype", PRECISION)
def test_every_function_keeps_the_precision_it_is_given(dtype: type) -> None:
    q = rotations.normalise(np.array([[0.5, 0.1, -0.7, 0.2]], dtype))
    v = np.array([[0.1, 0.2, 0.3]], dtype)
    results = [
        rotations.multiply(q, q),
        rotations.conjugate(q),
        rotations.rotate(q, v),
        rotations.log(q),
        rotations.exp(v),
        rotations.to_matrix(q),
        rotations.from_matrix(rotations.to_matrix(q)),
    ]
    assert [result.dtype for result in results] == [np.dtype(dtype)] * len(results)


@pytest.mark.parametrize("dtype", PRECISION)
def test_log_and_exp_are_exact_however_small_the_angle(dtype: type) -> None:
    angles = np.geomspace(1e-12, 1e-2, 301).astype(dtype)
    q = rotations.exp(angles[:, None] * np.array([0, 1, 0], dtype))
    np.testing.assert_allclose(q[:, 2], np.sin(angles.astype(float) / 2), rtol=1e-6)
    np.testing.assert_allclose(rotations.log(q)[:, 1], angles, rtol=1e-6)
    assert not rotations.log(rotations.exp(np.zeros((2, 3), dtype))).any()


def test_products_do_not_depend_on_how_arrays_lie_in_memory() -> None:
    q = rotations.normalise(np.random.default_rng(7).normal(size=(5, 3, 4)))
    apart = np.asfortranarray(q)
    np.testing.assert_array_equal(rotations.multiply(apart, q[::-1]), rotations.multiply(q, q[::-1].copy()))
    identity = np.broadcast_to(np.array([1, 0, 0, 0], np.float16), q.shape)
    np.testing.assert_array_equal(rotations.multiply(identity, q), q)
    single = q.astype(np.float32)
    np.testing.assert_array_equal(rotations.multiply(single, q), rotations.multiply(single.astype(float), q))


def test_a_half_turn_about_every_axis_survives_matrices() -> None:
    axes = np.concatenate([np.eye(3), rotations.normalise(np.ones((1, 4)))[:, :3] * 2 / np.sqrt(3)])
    q = np.concatenate([np.zeros((4, 1)), axes], axis=1)
    assert same_rotation(rotations.from_matrix(rotations.to_matrix(q)), q)


def test_a_zero_quaternion_becomes_the_identity() -> None:
    np.testing.assert_array_equal(rotations.normalise(np.zeros((2, 4))), [[1, 0, 0, 0]] * 2)


def test_continuous_signs_leave_the_rotations_alone() -> None:
    random = np.random.default_rng(0)
    smooth = rotations.exp(np.cumsum(random.normal(0, 0.2, (60, 5, 3)), axis=0))
    flipped = smooth * np.where(random.random((60, 5, 1)) < 0.5, -1, 1)
    got = rotations.continuous(flipped)
    assert ((got[1:] * got[:-1]).sum(-1) >= 0).all()
    assert same_rotation(got, smooth)


@given(st.floats(-3, 3), vectors)
def test_twist_is_the_turn_about_the_axis(angle: float, swing: np.ndarray) -> None:
    axis = np.array([0, 1.0, 0])
    across = rotations.exp(swing * np.array([1, 0, 1]))
    got = rotations.twist_angle(
        rotations.multiply(across, rotations.about_axis(axis, np.full(2, angle))), axis
    )
    np.testing.assert_allclose(np.exp(1j * got), np.exp(1j * angle), atol=1e-9)
