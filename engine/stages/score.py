"""Run stage *score*: what is known of a result's error, measured against slerp and spline in the same run."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from engine.errors import ConfigError
from engine.geometry import skeleton
from engine.geometry.metrics import Scores, height, key_error, l2p, score, select
from engine.planning.plan import Plan
from engine.priors.fill import Filled, fill_plainly, merge
from usd_io.errors import shown
from usd_io.model import Character, Motion

BASELINES = ("slerp", "spline")
DENSE_SHARE = 0.8
"""The stage's own samples are the truth where at least this part of the filled frames has one."""
LEAST_SURE = 5
"""Joints and frames that a report names as the least sure."""


def score_run(
    characters: Sequence[Character],
    plans: Sequence[Plan],
    results: Sequence[Filled],
    starts: Sequence[Filled],
    truth: str,
    video_tests: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Scores by skeleton path, as plain values.

    Args:
        characters: The skeletons.
        plans: Their plans.
        results: What was made of them.
        starts: What the motion prior made of them: the same, or what a fit to video began with.
        truth: Path of a stage with the true motion; empty: the stage's own hidden samples, where it has some.
        video_tests: By skeleton path, what the video engine did on a hidden piece, as plain values.
    """
    tested = video_tests or {}
    return {
        plan.skeleton_path: _score_skeleton(character, plan, filled, start, truth)
        | {"video_test": tested.get(plan.skeleton_path)}
        for character, plan, filled, start in zip(characters, plans, results, starts, strict=True)
    }


def _score_skeleton(
    character: Character, plan: Plan, filled: Filled, start: Filled, truth_stage: str
) -> dict[str, Any]:
    truth = true_motion(character, plan, filled, truth_stage)
    scores: dict[str, Any] = {
        "prior": filled.prior,
        "frames": len(plan.fill_times),
        "height": height(character, filled.parts.kept, plan.keys[0]),
        "meters_per_unit": character.meters_per_unit,
        "joints": len(character.joints),
        "key_error": _key_error(character, plan, filled, filled.motion),
        "self_test": asdict(filled.self_test),
        "truth": None,
        "takes": [_score_take(character, plan, filled, motion, truth) for motion in filled.takes],
        "confidence": _sum_up_confidence(character, plan, filled),
    }
    if truth is not None:
        fitted = {} if filled is start else {start.prior: asdict(score(character, truth, start.motion, plan))}
        scores["truth"] = {filled.prior: scores["takes"][0]["truth"], **fitted} | {
            name: asdict(score_prior(name, character, truth, plan, filled)) for name in BASELINES
        }
    return scores


def _score_take(
    character: Character, plan: Plan, filled: Filled, motion: Motion, truth: Motion | None
) -> dict[str, Any]:
    """How far a take lies from the first one [heights, as L2P] and, where it is known, from the truth."""
    size = height(character, filled.parts.kept, plan.keys[0])
    first, own = (
        skeleton.joint_positions(character, select(m, tuple(plan.fill_times))) / size
        for m in (filled.motion, motion)
    )
    return {
        "key_error": _key_error(character, plan, filled, motion),
        "from_first": l2p(first, own),
        "truth": None if truth is None else asdict(score(character, truth, motion, plan)),
    }


def _key_error(character: Character, plan: Plan, filled: Filled, motion: Motion) -> float:
    """[heights]"""
    kept = filled.parts.kept
    return key_error(character, kept, motion, plan) / height(character, kept, plan.keys[0])


def _sum_up_confidence(character: Character, plan: Plan, filled: Filled) -> dict[str, Any] | None:
    """Mean over the filled frames, and the joints and frames of which the prior is least sure."""
    if filled.confidence is None:
        return None
    inside = np.isin(filled.motion.times, plan.fill_times)
    values = filled.confidence[inside].astype(float)
    joints, frames = values.mean(0), values.mean(1)
    return {
        "mean": float(values.mean()),
        "joints": [
            {"joint": character.joints[j], "confidence": float(joints[j])}
            for j in np.argsort(joints, kind="stable")[:LEAST_SURE]
        ],
        "frames": [
            {"time": float(plan.fill_times[f]), "confidence": float(frames[f])}
            for f in np.argsort(frames, kind="stable")[:LEAST_SURE]
        ],
    }


def score_prior(name: str, character: Character, truth: Motion, plan: Plan, filled: Filled) -> Scores:
    """Scores of another prior on the same known frames."""
    return score(character, truth, fill_plainly(name, character, filled.parts, plan), plan)


def true_motion(character: Character, plan: Plan, filled: Filled, truth_stage: str) -> Motion | None:
    """The truth at the fill times and the keys, None where it is not known."""
    if not truth_stage:
        times = filled.parts.authored_times
        inside = sum(int(((times > gap.start) & (times < gap.end)).sum()) for gap in plan.gaps)
        known = inside >= DENSE_SHARE * len(plan.fill_times)
        return merge(filled.parts.kept, filled.parts.hidden) if known else None
    from usd_io.read.character import read_character
    from usd_io.read.motion import read_motion
    from usd_io.read.stage import open_stage

    opened = open_stage(truth_stage)
    joints = read_character(opened, character.skeleton_path, meshes=False).joints
    if joints != character.joints:
        raise ConfigError(
            f"--truth {shown(truth_stage)}: the skeleton {shown(character.skeleton_path)} has other joints there; "
            "name a stage with the same rig."
        )
    return read_motion(opened, character.skeleton_path, np.union1d(plan.fill_times, plan.keys))
