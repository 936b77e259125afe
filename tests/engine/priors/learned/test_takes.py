"""Ideas of the network as takes, and styles of the first."""

from dataclasses import replace

import numpy as np
import pytest

from engine.geometry import skeleton
from engine.planning.plan import Plan, make_plan
from engine.priors import offsets
from engine.priors.context.prior import context
from engine.priors.fill import fill_motion
from engine.priors.learned.prior import LearnedFill, fill
from engine.priors.learned.takes import livelier, vary
from engine.priors.learned.weights import Network
from tests.engine.conftest import make_character, make_motion
from usd_io.model import Motion

CHARACTER = make_character((-1, 0, 1, 1, 0, 4))
MOTION = make_motion(CHARACTER, range(73))
PLAN = make_plan(CHARACTER, MOTION, contexts=[(0, 36)], keys=[36, 54, 72], fill_at_samples=True)
KNOWN = MOTION.at(PLAN.known(MOTION.times))


@pytest.fixture
def guess(lively_network: Network) -> LearnedFill:
    return fill(CHARACTER, KNOWN, PLAN)


def apart(one: Motion, other: Motion) -> float:
    places = [skeleton.joint_positions(CHARACTER, motion) for motion in (one, other)]
    return float(np.abs(places[0] - places[1]).max())


def test_a_take_follows_its_idea(guess: LearnedFill) -> None:
    """The least of what tells it from its idea is noise; the most from the best estimate is the idea."""
    quiet = replace(guess, rotation_error=0 * guess.rotation_error)
    for number in (2, 3):
        idea = offsets.apply(guess.motion, guess.ideas[number - 2])
        assert apart(vary(CHARACTER, PLAN, quiet, 1, number), idea) == 0
        assert apart(idea, guess.motion) > 1e-3


def test_one_take_is_what_the_context_alone_makes(guess: LearnedFill) -> None:
    """And the ideas lose none of theirs to it."""
    quiet = replace(guess, rotation_error=0 * guess.rotation_error)
    recalled = context(CHARACTER, KNOWN, PLAN)
    takes = [vary(CHARACTER, PLAN, quiet, 1, number, recalled) for number in range(2, 8)]
    assert apart(takes[1], recalled) == 0
    for idea, take in zip(guess.ideas, (takes[0], *takes[2:]), strict=True):
        assert apart(take, offsets.apply(guess.motion, idea)) == 0


def test_no_take_is_the_best_estimate_again(lively_network: Network) -> None:
    def third(prior: str) -> float:
        settings = {"context": [(0, 36)], "keys": [36, 54, 72], "contacts": False, "style": "calm"}
        filled = fill_motion(CHARACTER, KNOWN, prior=prior, takes=3, **settings)
        return apart(filled.others[1], filled.motion)

    assert third("context") > 1e-3
    assert third("auto") > 1e-3


def test_there_are_more_takes_than_ideas(guess: LearnedFill) -> None:
    takes = [vary(CHARACTER, PLAN, guess, 1, n) for n in range(2, 12)]
    assert len(takes) > len(guess.ideas)
    for place, one in enumerate(takes):
        for other in takes[:place]:
            assert apart(one, other) > 1e-4


def test_a_lively_take_strays_further_than_its_idea(guess: LearnedFill) -> None:
    idea = offsets.apply(guess.motion, guess.ideas[0])
    lively = livelier(KNOWN, PLAN, guess.motion, guess)
    assert 0 < apart(idea, guess.motion)
    assert 0 < apart(lively, idea)
    assert livelier(KNOWN, PLAN, guess.motion, replace(guess, ideas=guess.ideas[:0])) is guess.motion


def test_a_style_is_for_the_priors_that_have_ideas(lively_network: Network) -> None:
    def made(prior: str, style: str, plan: Plan = PLAN) -> Motion:
        keys, contexts = plan.keys, plan.contexts
        return fill_motion(
            CHARACTER, KNOWN, context=contexts, keys=keys, prior=prior, style=style, contacts=False
        ).motion

    assert apart(made("learned", "calm"), made("learned", "lively")) > 1e-3
    assert apart(made("spline", "calm"), made("spline", "lively")) == 0
