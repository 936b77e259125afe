"""Skinning against a naive version and known cases; agreement with UsdSkel is tested with ``usd_io``."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.geometry import skeleton
from engine.geometry.rotations import about_axis, exp
from engine.geometry.skeleton import blend_points, compose, skin_points
from usd_io.model import BlendShape, Mesh, Motion, SkinningMethod

RANDOM = np.random.default_rng(1)
JOINTS, VERTICES, FRAMES = 5, 40, 3


def transforms(count: int) -> np.ndarray:
    return compose(
        RANDOM.normal(size=(count, 3)),
        exp(RANDOM.normal(size=(count, 3))),
        RANDOM.uniform(0.5, 2, (count, 3)),
    )


BIND = transforms(JOINTS)
POSE = np.stack([transforms(JOINTS) for _ in range(FRAMES)])


@pytest.fixture
def mesh() -> Mesh:
    """Random points with three influences each, some on one joint twice."""
    weights = RANDOM.uniform(size=(VERTICES, 3))
    return Mesh(
        path="/Mesh",
        points=RANDOM.normal(size=(VERTICES, 3)).astype(np.float32),
        face_counts=np.zeros(0, int),
        face_vertices=np.zeros(0, int),
        joint_indices=RANDOM.integers(0, JOINTS, (VERTICES, 3)),
        joint_weights=weights / weights.sum(1, keepdims=True),
        T_skel_mesh=transforms(1)[0],
    )


def naive_linear(mesh: Mesh) -> np.ndarray:
    """The definition: a loop over frames, vertices and influences."""
    result = np.zeros((FRAMES, VERTICES, 3))
    for frame, vertex in np.ndindex(FRAMES, VERTICES):
        point = mesh.T_skel_mesh @ np.append(mesh.points[vertex], 1)
        for joint, weight in zip(mesh.joint_indices[vertex], mesh.joint_weights[vertex], strict=True):
            result[frame, vertex] += (weight * POSE[frame, joint] @ np.linalg.inv(BIND[joint]) @ point)[:3]
    return result


def test_linear_blend_is_its_definition(mesh: Mesh) -> None:
    np.testing.assert_allclose(skin_points(mesh, BIND, POSE), naive_linear(mesh), atol=1e-12)


@pytest.mark.parametrize("method", ["classicLinear", "dualQuaternion"])
def test_the_bind_pose_changes_nothing(mesh: Mesh, method: SkinningMethod) -> None:
    mesh = replace(mesh, skinning_method=method)
    expected = mesh.points @ mesh.T_skel_mesh[:3, :3].T + mesh.T_skel_mesh[:3, 3]
    np.testing.assert_allclose(skin_points(mesh, BIND, BIND[None])[0], expected, atol=1e-9)


@pytest.mark.parametrize("method", ["classicLinear", "dualQuaternion"])
def test_one_joint_moves_its_points_rigidly(mesh: Mesh, method: SkinningMethod) -> None:
    mesh = replace(
        mesh,
        skinning_method=method,
        joint_indices=np.full((VERTICES, 1), 2),
        joint_weights=np.ones((VERTICES, 1)),
    )
    T = POSE[:, 2] @ np.linalg.inv(BIND[2]) @ mesh.T_skel_mesh
    expected = np.einsum("fab,vb->fva", T[:, :3, :3], mesh.points) + T[:, None, :3, 3]
    np.testing.assert_allclose(skin_points(mesh, BIND, POSE), expected, atol=1e-9)


def test_dual_quaternions_keep_the_distance_to_a_twisted_axis(mesh: Mesh) -> None:
    """Half of a half turn: linear blending would collapse the points onto the axis."""
    x = np.array([1.0, 0, 0])
    mesh = replace(
        mesh,
        points=np.array([[0.0, 1, 0]]),
        joint_indices=np.array([[0, 1]]),
        joint_weights=np.array([[0.5, 0.5]]),
        T_skel_mesh=np.eye(4),
        skinning_method="dualQuaternion",
    )
    pose = compose(
        np.zeros((2, 3)), np.stack([about_axis(x, np.array(a)) for a in (0.0, 3.1)]), np.ones((2, 3))
    )
    posed = skin_points(mesh, np.stack([np.eye(4)] * 2), pose[None])[0, 0]
    np.testing.assert_allclose(posed, [0, np.cos(1.55), np.sin(1.55)], atol=1e-9)


@pytest.mark.parametrize("method", ["classicLinear", "dualQuaternion"])
def test_a_mesh_skinned_in_parts_is_as_skinned_at_once(
    mesh: Mesh, method: SkinningMethod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of hundreds of thousands of points on thousands of joints are, else a report took 18 GB."""
    mesh = replace(mesh, skinning_method=method)
    points = mesh.points + RANDOM.normal(size=(FRAMES, VERTICES, 3))
    whole = skin_points(mesh, BIND, POSE, points)
    shapes: list[tuple[int, ...]] = []
    dense = skeleton._dense_weights

    def noted(*given: Any) -> Any:
        found = dense(*given)
        shapes.append(found[1].shape)
        return found

    monkeypatch.setattr(skeleton, "_dense_weights", noted)
    monkeypatch.setattr(skeleton, "MOST_WEIGHTS", 3 * (JOINTS + 1))
    np.testing.assert_allclose(skin_points(mesh, BIND, POSE, points), whole, atol=1e-12)
    assert len(shapes) > 1
    assert max(map(math.prod, shapes)) <= 3 * (JOINTS + 1)


def test_points_without_weight_stay_at_the_bind_pose(mesh: Mesh) -> None:
    mesh = replace(mesh, joint_weights=np.zeros((VERTICES, 3)))
    bound = mesh.points @ mesh.T_skel_mesh[:3, :3].T + mesh.T_skel_mesh[:3, 3]
    np.testing.assert_allclose(skin_points(mesh, BIND, POSE), [bound] * FRAMES, atol=1e-12)
    none = replace(mesh, joint_indices=np.zeros((VERTICES, 0), int), joint_weights=np.zeros((VERTICES, 0)))
    np.testing.assert_allclose(skin_points(none, BIND, POSE), [bound] * FRAMES, atol=1e-12)


def blend_motion(weights: list[float]) -> Motion:
    count = len(weights)
    return Motion(
        times=np.arange(count, dtype=float),
        translations=np.zeros((count, 0, 3)),
        rotations=np.zeros((count, 0, 4)),
        scales=np.zeros((count, 0, 3)),
        T_world_skel=np.stack([np.eye(4)] * count),
        time_codes_per_second=24.0,
        frame_rate=24.0,
        blend_shapes=("other", "smile"),
        blend_weights=np.stack([np.ones(count), weights], axis=1),
    )


def test_blend_shapes_pass_through_their_in_betweens(mesh: Mesh) -> None:
    offsets = np.array([[[0.0, 0, 3]], [[0.0, 0, 1]]])
    smile = BlendShape("smile", np.array([7]), np.array([0.5, 1.0]), offsets)
    moved = blend_points(
        replace(mesh, blend_shapes=(smile,)), blend_motion([0, 0.25, 0.5, 0.75, 1, 1.5, -0.5])
    )
    moved = moved - mesh.points
    np.testing.assert_allclose(moved[:, 7, 2], [0, 1.5, 3, 2, 1, -1, -3], atol=1e-12)
    assert not np.delete(moved, 7, axis=1).any()


def test_blended_points_are_skinned(mesh: Mesh) -> None:
    points = np.repeat(mesh.points[None].astype(float), FRAMES, axis=0)
    points[1] += 1
    moved = skin_points(replace(mesh, points=mesh.points + 1), BIND, POSE)
    result = skin_points(mesh, BIND, POSE, points)
    np.testing.assert_allclose(result[1], moved[1], atol=1e-5)
    np.testing.assert_allclose(result[[0, 2]], skin_points(mesh, BIND, POSE)[[0, 2]], atol=1e-12)
