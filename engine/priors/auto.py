"""The blend of priors that the corpus suggests and the self-test on this shot's own context corrects.

Averages of decent predictors beat each of them, and a share left to slerp shrinks what neither is sure of. So the
priors' offsets from slerp are averaged with weights that sum to at most one: those that did best over clips of
other characters (docs/experiments.md), moved as far as the hidden pieces of the context ask for. With few pieces they
move little (ridge regression towards the corpus), since a handful of seconds cannot rank priors by itself.

A gap that the context holds already, as where a shot repeats itself, is the exception: there the learned prior's share
goes to the context's, which knows the answer where the network can only guess at it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from engine.planning.plan import Plan
from engine.priors import offsets
from engine.priors.context import prior as from_context
from engine.priors.context.prior import context
from engine.priors.learned.prior import fits, learned, learned_drafts
from engine.priors.self_test import GapChoice, SelfTest, self_test, unseen
from engine.priors.spline import spline
from engine.priors.trials import Drafts, Prior
from usd_io.model import Character, Motion

CANDIDATES: Mapping[str, Prior] = {"spline": spline, "context": context, "learned": learned}
"""What is blended."""
FIT_NONE, FIT_ALL = 0.3, 0.6
"""The context takes over the learned prior's share as its fit goes from the one to the other: on held-out and looped
clips blends are best below 0.3 and the context alone above 0.4 to 0.6 (docs/experiments.md)."""
STILL = (16.0, 32.0)
"""As joints go from the first to the second of these times as fast in a gap as in the context, that stands still, and
the learned prior makes little of it."""
LEFT_BESIDE_STILLNESS = 0.25
"""Part of the learned prior's share that is left there; the rest is slerp's."""


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
    character: Character,
    known: Motion,
    plan: Plan,
    candidates: Mapping[str, Prior],
    answered: Motion | None = None,
    on_part: Callable[[float], None] = lambda part: None,
    *,
    drafts: Drafts = learned_drafts,
) -> tuple[Motion, SelfTest]:
    """The blend, and the self-test that it rests on.

    Args:
        character: The skeleton.
        known: The known frames only.
        plan: Gives context and gaps.
        candidates: Priors to blend; slerp is always the ground they stand on and need not be named. The learned one is
            left out where the skeleton is too large for it.
        answered: What the learned prior fills the gaps with, where it was asked before.
        on_part: Called now and then with the part of the gaps that were sought in the context.
        drafts: What the learned prior fills hidden pieces with, all at once.

    Returns:
        The motion at ``plan.fill_times`` and what to expect of it.
    """
    candidates = {n: prior for n, prior in candidates.items() if prior is not learned or fits(character)}
    together = {n: drafts for n, prior in candidates.items() if prior is learned}
    test = self_test(character, known, plan, candidates, together=together)
    recalled = from_context.fill(character, known, plan, on_part)
    if test.pieces:
        stillness = unseen(character, known, plan, STILL).tolist()
        test = replace(test, choices=tuple(map(_beside_stillness, test.choices, stillness)))
    test = replace(test, choices=tuple(map(_leaning, test.choices, recalled.fits)))
    base = offsets.straight(known, plan)
    counts = [len(gap.times) for gap in plan.gaps]
    total = np.zeros((len(base.times), len(character.joints), 9))
    for index, (name, prior) in enumerate(candidates.items()):
        share = np.repeat([choice.weights[index][1] for choice in test.choices], counts)
        assert all(choice.weights[index][0] == name for choice in test.choices)
        if share.any():
            before = recalled.motion if prior is context else answered if prior is learned else None
            made = prior(character, known, plan) if before is None else before
            total += share[:, None, None] * offsets.offsets_from(base, made)
    return offsets.apply(base, total), test


def _beside_stillness(choice: GapChoice, stillness: float) -> GapChoice:
    """The choice with less of the learned prior, as the context stands still beside the gap, 0 to 1."""
    part = stillness * (1 - LEFT_BESIDE_STILLNESS)
    shares = tuple(
        (name, share * (1 - part) if name == "learned" else share) for name, share in choice.weights
    )
    return replace(choice, weights=shares)


def known_part(fit: float) -> float:
    """How far a gap that the context fits so well is left to it, 0 to 1."""
    return float(np.clip((fit - FIT_NONE) / (FIT_ALL - FIT_NONE), 0, 1))


def _leaning(choice: GapChoice, fit: float) -> GapChoice:
    """The choice with the learned prior's share moved to the context's as far as that knows the gap."""
    shares = dict(choice.weights)
    choice, part = replace(choice, fit=fit), known_part(fit)
    if part == 0 or not shares.get("learned") or "context" not in shares:
        return choice
    shares["context"] += part * shares["learned"]
    shares["learned"] *= 1 - part
    reason = f"{choice.reason}; the context holds motion like this"
    return replace(choice, weights=tuple(shares.items()), reason=reason)
