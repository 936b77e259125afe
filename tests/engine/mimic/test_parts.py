"""The parametrisation, its derivatives, and the linear solution."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.geometry import rotations
from engine.geometry.rotations_torch import exp, right_jacobian
from engine.geometry.skeleton import subtrees
from engine.joints.evidence import JointEvidence
from engine.mimic.fit import Fit
from engine.mimic.gauss_newton import ACCURATELY, Quadratic, draw, solve
from engine.mimic.joint_term import camera_rows, joint_form, make_joint_term
from engine.mimic.kinematics import by_offsets, point_levers, pose_at
from engine.mimic.paper_solver import to_unknowns
from engine.mimic.parameters import Unknowns, make_unknowns, sines
from engine.mimic.pictures.colour_match import softness_of
from engine.mimic.pictures.pyramid import blur, make_fit_scene
from engine.mimic.pictures.stabilise import shifts, steadied
from engine.priors import offsets
from engine.rendering.mesh.skin import build_rig
from engine.rendering.projection import project
from tests.engine.mimic.scenes import QUICK, Scene, arm_scene

DOUBLE = torch.zeros((), dtype=torch.float64)


@pytest.fixture(scope="module")
def arm() -> Scene:
    return arm_scene()


@pytest.fixture(scope="module")
def unknowns(arm: Scene) -> Unknowns:
    times = np.array(arm.video.times) * 24
    return make_unknowns(arm.characters[0], arm.plans[0], arm.starts[0], times, pose_prior=True)


def random_z(unknowns: Unknowns, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(unknowns.zeros().shape, generator=generator, dtype=torch.float64)


@given(
    st.floats(-100, 100),
    st.floats(0.5, 50),
    st.integers(1, 40),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None)
def test_offsets_vanish_at_keys_and_outside_gaps(start: float, length: float, count: int, seed: int) -> None:
    end = start + length
    inside = np.sort(np.random.default_rng(seed).uniform(start, end, 5))
    times = np.array([start - 1, start, *inside, end, end + 1])
    basis = sines([(start, end)], [count], times)
    assert (basis[[0, 1, -2, -1]] == 0).all()
    near = sines([(start, end)], [count], np.array([start + 1e-9 * length]))
    assert np.abs(near).max() < 1e-5


def test_the_mean_variance_of_offsets_is_one() -> None:
    times = np.linspace(0, 1, 2001)[1:-1]
    for count in (1, 3, 14):
        assert np.isclose((sines([(0.0, 1.0)], [count], times) ** 2).sum(1).mean(), 1, atol=1e-2)


def test_the_start_is_given_back_bit_for_bit(arm: Scene, unknowns: Unknowns) -> None:
    plan = arm.plans[0]
    assert plan is not None
    same = unknowns.filled(unknowns.zeros(), plan.fill_times)
    np.testing.assert_array_equal(same.rotations, arm.start.rotations)
    np.testing.assert_array_equal(same.translations, arm.start.translations)


def test_any_motion_at_the_videos_frames_is_one_of_the_unknowns(arm: Scene, unknowns: Unknowns) -> None:
    z = random_z(unknowns, 3)
    change = np.zeros((len(unknowns.base.times), 4, 9))
    turned, moved = unknowns.offsets(z, unknowns.basis)
    change[:, unknowns.turning.numpy(), :3] = turned.numpy()
    change[:, unknowns.moving.numpy(), 3:6] = moved.numpy()
    np.testing.assert_allclose(to_unknowns(unknowns, offsets.apply(unknowns.base, change)), z, atol=0.1)


@given(st.lists(st.floats(-4, 4), min_size=3, max_size=3))
@settings(max_examples=40, deadline=None)
def test_exp_agrees_with_numpy_and_its_jacobian_with_differences(values: list[float]) -> None:
    v = torch.tensor(values, dtype=torch.float64)
    np.testing.assert_allclose(exp(v), rotations.exp(v.numpy()), atol=1e-9)
    for axis in range(3):
        step = torch.zeros(3, dtype=torch.float64)
        step[axis] = 1e-6
        turned = rotations.log(rotations.multiply(rotations.conjugate(exp(v).numpy()), exp(v + step).numpy()))
        np.testing.assert_allclose(right_jacobian(v)[:, axis] * 1e-6, turned, atol=1e-10)


def test_derivatives_of_joints_agree_with_differences(arm: Scene, unknowns: Unknowns) -> None:
    rig = build_rig(arm.characters[0], DOUBLE)
    z, direction = 0.5 * random_z(unknowns, 0), random_z(unknowns, 1)
    cameras = arm.view.cameras

    def pixels(x: torch.Tensor) -> torch.Tensor:
        return project(cameras, pose_at(unknowns, rig, x).T_world_joint[..., :3, 3])

    pose, frame = pose_at(unknowns, rig, z), 3
    points = pose.T_world_joint[..., :3, 3]
    free = torch.cat([unknowns.turning, unknowns.moving])
    carried = torch.from_numpy(subtrees(arm.characters[0].parents).T.astype(float))[:, free]
    rows = camera_rows(points, cameras)[frame]
    levers = point_levers(pose, frame, points[frame], carried, rows)
    jacobian = by_offsets(pose, frame, levers.mT).mT
    change = (unknowns.basis @ direction @ unknowns.mixing.T)[frame]
    differences = (pixels(z + 1e-6 * direction) - pixels(z - 1e-6 * direction))[frame] / 2e-6
    np.testing.assert_allclose(jacobian @ change, differences, atol=1e-5)


def test_the_form_of_joint_evidence_agrees_with_differences_of_its_cost(
    arm: Scene, unknowns: Unknowns
) -> None:
    character, cameras, rig = arm.characters[0], arm.view.cameras, build_rig(arm.characters[0], DOUBLE)
    z, other, direction = (0.3 * random_z(unknowns, seed) for seed in range(3))
    tracks = project(cameras, pose_at(unknowns, rig, z).T_world_joint[..., :3, 3]).numpy()
    each = np.ones(tracks.shape[:2])
    evidence = JointEvidence(
        tracks[..., :2], tracks[..., 2], 200 * each, each, np.ones(len(character.joints), bool)
    )
    term = make_joint_term(unknowns, evidence, 1.0)
    along = unknowns.basis @ direction @ unknowns.mixing.T

    def cost(x: torch.Tensor) -> float:
        form = joint_form(term, pose_at(unknowns, rig, x), cameras)
        return form.plane.cost + form.depth.cost

    at, away = (joint_form(term, pose_at(unknowns, rig, x), cameras) for x in (z, other))
    slope = (cost(other + 1e-5 * direction) - cost(other - 1e-5 * direction)) / 2e-5
    assert float(((away.plane.gradient + away.depth.gradient) * along).sum()) == pytest.approx(
        slope, rel=1e-4
    )
    # where evidence and pose agree, Gauss and Newton leave nothing out
    curve = (cost(z + 1e-3 * direction) + cost(z - 1e-3 * direction)) / 1e-6
    hessian = at.plane.hessian + at.depth.hessian
    found = float(torch.einsum("fp,fpq,fq->", along, hessian, along))
    assert found == pytest.approx(curve, rel=1e-3)


def test_pictures_that_colours_were_matched_with_need_not_be_drawn_again(
    arm: Scene, unknowns: Unknowns
) -> None:
    count = len(unknowns.base.times)
    scene = make_fit_scene([unknowns], arm.surface, arm.view.cameras, arm.view.backdrop, "canonical")
    soft = blur(arm.video.frames[:count], 1.5)
    z = [0.3 * random_z(unknowns, 3)]
    problem = Fit(scene, [None], soft, QUICK)
    level, pictures = problem.level(problem.phases[0], z)
    assert level is not None
    assert level.softness > 0
    again, kept = problem.tried(z, level), problem.tried(z, level, pictures)
    assert kept.costs.pictures == pytest.approx(again.costs.pictures, rel=1e-6)
    (a,), (b,) = problem.found(again, level).forms, problem.found(kept, level).forms
    torch.testing.assert_close(a.gradient, b.gradient)
    torch.testing.assert_close(a.hessian, b.hessian)
    assert float(a.gradient.abs().max()) > 0


def random_form(seed: int) -> Quadratic:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    basis, root = normal(5, 4), normal(5, 6, 6)
    hessian = 10 * root @ root.mT
    diagonal = 1 + (basis**2).T @ hessian.diagonal(dim1=1, dim2=2)
    return Quadratic(basis, hessian, normal(4, 6), diagonal)


def dense(form: Quadratic) -> torch.Tensor:
    blocks = torch.einsum("fm,fpq,fn->mpnq", form.basis, form.hessian, form.basis)
    return blocks.reshape(24, 24) + torch.eye(24, dtype=torch.float64)


def test_the_linear_solution_is_that_of_the_dense_matrix() -> None:
    form = random_form(0)
    expected = torch.linalg.solve(dense(form), form.gradient.flatten())
    np.testing.assert_allclose(solve(form, form.gradient, 0.0, ACCURATELY).flatten(), expected, atol=1e-5)


def test_samples_have_the_covariance_of_the_inverse() -> None:
    form = random_form(1)
    samples = draw(form, torch.zeros(4, 6, dtype=torch.float64), 4000, 0).flatten(1)
    expected = torch.linalg.inv(dense(form)).diagonal().sqrt()
    np.testing.assert_allclose(samples.std(0), expected, rtol=0.1)


def test_blur_keeps_flat_pictures_and_sums() -> None:
    flat = torch.full((1, 2, 9, 11), 0.3)
    np.testing.assert_allclose(blur(flat, 1.0), flat, atol=1e-6)
    spot = torch.zeros(1, 1, 15, 15)
    spot[0, 0, 7, 7] = 1
    assert abs(float(blur(spot, 1.0).sum()) - 1) < 1e-5


@pytest.mark.parametrize("size", [(9, 14), (160, 70)])
@pytest.mark.parametrize("sigma", [0.2, 1.0, 3.0])
def test_blur_is_a_convolution_with_edges_held(sigma: float, size: tuple[int, int]) -> None:
    image = np.random.default_rng(3).random(size)
    radius = max(1, round(3 * sigma))
    kernel = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
    kernel /= kernel.sum()
    expected = np.pad(image, radius, mode="edge")
    for axis in (0, 1):
        expected = np.apply_along_axis(np.convolve, axis, expected, kernel, mode="valid")
    # more pictures than are blurred at once
    found = blur(torch.from_numpy(image)[None, None].repeat(17, 2, 1, 1), sigma)
    np.testing.assert_allclose(found, np.broadcast_to(expected, (17, 2, *size)), atol=1e-12)


@pytest.mark.parametrize("sigma", [0.0, 1.0, 2.0])
def test_softness_is_told_of_pictures_that_differ_in_pose_and_contrast(arm: Scene, sigma: float) -> None:
    sharp = blur(arm.video.frames, 1.0)
    video = 0.8 * sharp.flip(3) + 0.1
    told = softness_of(sharp, blur(video, sigma) if sigma else video)
    assert told == pytest.approx(sigma, abs=0.15)


def test_a_shaking_camera_is_told_by_what_stands_behind(arm: Scene) -> None:
    frames, backdrop = arm.video.frames, arm.view.backdrop
    assert backdrop is not None
    moved = torch.tensor([[(-1) ** i * (i % 3), i % 4 - 2] for i in range(len(frames))])
    shaken = torch.stack(
        [frame.roll((int(y), int(x)), (1, 2)) for frame, (x, y) in zip(frames, moved, strict=True)]
    )
    found = shifts(shaken, backdrop)
    far = moved.float().norm(dim=1) > 0.5
    assert (found - moved)[far].abs().max() < 0.15
    still = steadied(shaken, found)
    assert (still - frames).abs().mean() < 0.2 * (shaken - frames).abs().mean()


def test_a_camera_that_stands_still_and_an_empty_backdrop_show_no_shift(arm: Scene) -> None:
    backdrop = arm.view.backdrop
    assert backdrop is not None
    assert not shifts(arm.video.frames, backdrop).any()
    white = replace(backdrop, rgb=torch.ones_like(backdrop.rgb))
    assert not shifts(arm.video.frames.roll(3, 2), white).any()
