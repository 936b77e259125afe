"""The weights in the package: complete, small, quick to load, and sober where nothing moves."""

import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from engine.errors import DataError
from engine.evaluation.evaluate import plans_of, read_suite
from engine.geometry import skeleton
from engine.planning.plan import make_plan
from engine.priors.baselines import slerp
from engine.priors.learned import layout
from engine.priors.learned.predict import WEIGHTS
from engine.priors.learned.prior import fill, learned
from engine.priors.learned.weights import load_network
from engine.training.learned_prior import checkpoint
from engine.training.learned_prior.cases import Case, errors
from engine.training.learned_prior.network import Shape, TorchNetwork
from tests.conftest import ASSETS
from tests.engine.conftest import make_character, make_motion
from usd_io.read.stage import read_shot

MOST_BYTES = 10_000_000
SUITE = ASSETS.parent / "suite.toml"
REAL = ("fair_dab_1", "trex_idle")


def test_weights_load_strictly_and_are_small() -> None:
    network = load_network(WEIGHTS)
    assert WEIGHTS.stat().st_size < MOST_BYTES
    assert all(meta["step"] > 0 for meta in network.meta.get("averaged", [network.meta]))
    with safe_open(WEIGHTS, framework="pt") as file:
        assert (
            set(file.keys())
            == set(network.weights)
            == set(TorchNetwork(Shape(**network.meta["shape"])).state_dict())
        )
        assert {str(file.get_slice(key).get_dtype()) for key in file.keys()} == {"F16"}


def without_a_tensor(path: Path) -> None:
    tensors, meta = checkpoint.load(path)
    del tensors["free.bias"]
    checkpoint.save(path, tensors, meta)


def with_nan(path: Path) -> None:
    tensors, meta = checkpoint.load(path)
    tensors["free.bias"][0] = torch.nan
    checkpoint.save(path, tensors, meta)


def of_another_shape(path: Path) -> None:
    tensors, meta = checkpoint.load(path)
    checkpoint.save(path, tensors, {**meta, "shape": {"width": 96, "wings": 2}})


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (Path.unlink, "No such file"),
    "empty": (lambda path: path.write_bytes(b""), "no safetensors file"),
    "cut in the header": (
        lambda path: path.write_bytes(path.read_bytes()[:500]),
        "[Hh]eader",
    ),
    "cut in the middle": (
        lambda path: path.write_bytes(path.read_bytes()[:1_000_000]),
        "[Hh]eader|buffer|incomplete|[Oo]ffset",
    ),
    "a pickle": (lambda path: path.write_bytes(pickle.dumps({"a": 1})), "no safetensors file"),
    "no record": (lambda path: save_file({"a": torch.zeros(1)}, path), "shape"),
    "a tensor less": (without_a_tensor, r"free\.bias"),
    "not finite": (with_nan, "not finite"),
    "another network": (of_another_shape, "blocks"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_weights_are_called_so(name: str, tmp_path: Path) -> None:
    damage, said = DAMAGES[name]
    path = tmp_path / "learned.safetensors"
    path.write_bytes(WEIGHTS.read_bytes())
    damage(path)
    with pytest.raises(
        DataError,
        match=f"weights of the learned prior cannot be used: .*{said}.*; install.*another prior",
    ) as caught:
        load_network(path)
    assert "learned.safetensors" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_swing_known_for_two_seconds_is_carried_on_better_than_slerp() -> None:
    character = make_character((-1, 0, 1, 2))
    times = np.arange(0, 97.0)
    motion = make_motion(character, times)
    swing = 0.5 * np.sin(2 * np.pi * times / 24)[:, None]
    motion.rotations[:, 1:] = np.stack(
        [np.cos(swing / 2), 0 * swing, 0 * swing, np.sin(swing / 2)], -1
    ).repeat(3, axis=1)
    motion.translations[:] = motion.translations[:1]
    motion.rotations[:, 0] = motion.rotations[0, 0]
    plan = make_plan(character, motion, contexts=[(0, 60)], keys=[60, 84], fill_at_samples=True)
    known = motion.at(plan.known(motion.times))
    truth = skeleton.joint_positions(character, motion.at(slice(61, 84)))
    errors = [
        np.abs(skeleton.joint_positions(character, prior(character, known, plan)) - truth).mean()
        for prior in (learned, slerp)
    ]
    assert errors[0] < 0.75 * errors[1]


def test_a_shot_that_has_come_to_rest_is_not_moved_on() -> None:
    character = make_character((-1, 0, 1, 2))
    times = np.arange(0, 97.0)
    motion = make_motion(character, times)
    swing = 0.5 * np.sin(2 * np.pi * times / 24)[:, None] * (times < 48)[:, None]
    motion.rotations[:] = np.stack([np.cos(swing / 2), 0 * swing, 0 * swing, np.sin(swing / 2)], -1).repeat(
        4, axis=1
    )
    motion.translations[:] = motion.translations[:1]
    plan = make_plan(character, motion, contexts=[(0, 72)], keys=[72, 96], fill_at_samples=True)
    filled = learned(character, motion.at(plan.known(motion.times)), plan)
    assert np.abs(filled.rotations - motion.rotations[-1]).max() < 1e-6


def test_expected_errors_vanish_at_keys_and_grow_inside() -> None:
    character = make_character()
    motion = make_motion(character, range(61))
    plan = make_plan(character, motion, contexts=[(0, 30)], keys=[60], fill_at_samples=True)
    result = fill(character, motion.at(plan.known(motion.times)), plan)
    middle = result.position_error[14].mean()
    assert result.position_error[0].mean() < middle
    assert result.position_error[-1].mean() < middle
    assert len(result.gains) == len(result.gain_bounds) == 1


@pytest.mark.skipif(not SUITE.exists(), reason="the suite is not there")
def test_errors_of_real_clips_stay_below_the_bounds_about_as_often_as_said() -> None:
    ratios = []
    for case in read_suite(SUITE):
        if case.id in REAL:
            shot = read_shot(case.stage, (), meshes=False)
            character, truth, plan = plans_of(shot, case.context, case.keys, strict=True)[0]
            got = fill(character, truth.at(plan.known(truth.times)), plan)
            distance, _ = errors(Case(case.id, character, truth, plan), got.motion)
            ratios.append((distance / np.maximum(got.position_error, 1e-9))[distance > 1e-4])
    kept = {q: float((np.concatenate(ratios) < -np.log(1 - q)).mean()) for q in (0.5, 0.8, 0.9)}
    assert 0.4 < kept[0.5] < 0.8
    assert 0.7 < kept[0.8] < 0.96
    assert 0.8 < kept[0.9] < 0.99


def test_a_second_of_60_joints_takes_less_than_one_and_loading_less_than_half() -> None:
    began = time.process_time()
    load_network(WEIGHTS)
    assert time.process_time() - began < 0.5
    character = make_character((-1, *((joint - 1) // 2 for joint in range(1, 60))))
    motion = make_motion(character, range(91), rate=30.0)
    plan = make_plan(character, motion, contexts=[(0, 60)], keys=[60, 90], fill_at_samples=True)
    known = motion.at(plan.known(motion.times))
    learned(character, known, plan)
    began = time.process_time()
    learned(character, known, plan)
    took = time.process_time() - began
    assert took < 1


def test_layout_reaches_back_over_three_gaps() -> None:
    assert layout.BEFORE.min() == -3
    assert (np.diff(layout.BEFORE) < 0).all()
    assert (layout.STEPS != 0).all()


def test_times_are_given_at_keys_and_in_contexts() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        a, b, c, d = np.sort(rng.integers(0, 90, 4).astype(float)).tolist()
        contexts = [(a, b), (c, d)]
        keys = rng.integers(0, 90, 6).astype(float).tolist()
        times = np.concatenate([np.arange(-5.0, 95.0), rng.uniform(-5, 95, 100)]).reshape(4, -1)
        ends = [*keys, *(t for context in contexts for t in context)]
        expected = np.full(times.shape, layout.BETWEEN)
        expected[(times < min(ends)) | (times > max(ends))] = layout.BEYOND
        expected[np.isin(times, keys)] = layout.GIVEN
        for start, end in contexts:
            expected[(times >= start) & (times <= end)] = layout.GIVEN
        assert (layout.states(times, contexts, keys) == expected).all()


def test_the_prior_runs_without_torch() -> None:
    code = "import sys, engine.priors.learned.predict as p; p.shipped_network(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
