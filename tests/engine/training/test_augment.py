"""Copies of clips for training: what a mixed one takes from either clip, and what cannot be mixed."""

from dataclasses import replace

import numpy as np

from engine.geometry import rotations
from engine.training.learned_prior.augment import LEAST_MIXED, mixed
from engine.training.learned_prior.data import Clip, make_clip
from engine.training.learned_prior.poses import make_rig

PARENTS = [-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11]
"""Hips; two legs of three joints; a spine of two with two arms of two on it."""
LEGS, UPPER = slice(1, 7), slice(7, 13)
LEG = [[-1, 0, 0], [0, -4, 0], [0, -4, 1]]
ARMS = [[-1, 1, 0], [-3, 0, 0], [1, 1, 0], [3, 0, 0]]
BONES = np.array([[0, 0, 0], *LEG, *LEG, [0, 2, 0], [0, 2, 0], *ARMS], float)


def person(name: str, seed: int, frames: int = 90) -> Clip:
    """Random rotations, small enough that the feet are the lowest."""
    rng = np.random.default_rng(seed)
    turned = rotations.exp(rng.normal(0, 0.05, (frames, len(PARENTS), 3)))
    moved = np.repeat(BONES[None] * rng.uniform(0.9, 1.1), frames, 0)
    moved[:, 0] = rng.normal(0, 1, (frames, 3))
    return make_clip("cmu/someone", name, make_rig(PARENTS), turned, moved)


def test_the_upper_body_is_another_clips_and_the_rest_its_own() -> None:
    clip, other = person("a", 1), person("b", 2)
    got = mixed(clip, [clip, other], np.random.default_rng(0))
    assert np.array_equal(got.rotations[:, UPPER], other.rotations[:, UPPER])
    assert np.array_equal(got.rotations[:, LEGS], clip.rotations[:, LEGS])
    assert np.array_equal(got.rotations[:, 0], clip.rotations[:, 0])
    assert np.array_equal(got.translations, clip.translations)


def test_a_piece_of_the_longer_clip_runs_forward() -> None:
    clip, other = person("a", 1), person("b", 2, frames=LEAST_MIXED)
    got = mixed(clip, [other], np.random.default_rng(3))
    assert got.frames == LEAST_MIXED
    assert np.array_equal(got.rotations[:, UPPER], other.rotations[:, UPPER])
    places = [s for s in range(31) if np.array_equal(got.poses[:, LEGS], clip.poses[s : s + 60, LEGS])]
    assert len(places) == 1


def test_clips_with_other_trees_frames_or_lengths_are_not_mixed() -> None:
    clip, rng = person("a", 1), np.random.default_rng(0)
    other = person("b", 2)
    short = person("c", 3, frames=LEAST_MIXED - 1)
    turned = replace(other, poses=other.poses[..., [0, 1, 2, 3, 5, 4, 6]])
    tree = make_clip(
        "cmu/x", "d", make_rig(PARENTS[:-1]), other.rotations[:, :-1], other.translations[:, :-1]
    )
    assert mixed(clip, [clip, short, turned, tree], rng) is clip


def test_where_no_two_limbs_are_the_lowest_nothing_is_mixed() -> None:
    clip = person("a", 1)
    tail = make_clip("cmu/x", "a", make_rig([-1, 0, 1]), clip.rotations[:, :3], clip.translations[:, :3])
    assert mixed(tail, [replace(tail, name="b")], np.random.default_rng(0)) is tail
