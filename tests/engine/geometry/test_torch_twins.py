"""Rotations and kinematics in torch against those in numpy."""

import numpy as np
import torch

from engine.geometry import rotations, rotations_torch, skeleton, skeleton_torch
from tests.engine.conftest import make_character, make_motion

PARENTS = (-1, 0, 1, 2, 3, 4, 5, 2, 0, 8)


def test_forward_agrees_with_the_engine() -> None:
    character = make_character(PARENTS)
    motion = make_motion(character, range(5))
    q, p = skeleton_torch.forward(
        torch.tensor(PARENTS)[None],
        torch.from_numpy(motion.rotations)[None],
        torch.from_numpy(motion.translations)[None],
        depth=6,
    )
    assert np.allclose(p[0].numpy(), skeleton.joint_positions(character, motion), atol=1e-5)
    expected = skeleton.global_rotations(character.parents, motion.rotations)
    assert np.allclose(q[0].numpy(), expected, atol=1e-5)


def test_exp_and_log_agree_with_the_engine_and_are_smooth_at_zero() -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 3))
    vectors[:3] *= [[0], [1e-5], [1e-3]]
    q = rotations_torch.exp(torch.from_numpy(vectors))
    assert np.allclose(q.numpy(), rotations.exp(vectors), atol=1e-9)
    assert np.allclose(rotations_torch.log(q).numpy(), rotations.log(rotations.exp(vectors)), atol=1e-6)
    zero = torch.zeros(2, 3, requires_grad=True)
    rotations_torch.log(rotations_torch.exp(zero)).sum().backward()
    assert torch.isfinite(zero.grad).all()  # type: ignore[arg-type]
    assert torch.allclose(zero.grad, torch.ones(2, 3))  # type: ignore[arg-type]


def test_slerp_agrees_with_the_engine() -> None:
    rng = np.random.default_rng(1)
    a, b = (rotations.normalise(rng.normal(size=(20, 4))) for _ in range(2))
    part = rng.uniform(size=20)
    got = rotations_torch.slerp(*(torch.from_numpy(x) for x in (a, b, part)))
    assert np.allclose(got.numpy(), rotations.slerp(a, b, part), atol=1e-6)
