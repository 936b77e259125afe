from pathlib import Path

import numpy as np
import pytest
import torch

from engine.geometry import rotations
from engine.geometry.rotations_torch import matrix_to_quaternion, polar_rotation, quaternion_to_matrix
from engine.geometry.skeleton import blend_points, joint_transforms, skin_points
from engine.rendering.actors import Actors
from engine.rendering.mesh.skin import build_rig
from tests.engine.conftest import make_character, make_motion
from tests.engine.rendering.shapes import limb
from usd_io.read.character import read_character
from usd_io.read.motion import read_motion
from usd_io.read.stage import open_stage, stage_info

FILES = (
    "edge/fox_shot_layered.usda",
    "native/usdwg/RiggedSimple.usdz",
    "native/openusd/lbs.usda",
    "native/openusd/test_dqs.usda",
    "native/openusd/skinnedArm.usda",
)


@pytest.mark.parametrize("name", FILES)
def test_vertices_agree_with_numpy(data: Path, name: str) -> None:
    stage = open_stage(data / name)
    info = stage_info(stage).skeletons[0]
    character = read_character(stage, info.path)
    motion = read_motion(stage, info.path, np.linspace(1.0, 21.0, 3))
    actors = Actors([character], [motion], torch.zeros((), dtype=torch.float64))
    bones = joint_transforms(character, motion)
    expected = np.concatenate(
        [
            skin_points(m, character.T_skel_joint_bind, bones, blend_points(m, motion))
            for m in character.meshes
        ],
        1,
    )
    expected = expected @ motion.T_world_skel[:, :3, :3].swapaxes(1, 2) + motion.T_world_skel[:, None, :3, 3]
    np.testing.assert_allclose(actors.vertices(slice(None)).numpy(), expected, atol=1e-9 * np.ptp(expected))


def test_joint_transforms_agree_with_numpy() -> None:
    character = make_character((-1, 0, 1, 0, 3, -1, 5, 1))
    motion = make_motion(character, range(4))
    rig = build_rig(character_with_mesh(character), torch.zeros((), dtype=torch.float64))
    got = rig.joint_transforms(
        *(torch.from_numpy(a).double() for a in (motion.translations, motion.rotations, motion.scales))
    )
    np.testing.assert_allclose(got.numpy(), joint_transforms(character, motion), atol=1e-7)


def character_with_mesh(character):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    mesh = replace(limb().meshes[0], joint_indices=limb().meshes[0].joint_indices)
    return replace(character, meshes=(mesh,))


def test_points_without_weight_stay_at_the_bind_pose() -> None:
    from dataclasses import replace

    character = limb()
    weights = character.meshes[0].joint_weights.copy()
    weights[5] = 0
    character = replace(character, meshes=(replace(character.meshes[0], joint_weights=weights),))
    rig = build_rig(character, torch.zeros(()))
    moved = torch.eye(4).repeat(1, 2, 1, 1)
    moved[..., 1, 3] = 9
    points = rig.vertices(moved, torch.eye(4)[None])[0]
    np.testing.assert_allclose(points[5], character.meshes[0].points[5])
    np.testing.assert_allclose(points[6], character.meshes[0].points[6] + [0, 9, 0])


def test_quaternions_and_matrices_agree_with_numpy_at_all_angles() -> None:
    random = np.random.default_rng(0)
    angles = np.concatenate([[0, np.pi, np.pi - 1e-9, 1e-9], random.uniform(0, np.pi, 200)])
    axes = random.normal(size=(len(angles), 3))
    q = rotations.exp(axes / np.linalg.norm(axes, axis=-1, keepdims=True) * angles[:, None])
    matrices = quaternion_to_matrix(torch.from_numpy(q))
    np.testing.assert_allclose(matrices.numpy(), rotations.to_matrix(q), atol=1e-12)
    np.testing.assert_allclose(
        quaternion_to_matrix(matrix_to_quaternion(matrices)).numpy(), matrices.numpy(), atol=1e-12
    )


def test_polar_rotation_is_the_svd_one_and_has_a_gradient_at_rotations() -> None:
    random = torch.Generator().manual_seed(0)
    m = torch.randn(100, 3, 3, generator=random, dtype=torch.float64)
    u, _, vt = torch.linalg.svd(m)
    expected = u @ vt * torch.linalg.det(m).sign()[:, None, None]
    torch.testing.assert_close(polar_rotation(m), expected, atol=1e-8, rtol=0)
    identity = torch.eye(3, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(polar_rotation(identity)[0, 1], identity)
    torch.testing.assert_close(gradient, torch.tensor([[0, 0.5, 0], [-0.5, 0, 0], [0, 0, 0]]).double())


def test_a_squashed_joint_gives_finite_points() -> None:
    rig = build_rig(limb(dual=True), torch.zeros(()))
    flat = torch.diag(torch.tensor([1.0, 0.0, 1.0, 1.0])).expand(1, 2, 4, 4)
    assert rig.vertices(flat, torch.eye(4)[None]).isfinite().all()
