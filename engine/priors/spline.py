"""Slerp bent to leave and reach the keys with the right velocity: C1, and short of surprises.

A cubic Hermite curve in the offset (see :mod:`engine.priors.offsets`). An offset of zero value and rate ``w`` at a
key changes the angular velocity there by exactly ``w``, since the exponential map is the identity to first order at
zero; so velocities can be prescribed in the tangent space at the key without loss (Kim, Kim and Shin 1995, "A general
construction scheme for unit quaternion curves", build on the same fact).

Each end's bend is over after at most :data:`REACH_S`, not at the far key as in a usual Hermite curve: what a limb
does at the end of the context says little about where it is a second later, and a full-length cubic would carry it
4/27 of the *gap* times the velocity away. Here an offset never exceeds 4/27 of the *reach* times the change of
velocity, and the reach is shorter where that is large beside the way to the next key (:func:`reaches`): an overshoot
that is known before, and no surprise.
"""

import numpy as np

from engine.geometry.once import once
from engine.planning.plan import Plan
from engine.priors import ground, offsets
from usd_io.model import Character, Motion
from usd_io.shapes import Float, Int

REACH_S = 0.9
"""How long the velocity at a key shows [s], at most the gap."""
KEY_SHARE = 0.8
"""Share taken of the tangent that the neighbouring keys suggest; 1 would be Catmull-Rom."""
OVERSHOOT = 0.8
"""The reach is halved, or nearly, where the bend is this many times as large as the way from key to key."""
FLOOR = 0.25
"""Part of the reach that is always left, so that a motion that comes back to where it is now still moves."""
VELOCITY_SPAN_S = 1 / 15
"""Over how much of the context its velocity at the end is measured [s]."""

Changes = tuple[Float[np.ndarray, "gap joint 9"], Float[np.ndarray, "gap joint 9"]]
"""At the start and at the end of every gap."""


def spline(character: Character, known: Motion, plan: Plan) -> Motion:
    """Bend slerp so that velocity is continuous at the keys.

    Next to a context the velocity is the context's own; at a key between two gaps it is a share of the limited mean
    of both sides' mean velocities, zero where they point apart (a key that is an extreme stays one); at a key that
    ends the shot nothing is known and nothing is bent.

    Args:
        character: Gives the lever arms by which turns count as ways.
        known: The known frames only.
        plan: Gives context and gaps.

    Returns:
        The motion at ``plan.fill_times``.
    """
    base = offsets.straight(known, plan)
    return offsets.apply(base, bend(character, known, plan))


def bend(character: Character, known: Motion, plan: Plan) -> offsets.Offsets:
    """Offsets of :func:`spline`."""
    reach, (at_start, at_end) = reaches(character, known, plan), velocity_changes(known, plan)
    anchors = offsets.anchors_of(known, plan)
    gap_of = np.repeat(np.arange(len(plan.gaps)), [len(gap.times) for gap in plan.gaps])
    second = known.time_codes_per_second
    elapsed = (anchors.times - known.times[anchors.before]) / second
    left = (known.times[anchors.after] - anchors.times) / second
    return (
        hump(elapsed, reach[gap_of])[:, None, None] * at_start[gap_of]
        - hump(left, reach[gap_of])[:, None, None] * at_end[gap_of]
    )


@once
def velocity_changes(known: Motion, plan: Plan) -> Changes:
    """Velocities of :func:`spline` less slerp's at the start and at the end of every gap, per second."""
    mean = mean_velocities(known, *_ends(known, plan))
    at_start, at_end = _end_velocities(known, plan, mean)
    return at_start - mean, at_end - mean


@once
def reaches(character: Character, known: Motion, plan: Plan) -> Float[np.ndarray, " gap"]:
    """How long the velocities at the ends of each gap show [s].

    A swing that would carry the body further than the way to the next key is about to be stopped or turned: its
    reach is shorter, smoothly the more so the larger it is beside that way. Velocity stays continuous.

    Args:
        character: Gives the lever arms by which turns count as ways.
        known: The known frames only.
        plan: Gives context and gaps.
    """
    seconds = np.array([gap.end - gap.start for gap in plan.gaps]) / known.time_codes_per_second
    longest = np.minimum(REACH_S, seconds)
    starts, ends = _ends(known, plan)
    chords = offsets.offsets_from(known.at(starts), known.at(ends))
    way = OVERSHOOT * ground.joint_rms_of_each(character, known, chords)
    swings = [ground.joint_rms_of_each(character, known, change) for change in velocity_changes(known, plan)]
    size = 4 / 27 * longest * np.maximum(*swings)
    sum_of_squares = np.where(size > 0, way**2 + size**2, 1)
    return np.where(size > 0, longest * (way**2 + FLOOR * size**2) / sum_of_squares, longest)


def _ends(known: Motion, plan: Plan) -> tuple[Int[np.ndarray, " gap"], Int[np.ndarray, " gap"]]:
    """Known frames at the starts and ends of the gaps."""
    starts = offsets.frames_at(known, np.array([gap.start for gap in plan.gaps], float))
    return starts, offsets.frames_at(known, np.array([gap.end for gap in plan.gaps], float))


def hump(
    time: Float[np.ndarray, " fill"], reach: Float[np.ndarray, " fill"] | float
) -> Float[np.ndarray, " fill"]:
    """Cubic of rate 1 at time 0, which is zero with rate zero from the reach on."""
    return time * np.clip(1 - time / reach, 0, 1) ** 2


def mean_velocities(
    known: Motion, before: Int[np.ndarray, " gap"], after: Int[np.ndarray, " gap"]
) -> Float[np.ndarray, "gap joint 9"]:
    """Velocity of the straight motion from one known frame to another, per second."""
    seconds = (known.times[after] - known.times[before]) / known.time_codes_per_second
    return offsets.offsets_from(known.at(before), known.at(after)) / seconds[:, None, None]


def _end_velocities(
    known: Motion, plan: Plan, mean: Float[np.ndarray, "gap joint 9"]
) -> tuple[Float[np.ndarray, "gap joint 9"], Float[np.ndarray, "gap joint 9"]]:
    """Velocities with which each gap is left at its start and reached at its end."""
    at_start, at_end = mean.copy(), mean.copy()
    gaps = plan.gaps
    inner = np.array([i for i in range(len(gaps) - 1) if gaps[i].end == gaps[i + 1].start], int)
    lengths = np.array([gap.end - gap.start for gap in gaps])
    tangents = KEY_SHARE * limited_mean(mean[inner], mean[inner + 1], lengths[inner], lengths[inner + 1])
    at_end[inner], at_start[inner + 1] = tangents, tangents
    before = {end: (start, end) for start, end in plan.contexts}
    after = {start: (start, end) for start, end in plan.contexts}
    for index, gap in enumerate(gaps):
        if gap.start in before:
            at_start[index] = context_velocity(known, before[gap.start], at_end=True)
        if gap.end in after:
            at_end[index] = context_velocity(known, after[gap.end], at_end=False)
    return at_start, at_end


def limited_mean(
    a: Float[np.ndarray, "key joint 9"],
    b: Float[np.ndarray, "key joint 9"],
    length_a: Float[np.ndarray, " key"],
    length_b: Float[np.ndarray, " key"],
) -> Float[np.ndarray, "key joint 9"]:
    """Velocity at keys between two gaps: the parabola's through the three keys, at most three times the slower
    side's, and zero where the sides point apart (Fritsch and Carlson 1980, with vectors in place of their scalars, so
    that nothing depends on the choice of axes)."""
    result = np.zeros_like(a)
    weight_a, weight_b = (length[:, None, None] for length in (length_a, length_b))
    for channel in (offsets.ROTATION, offsets.TRANSLATION, offsets.SCALE):
        va, vb = a[..., channel], b[..., channel]
        parabola = (weight_b * va + weight_a * vb) / (weight_a + weight_b)
        speed = np.linalg.norm(parabola, axis=-1, keepdims=True)
        slower = np.minimum(*(np.linalg.norm(v, axis=-1, keepdims=True) for v in (va, vb)))
        agree = (va * vb).sum(-1, keepdims=True) > 0
        limit = np.minimum(1, 3 * slower / np.where(speed > 0, speed, 1))
        result[..., channel] = np.where(agree, parabola * limit, 0)
    return result


def context_velocity(
    known: Motion, context: tuple[float, float], *, at_end: bool
) -> Float[np.ndarray, "joint 9"]:
    """Velocity at one end of a context, per second: slope at that end of the parabola through three samples."""
    span = min(VELOCITY_SPAN_S * known.time_codes_per_second, context[1] - context[0])
    end, back = (context[1], -span) if at_end else (context[0], span)
    pose = offsets.sample(known, np.array([end, end + back / 2, end + back]))
    near, far = offsets.offsets_from(pose.at(np.array([0, 0])), pose.at(np.array([1, 2])))
    return (4 * near - far) / (back / known.time_codes_per_second)
