"""Run stage *score*: what is known of a result's error, measured against slerp and spline in the same run."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from engine.files.json_values import to_plain
from engine.geometry import skeleton
from engine.geometry.metrics import Scores, height, key_error, l2p, select
from engine.geometry.metrics import score as measure
from engine.planning.plan import Plan
from engine.priors.fill import Filled, ends_of, fill_plainly
from engine.runs.stage_cache import RunContext, Stage, StageWork, load_json, save_json
from engine.scene.subject import Subject
from engine.scene.truth import true_motion
from usd_io.model import Character, Motion

BASELINES = ("slerp", "spline")
LEAST_SURE = 5
"""Joints and frames that a report names as the least sure."""


@dataclass(frozen=True, eq=False)
class ScoreInputs:
    """What decides the scores."""

    subjects: tuple[Subject, ...]
    truth_layers: tuple[str, ...] = ()
    """Hashes of the layers of the stage with the true motion, beside those of the source; none where it is not
    known, or hidden in the stage itself."""
    video_tests: Mapping[str, Any] = field(default_factory=dict)
    """By skeleton path, what the video engine did on a hidden piece, as plain values."""
    truth: Any | None = field(default=None, compare=False)
    """A stage with the true motion, open; None: the stage's own hidden samples, where it has some."""


def score(inputs: ScoreInputs, context: RunContext) -> dict[str, Any]:
    """Scores by skeleton path, as plain values."""
    scores: dict[str, Any] = context.cache.get(
        Stage("score", inputs, _score, save_json, load_json, "score.json")
    )
    return scores


def _score(inputs: ScoreInputs, work: StageWork) -> dict[str, Any]:
    return {
        subject.path: score_subject(subject, inputs.truth)
        | {"video_test": inputs.video_tests.get(subject.path)}
        for subject in inputs.subjects
    }


def score_subject(subject: Subject, truth_stage: Any | None) -> dict[str, Any]:
    """Scores of one subject, as plain values."""
    character, plan, filled = subject.character, subject.plan, subject.filled
    truth = true_motion(subject, truth_stage)
    scores: dict[str, Any] = {
        "prior": filled.prior,
        "frames": len(plan.fill_times),
        "height": height(character, filled.parts.kept, plan.keys[0]),
        "meters_per_unit": character.meters_per_unit,
        "joints": len(character.joints),
        "key_error": _key_error(character, plan, filled, filled.motion),
        "self_test": to_plain(filled.self_test),
        "truth": None,
        "takes": [_score_take(character, plan, filled, motion, truth) for motion in filled.takes],
        "confidence": _sum_up_confidence(character, plan, filled),
        "changed": _change(subject) if subject.fitted else None,
    }
    if truth is not None:
        start = subject.start
        fitted = (
            {start.prior: to_plain(measure(character, truth, start.motion, plan))} if subject.fitted else {}
        )
        scores["truth"] = {filled.prior: scores["takes"][0]["truth"], **fitted} | {
            name: to_plain(score_prior(name, character, truth, plan, filled)) for name in BASELINES
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
        "truth": None if truth is None else to_plain(measure(character, truth, motion, plan)),
    }


def _key_error(character: Character, plan: Plan, filled: Filled, motion: Motion) -> float:
    """[heights]"""
    kept = filled.parts.kept
    return key_error(character, kept, motion, plan) / height(character, kept, plan.keys[0])


def _change(subject: Subject) -> dict[str, Any]:
    """How far the video moved joints from the motion prior's guess, mean over filled frames [heights]; most first."""
    character, plan, filled = subject.character, subject.plan, subject.filled
    size = height(character, filled.parts.kept, plan.keys[0])
    guess, made = (
        skeleton.joint_positions(character, select(m, tuple(plan.fill_times)))
        for m in (subject.start.motion, filled.motion)
    )
    joints = np.linalg.norm(made - guess, axis=-1).mean(0) / size
    return {
        "mean": float(joints.mean()),
        "joints": [
            {"joint": character.joints[j], "change": float(joints[j])}
            for j in np.argsort(-joints, kind="stable")
        ],
    }


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
    parts = filled.parts
    if not plan.loop and not plan.channels:  # which look at all that is kept
        parts = replace(parts, kept=ends_of(parts.kept, plan))
    return measure(character, truth, fill_plainly(name, character, parts, plan), plan)
