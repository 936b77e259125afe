"""What the context did between poses like these: spline, corrected by kernel regression over its windows.

Every window of the context is a worked example: its ends and end velocities are the question, its offset from what
:mod:`engine.priors.spline` would have made of them is the answer. The gap's own question is answered by kernel ridge
regression (the posterior mean of a Gaussian process: Rasmussen and Williams 2006, equation 2.23). Where no window is
near, or where near windows disagree, the answer goes to zero and spline remains: this is the gate, and it has no
threshold. It is told by the whole body; a joint that is turned otherwise than in the windows, as a head that looks
round in its own time, gets so much less of the answer. Offsets are zero at the keys, so a window is carried over and
fitted to both keys in one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.planning.plan import Gap, Plan
from engine.priors import ground, offsets, spline
from engine.priors.contacts.slopes import rise_of
from engine.priors.context import mirror, windows
from usd_io.model import Character, Motion
from usd_io.shapes import Float

NEARNESS = 0.2
"""Length scale of the kernel, in parts of the typical size of a window's answer."""
NOISE = 0.3
"""Variance of an answer given the question, in parts of its prior variance: windows that overlap are not
independent, and the same poses are not always joined in the same way."""
KNOTS_PER_S = 9.0
"""Answers are known at this many inner points a second, with a sine series between them."""
FEWEST_KNOTS, MOST_KNOTS = 5, 64
LARGEST_TURN = 2.5
"""Offsets of a window that turn a joint further than this [rad] are none to go by: the joint turns by more than half a
circle there, so that slerp goes round the other way and offsets from it jump from one side to the other."""
TINY = 1e-9
"""Least square of an angle, and sum of weights, that is divided by."""
PRECISION = np.float32
"""Of answers, as of the samples of a stage that they come from; what is compared needs more."""
VELOCITY_STEP_S = 1 / 30
"""Step of the differences that give a window's velocities at its ends [s]."""


@dataclass(frozen=True, eq=False)
class ContextFill:
    """A filled motion and how far the context knows it."""

    motion: Motion
    """At the fill times."""
    fits: tuple[float, ...]
    """Per gap: the part of an answer's variance that the windows explain, 0 where none is like the gap, above a half
    where the shot repeats itself (Rasmussen and Williams 2006, equation 2.24)."""


def context(character: Character, known: Motion, plan: Plan) -> Motion:
    """Fill from the context where it knows these poses, with spline where it does not.

    Args:
        character: Gives hierarchy, up axis and, by names and bind pose, left and right.
        known: The known frames only.
        plan: Gives context and gaps.

    Returns:
        The motion at ``plan.fill_times``.
    """
    return fill(character, known, plan).motion


def fill(
    character: Character, known: Motion, plan: Plan, on_part: Callable[[float], None] = lambda part: None
) -> ContextFill:
    """The motion of :func:`context` with how far the windows explain each gap; ``on_part`` is called with the part of
    the gaps that is done."""
    changes, reaches = spline.velocity_changes(known, plan), spline.reaches(character, known, plan)
    result = spline.bend(character, known, plan)
    grids: list[tuple[float, ...]] = []
    runs: list[windows.Run] = []
    fits, first = [], 0
    rise = ground.rise_in_ground(character, known, rise_of(character, known, plan))
    longest = max(gap.end - gap.start for gap in plan.gaps) / known.time_codes_per_second
    for index, gap in enumerate(plan.gaps):
        near = windows.grids_near(known, plan, gap)
        if near != grids:  # gaps in a row mostly have the same context near
            grids = near
            runs = windows.runs_on(character, known, near, mirror.find_symmetry(character), longest, rise)
        inside = slice(first, first + len(gap.times))
        ends = changes[0][index], changes[1][index]
        added, fit = _correction(character, known, gap, runs, ends, float(reaches[index]), rise)
        result[inside] += added
        fits.append(fit)
        first = inside.stop
        on_part((index + 1) / len(plan.gaps))
    still = np.repeat(~offsets.moving(known), 3, axis=-1)
    result[:, still] = 0
    return ContextFill(offsets.apply(offsets.straight(known, plan), result), tuple(fits))


def _correction(
    character: Character,
    known: Motion,
    gap: Gap,
    runs: list[windows.Run],
    changes: tuple[Float[np.ndarray, "joint 9"], Float[np.ndarray, "joint 9"]],
    reach: float,
    rise: Float[np.ndarray, "3"],
) -> tuple[offsets.Offsets, float]:
    """What the context adds to spline, which changes slerp's velocities at the ends as given, in one gap, and how far
    the windows explain it."""
    nothing = np.zeros((len(gap.times), len(character.joints), 9))
    if not runs:
        return nothing, 0.0
    goal = windows.goal_of(character, known, gap, runs, rise)
    found = windows.best_windows(runs, goal)
    if found is None:
        return nothing, 0.0
    knots = int(np.clip(round(KNOTS_PER_S * goal.seconds), FEWEST_KNOTS, MOST_KNOTS))
    parts = np.arange(1, knots + 1) / (knots + 1)
    answers = _answers(character, known, runs, goal, found, parts, reach)
    answers -= _bend_without_windows(goal, parts, reach, changes)
    size = ground.joint_rms(character, known, answers)
    if size == 0:
        return nothing, 0.0
    weights, fit = _weights(found, NEARNESS * size)
    alike = _alike(character, known, gap, runs, found, answers, np.abs(weights))
    at_knots = np.einsum("wj,wkjc->kjc", (weights[:, None] * alike).astype(PRECISION), answers, optimize=True)
    part = (np.array(gap.times) - gap.start) / (gap.end - gap.start)
    return np.tensordot(sine_series(parts, part), at_knots, 1), fit


def _weights(found: windows.Windows, length: float) -> tuple[Float[np.ndarray, " window"], float]:
    """Ridge regression weights of the windows' answers, squared exponential kernel, and the part of the variance that
    they explain."""
    x = found.features
    squares = (x**2).sum(1)
    between = np.maximum(squares[:, None] + squares - 2 * x @ x.T, 0)
    to_goal = ((x - found.goal) ** 2).sum(1)
    kernel = np.exp(-between / (2 * length**2))
    near = np.exp(-to_goal / (2 * length**2))
    weights = np.linalg.solve(kernel + NOISE * np.eye(len(x)), near)
    return weights, float(near @ weights)


def _alike(
    character: Character,
    known: Motion,
    gap: Gap,
    runs: list[windows.Run],
    found: windows.Windows,
    answers: Float[np.ndarray, "window knot joint 9"],
    weights: Float[np.ndarray, " window"],
) -> Float[np.ndarray, "window joint"]:
    """How far each joint is turned in the gap's keys as at the ends of a window, 0 to 1: the squared exponential of the
    angle between, the larger of both ends, in sizes of its own answers. Joints that carry the skeleton are turned with
    the window and count as alike."""
    keys = known.rotations[offsets.frames_at(known, np.array([gap.start, gap.end]))].astype(float)
    # squared angles between a joint's rotation at the gap's keys and at the windows' ends, the larger of both [rad^2]
    apart = np.zeros((len(found.run), len(character.joints)))
    for index in np.unique(found.run):
        chosen = found.run == index
        for key, nodes in zip(keys, found.nodes[:, chosen], strict=True):
            # of unit quaternions, of which q and -q are one rotation: half the angle's cosine
            cosine = np.abs((runs[index].rotations[nodes] * key).sum(-1))
            apart[chosen] = np.maximum(apart[chosen], (2 * np.arccos(np.minimum(cosine, 1))) ** 2)
    # squared angles of the answers, mean over knots and, by weight, windows [rad^2]
    size = weights @ (answers[..., offsets.ROTATION] ** 2).sum(-1).mean(1) / max(weights.sum(), TINY)
    result: Float[np.ndarray, "window joint"] = np.exp(-apart / (2 * np.maximum(size, TINY)))
    result[:, ground.carriers(character, known)] = 1
    return result


def _answers(
    character: Character,
    known: Motion,
    runs: list[windows.Run],
    goal: windows.Goal,
    found: windows.Windows,
    parts: Float[np.ndarray, " knot"],
    reach: float,
) -> Float[np.ndarray, "window knot joint 9"]:
    """Offsets of the windows from their own spline at parts of their length, turned to fit the gap."""
    answers = np.empty((len(found.run), len(parts), len(character.joints), 9), PRECISION)
    for index in np.unique(found.run):
        chosen = found.run == index
        start, end = runs[index].times[found.nodes[:, chosen]]
        answers[chosen] = _unexplained(runs[index].motion, start, end, goal, parts, reach)
    turns = answers[..., offsets.ROTATION]
    turns *= ((turns**2).sum(-1).max(1) < LARGEST_TURN**2)[:, None, :, None]
    ground.turn_carriers(answers, found.angle, character, known)
    return answers


def _bend_without_windows(
    goal: windows.Goal,
    parts: Float[np.ndarray, " knot"],
    reach: float,
    changes: tuple[Float[np.ndarray, "joint 9"], Float[np.ndarray, "joint 9"]],
) -> Float[np.ndarray, "knot joint 9"]:
    """Spline's bends at ends whose velocity is a guess from other keys: windows have no such keys, and one that is
    fully trusted has to replace the guess."""
    bends = [
        sign * spline.hump(passed * goal.seconds, reach)[:, None, None] * change
        for velocity, passed, sign, change in zip(
            goal.velocities, (parts, 1 - parts), (1, -1), changes, strict=True
        )
        if velocity is None
    ]
    return np.sum([np.zeros((len(parts), *changes[0].shape)), *bends], axis=0).astype(PRECISION)


def _unexplained(
    motion: Motion,
    start: Float[np.ndarray, " window"],
    end: Float[np.ndarray, " window"],
    goal: windows.Goal,
    parts: Float[np.ndarray, " knot"],
    reach: float,
) -> Float[np.ndarray, "window knot joint 9"]:
    """Offsets of windows from slerp, less the bends that spline gives the ends whose velocity is known."""
    count, knots = len(start), len(parts)
    inner = (start[:, None] + parts * (end - start)[:, None]).ravel()
    pose = offsets.sample(motion, np.concatenate([start, end, inner]), PRECISION)
    window = np.repeat(np.arange(count), knots)
    line = offsets.between(pose, window, window + count, np.tile(parts, count), inner, PRECISION)
    result = offsets.offsets_from(line, pose.at(slice(2 * count, None)), PRECISION)
    result = result.reshape(count, knots, -1, 9)
    chord = offsets.offsets_from(pose.at(slice(count)), pose.at(slice(count, 2 * count)), PRECISION)
    for velocity, time, passed, sign in zip(
        goal.velocities, (start, end), (parts, 1 - parts), (1, -1), strict=True
    ):
        if velocity is not None:
            bend = _velocities(motion, time) * (end - start)[:, None, None] - chord
            shown = sign * spline.hump(passed, reach / goal.seconds)
            result -= shown.astype(PRECISION)[:, None, None] * bend.astype(PRECISION)[:, None]
    return result


def _velocities(motion: Motion, times: Float[np.ndarray, " window"]) -> Float[np.ndarray, "window joint 9"]:
    """Velocities at times inside a motion, per time code."""
    step = VELOCITY_STEP_S * motion.time_codes_per_second
    before = np.maximum(times - step, motion.times[0])
    after = np.minimum(times + step, motion.times[-1])
    pose = offsets.sample(motion, np.concatenate([before, after]), PRECISION)
    count = len(times)
    change = offsets.offsets_from(pose.at(slice(count)), pose.at(slice(count, None)), PRECISION)
    return change / (after - before)[:, None, None]


def sine_series(
    knots: Float[np.ndarray, " knot"], parts: Float[np.ndarray, " fill"]
) -> Float[np.ndarray, "fill knot"]:
    """Matrix from values at evenly spaced inner knots to values at parts of the gap: the sine series through them,
    smooth, and zero at both ends."""
    modes = np.arange(1, len(knots) + 1)
    return np.sin(np.pi * parts[:, None] * modes) @ np.linalg.inv(np.sin(np.pi * knots[:, None] * modes))
