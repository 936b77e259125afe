"""A shot that cycles, as priors see it: three cycles in a row, of which the middle one is filled and kept.

What comes first is context and keys after the last pose, and what comes last before the first one, so that priors,
contacts and velocity run through the seam as through any other key. The neighbours are moved by what a cycle travels
over the ground, and reach as far as priors look.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from engine.geometry import skeleton
from engine.planning.cycle import Travel, travel_of
from engine.planning.plan import ChannelPlan, Gap, Plan, cycle_of
from engine.priors import offsets
from engine.priors.context.windows import SEARCH_REACH_S
from usd_io.model import Character, Motion
from usd_io.shapes import Float

Join = Callable[[Motion, Motion], Motion]
"""Two motions of one skeleton at different times as one."""


@dataclass(frozen=True, eq=False)
class Cycles:
    """Three cycles in a row, the outer ones cut where priors do not look any more."""

    character: Character
    start: float
    end: float
    """Of the middle one [time codes]."""
    first: float
    """Where the cycle before begins, in its own times of the middle one."""
    last: float
    """Where the cycle after ends, likewise."""
    travel: Travel

    def plan(self, plan: Plan) -> Plan:
        """The work of all three."""
        contexts: list[tuple[float, float]] = []
        for cycle, since, until in self._copies():
            for start, end in plan.contexts:
                a, b = self._shift(max(start, since), cycle), self._shift(min(end, until), cycle)
                if (
                    a < b and contexts and contexts[-1][1] == a
                ):  # finished motion on both sides of a seam is one
                    contexts[-1] = (contexts[-1][0], b)
                elif a < b:
                    contexts.append((a, b))
        channels = {
            name: ChannelPlan(self._times(own.keys), self._gaps(own.gaps))
            for name, own in plan.channels.items()
        }
        return replace(
            plan,
            contexts=tuple(contexts),
            keys=self._times(plan.keys),
            gaps=self._gaps(plan.gaps),
            channels=channels,
            loop=False,
            seams=(self.start, self.end),
        )

    def motion(self, motion: Motion, join: Join) -> Motion:
        """All three cycles of a motion; what lies outside of the cycle is dropped."""
        result = motion.at((motion.times >= self.start) & (motion.times <= self.end))
        for cycle, since, until in self._copies():
            if cycle:
                inside = (motion.times >= since) & (motion.times <= until)
                # the seams themselves are the middle cycle's
                inside &= motion.times != (self.start if cycle > 0 else self.end)
                result = join(result, self._moved(motion.at(inside), cycle))
        return result

    def _copies(self) -> tuple[tuple[int, float, float], ...]:
        """The cycles and which part of the middle one each repeats."""
        return (-1, self.first, self.end), (0, self.start, self.end), (1, self.start, self.last)

    def _shift(self, time: float, cycle: int) -> float:
        """A time of the middle cycle in another one; the seams are one and the same number on both sides."""
        if (cycle, time) == (1, self.start):
            return self.end
        if (cycle, time) == (-1, self.end):
            return self.start
        return time + cycle * (self.end - self.start)

    def _times(self, times: Iterable[float]) -> tuple[float, ...]:
        inside = [
            self._shift(time, cycle)
            for time in times
            for cycle, since, until in self._copies()
            if since <= time <= until
        ]
        return tuple(sorted(set(inside)))

    def _gaps(self, gaps: tuple[Gap, ...]) -> tuple[Gap, ...]:
        return tuple(
            Gap(
                self._shift(gap.start, cycle),
                self._shift(gap.end, cycle),
                tuple(self._shift(time, cycle) for time in gap.times),
            )
            for cycle, since, until in self._copies()
            for gap in gaps
            if since <= gap.start and gap.end <= until
        )

    def _moved(self, motion: Motion, cycle: int) -> Motion:
        """A part of the motion in another cycle: later or earlier, and moved by what a cycle travels."""
        world, translations = motion.T_world_skel.copy(), motion.translations.copy()
        world[:, :3, 3] += cycle * self.travel.world
        for joint, moved in zip(self.travel.joints, self.travel.moved, strict=True):
            parent = int(self.character.parents[joint])
            local: Float[np.ndarray, "frame 3"] = np.tile(cycle * moved, (len(motion.times), 1))
            if parent >= 0:  # along the parent's axes, as they are in each frame
                T = skeleton.joint_transforms(self.character, motion)[:, parent, :3, :3]
                local = np.einsum("fab,fb->fa", np.linalg.pinv(T), local)
            translations[:, joint] += local.astype(translations.dtype)
        times = np.array([self._shift(float(time), cycle) for time in motion.times])
        return replace(motion, times=times, translations=translations, T_world_skel=world)


def cycles_of(character: Character, known: Motion, plan: Plan) -> Cycles:
    """The cycles of a plan that loops.

    Args:
        character: The skeleton.
        known: The known frames only.
        plan: Of one cycle.

    Raises:
        ConfigError: The last pose is not the first one.
    """
    start, end = cycle_of(plan)
    ends = known.at(offsets.frames_at(known, np.array([start, end])))
    reach = SEARCH_REACH_S * known.time_codes_per_second
    inside = known.times[(known.times >= start) & (known.times <= end)]
    # the neighbours end at a known time, and hold the gap at the seam whole
    last = max([*inside[inside <= start + reach], *(gap.end for gap in plan.gaps if gap.start == start)])
    first = min([*inside[inside >= end - reach], *(gap.start for gap in plan.gaps if gap.end == end)])
    return Cycles(character, start, end, float(first), float(last), travel_of(character, ends))


def middle(cycles: Cycles, made: Motion, kept: Motion, join: Join) -> Motion:
    """The middle cycle of a motion of three, with what is kept outside of it."""
    inside = made.at((made.times >= cycles.start) & (made.times <= cycles.end))
    outside = kept.at((kept.times < cycles.start) | (kept.times > cycles.end))
    return join(inside, outside)
