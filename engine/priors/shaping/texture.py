"""Small quick movement that an average leaves out, taken from the context.

A prior answers with slow waves: nine sines over a gap, or averages of what is alike. What the context shows above
:data:`ABOVE_HZ` (a step's shock, a hand's tremor, the noise of a capture) no prior can foresee, and a filled gap
without it stands out as too smooth. So it is taken from where the context, both seen without it, moves most alike: in
pieces that overlap, as Pullen and Bregler 2002, "Motion capture assisted animation: texturing and synthesis",
section 3, put the high bands of a capture on keyed motion. A context without such movement gives none.
"""

from dataclasses import replace

import numpy as np

from engine.geometry import metrics, rotations, skeleton
from engine.planning.plan import Plan
from engine.priors import offsets
from engine.priors.contacts import contacts, planting
from engine.priors.contacts.hinges import unbend
from engine.priors.contacts.supports import find_supports
from engine.priors.trials import nearby_contexts
from usd_io.model import Character, Motion
from usd_io.shapes import Float

ABOVE_HZ = 4.0
"""What is quicker is texture: about the quickest of nine sines over a second. Of slower movement little is taken, of
2 Hz a hundredth."""
PIECE_S = 0.8
"""Length of the pieces; every second one overlaps the one before by half."""
VELOCITY_S = 0.1
"""Weight of velocities beside rotations where motion is compared [s]."""
RATE_S = 0.4
"""Over which these velocities are taken [s]."""
BURST = 2.0
"""Texture larger than so many times the joint's median in the context is cut down to that."""
LEAST = 1e-4
"""Texture that turns no joint by more [rad] and moves none by a larger part of the height is none."""
FADE_S = 0.07
"""How long texture takes to set in beside the keys [s]."""
TOGETHER = 512
"""Frames whose limbs are turned at once, which bounds memory."""
_SIGMA = np.sqrt(np.log(2)) / (2 * np.pi)
"""Standard deviation [s] times frequency [Hz] of the Gaussian that halves the power there."""


def put_texture(character: Character, known: Motion, plan: Plan, made: Motion, *, standing: bool) -> Motion:
    """Add what the context has of quick movement.

    Args:
        character: The skeleton.
        known: The known frames only.
        plan: Gives context, keys, gaps and joints to leave alone.
        made: A filled motion at ``plan.fill_times``.
        standing: Let joints on which the character stands go their way as before.

    Returns:
        The motion with texture; the same object where the context is too short, too coarse or too smooth.
    """
    weights = _weights(character)
    changes = np.zeros((*made.rotations.shape[:2], 9))
    contexts: dict[float, list[tuple[np.ndarray, np.ndarray]]] = {}
    first = 0
    for gap in plan.gaps:
        part = slice(first, first + len(gap.times))
        first = part.stop
        times = np.array([gap.start, *gap.times, gap.end])
        if _coarse(times, known.time_codes_per_second):
            continue
        step = round(
            float(np.median(np.diff(times))) / known.time_codes_per_second, 6
        )  # rounding makes them differ
        if step not in contexts:
            contexts[step] = _textures(known, plan, step, weights)
        if contexts[step]:
            slow = _looks(made.at(part).rotations, step, weights)
            passed = np.minimum(np.array(gap.times) - gap.start, gap.end - np.array(gap.times))
            fade = np.minimum(passed / known.time_codes_per_second / FADE_S, 1)
            changes[part] = fade[:, None, None] * _assembled(slow, contexts[step], round(PIECE_S / step))
    free = offsets.moving(known)[:, :2] & ~np.isin(character.joints, plan.locked)[:, None]
    changes[..., :6] *= np.repeat(free, 3, axis=1)
    size = metrics.height(character, known, plan.keys[0]) if first else 1.0
    if np.abs(changes / np.repeat([1.0, size, 1.0], 3)).max(initial=0.0) < LEAST:
        return made
    textured = offsets.apply(made, changes)
    return planting.by_body(_standing, character, known, plan, made, textured) if standing else textured


def _coarse(times: Float[np.ndarray, " frame"], per_second: float) -> bool:
    """Whether samples are too far apart to show texture."""
    return float(np.median(np.diff(times))) / per_second > 0.5 / ABOVE_HZ


def _weights(character: Character) -> Float[np.ndarray, " joint"]:
    """How much each joint's turns count where motion is compared: by what it carries, and roots not at all, for they
    turn with the heading."""
    carried = metrics.subtree_weights(character.parents)
    return np.sqrt(np.where(np.array(character.parents) < 0, 0, carried) / carried.sum())


def _textures(
    known: Motion, plan: Plan, step: float, weights: Float[np.ndarray, " joint"]
) -> list[tuple[Float[np.ndarray, "frame look"], Float[np.ndarray, "frame joint 9"]]]:
    """Of every context near the gaps: how it moves without its texture, and the texture, ``step`` [s] apart."""
    found = []
    sigma = _SIGMA / ABOVE_HZ / step
    edge = int(np.ceil(2 * sigma))  # where the filter lacks frames on one side
    for start, end in nearby_contexts(known, plan):
        seen = known.at((known.times >= start) & (known.times <= end))
        count = int((end - start) / known.time_codes_per_second / step + 1e-6) + 1
        if len(seen.times) < 2 or count < 2 * edge + 2 or _coarse(seen.times, known.time_codes_per_second):
            continue
        # ending where the context ends: what follows is the gap
        grid = end - step * known.time_codes_per_second * np.arange(count)[::-1]
        seen = offsets.sample(seen, grid)
        q = rotations.continuous(seen.rotations.astype(float))
        slow = replace(
            seen,
            rotations=rotations.normalise(_smoothed(q, sigma)),
            translations=_smoothed(seen.translations.astype(float), sigma),
        )
        texture = offsets.offsets_from(slow, replace(seen, rotations=q))
        texture[..., offsets.SCALE] = 0
        inner = slice(edge, count - edge)
        found.append((_looks(slow.rotations, step, weights)[inner], _steady(texture[inner])))
    return found


def _smoothed(values: Float[np.ndarray, "frame joint c"], sigma: float) -> Float[np.ndarray, "frame joint c"]:
    """A Gaussian filter over time, and once more over what it left, so that slow motion leaves nothing (Tukey 1977,
    "Exploratory data analysis": twicing)."""
    once = _averaged(values, sigma)
    return once + _averaged(values - once, sigma)


def _averaged(values: Float[np.ndarray, "frame joint c"], sigma: float) -> Float[np.ndarray, "frame joint c"]:
    """Averages with the weights of a Gaussian; ``sigma`` in frames, the ends held."""
    reach = int(np.ceil(4 * sigma))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    padded = np.concatenate([values[:1]] * reach + [values] + [values[-1:]] * reach)
    smoothed = np.zeros(values.shape)
    for place, tap in enumerate(taps / taps.sum()):
        smoothed += tap * padded[place : place + len(values)]
    return smoothed


def _steady(texture: Float[np.ndarray, "frame joint 9"]) -> Float[np.ndarray, "frame joint 9"]:
    """Texture without its bursts: a blow or a landing comes when it comes, and elsewhere is a twitch."""
    by_channel = texture.reshape(*texture.shape[:2], 3, 3)
    size = np.linalg.norm(by_channel, axis=-1, keepdims=True)
    most = BURST * np.median(size, axis=0)
    return (by_channel * np.minimum(1, most / np.where(size > 0, size, 1))).reshape(texture.shape)


def _looks(
    q: Float[np.ndarray, "frame joint 4"], step: float, weights: Float[np.ndarray, " joint"]
) -> Float[np.ndarray, "frame look"]:
    """What motion is compared by: matrices of local rotations, of which q and -q have one, then how they change."""
    matrices = rotations.to_matrix(q.astype(float)) * weights[:, None, None]
    # over some frames, so that what is left of a tremor does not pass for movement
    reach = max(1, round(RATE_S / step / 2))
    after, before = (np.clip(np.arange(len(q)) + way, 0, len(q) - 1) for way in (reach, -reach))
    rates = (matrices[after] - matrices[before]) / (np.maximum(after - before, 1) * step)[:, None, None, None]
    return np.concatenate([matrices, VELOCITY_S * rates], axis=1).reshape(len(q), -1)


def _assembled(
    slow: Float[np.ndarray, "frame look"],
    textures: list[tuple[Float[np.ndarray, "_ look"], Float[np.ndarray, "_ joint 9"]]],
    length: int,
) -> Float[np.ndarray, "frame joint 9"]:
    """Texture for a gap, from the pieces of the contexts that move most alike."""
    length = min(max(length, 2), *(len(looks) for looks, _ in textures))
    frames, result = len(slow), np.zeros((len(slow), *textures[0][1].shape[1:]))
    power = np.zeros(frames)
    # squared distance between every frame of the gap and every frame of each context
    apart = [(slow**2).sum(-1)[:, None] + (looks**2).sum(-1) - 2 * slow @ looks.T for looks, _ in textures]
    # windows whose squares add up to one where they overlap by half: texture of two places keeps its power
    window = np.sin(np.pi * (np.arange(length) + 0.5) / length)
    hop = max(length // 2, 1)
    for begin in range(-hop, frames, hop):
        piece = np.arange(max(-begin, 0), min(length, frames - begin))
        best, taken = np.inf, None
        for distances, (looks, texture) in zip(apart, textures, strict=True):
            # mean distance of the piece from every place at which the context could give it
            places = np.arange(len(texture) - length + 1)
            means = distances[(begin + piece)[:, None], piece[:, None] + places].mean(0)
            if means.min() < best:
                at = int(means.argmin()) + piece
                best, taken = float(means.min()), texture[at]
                # what moves less than the context's piece has less of its texture; with the root of the ratio, as
                # averages move less than what they stand for
                rates = slice(looks.shape[1] // 2, None)
                here, there = ((look[..., rates] ** 2).sum() for look in (slow[begin + piece], looks[at]))
                taken = taken * min(1.0, float((here / max(there, 1e-12)) ** 0.25))
        if taken is not None:
            result[begin + piece] += window[piece, None, None] * taken
            power[begin + piece] += window[piece] ** 2
    return result / np.sqrt(np.maximum(power, 1e-6))[:, None, None]


def _standing(character: Character, known: Motion, plan: Plan, before: Motion, after: Motion) -> Motion:
    """Limbs turned so that the joints on which the character stands are where they were."""
    size = metrics.height(character, known, plan.keys[0])
    counts = [len(gap.times) for gap in plan.gaps]
    stands = np.repeat(contacts.kept_by_keys(character, known, plan, before, size), counts, axis=0)
    stands[:, find_supports(character, known, plan, size).joints] = True
    supports = np.flatnonzero(stands.any(0))
    bent = after.rotations.copy()
    hinges = planting.hinges_of(character, known, plan)
    unbend(hinges, bent, after.translations, before)
    after = replace(after, rotations=bent)
    if not len(supports):
        return after
    limbs = planting.find_legs(character, supports)
    turning = planting.spreads(character, known, plan)
    turned, shifted = after.rotations.copy(), after.translations.copy()
    for first in range(0, len(after.times), TOGETHER):
        part = slice(first, first + TOGETHER)
        places = [skeleton.joint_positions(character, motion.at(part)) for motion in (before, after)]
        ways = np.where(stands[part, :, None], places[0] - places[1], 0)[:, supports]
        result = turned[part], shifted[part]
        planting.solve(character, after.at(part), limbs, turning, supports, ways, result, hinges=hinges)
    return replace(after, rotations=turned, translations=shifted)
