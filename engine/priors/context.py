"""Motion found again in the context: the window whose ends fit the keys best lends its motion to the gap."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from engine.geometry import skeleton
from engine.plan import Gap, Plan
from engine.priors import offsets, spline
from usd_io.model import Character, Motion

WARPS = (0.6, 0.75, 0.9, 1.0, 1.15, 1.35, 1.6)
"""Lengths of windows tried, in gap lengths."""
SEARCH_RATE = 15.0
"""Windows start this many times a second."""
TRUST_DISTANCE = 0.3
"""Misfit of a window, in parts of the size of its own offset, at which half is trusted."""


@dataclass(frozen=True, eq=False)
class _Window:
    offset: offsets.Offsets
    misfit: float


def context(character: Character, known: Motion, plan: Plan) -> Motion:
    """Carry over the best fitting windows of the context, spline where none fits."""
    base = offsets.straight(known, plan)
    bend = spline.bend(known, plan)
    first = 0
    for gap in plan.gaps:
        part = slice(first, first + len(gap.times))
        found = _best_window(character, known, plan, gap)
        if found is not None:
            trust = 1 / (1 + (found.misfit / TRUST_DISTANCE) ** 2)
            bend[part] += trust * (found.offset - bend[part])
        first += len(gap.times)
    return offsets.apply(base, bend)


def _best_window(character: Character, known: Motion, plan: Plan, gap: Gap) -> _Window | None:
    ends = known.at(offsets.frames_at(known, np.array([gap.start, gap.end])))
    goal = skeleton.joint_positions(character, ends)
    best: _Window | None = None
    for start, end in plan.contexts:
        for warp in WARPS:
            length = warp * (gap.end - gap.start)
            for begin in np.arange(start, end - length + 1e-9, known.time_codes_per_second / SEARCH_RATE):
                window = _window(character, known, gap, begin, length, goal)
                if best is None or window.misfit < best.misfit:
                    best = window
    return best


def _window(
    character: Character,
    known: Motion,
    gap: Gap,
    begin: float,
    length: float,
    goal: Float[np.ndarray, "2 joint 3"],
) -> _Window:
    part = (np.array(gap.times) - gap.start) / (gap.end - gap.start)
    pose = offsets.sample(known, np.concatenate([[begin, begin + length], begin + part * length]))
    positions = skeleton.joint_positions(character, pose)
    last = np.ones(len(part), int)
    line = offsets.between(pose, last * 0, last, part, pose.times[2:])
    offset = offsets.offsets_from(line, pose.at(slice(2, None)))
    misfit = np.sqrt(((_centred(positions[:2]) - _centred(goal)) ** 2).sum(-1).mean())
    chord = positions[0] + part[:, None, None] * (positions[1] - positions[0])
    size = np.sqrt(((positions[2:] - chord) ** 2).sum(-1).mean())
    return _Window(offset, float(misfit / size) if size > 0 else np.inf)


def _centred(positions: Float[np.ndarray, "2 joint 3"]) -> Float[np.ndarray, "2 joint 3"]:
    return positions - positions[0].mean(0)
