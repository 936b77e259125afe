"""Which frames a model that takes any known frames gets in one call, as plain data.

Such models (Wan-VACE, LTX) see context, gaps and keys as one clip. Their autoencoders pack ``group`` frames into one
latent: frame 0 has a latent of its own, frames 1..g the next, and so on. So that a latent is known or free and nothing
between, the context before a gap ends at the end of a group, the free frames of a gap fill whole groups, and a key
fills a group as well: with the true frames that follow it, else by itself, repeated; repeats are left out of the
result. Models that take single keys need no such pause (``pause`` is false); LTX takes them at any frame, LTX-2 where a
group begins (``on_grid``), so that a gap after a key is filled with whole groups.

Times are seconds from any origin. The planner knows no model and no images.
"""

import math
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from engine.video.windows import check_gaps

EPSILON = 1e-6
CONTEXT_FRAMES = 32
"""Known frames before a gap and, at most as many, after it: 2 s at 16 frames/s."""


@dataclass(frozen=True)
class CallFrame:
    """One frame of a call."""

    time: float
    """When it is shown [s]; that of the last true frame for what is left out of the result."""
    source: float | None
    """Time of the known frame it shows [s]; None: to be generated."""
    writes: bool = False
    """Whether it is taken into the result."""


@dataclass(frozen=True)
class Call:
    """One clip for the model; 1 + a multiple of ``group`` frames."""

    places: tuple[CallFrame, ...]
    rate: float
    """Frames per second in its gaps."""
    prefix: int
    """Frames at the start that are known without a hole: 1 + a multiple of ``group``."""

    @property
    def held(self) -> tuple[bool, ...]:
        """For each frame whether it is known."""
        return tuple(p.source is not None for p in self.places)


@dataclass(frozen=True)
class Rules:
    """What a model's autoencoder and training ask for."""

    rate: float
    """Least frame rate [frames/s]."""
    group: int
    pause: bool
    """Whether a key must fill a whole group."""
    most: int
    """Frames it was trained on at once; a call is longer only where one gap alone is."""
    on_grid: bool = False
    """Whether a lone key must be the first frame of a group, counted from 0 the frame 1 + a multiple of ``group``."""


def plan_calls(
    gaps: Sequence[tuple[float, float]], true_times: Iterable[float], rules: Rules
) -> tuple[Call, ...]:
    """Calls in an order in which each finds what it needs.

    Args:
        gaps: Start and end of each gap [s]; both are true frames; increasing.
        true_times: Times of all true frames [s].
        rules: Of the model.

    Raises:
        ConfigError: A gap is empty, gaps overlap, or an end of a gap is no true frame.
    """
    known = sorted(true_times)
    check_gaps(gaps, known)
    calls = []
    for chain in _chains(gaps):
        backwards = bisect_left(known, chain[0][0]) == 0 and known[-1] > chain[-1][1] + EPSILON
        for part in _split(chain, rules, backwards=backwards):
            call = _call(part, known, rules)
            calls.append(call)
            for place in call.places:
                if place.writes and place.source is None:
                    insort(known, place.time)
    return tuple(calls)


def _chains(gaps: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """Gaps that touch."""
    chains: list[list[tuple[float, float]]] = []
    for gap in gaps:
        if chains and chains[-1][-1][1] == gap[0]:
            chains[-1].append(gap)
        else:
            chains.append([gap])
    return chains


def _split(
    chain: Sequence[tuple[float, float]], rules: Rules, *, backwards: bool
) -> list[list[tuple[float, float]]]:
    """Parts of a chain that fit into one call each, beside their context."""
    parts: list[list[tuple[float, float]]] = []
    length = 0
    for gap in reversed(chain) if backwards else chain:
        frames = intervals(gap, rules) - 1 + (rules.group if rules.pause else 1)
        if not parts or length + frames > rules.most:
            parts.append([])
            length = 1 + CONTEXT_FRAMES
        parts[-1].append(gap)
        length += frames
    return [sorted(part) for part in parts]


def intervals(gap: tuple[float, float], rules: Rules, *, first: bool = True) -> int:
    """Steps from one end of a gap to the other: the fewest that reach the rate and fill whole groups.

    Args:
        gap: Start and end [s].
        rules: Of the model.
        first: Whether it follows the context, which ends with a group; else it follows a key, which without a pause
            begins one.
    """
    wanted = max(math.ceil((gap[1] - gap[0]) * rules.rate - EPSILON), 1)
    if not (rules.pause or rules.on_grid):
        return wanted
    over = 1 if first or rules.pause else 0
    return max(math.ceil((wanted - over) / rules.group), 1) * rules.group + over


def _call(gaps: Sequence[tuple[float, float]], known: Sequence[float], rules: Rules) -> Call:
    count = intervals(gaps[0], rules)
    step = (gaps[0][1] - gaps[0][0]) / count
    before = _neighbours(known, gaps[0][0], -step, CONTEXT_FRAMES)
    before = before[: len(before) // rules.group * rules.group]
    places = [CallFrame(t, t) for t in reversed(before)]
    places.append(CallFrame(gaps[0][0], gaps[0][0], True))
    prefix = len(places)
    for i, (start, end) in enumerate(gaps):
        count = intervals((start, end), rules, first=i == 0)
        places += [CallFrame(start + (end - start) * k / count, None, True) for k in range(1, count)]
        places.append(CallFrame(end, end, True))
        last = i == len(gaps) - 1
        after = _neighbours(known, end, step, CONTEXT_FRAMES) if last else []
        if rules.pause:
            keep = max(rules.group - 1, (len(after) + 1) // rules.group * rules.group - 1)
            after = [*after, *[after[-1] if after else end] * keep][:keep]
        places += [CallFrame(t, t) for t in after]
    short = -(len(places) - 1) % rules.group
    places += [CallFrame(places[-1].time, None) for _ in range(short)]
    return Call(tuple(places), 1 / step, prefix)


def _neighbours(known: Sequence[float], start: float, step: float, most: int) -> list[float]:
    """Known times at even steps from a start, as near to ``step`` as they allow, up to the first hole.

    Even steps matter more than the exact rate: a model sees unevenness as jerks.
    """
    at = bisect_left(known, start)
    side = list(known[at + 1 :]) if step > 0 else list(reversed(known[:at]))
    side = side[
        : 1 + next((i for i, (a, b) in enumerate(pairwise(side)) if _hole(start, side, a, b)), len(side))
    ]
    if not side or abs(side[0] - start) > 1.5 * abs(step):
        return []
    stride = max(1, round(abs(step) / abs(side[0] - start)))
    return side[stride - 1 :: stride][:most]


def _hole(start: float, side: Sequence[float], a: float, b: float) -> bool:
    """Whether two neighbours are further apart, or nearer, than the first is from the start."""
    usual = abs(side[0] - start)
    return abs(abs(b - a) - usual) > 0.1 * usual
