"""What is known and what is to be filled: context, keys and gaps as plain data, found or given.

A *sample* is an authored time. Samples that follow one another quickly are finished motion, the context;
lone samples are keys. Between neighbouring anchors (keys and context ends) lie the gaps. Each channel (translations,
rotations, scales) has samples of its own: where they differ, so do its keys and gaps, and one that is dense or never
changes stays as it is.
"""

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from engine.errors import ConfigError, NothingToFill
from engine.geometry import metrics
from engine.geometry.resample import resample
from engine.geometry.time_grid import TimeGrid, grid_of
from engine.planning.by_hand import changing, named_by_hand
from engine.planning.cycle import travel_of
from engine.planning.holds import Holds, find_holds, said_of
from engine.planning.pins import Pin, make_pins, place_of
from usd_io.errors import shown, timecode
from usd_io.model import CHANNELS, Channel, Character, Motion
from usd_io.shapes import Bool, Float

DENSE_INTERVAL_S = 0.1
"""Samples at most this far apart [s] are dense: motion on twos and threes at 24 frames/s still is."""
SHORTEST_CONTEXT_S = 0.2
"""A dense run shorter than this [s] is keys set close together, not finished motion."""
MOST_SPANS = 4
"""So many blocked spans are named."""
MOST_FILL_FRAMES = 200_000
"""More frames to fill than this (two hours at 30 frames/s) is taken for a mistake in the times."""
FINEST_CONTEXT = 4
"""Samples less than a frame apart that are finished motion, however short it is."""
STEP = 0.25
"""Two samples at an end of a dense run that are closer to each other than this part of the next interval are a jump."""
FINEST_GRID, COARSEST_GRID = 0.5, 2.0
"""Finished motion with a step [frames] between these is what is filled, too; others are filled at the frames."""
MONSTROUS = 1e4
"""A joint this many times the length of all bones away from where it mostly is: for a person a hundred kilometres."""
_EPSILON = 1e-6
"""Times closer than this part of a frame are one time."""


@dataclass(frozen=True)
class Gap:
    """The open interval between two neighbouring anchors."""

    start: float
    end: float
    times: tuple[float, ...]
    """Time codes to fill, strictly between start and end, increasing."""


@dataclass(frozen=True)
class ChannelPlan:
    """The work on a channel that is keyed at other times than the rest."""

    keys: tuple[float, ...]
    """Ends of its gaps, increasing."""
    gaps: tuple[Gap, ...]
    """None: the channel stays as authored."""
    contexts: tuple[tuple[float, float], ...] | None = None
    """Its own, where it is filled by itself, also within the finished motion of the others; None: those of the plan."""


@dataclass(frozen=True)
class Plan:
    """The work on one skeleton; all times are time codes of the stage."""

    skeleton_path: str
    contexts: tuple[tuple[float, float], ...]
    """Inclusive ranges of finished motion, increasing and disjoint."""
    keys: tuple[float, ...]
    """Times whose pose the result equals exactly, ends of gaps included, increasing."""
    gaps: tuple[Gap, ...]
    locked: tuple[str, ...] = ()
    """Joints that keep what is authored, also between the keys."""
    warnings: tuple[str, ...] = ()
    channels: Mapping[Channel, ChannelPlan] = field(default_factory=dict)
    """Channels with keys of their own; the others have those of the plan."""
    pins: tuple[Pin, ...] = ()
    in_place: bool = False
    """Whether the root goes straight from key to key over the ground."""
    loop: bool = False
    """Whether what is first comes again after the last pose."""
    seams: tuple[float, ...] = ()
    """Keys beyond which known motion goes on with the velocity there: where one of several cycles in a row ends and the
    next begins, and where a pose is held."""

    @property
    def channel_gaps(self) -> dict[Channel, tuple[tuple[float, float], ...]]:
        """By channel, the intervals that are filled."""
        own = {c: self.channels[c].gaps if c in self.channels else self.gaps for c in CHANNELS}
        return {channel: tuple((gap.start, gap.end) for gap in gaps) for channel, gaps in own.items()}

    @property
    def pose_keys(self) -> tuple[float, ...]:
        """The keys at which no channel is filled."""
        inside = np.array([gap for own in self.channel_gaps.values() for gap in own], float).reshape(-1, 2)
        starts, ends = inside[np.argsort(inside[:, 0])].T
        # a key is inside of one of the gaps that start before it if the last of their ends is behind it
        latest = np.concatenate([[-np.inf], np.maximum.accumulate(ends)])
        keys = np.array(self.keys, float)
        free = latest[np.searchsorted(starts, keys)] <= keys
        return tuple(key for key, at in zip(self.keys, free.tolist(), strict=True) if at)

    def of_channel(self, channel: Channel) -> "Plan":
        """The plan as one channel has it."""
        own = self.channels.get(channel)
        if own is None:
            return self
        contexts = self.contexts if own.contexts is None else own.contexts
        return replace(self, keys=own.keys, gaps=own.gaps, contexts=contexts, channels={})

    @property
    def own_times(self) -> Float[np.ndarray, " fill"]:
        """Times to fill in channels that are filled by themselves, increasing."""
        apart = [own for own in self.channels.values() if own.contexts is not None]
        return np.unique([t for own in apart for gap in own.gaps for t in gap.times])

    @property
    def fill_times(self) -> Float[np.ndarray, " fill"]:
        """All times to fill, gap after gap."""
        return np.array([t for gap in self.gaps for t in gap.times], float)

    def known(self, times: Float[np.ndarray, " frame"]) -> Bool[np.ndarray, " frame"]:
        """Which times are given: inside a context or at a key."""
        known = np.isin(times, self.keys)
        for start, end in self.contexts:
            known |= (times >= start) & (times <= end)
        return known


def dense_ranges(motion: Motion) -> tuple[tuple[float, float], ...]:
    """Ranges of samples dense and long enough to be finished motion [time codes]."""
    apart = np.diff(motion.times) > _longest_interval(motion) * (1 + _EPSILON)
    for start, _ in motion.breaks:
        apart |= motion.times[:-1] == start
    breaks = np.flatnonzero(apart)
    firsts = np.concatenate([[0], breaks + 1])
    lasts = np.concatenate([breaks, [len(motion.times) - 1]])
    shortest = SHORTEST_CONTEXT_S * motion.time_codes_per_second
    runs = (
        _without_steps(motion.times[a : b + 1], motion.frame_step) for a, b in zip(firsts, lasts, strict=True)
    )
    return tuple(
        (float(run[0]), float(run[-1]))
        for run in runs
        if len(run) > 2 and (run[-1] - run[0] >= shortest or _is_finer(run, motion.frame_step))
    )


def _longest_interval(motion: Motion) -> float:
    """Between samples of finished motion [time codes]."""
    return max(DENSE_INTERVAL_S * motion.time_codes_per_second, motion.frame_step)


def _without_steps(run: Float[np.ndarray, " sample"], frame: float) -> Float[np.ndarray, " rest"]:
    """Dense samples without one at their start or end that a jump sets apart: what lies before it is not motion."""
    gaps = np.diff(run)
    short = gaps < frame * (1 - _EPSILON)
    while len(gaps) > 1 and short[0] and gaps[0] < STEP * gaps[1]:
        run, gaps, short = run[1:], gaps[1:], short[1:]
    while len(gaps) > 1 and short[-1] and gaps[-1] < STEP * gaps[-2]:
        run, gaps, short = run[:-1], gaps[:-1], short[:-1]
    return run


def _is_finer(run: Float[np.ndarray, " sample"], frame: float) -> bool:
    """Whether samples follow one another within less than a frame all along: nobody sets keys so, however short."""
    return len(run) >= FINEST_CONTEXT and bool((np.diff(run) < frame * (1 - _EPSILON)).all())


def sparse_keys(motion: Motion, holds: Holds | None = None) -> tuple[float, ...]:
    """Samples outside every dense range [time codes], without those that exporters write before stepped keys.

    Args:
        motion: The authored samples, or those of one channel.
        holds: Those of all channels, where the motion is that of one.
    """
    rest = np.setdiff1d(motion.times, (holds or find_holds(motion)).exported)
    dense = np.zeros(len(rest), bool)
    for start, end in dense_ranges(motion):
        dense |= (rest >= start) & (rest <= end)
    return tuple(rest[~dense].tolist())


def _lone(motion: Motion, holds: Holds) -> dict[Channel, tuple[float, ...]]:
    """Lone samples of every channel that changes [time codes], those within finished motion of other channels too;
    under one name where the channels share their samples."""
    if not motion.channel_times:
        return {"rotations": sparse_keys(motion, holds)}
    return {channel: sparse_keys(samples, holds) for channel, samples in changing(motion).items()}


def make_plan(
    character: Character,
    motion: Motion,
    *,
    contexts: Sequence[tuple[float, float]] = (),
    keys: Sequence[float] = (),
    lock: Sequence[str] = (),
    pin: Sequence[str] = (),
    in_place: bool = False,
    loop: bool = False,
    fill_at_samples: bool = False,
) -> Plan:
    """Find or check context, keys and gaps.

    Args:
        character: Gives the joints that ``lock`` names.
        motion: The authored samples.
        contexts: Ranges of finished motion; empty: the dense ranges, of which only what lies before the first and
            behind the last of the given keys is kept: between keys that are named, motion is recomputed.
        keys: Key times; empty: the sparse samples.
        lock: Joint names, paths or shell patterns to leave as authored.
        pin: ``JOINT@A:B``, joints by name, path or shell pattern that stay where they are from A to B.
        in_place: Let the root go straight from key to key over the ground.
        loop: Let the motion go on from the last pose to the first one, which it has to be again.
        fill_at_samples: Fill the authored samples inside gaps (to compare with them) and not the frames of the shot:
            whole ones, or, if the first sample lies on none, those on which most of the keys and context ends do; where
            the samples of finished motion are even and another step apart, the times of that step.

    Raises:
        ConfigError: Times outside the clip, keys inside a context, unknown joints, pins of joints that known poses
            move, a loop whose last pose is not its first.
        NothingToFill: Every frame is authored, or one key has no finished motion beside it.
    """
    where = shown(character.skeleton_path)
    if not character.joints:
        raise NothingToFill(f"{where}: the skeleton has no joints (blend shapes alone are left as they are).")
    first, last = float(motion.times[0]), float(motion.times[-1])
    ranges = _checked_contexts(contexts, first, last, where) if contexts else ()
    given = _checked_keys(keys, ranges, first, last, where) if keys else ()
    channels: dict[Channel, ChannelPlan] = {}
    holds = find_holds(motion)
    lone = _lone(motion, holds)
    grid = None if fill_at_samples else _grid(motion, holds)
    if ranges or given or not motion.channel_times:
        ranges, given, gaps = _anchored(motion, ranges, given, grid, holds)
    else:
        ranges, given, gaps, channels = _by_channel(motion, grid, holds, together=loop)
    if not gaps:
        why = [*said_of(holds, lone, {}, named=bool(keys)), _why_nothing(motion, ranges, given, grid)][0]
        raise NothingToFill(
            f"{where}: nothing to fill between {timecode(first)} and {timecode(last)}: {why}",
            settings=("context", "keys"),
        )
    ends = {t for gap in gaps for t in (gap.start, gap.end)}
    locked = _matching(character, lock, "lock")
    if len(locked) == len(character.joints):
        raise NothingToFill(
            f"{where}: nothing to fill between {timecode(first)} and {timecode(last)}: all joints are locked; lock "
            "fewer.",
            settings=("lock",),
        )
    filled = np.array([t for gap in gaps for t in gap.times])
    pins = make_pins(character, pin, filled, locked, lambda pattern: _matching(character, (pattern,), "pin"))
    made = Plan(
        skeleton_path=character.skeleton_path,
        contexts=ranges,
        keys=tuple(sorted({*given, *ends})),
        gaps=gaps,
        locked=locked,
        channels=channels,
        pins=tuple(pins),
        in_place=in_place,
        loop=loop,
    )
    if made.pins or loop:
        _check_poses(character, motion, made)
    named = named_by_hand(
        motion,
        keys,
        contexts,
        [(gap.start, gap.end) for gap in gaps],
        lone=lone,
        dense=dense_ranges(motion),
        longest=_longest_interval(motion),
    )
    steps = said_of(holds, lone, made.channel_gaps, named=bool(keys))
    said = (
        *_warnings(made, motion, where),
        *_monstrous(character, motion, where),
        *(f"{where}: {each}" for each in (*steps, *named)),
    )
    return replace(made, warnings=said)


def _grid(motion: Motion, holds: Holds) -> TimeGrid:
    """The times at which a shot is filled: those of :func:`grid_beside_frames`, or else its frames."""
    own = grid_beside_frames(motion, dense_ranges(motion))
    return TimeGrid(_origin(motion, holds), motion.frame_step) if own is None else own


def grid_beside_frames(motion: Motion, ranges: Sequence[tuple[float, float]]) -> TimeGrid | None:
    """The even times on which finished motion lies where no frames are, as in a shot of 24 samples per second whose
    framesPerSecond is 23.976; None where it lies on frames, or on nothing even that is like them.

    Args:
        motion: The authored samples.
        ranges: Of finished motion [time codes].
    """
    frame = motion.frame_step
    runs = [motion.times[(motion.times >= s) & (motion.times <= e)] for s, e in ranges]
    runs = [run for run in runs if len(run) > 1]
    found = grid_of(runs) if runs else None
    if found is None or not FINEST_GRID < found.step / frame < COARSEST_GRID:
        return None
    return None if all(TimeGrid(float(run[0]), frame).has(run) for run in runs) else found


def _origin(motion: Motion, holds: Holds) -> float:
    """A time from which the frames of the shot count [time codes], so that who steps from its start on meets what is
    filled: 0, unless the first sample lies on no whole frame and most of the anchors share another part of one."""
    ends = [time for context in dense_ranges(motion) for time in context]
    anchors = np.union1d(ends, sparse_keys(motion, holds))
    phases = (
        np.round(anchors / motion.frame_step % 1, 6) % 1
    )  # nearer than a millionth of a frame is one time
    shared, counts = np.unique(phases, return_counts=True)
    most = shared[np.argmax(counts)]
    if np.round(motion.times[0] / motion.frame_step % 1, 6) % 1 == 0 or 2 * counts.max() <= len(anchors):
        return 0.0
    return 0.0 if most == 0 else float(anchors[phases == most][0])


def _why_nothing(
    motion: Motion, ranges: Sequence[tuple[float, float]], given: Sequence[float], grid: TimeGrid | None
) -> str:
    """Why there is no gap, and what to do; without a grid samples are what would be filled."""
    remake = "name the context and the keys to re-make motion between them."
    if motion.breaks:
        return f"{_blocked(motion, motion.breaks)} {remake.capitalize()}"
    if len(motion.times) == 1:
        return "only one pose is set; set another one, a few frames away."
    if not given and all(np.ptp(getattr(motion, c), axis=0).max(initial=0.0) == 0 for c in CHANNELS):
        return f"all {len(motion.times)} samples have the same pose; {remake}"
    anchors = sorted({*(given or sparse_keys(motion)), *(t for r in ranges for t in r)})
    between = [(s, e) for s, e in pairwise(anchors) if not any(a <= s and e <= b for a, b in ranges)]
    if between:
        closest = ", ".join(f"{timecode(s)} and {timecode(e)}" for s, e in between[:MOST_SPANS])
        if grid is None and max(e - s for s, e in between) > (1 + _EPSILON) * motion.frame_step:
            return (
                f"no sample lies between the keys {closest}, so that there is no true motion to compare with; name "
                "context and keys within finished motion, or another stage, which has it."
            )
        return f"no frame lies between the keys {closest}; set keys two frames or more apart."
    if len(given) == 1:
        beside = (
            "only finished motion, which is kept, on either side"
            if ranges
            else "no finished motion beside it"
        )
        return f"the one key {timecode(given[0])} has {beside}; name two keys or more."
    return f"every frame is authored already; {remake}"


def _anchored(
    motion: Motion,
    ranges: tuple[tuple[float, float], ...],
    given: tuple[float, ...],
    grid: TimeGrid | None,
    holds: Holds,
) -> tuple[tuple[tuple[float, float], ...], tuple[float, ...], tuple[Gap, ...]]:
    """Contexts, keys and gaps of samples; contexts and keys that are given stay as they are, and so does a pose that is
    held up to a key that was found."""
    if not ranges:
        ranges = _outside(dense_ranges(motion), given, SHORTEST_CONTEXT_S * motion.time_codes_per_second)
    kept = list(ranges)
    if not given:
        found = sparse_keys(motion, holds)
        given = tuple(t for t in found if not any(s <= t <= e for s, e in ranges))
        kept += holds.spans(motion.times, given)
    anchors = sorted({*given, *(t for r in ranges for t in r)})
    return ranges, given, tuple(_gaps(anchors, kept, motion, grid))


def _by_channel(
    motion: Motion, grid: TimeGrid | None, holds: Holds, *, together: bool
) -> tuple[tuple[tuple[float, float], ...], tuple[float, ...], tuple[Gap, ...], dict[Channel, ChannelPlan]]:
    """The plan of a motion whose channels are sampled at different times.

    The pose is filled wherever one of the channels is, from the ends of all of their gaps; its context is where all of
    those that change are finished. Scales or translations that are keyed all along, beside others with finished motion,
    take none of that away: they are filled by themselves (unless all are to be filled ``together``).
    """
    own_gaps: dict[Channel, tuple[Gap, ...]] = dict.fromkeys(CHANNELS, ())
    own_ranges: dict[Channel, tuple[tuple[float, float], ...]] = {}
    for channel, own in changing(motion).items():
        own_ranges[channel], _, own_gaps[channel] = _anchored(own, (), (), grid, holds)
    finished = {channel for channel, ranges in own_ranges.items() if ranges and own_gaps[channel]}
    apart = {c for c, ranges in own_ranges.items() if not ranges} if finished and not together else set()
    if "rotations" in apart:  # they are most of a motion: without their context there is none
        apart = set()
    pose_gaps = [gaps for channel, gaps in own_gaps.items() if channel not in apart]
    ends = sorted({t for gaps in pose_gaps for gap in gaps for t in (gap.start, gap.end)})
    covered = [
        (start, end)
        for start, end in pairwise(ends)
        if any(gap.start <= start and end <= gap.end for gaps in pose_gaps for gap in gaps)
    ]
    gaps = tuple(_between(covered, motion, grid))
    if apart:  # their keys are times to fill in the gaps of the others
        keys = np.array([t for channel in apart for gap in own_gaps[channel] for t in (gap.start, gap.end)])
        gaps = tuple(replace(gap, times=_with_times(gap, gap.times, keys)) for gap in gaps)
    inner = np.array([t for gap in gaps for t in gap.times])
    channels: dict[Channel, ChannelPlan] = {}
    for channel, found in own_gaps.items():
        if channel in apart:
            frames = np.array([t for gap in found for t in gap.times])
            within = np.union1d(inner, _outside_gaps(np.concatenate([motion.times, frames]), gaps))
            contexts: tuple[tuple[float, float], ...] | None = ()
        elif [(gap.start, gap.end) for gap in found] != [(gap.start, gap.end) for gap in gaps]:
            within, contexts = np.union1d(inner, ends), None
        else:
            continue
        full = tuple(replace(gap, times=_with_times(gap, (), within)) for gap in found)
        ends_of_own = sorted({t for gap in full for t in (gap.start, gap.end)})
        channels[channel] = ChannelPlan(tuple(ends_of_own), full, contexts)
    shortest = SHORTEST_CONTEXT_S * motion.time_codes_per_second
    return (
        _in_all([ranges for channel, ranges in own_ranges.items() if channel not in apart], shortest),
        tuple(ends),
        gaps,
        channels,
    )


def _outside_gaps(times: Float[np.ndarray, " time"], gaps: Sequence[Gap]) -> Float[np.ndarray, " outside"]:
    """Those that lie in none of the gaps, which increase; their ends do not lie in them."""
    starts, ends = np.array([gap.start for gap in gaps]), np.array([np.inf, *(gap.end for gap in gaps)])
    last = np.searchsorted(starts, times, side="left")  # one behind the last gap that starts before
    return times[(last == 0) | (times >= ends[last])]


def _with_times(gap: Gap, times: Sequence[float], more: Float[np.ndarray, " time"]) -> tuple[float, ...]:
    """Times with those of the others that lie inside a gap."""
    inside = more[(more > gap.start) & (more < gap.end)]
    return tuple(np.union1d(times, inside).tolist())


def _in_all(
    ranges: Sequence[tuple[tuple[float, float], ...]], shortest: float
) -> tuple[tuple[float, float], ...]:
    """What lies in one range of each, where that is long enough or the whole range of one."""
    common: tuple[tuple[float, float], ...] = ((-np.inf, np.inf),) if ranges else ()
    for own in ranges:
        both = [(max(a, c), min(b, d)) for a, b in common for c, d in own]
        whole = {*common, *own}
        common = tuple((s, e) for s, e in both if e - s >= shortest or (s < e and (s, e) in whole))
    return common


def _outside(
    ranges: Sequence[tuple[float, float]], keys: Sequence[float], shortest: float
) -> tuple[tuple[float, float], ...]:
    """What of the ranges lies outside the span of the keys and is long enough."""
    if not keys:
        return tuple(ranges)
    first, last = keys[0], keys[-1]
    parts = [part for s, e in ranges for part in ((s, min(e, first)), (max(s, last), e))]
    return tuple((s, e) for s, e in dict.fromkeys(parts) if e - s >= shortest)


def _checked_contexts(
    contexts: Sequence[tuple[float, float]], first: float, last: float, where: str
) -> tuple[tuple[float, float], ...]:
    ranges = tuple(sorted((float(start), float(end)) for start, end in contexts))
    for start, end in ranges:
        if not start < end:
            raise ConfigError(
                f"{where}: the context {timecode(start)}:{timecode(end)} is empty; give it as START:END with START < "
                "END.",
                settings=("context",),
            )
        if start < first or end > last:
            raise ConfigError(
                f"{where}: the context {timecode(start)}:{timecode(end)} reaches outside the authored samples "
                f"{timecode(first)}..{timecode(last)}; choose one inside.",
                settings=("context",),
            )
    for (_, end), (start, _) in pairwise(ranges):
        if start <= end:
            raise ConfigError(
                f"{where}: two contexts overlap at {timecode(start)}; join them into one.",
                settings=("context",),
            )
    return ranges


def _checked_keys(
    keys: Sequence[float], contexts: Sequence[tuple[float, float]], first: float, last: float, where: str
) -> tuple[float, ...]:
    for key in keys:
        if not first <= key <= last:
            raise ConfigError(
                f"{where}: key {timecode(key)} lies outside the authored samples "
                f"{timecode(first)}..{timecode(last)}; choose a time inside.",
                settings=("keys",),
            )
        for start, end in contexts:
            if start < key < end:
                raise ConfigError(
                    f"{where}: key {timecode(key)} lies inside the context {timecode(start)}:{timecode(end)}, which "
                    "is kept as it is; move the key or shorten the context.",
                    settings=("keys", "context"),
                )
    return tuple(sorted({float(key) for key in keys}))


def _gaps(
    anchors: Sequence[float], contexts: Sequence[tuple[float, float]], motion: Motion, grid: TimeGrid | None
) -> list[Gap]:
    pairs = [
        (start, end)
        for start, end in pairwise(anchors)
        if not any(s <= start and end <= e for s, e in contexts)
    ]
    return _between(pairs, motion, grid)


def _between(pairs: Sequence[tuple[float, float]], motion: Motion, grid: TimeGrid | None) -> list[Gap]:
    """The gaps between pairs of anchors; none where the animation is blocked in between.

    They are filled at the times of a grid, or, without one, at the samples in them."""
    pairs = [(s, e) for s, e in pairs if not any(s < end and start < e for start, end in motion.breaks)]
    step = motion.frame_step if grid is None else grid.step
    if sum(end - start for start, end in pairs) / step > MOST_FILL_FRAMES:
        raise ConfigError(
            f"{shown(motion.animation_path)}: {sum(e - s for s, e in pairs) / step:.3g} frames to fill are more than "
            f"{MOST_FILL_FRAMES}; a key time is probably wrong, name the keys.",
            settings=("keys",),
        )
    gaps = []
    for start, end in pairs:
        if grid is None:
            margin = _EPSILON * step
            times = motion.times[(motion.times > start + margin) & (motion.times < end - margin)]
        else:
            times = grid.between(start, end)
        if len(times):
            gaps.append(Gap(start, end, tuple(float(t) for t in times)))
    return gaps


def cycle_of(plan: Plan) -> tuple[float, float]:
    """First and last known time of a plan."""
    times = [*plan.keys, *(time for context in plan.contexts for time in context)]
    return min(times), max(times)


def _check_poses(character: Character, motion: Motion, plan: Plan) -> None:
    """Refuse pins and a loop that the known poses, as USD evaluates them, are at odds with."""
    known = np.union1d(motion.times[plan.known(motion.times)], plan.keys)
    poses = resample(motion, known)
    size = metrics.height(character, poses, plan.keys[0])
    for pin in plan.pins:
        place_of(character, poses, pin, size)
    if plan.loop:
        travel_of(character, resample(motion, np.array(cycle_of(plan))))


def joints_of(character: Character, pattern: str) -> set[str]:
    """Paths of the joints that a name, path or shell pattern means."""
    return {
        j
        for j in character.joints
        if fnmatch.fnmatchcase(j, pattern) or fnmatch.fnmatchcase(leaf(j), pattern)
    }


def _matching(character: Character, patterns: Sequence[str], setting: str) -> tuple[str, ...]:
    """The joints that names, paths or shell patterns of a setting mean."""
    locked: set[str] = set()
    for pattern in patterns:
        found = joints_of(character, pattern)
        if not found:
            raise ConfigError(
                f"{shown(character.skeleton_path)}: no joint is called {shown(pattern)}; "
                "'anymole inspect STAGE --joints' lists them.",
                settings=(setting,),
            )
        locked |= found
    return tuple(j for j in character.joints if j in locked)


def leaf(joint: str) -> str:
    """Last name of a joint path."""
    return joint.rsplit("/", 1)[-1]


def _warnings(plan: Plan, motion: Motion, where: str) -> list[str]:
    warnings = list(motion.warnings)
    if not plan.contexts:
        warnings.append(
            f"{where}: no context (finished motion), only keys; the style cannot be learnt from the shot."
        )
    seconds = max(gap.end - gap.start for gap in plan.gaps) / motion.time_codes_per_second
    if seconds > 5:
        warnings.append(
            f"{where}: the longest gap is {seconds:.1f} s, where motion is uncertain; add a key in between."
        )
    kept = [
        c for c, own in plan.channels.items() if not own.gaps and len(motion.channel_times.get(c, ())) > 1
    ]
    if kept:
        warnings.append(
            f"{where}: {' and '.join(kept)} are finished or never change and stay as they are; the rest is filled."
        )
    apart = [c for c, own in plan.channels.items() if own.gaps and own.contexts is not None]
    if apart:
        warnings.append(
            f"{where}: {' and '.join(apart)} are keyed all along, within the finished motion too, and filled from "
            "their own keys alone."
        )
    first, last = motion.times[0], motion.times[-1]
    blocked = [(s, e) for s, e in motion.breaks if first <= s and e <= last]
    if blocked:
        warnings.append(f"{where}: {_blocked(motion, blocked)}")
    jumps = [(s, e) for s, e in pairwise(plan.keys) if e - s < motion.frame_step * (1 - _EPSILON)]
    if jumps:
        more = f" and elsewhere, {len(jumps)} times in all" if len(jumps) > 1 else ""
        first, second = map(timecode, jumps[0])
        if first == second:  # told apart by the digits that a file has
            first, second = (f"{time!r}".removesuffix(".0") for time in jumps[0])
        warnings.append(
            f"{where}: the keys {first} and {second} are less than a frame apart{more}: that jump stays."
        )
    return warnings


def _monstrous(character: Character, motion: Motion, where: str) -> list[str]:
    """What is said of a place that is so far from those at other times that it can only be a mistake."""
    places = motion.translations.astype(np.float64)
    usual = np.median(places, axis=0)
    # all bones one behind the other, as they mostly are
    size = float(np.linalg.norm(usual[np.asarray(character.parents) >= 0], axis=-1).sum())
    off = np.abs(places - usual).max(-1)
    if not size or off.max() <= MONSTROUS * size:
        return []
    frame, joint = divmod(int(off.argmax()), off.shape[1])
    return [
        f"{where}: at {timecode(motion.times[frame])} the translation of {shown(leaf(character.joints[joint]))} is out "
        f"of all proportion, {off[frame, joint] / size:.1g} times the length of all bones from where it mostly is: "
        "what is filled goes there, and lengths in heights say nothing; fix that sample."
    ]


def _span(start: float, end: float) -> str:
    """Between two samples, or before the first or after the last of all."""
    if abs(start) == np.finfo(float).max:
        return f"before {timecode(end)}"
    return (
        f"after {timecode(start)}"
        if end == np.finfo(float).max
        else f"between {timecode(start)} and {timecode(end)}"
    )


def _blocked(motion: Motion, spans: Sequence[tuple[float, float]]) -> str:
    """What is said of spans in which the animation is blocked."""
    between = " and ".join(_span(start, end) for start, end in spans[:MOST_SPANS])
    more = f" and elsewhere, {len(spans)} times in all" if len(spans) > MOST_SPANS else ""
    return (
        f"{shown(motion.animation_path)} is blocked {between}{more}, where USD shows the rest pose: that stays as it "
        "is and is not filled; remove the blocks to have it filled."
    )
