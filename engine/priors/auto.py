"""The blend of priors that the corpus suggests and the self-test on this shot's own context corrects.

Averages of decent predictors beat each of them, and a share left to slerp shrinks what neither is sure of. So the
priors' offsets from slerp are averaged with weights that sum to at most one: those that did best over clips of
other characters (docs/experiments.md), moved as far as the hidden pieces of the context ask for. With few pieces they
move little (ridge regression towards the corpus), since a handful of seconds cannot rank priors by itself.
"""

from collections.abc import Mapping

import numpy as np

from engine.plan import Plan
from engine.priors import offsets
from engine.priors.context import context
from engine.priors.learned import fits, learned
from engine.priors.spline import spline
from engine.priors.trials import Prior
from engine.selftest import SelfTest, self_test
from usd_io.model import Character, Motion

CANDIDATES: Mapping[str, Prior] = {"spline": spline, "context": context, "learned": learned}
"""What is blended."""


def auto(character: Character, known: Motion, plan: Plan) -> Motion:
    """Fill with the blend of spline, context and learned that the self-test suggests.

    Args:
        character: The skeleton.
        known: The known frames only.
        plan: Gives context and gaps.

    Returns:
        The motion at ``plan.fill_times``.
    """
    return fill(character, known, plan, CANDIDATES)[0]


def fill(
    character: Character, known: Motion, plan: Plan, candidates: Mapping[str, Prior]
) -> tuple[Motion, SelfTest]:
    """The blend, and the self-test that it rests on.

    Args:
        character: The skeleton.
        known: The known frames only.
        plan: Gives context and gaps.
        candidates: Priors to blend; slerp is always the ground they stand on and need not be named. The learned one is
            left out where the skeleton is too large for it.

    Returns:
        The motion at ``plan.fill_times`` and what to expect of it.
    """
    candidates = {n: prior for n, prior in candidates.items() if prior is not learned or fits(character)}
    test = self_test(character, known, plan, candidates)
    base = offsets.straight(known, plan)
    counts = [len(gap.times) for gap in plan.gaps]
    total = np.zeros((len(base.times), len(character.joints), 9))
    for index, (name, prior) in enumerate(candidates.items()):
        share = np.repeat([choice.weights[index][1] for choice in test.choices], counts)
        assert all(choice.weights[index][0] == name for choice in test.choices)
        if share.any():
            total += share[:, None, None] * offsets.offsets_from(base, prior(character, known, plan))
    return offsets.apply(base, total), test
