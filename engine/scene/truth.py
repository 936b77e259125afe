"""The true motion of a subject, where it is known: of another stage, or hidden in the source itself."""

from typing import Any

import numpy as np

from engine.planning.truth import check_rig, gaps_without_truth
from engine.priors.fill import ends_of, merge
from engine.scene.subject import Subject
from usd_io.model import Motion

DENSE_SHARE = 0.8
"""The stage's own samples are the truth where at least this part of the filled frames has one."""


def true_motion(subject: Subject, truth_stage: Any | None) -> Motion | None:
    """The truth at the fill times, the keys and the ends of gaps, None where it is not known.

    Args:
        subject: What was filled.
        truth_stage: A stage with the true motion, open; None: the stage's own hidden samples. One without a sample
            inside of any gap is no truth.

    Raises:
        ConfigError: The stage has another rig.
    """
    character, plan, filled = subject.character, subject.plan, subject.filled
    if truth_stage is None:
        times = filled.parts.authored_times
        inside = sum(int(((times > gap.start) & (times < gap.end)).sum()) for gap in plan.gaps)
        known = inside >= DENSE_SHARE * len(plan.fill_times)
        return merge(ends_of(filled.parts.kept, plan), filled.parts.hidden) if known else None
    from usd_io.read.motion import read_motion

    check_rig(character, truth_stage)
    if len(gaps_without_truth(plan, truth_stage)) == len(plan.gaps):
        return None
    return read_motion(truth_stage, character.skeleton_path, np.union1d(plan.fill_times, plan.keys))
