"""The prior that the self-test on the context chooses."""

from collections.abc import Mapping

from engine.plan import Plan
from engine.priors import offsets
from engine.priors.context import context
from engine.priors.slerp import slerp
from engine.priors.spline import spline
from engine.selftest import Prior, SelfTest, self_test
from usd_io.model import Character, Motion

CANDIDATES: Mapping[str, Prior] = {"slerp": slerp, "spline": spline, "context": context}
"""What is tried; a trained prior joins by being added to a copy of this mapping."""


def auto(character: Character, known: Motion, plan: Plan) -> Motion:
    """Fill with what did best on hidden pieces of the context."""
    return fill(character, known, plan, CANDIDATES)[0]


def fill(
    character: Character, known: Motion, plan: Plan, candidates: Mapping[str, Prior]
) -> tuple[Motion, SelfTest]:
    """The motion at the fill times, and the self-test it rests on."""
    test = self_test(character, known, plan, candidates)
    base = offsets.straight(known, plan)
    offset = offsets.offsets_from(base, candidates[test.choices[0].prior](character, known, plan))
    return offsets.apply(base, test.choices[0].trust * offset), test
