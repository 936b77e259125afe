"""Run stage *score*: what is known of a result's error, measured against slerp and spline in the same run."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from engine.errors import ConfigError
from engine.fill import PRIORS, Filled, complete, merge
from engine.metrics import Scores, height, key_error, score
from engine.plan import Plan
from usd_io.errors import shown
from usd_io.model import Character, Motion

BASELINES = ("slerp", "spline")
DENSE_SHARE = 0.8
"""The stage's own samples are the truth where at least this part of the filled frames has one."""


def score_run(
    characters: Sequence[Character], plans: Sequence[Plan], results: Sequence[Filled], truth: str
) -> dict[str, Any]:
    """Scores by skeleton path, as plain values.

    Args:
        characters: The skeletons.
        plans: Their plans.
        results: What was made of them.
        truth: Path of a stage with the true motion; empty: the stage's own hidden samples, where it has some.
    """
    return {
        plan.skeleton_path: _score_skeleton(character, plan, filled, truth)
        for character, plan, filled in zip(characters, plans, results, strict=True)
    }


def _score_skeleton(character: Character, plan: Plan, filled: Filled, truth_stage: str) -> dict[str, Any]:
    kept = filled.parts.kept
    truth = true_motion(character, plan, filled, truth_stage)
    scores: dict[str, Any] = {
        "prior": filled.prior,
        "frames": len(plan.fill_times),
        "key_error": key_error(character, kept, filled.motion, plan) / height(character, kept, plan.keys[0]),
        "self_test": asdict(filled.self_test),
        "truth": None,
    }
    if truth is not None:
        scores["truth"] = {filled.prior: asdict(score(character, truth, filled.motion, plan))} | {
            name: asdict(score_prior(name, character, truth, plan, filled)) for name in BASELINES
        }
    return scores


def score_prior(name: str, character: Character, truth: Motion, plan: Plan, filled: Filled) -> Scores:
    """Scores of another prior on the same known frames."""
    made = PRIORS[name](character, filled.parts.known, plan)
    return score(character, truth, complete(character, filled.parts, plan, made), plan)


def true_motion(character: Character, plan: Plan, filled: Filled, truth_stage: str) -> Motion | None:
    """The truth at the fill times and the keys, None where it is not known."""
    if not truth_stage:
        times = filled.parts.authored_times
        inside = sum(int(((times > gap.start) & (times < gap.end)).sum()) for gap in plan.gaps)
        known = inside >= DENSE_SHARE * len(plan.fill_times)
        return merge(filled.parts.kept, filled.parts.hidden) if known else None
    from usd_io.read_character import read_character
    from usd_io.read_motion import read_motion
    from usd_io.stage import open_stage

    opened = open_stage(truth_stage)
    joints = read_character(opened, character.skeleton_path, meshes=False).joints
    if joints != character.joints:
        raise ConfigError(
            f"--truth {shown(truth_stage)}: the skeleton {shown(character.skeleton_path)} has other joints there; "
            "name a stage with the same rig."
        )
    return read_motion(opened, character.skeleton_path, np.union1d(plan.fill_times, plan.keys))
