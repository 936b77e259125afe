"""Which windows a video model has to fill, as plain data: frame times and what each frame is.

A gap between two true frames is cut into a coarse number of intervals first; each level after that cuts every interval
in three, until the wanted rate is reached (paper section 3.2: coarse, then fine). For a gap of 1 s after 2 s of context
at 15 frames/s this gives exactly the windows of the paper's code; other gaps keep near its two rates, because the
frame rates that the model was trained for are limited.

Times are seconds from any origin. The planner knows no model and no images.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from engine.errors import ConfigError

WINDOW_FRAMES = 16
FEWEST_COARSE = 5
"""Intervals of a coarse gap (upstream: 4 new frames between keys 1 s apart)."""
REFINEMENT = 3
"""Each level cuts an interval in three (upstream: 5, then 15 frames/s)."""
SNAP = 0.45
"""A known frame stands in for a slot when it is at most this part of an interval away from it; below one half, so
that two slots never get the same frame."""
FPS_RANGE = (5, 30)
"""Frame rates DynamiCrafter's interpolation model was trained with [frames/s]; conditions outside are clamped."""
_EPSILON = 1e-6


class Role(StrEnum):
    """What a frame of a window is."""

    TRUE = "true"
    """Given: a key or a frame of the context. Held at all noise levels."""
    GUIDE = "guide"
    """Generated earlier. Held at high noise only, so that it may still be refined."""
    FREE = "free"
    """To be generated."""


@dataclass(frozen=True)
class Slot:
    """One frame of a window."""

    time: float
    """When it is shown [s]."""
    role: Role
    source: float | None
    """Time of the known frame it shows [s], within :data:`SNAP` of ``time``; None where free."""


@dataclass(frozen=True)
class Window:
    """Sixteen frames, evenly spaced, that the model fills at once. First and last are always known."""

    gap: int
    level: int
    """0: coarse; 1 and on: finer."""
    slots: tuple[Slot, ...]
    writes: tuple[int, ...]
    """Indices of the frames that are taken from the result."""

    @property
    def interval(self) -> float:
        """Time between neighbouring frames [s]."""
        return (self.slots[-1].time - self.slots[0].time) / (len(self.slots) - 1)

    @property
    def fps(self) -> int:
        """Frame rate to tell the model [frames/s]."""
        low, high = FPS_RANGE
        return min(max(round(1 / self.interval), low), high)

    @property
    def held_above(self) -> tuple[int, ...]:
        """Indices held at high noise; the ends are given to the model another way, as it was trained."""
        return self._inside(Role.TRUE, Role.GUIDE)

    @property
    def held_below(self) -> tuple[int, ...]:
        """Indices held down to the end."""
        return self._inside(Role.TRUE)

    def _inside(self, *roles: Role) -> tuple[int, ...]:
        return tuple(i for i in range(1, len(self.slots) - 1) if self.slots[i].role in roles)

    @property
    def needs(self) -> frozenset[float]:
        """Times of generated frames that must exist before."""
        return frozenset(s.source for s in self.slots if s.role == Role.GUIDE and s.source is not None)


class _Known:
    """Known times: true ones, and generated ones as they are planned."""

    def __init__(self, true: Iterable[float]) -> None:
        self.roles = dict.fromkeys(true, Role.TRUE)
        self.times = sorted(self.roles)

    def add(self, time: float) -> None:
        if time not in self.roles:
            self.roles[time] = Role.GUIDE
            self.times.insert(bisect_left(self.times, time), time)

    def slot(self, time: float, interval: float) -> Slot:
        """The nearest known frame within reach, true ones first; else a free frame."""
        i = bisect_left(self.times, time)
        near = [t for t in self.times[max(i - 1, 0) : i + 1] if abs(t - time) <= SNAP * interval]
        if not near:
            return Slot(time, Role.FREE, None)
        source = min(near, key=lambda t: abs(t - time))
        return Slot(time, self.roles[source], source)


def plan_windows(
    gaps: Sequence[tuple[float, float]], true_times: Iterable[float], rate: float
) -> tuple[Window, ...]:
    """All windows, in an order in which each finds what it needs.

    Args:
        gaps: Start and end of each gap [s]; both are true frames (keys or ends of the context); increasing.
        true_times: Times of all true frames [s]: every frame of the context, every key.
        rate: Wanted frame rate of the result [frames/s]; reached or exceeded.

    Returns:
        All coarse windows, then all of the next level, and so on.

    Raises:
        ConfigError: A gap is empty, gaps overlap, or an end of a gap is no true frame.
    """
    true = tuple(true_times)
    if not rate > 0:
        raise ConfigError(f"a frame rate of {rate:g} cannot be planned; choose one above 0.")
    check_gaps(gaps, true)
    known, levels = _Known(true), []
    windows: list[Window] = []
    for gap in _order(gaps, sorted(true)):
        backwards, (start, end) = gap.backwards, gaps[gap.index]
        count = _coarse_count(start, end, rate, known, backwards)
        levels.append((gap.index, count, _levels(count, (end - start) * rate)))
        window = _coarse(gap.index, start, end, count, known, backwards)
        windows.append(window)
        for i in window.writes:
            known.add(window.slots[i].time)
    for level in range(1, 1 + max((top for *_, top in levels), default=0)):
        for index, count, top in sorted(levels):
            if level <= top:
                windows += _refine(index, gaps[index], count * REFINEMENT**level, level, known)
    return tuple(windows)


def batches(windows: Iterable[Window], most: int) -> list[list[Window]]:
    """Neighbours of one level that do not need each other's frames, at most ``most`` together."""
    groups: list[list[Window]] = []
    written: set[float] = set()
    for window in windows:
        last = groups[-1] if groups else []
        if not last or len(last) >= most or last[0].level != window.level or written & window.needs:
            groups.append([])
            written = set()
        groups[-1].append(window)
        written |= {window.slots[i].time for i in window.writes}
    return groups


def check_gaps(gaps: Sequence[tuple[float, float]], true: Iterable[float]) -> None:
    """Make sure that gaps [s] follow each other and that each lies between two true frames [s].

    Raises:
        ConfigError: They do not.
    """
    known = set(true)
    for i, (start, end) in enumerate(gaps):
        if not start < end:
            raise ConfigError(
                f"gap {i} from {start:g} s to {end:g} s must end after its start; check its two times."
            )
        if i and start < gaps[i - 1][1]:
            raise ConfigError(
                f"gap {i} starts at {start:g} s, before gap {i - 1} ends; join the two or move one."
            )
        if missing := {start, end} - known:
            raise ConfigError(f"gap {i} has no true frame at {min(missing):g} s; key it.")


@dataclass(frozen=True)
class _Turn:
    index: int
    backwards: bool


def _order(gaps: Sequence[tuple[float, float]], true: Sequence[float]) -> list[_Turn]:
    """Gaps in the order they are filled: from each context outwards.

    Neighbouring gaps form a chain; a chain between two contexts is filled from both sides to its middle, one with a
    context only behind it is filled backwards.
    """
    chains: list[list[int]] = []
    for i, (start, _) in enumerate(gaps):
        if i and gaps[i - 1][1] == start:
            chains[-1].append(i)
        else:
            chains.append([i])
    turns: list[_Turn] = []
    for chain in chains:
        before = bisect_left(true, gaps[chain[0]][0]) > 0
        after = true[-1] > gaps[chain[-1]][1]
        forwards = len(chain) if not after else (len(chain) + 1) // 2 if before else 0
        turns += [_Turn(i, False) for i in chain[:forwards]]
        turns += [_Turn(i, True) for i in reversed(chain[forwards:])]
    return turns


def _coarse_count(start: float, end: float, rate: float, known: _Known, backwards: bool) -> int:
    """Intervals of the coarse level: near a third of those wanted, more where the history is too short for that."""
    wanted = (end - start) * rate
    levels = 0 if wanted <= FEWEST_COARSE else max(1, _levels(WINDOW_FRAMES - 1, wanted))
    fewest = max(FEWEST_COARSE, math.ceil(wanted / REFINEMENT**levels - _EPSILON))
    for count in range(fewest, WINDOW_FRAMES - 1):
        interval = (end - start) / count
        spots = range(1, WINDOW_FRAMES - count)
        times = [end + i * interval if backwards else start - i * interval for i in spots]
        if all(known.slot(t, interval).role != Role.FREE for t in times):
            return count
    return WINDOW_FRAMES - 1


def _levels(count: int, wanted: float) -> int:
    """Levels after the coarse one until ``count`` intervals have become as many as wanted."""
    level = 0
    while count * REFINEMENT**level < wanted - _EPSILON:
        level += 1
    return level


def _coarse(index: int, start: float, end: float, count: int, known: _Known, backwards: bool) -> Window:
    """The gap in ``count`` intervals, and history (or, backwards, future) in the rest of the window."""
    interval = (end - start) / count
    first = 0 if backwards else count + 1 - WINDOW_FRAMES
    times = [_at(start, end, i, count) for i in range(first, first + WINDOW_FRAMES)]
    slots = tuple(known.slot(t, interval) for t in times)
    inside = tuple(i for i, s in enumerate(slots) if s.role == Role.FREE)
    return Window(index, 0, slots, inside)


def _refine(index: int, gap: tuple[float, float], count: int, level: int, known: _Known) -> list[Window]:
    """Windows of one finer level. Where they overlap, the later one is guided by what the earlier one wrote."""
    start, end = gap
    interval, done, windows = (end - start) / count, 0, []
    written: set[float] = set()
    while done < count:
        last = min(done + WINDOW_FRAMES - 1, count)
        times = [_at(start, end, i, count) for i in range(last + 1 - WINDOW_FRAMES, last + 1)]
        slots = tuple(known.slot(t, interval) for t in times)
        writes = tuple(
            i for i in range(1, WINDOW_FRAMES - 1) if slots[i].role != Role.TRUE and times[i] not in written
        )
        windows.append(Window(index, level, slots, writes))
        written |= {times[i] for i in writes}
        for i in writes:
            known.add(times[i])
        done = last
    return windows


def _at(start: float, end: float, i: int, count: int) -> float:
    """Time of the i-th of ``count`` intervals; the same frame has the same time at every level."""
    factor = math.gcd(i, count)
    i, count = i // factor, count // factor
    return start + (end - start) * i / count if i != count else end
