"""Metrics against values computed another way."""

import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from engine.geometry import metrics, skeleton
from engine.planning.plan import make_plan
from usd_io.model import Character, Motion

MotionAt = Callable[..., Motion]


def naive_positions(character: Character, motion: Motion, frame: int) -> np.ndarray:
    """World joint positions by walking the tree with scipy, one joint at a time."""
    turns: list[Rotation] = []
    places: list[np.ndarray] = []
    for joint, parent in enumerate(character.parents):
        turn = Rotation.from_quat(np.roll(motion.rotations[frame, joint].astype(float), -1))
        move = motion.translations[frame, joint].astype(float)
        turns.append(turn if parent < 0 else turns[parent] * turn)
        places.append(move if parent < 0 else places[parent] + turns[parent].apply(move))
    return np.array(places)


def naive_global(character: Character, motion: Motion, frame: int) -> np.ndarray:
    turns: list[Rotation] = []
    for joint, parent in enumerate(character.parents):
        turn = Rotation.from_quat(np.roll(motion.rotations[frame, joint].astype(float), -1))
        turns.append(turn if parent < 0 else turns[parent] * turn)
    return np.array([turn.as_quat() for turn in turns])


def test_positions_agree_with_a_naive_walk(character: Character, motion_at: MotionAt) -> None:
    motion = motion_at(range(5))
    ours = skeleton.joint_positions(character, motion)
    naive = [naive_positions(character, motion, frame) for frame in range(5)]
    np.testing.assert_allclose(ours, naive, atol=1e-6)


def test_l2p_and_l2q_agree_with_naive_loops(character: Character, motion_at: MotionAt) -> None:
    truth, result = motion_at(range(60)), motion_at(range(60), seed=1)
    plan = make_plan(character, truth, contexts=[(0, 20)], keys=[20, 40, 59])
    scores = metrics.score(character, truth, result, plan)
    frames = [*range(21, 40), *range(41, 59)]
    size = np.ptp(naive_positions(character, truth, 20), axis=0).max()
    distances, turns = [], []
    for frame in frames:
        difference = naive_positions(character, truth, frame) - naive_positions(character, result, frame)
        distances.append(np.sqrt((difference**2).sum()) / size)
        a, b = naive_global(character, truth, frame), naive_global(character, result, frame)
        squares = np.minimum(((a - b) ** 2).sum(1), ((a + b) ** 2).sum(1))
        turns.append(np.sqrt(squares.sum()))
    assert scores.l2p == pytest.approx(np.mean(distances), rel=1e-5)
    assert scores.l2q == pytest.approx(np.mean(turns), rel=1e-5)


def test_truth_scores_zero_and_jerk_ratio_one(character: Character, motion_at: MotionAt) -> None:
    truth = motion_at(range(60))
    plan = make_plan(character, truth, contexts=[(0, 20)], keys=[20, 40, 59])
    scores = metrics.score(character, truth, truth, plan)
    assert (scores.l2p, scores.l2q, scores.hl2q, scores.npss, scores.key_error) == (0, 0, 0, 0, 0)
    assert scores.jerk_ratio == 1


def test_scores_do_not_depend_on_place_scale_and_signs(character: Character, motion_at: MotionAt) -> None:
    truth, result = motion_at(range(60)), motion_at(range(60), seed=1)
    plan = make_plan(character, truth, contexts=[(0, 20)], keys=[20, 59])
    placed = np.eye(4)
    placed[:3, :3] = 3 * Rotation.from_euler("xyz", [0.3, 1.0, -2.0]).as_matrix()
    placed[:3, 3] = [5, -7, 11]
    size = metrics.height(character, truth, 20)
    moved = [
        replace(m, T_world_skel=np.tile(placed, (60, 1, 1)), rotations=-m.rotations) for m in (truth, result)
    ]
    a = metrics.score(character, truth, result, plan)
    b = metrics.score(character, *moved, plan)
    moved_size = metrics.height(character, moved[0], 20)
    assert b.l2p * moved_size == pytest.approx(3 * a.l2p * size, rel=1e-6)
    assert b.l2q == pytest.approx(a.l2q, rel=1e-6)


def test_hierarchy_weights_count_the_joints_below() -> None:
    weights = metrics.subtree_weights(np.array([-1, 0, 1, 1]))
    np.testing.assert_allclose(weights, np.array([4, 3, 1, 1]) * 4 / 9)


def test_npss_is_the_power_weighted_distance_of_spectra() -> None:
    t = np.arange(32)
    slow, fast = np.sin(2 * np.pi * t / 32)[:, None], np.sin(2 * np.pi * 4 * t / 32)[:, None]
    # all power sits at bins 1 and 31, or 4 and 28: half of it moves three bins up, half three down
    assert metrics.npss([slow], [fast]) == pytest.approx(3)
    assert metrics.npss([slow], [2 * slow]) == pytest.approx(0, abs=1e-9)
    assert metrics.npss([np.zeros((8, 1))], [np.ones((8, 1))]) == 0


def test_key_error_sees_a_moved_key(character: Character, motion_at: MotionAt) -> None:
    truth = motion_at(range(60))
    plan = make_plan(character, truth, contexts=[(0, 20)], keys=[20, 59])
    translations = truth.translations.copy()
    translations[59, 0, 1] += 0.5
    broken = replace(truth, translations=translations)
    assert metrics.key_error(character, truth, broken, plan) == pytest.approx(0.5, rel=1e-5)


def test_skating_is_the_speed_of_resting_joints(character: Character) -> None:
    still = np.zeros((11, 1, 3))
    sliding = still.copy()
    sliding[:, 0, 0] = 0.1 * np.arange(11)
    assert metrics._foot_skate(character, [still], [sliding], step=0.1) == pytest.approx(1.0)
    lifted = sliding + np.array([0, 1, 0])
    assert metrics.contacts(character, np.concatenate([still, lifted], axis=1), 0.1)[:, 1].sum() == 0


def test_a_reference_left_behind_at_the_origin_does_not_count_as_height() -> None:
    """The hips below it carry the motion, a kilometre away; a root near the others counts."""
    parents = np.array([-1, 0, 1, 2, 0])
    places = np.array([[0, 0, 0], [1000, 1, 0], [1000, 1.5, 0], [1000, 1.8, 0], [0, 0, 0]], float)
    assert metrics.left_behind(parents, places).tolist() == [True, False, False, False, True]
    near = places - np.array([999.5, 0, 0]) * (places[:, :1] > 0)
    assert not metrics.left_behind(parents, near).any()
    upright = places * [0.0025, 1, 1] - np.array([[0, 0, 0], *[[0, 0.9, 0]] * 3, [0, 0, 0]])
    upright[3, 1] += 0.5  # a body of 1.3 from its feet up, 2.5 away
    assert metrics.left_behind(parents, upright).tolist() == [True, False, False, False, True]
    alone = np.array([[0, 0, 0], [1000, 0, 0]], float)
    assert not metrics.left_behind(np.array([-1, 0]), alone).any()


def test_the_height_of_thousands_of_roots_takes_little_memory() -> None:
    """As a stage may name them that means harm, where each joint is held against each root."""
    places = np.random.default_rng(3).normal(size=(6000, 3))
    parents = np.where(np.arange(6000) % 2, -1, 1)
    some = slice(60)
    roots = places[some][1::2]
    known = np.linalg.norm(places[some, None] - roots, axis=-1).min(1)
    np.testing.assert_array_equal(metrics._to_nearest_root(parents[some] < 0, places[some]), known)
    tracemalloc.start()
    assert not metrics.left_behind(parents, places).any()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6  # bytes; 1.2 GB at once
