"""Other motions that are as plausible as the best estimate: the network's own ideas of how a gap may go.

The best estimate is a mean, and so smoother than any motion it stands for. Beside it the network keeps a few *ideas*
(another step, another arc), each an offset to it, with how likely it is. A take carries one of them, and the
first carries the likeliest where it shall be lively. One take goes on as the context alone suggests.
"""

import zlib

import numpy as np

from engine.planning.plan import Plan
from engine.priors import offsets
from engine.priors.learned.prior import LearnedFill, parts_of
from usd_io.model import Character, Motion
from usd_io.shapes import Float

LIVELY = 1.15
"""How far from the straight motion a lively take 1 goes, over the best estimate with the likeliest idea."""
RECALLED = 3
"""Number of the take that the context alone makes."""
NOISE_SINES = 3
"""Frequencies of what tells takes of one idea apart: slower than the motion itself, so that takes do not shake."""
NOISE_SHARE = 0.1
"""Takes of one idea stray by this part of the expected error: more is only worse."""
SHARED_NOISE = 0.6
"""Part of a joint's noise that follows its parent's: limbs move as limbs."""
_MEAN_LENGTH = 1.596
"""Mean length of a vector of three standard normal numbers."""


def livelier(known: Motion, plan: Plan, best: Motion, guess: LearnedFill) -> Motion:
    """The best estimate with the likeliest idea, and further from the straight motion; as it is without ideas.

    Args:
        known: The known frames only.
        plan: Gives the gaps.
        best: At ``plan.fill_times``.
        guess: Of the learned prior, for its ideas.
    """
    if not len(guess.ideas):
        return best
    moved = offsets.apply(best, guess.ideas[0])
    straight = offsets.straight(known, plan)
    return offsets.apply(straight, LIVELY * offsets.offsets_from(straight, moved))


def vary(
    character: Character,
    plan: Plan,
    guess: LearnedFill,
    seed: int,
    number: int,
    recalled: Motion | None = None,
) -> Motion:
    """A take: a motion that goes another way than the best estimate, and equals it at the keys.

    Takes 2 to 7 follow the network's ideas, the likeliest first, but for take 3, which is what the context alone makes
    of the gaps; those after them mixtures of ideas, drawn again in every gap. All deviate a little, so that another
    seed gives other takes.

    Args:
        character: Joints stray with their parents.
        plan: Gives the gaps.
        guess: Of the learned prior: its answer, its ideas, and how far takes may turn joints.
        seed: Of the run.
        number: Of the take: take 3 is the same whether three are wanted or ten.
        recalled: What the context alone makes of the gaps, at ``plan.fill_times``; None: take 3 is an idea, too.
    """
    rng = np.random.default_rng([seed, number, zlib.crc32(character.skeleton_path.encode())])
    parts = parts_of(plan)
    change = np.zeros((len(guess.motion.times), len(character.joints), 9))
    change[..., offsets.ROTATION] = _noise(character, parts, guess.rotation_error, rng)
    if recalled is not None and number == RECALLED:
        return offsets.apply(recalled, change)
    which = number - 2 - (recalled is not None and number > RECALLED)
    count = len(guess.ideas)
    if which < count:
        change += guess.ideas[which]
    elif count:
        shares = np.repeat(rng.dirichlet(np.ones(count), len(parts)), [len(part) for part in parts], axis=0)
        change += np.einsum("fi,ifjc->fjc", shares, guess.ideas)
    return offsets.apply(guess.motion, change)


def _noise(
    character: Character,
    parts: list[Float[np.ndarray, " _"]],
    expected: Float[np.ndarray, "fill joint"],
    rng: "np.random.Generator",  # quoted: numpy loads its random numbers when they are named
) -> Float[np.ndarray, "fill joint 3"]:
    """Smooth random rotation offsets as large as the expected error, alike in a joint and its parent."""
    k = np.arange(1, NOISE_SINES + 1)
    result = [np.zeros((0, len(character.joints), 3))]
    for part in parts:
        waves = np.sin(np.pi * part[:, None] * k) / np.sqrt(NOISE_SINES / 2)
        drawn = rng.normal(size=(len(character.joints), NOISE_SINES, 3))
        for joint, parent in enumerate(character.parents):
            if parent >= 0:
                drawn[joint] = SHARED_NOISE * drawn[parent] + np.sqrt(1 - SHARED_NOISE**2) * drawn[joint]
        result.append(np.einsum("tk,jkc->tjc", waves, drawn))
    return np.concatenate(result) * (NOISE_SHARE / _MEAN_LENGTH) * expected[..., None]
