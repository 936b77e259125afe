"""Clips in memory, the split of the corpus, and that the evaluation suite is not in it."""

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.training.learned_prior import data
from engine.training.learned_prior.procedural import procedural_clips

ROOT = Path(__file__).parents[3]
SHARED = Path(os.environ.get("ANYMOLE_SHARED", ROOT.parent / "shared"))
CLIP_LIST = ROOT / "engine" / "priors" / "learned" / "shipped" / "clips.txt"
LEFT_OUT_TAKES = ("02_05", "05_02", "05_18", "05_19", "05_20", "06_12")
"""CMU takes of the suite, and two that repeat the choreography of one."""

needs_corpus = pytest.mark.skipif(not (SHARED / "motions").exists(), reason="the training corpus is not here")
needs_suite = pytest.mark.skipif(not (SHARED / "suite.toml").exists(), reason="the suite is not here")


def a_clip(frames: int = 31, joints: int = 4) -> data.Clip:
    angle = np.linspace(0, 2 * np.pi, frames)[:, None] * np.ones(joints)
    rotations = np.zeros((frames, joints, 4))
    rotations[..., 0], rotations[..., 1] = np.cos(0.2 * np.sin(angle)), np.sin(0.2 * np.sin(angle))
    translations = np.zeros((frames, joints, 3))
    translations[:, 0, 2] = np.linspace(0, 1, frames)
    return data.make_clip("test/clip", "clip", data.make_rig([-1, 0, 1, 1]), rotations, translations)


def suite_stages() -> list[str]:
    suite = tomllib.loads((SHARED / "suite.toml").read_text(encoding="utf-8"))
    return sorted({case["stage"] for case in suite["case"]})


def test_rigs_know_depth_and_subtree() -> None:
    rig = data.make_rig([-1, 0, 1, 1, 0])
    assert rig.depth.tolist() == [0, 1, 2, 2, 1]
    assert rig.subtree.tolist() == [5, 3, 1, 1, 1]


def test_joints_that_flip_go_with_what_hangs_on_them() -> None:
    clip = a_clip()
    kept = data.without_flips(clip, np.array([1.0, 2.0, 90.0, 3.0]))
    assert kept is not None
    assert kept.rig.parents.tolist() == [-1, 0, 1]
    assert (kept.poses == clip.poses[:, [0, 1, 3]]).all()
    assert data.without_flips(clip, np.array([1.0, 90.0, 3.0, 3.0])) is None


def test_a_loop_is_played_on_and_travels_on() -> None:
    clip = data.looped(a_clip())
    assert clip.frames > data.LOOPED_FRAMES
    assert np.allclose(clip.rotations[30:61], clip.rotations[:31], atol=1e-6)
    assert np.allclose(np.diff(clip.translations[:, 0, 2]), 1 / 30, atol=1e-6)


def test_made_up_clips_are_the_same_for_a_seed_and_valid() -> None:
    one, two = procedural_clips(5, seed=4), procedural_clips(5, seed=4)
    for a, b in zip(one, two, strict=True):
        assert (a.poses == b.poses).all()
        assert np.isfinite(a.poses).all()
        assert np.allclose(np.linalg.norm(a.rotations, axis=-1), 1, atol=1e-5)
        assert (a.rig.parents < np.arange(len(a.rig.parents))).all()


def test_characters_of_the_suite_are_no_training_assets() -> None:
    if not (SHARED / "suite.toml").exists():
        pytest.skip("the suite is not here")
    in_suite = {Path(stage).parts[1] for stage in suite_stages()}
    assert not in_suite & {Path(stage).parts[0] for stage in data.ASSET_STAGES}


def test_the_shipped_list_of_clips_holds_nothing_held_out_or_tested() -> None:
    listed = CLIP_LIST.read_text(encoding="utf-8").splitlines()
    assert len(listed) > 500
    assert not [line for line in listed if line.split(":")[0] in data.HELD_OUT]
    assert not [
        line for line in listed if line.startswith("cmu/subject_0") and any(t in line for t in LEFT_OUT_TAKES)
    ]
    allowed = tuple(f"assets/{stage}" for stage in data.ASSET_STAGES)
    assert all(line.startswith(allowed) for line in listed if line.startswith("assets/"))


@needs_corpus
def test_held_out_characters_exist_and_are_apart() -> None:
    folders = {
        p.relative_to(SHARED / "motions").with_suffix("").as_posix()
        for p in (SHARED / "motions").rglob("*.npz")
    }
    assert folders >= data.HELD_OUT


def turning(rotations: np.ndarray) -> np.ndarray:
    """How much all joints turn from frame to frame: independent of joint order, joint frames, place and unit."""
    dots = np.abs((rotations[1:] * rotations[:-1]).sum(-1)).clip(0, 1)
    return (2 * np.arccos(dots)).sum(-1)


def suite_signals() -> Iterator[tuple[str, np.ndarray]]:
    from engine.priors import offsets
    from usd_io.read.stage import read_shot

    for stage in suite_stages():
        for motion in read_shot(str(SHARED / stage), (), meshes=False).motions:
            if len(motion.times) > 20:
                step = motion.time_codes_per_second / data.FRAME_RATE
                even = offsets.sample(motion, np.arange(motion.times[0], motion.times[-1], step))
                yield stage, turning(even.rotations.astype(float))


def closest(part: np.ndarray, signal: np.ndarray) -> float:
    """Largest correlation of a piece with any piece of a signal."""
    windows = np.lib.stride_tricks.sliding_window_view(signal, len(part))
    centred = windows - windows.mean(1, keepdims=True)
    own = part - part.mean()
    norms = np.linalg.norm(centred, axis=1) * np.linalg.norm(own)
    return float((centred @ own / np.where(norms > 1e-9, norms, np.inf)).max())


@needs_corpus
@needs_suite
def test_no_piece_of_a_suite_clip_is_in_the_training_clips() -> None:
    """Forty frames of how much the body turns are a fingerprint: a copy correlates above 0.99."""
    length = 40
    signals = [
        turning(c.rotations.astype(float)) for c in data.read_corpus(SHARED / "motions", held_out=False)
    ]
    found = []
    for stage, signal in suite_signals():
        piece = signal[: min(length, len(signal))] if len(signal) < 80 else signal[20 : 20 + length]
        if piece.std() < 0.02:
            continue
        near = max((closest(piece, s) for s in signals if len(s) >= len(piece)), default=0.0)
        if near > 0.99:
            found.append((stage, near))
    assert not found


@needs_corpus
def test_the_fingerprint_finds_a_copy() -> None:
    clip = next(data.read_corpus(SHARED / "motions", held_out=False))
    signal = turning(clip.rotations.astype(float))
    assert closest(signal[10:50], signal) > 0.999
