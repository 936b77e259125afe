"""Whether a stage can be the truth that a result is scored against, found out when planning."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.errors import ConfigError
from engine.geometry import metrics, skeleton
from engine.planning.plan import Gap, Plan
from usd_io.errors import shown, timecode
from usd_io.model import Character

MOST_APART = 0.01
"""A truth goes through the keys within this part of the height."""
MOST_GAPS = 4
"""So many gaps without a true sample are named."""
_EPSILON = 1e-6
"""Times closer to its end than this part of a gap are at the end: those of another rate are rounded."""


def check_truth(
    characters: Sequence[Character], plans: Sequence[Plan], source: Any, truth: Any
) -> tuple[str, ...]:
    """What of the plans a stage cannot be the truth of, in words.

    Args:
        characters: One per plan.
        plans: What is to be filled.
        source: The stage with the keys, open.
        truth: The stage with the true motion, open, its times counted as the source's.

    Raises:
        ConfigError: It has another rig, or no sample inside of any gap.
        StageReadError: It lacks one of the skeletons.
    """
    for character in characters:
        check_rig(character, truth)
    empty = {plan.skeleton_path: gaps_without_truth(plan, truth) for plan in plans}
    if plans and all(len(empty[plan.skeleton_path]) == len(plan.gaps) for plan in plans):
        raise ConfigError(
            f"{_name(truth)}: no sample of {shown(plans[0].skeleton_path)} is authored inside the gaps, where USD "
            "shows straight motion from key to key, as slerp does; name a stage with samples between the keys.",
            settings=("truth",),
        )
    without = [
        _without(plan, empty[plan.skeleton_path], truth) for plan in plans if empty[plan.skeleton_path]
    ]
    apart = [
        _apart(character, plan, source, truth) for character, plan in zip(characters, plans, strict=True)
    ]
    return tuple(note for note in (_other_rate(truth), *without, *apart) if note)


def _other_rate(truth: Any) -> str:
    """That the times of the truth are not those of the source; empty where they are."""
    own, shot = truth.GetRootLayer().timeCodesPerSecond, truth.GetTimeCodesPerSecond()
    if own == shot:
        return ""
    rates = f"{own:g} time codes/s, the source {shot:g}"
    return f"{_name(truth)} has {rates}: its times are matched in seconds, as USD does with what it composes."


def check_rig(character: Character, truth: Any) -> None:
    """Refuse a truth whose skeleton has other joints."""
    from usd_io.read.character import read_character

    if read_character(truth, character.skeleton_path, meshes=False).joints != character.joints:
        raise ConfigError(
            f"{_name(truth)}: the skeleton {shown(character.skeleton_path)} has other joints there; name a stage with "
            "the same rig.",
            settings=("truth",),
        )


def gaps_without_truth(plan: Plan, truth: Any) -> list[Gap]:
    """Gaps in which the truth has no authored sample: what USD shows there is straight motion between two others."""
    from usd_io.read.motion import joint_sample_times

    times = joint_sample_times(truth, plan.skeleton_path)
    starts, ends = (np.array([getattr(gap, end) for gap in plan.gaps], float) for end in ("start", "end"))
    margin = _EPSILON * (ends - starts)
    none = np.searchsorted(times, starts + margin) == np.searchsorted(times, ends - margin)
    return [gap for gap, empty in zip(plan.gaps, none.tolist(), strict=True) if empty]


def _without(plan: Plan, gaps: Sequence[Gap], truth: Any) -> str:
    where = f"{_name(truth)} has no sample of {shown(plan.skeleton_path)} inside"
    if len(gaps) == len(plan.gaps):
        return f"{where} the gaps, so that this skeleton is not scored."
    which = ", ".join(f"{timecode(gap.start)}..{timecode(gap.end)}" for gap in gaps[:MOST_GAPS])
    more = f" and {len(gaps) - MOST_GAPS} more" if len(gaps) > MOST_GAPS else ""
    return (
        f"{where} {which}{more}: the result is scored there against the straight motion between USD's samples, "
        "which favours slerp; name a truth that is sampled in every gap."
    )


def _apart(character: Character, plan: Plan, source: Any, truth: Any) -> str:
    """At which key the truth has another pose than the source, empty where it has the same at all."""
    from usd_io.read.motion import read_motion

    if not plan.keys or not character.joints:
        return ""
    own, true = (read_motion(stage, plan.skeleton_path, np.array(plan.keys)) for stage in (source, truth))
    missed = np.linalg.norm(
        skeleton.joint_positions(character, own) - skeleton.joint_positions(character, true), axis=-1
    ).max(1)
    worst = int(np.argmax(missed))
    share = float(missed[worst]) / metrics.height(character, own, plan.keys[0])
    if share <= MOST_APART:
        return ""
    return (
        f"{_name(truth)} has another pose of {shown(plan.skeleton_path)} than the source at the key "
        f"{timecode(plan.keys[worst])}, by up to {share:.0%} of the height: scores against it say little; name the "
        "motion that the keys were taken from."
    )


def _name(truth: Any) -> str:
    return f"the true motion {shown(truth.GetRootLayer().identifier)}"
