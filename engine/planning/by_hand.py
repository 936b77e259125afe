"""What is said of keys and contexts that were named by hand and do not fall on the samples of a motion."""

from collections.abc import Mapping, Sequence

import numpy as np

from engine.geometry.time_grid import frames_at
from usd_io.errors import timecode
from usd_io.model import CHANNELS, Channel, Motion
from usd_io.shapes import Bool, Float

MOST_TIMES = 6
"""So many times are named."""
_EPSILON = 1e-6
"""Times closer than this part of a frame are one time."""
Spans = Sequence[tuple[float, float]]


def named_by_hand(
    motion: Motion,
    keys: Sequence[float],
    contexts: Spans,
    gaps: Spans,
    *,
    lone: Mapping[Channel, Sequence[float]],
    dense: Spans,
    longest: float,
) -> list[str]:
    """Sentences about what was named; none where all of it falls on samples and leaves none out.

    Args:
        motion: The authored samples.
        keys: Named keys [time codes]; none: those that were found.
        contexts: Named ranges of finished motion [time codes].
        gaps: What is filled [time codes].
        lone: Lone samples by channel, of all that change; one entry where the channels share their samples.
        dense: Ranges in which the samples are finished motion.
        longest: So far apart these are at most [time codes].
    """
    if not keys and not contexts:
        return []
    holes = [(context, _holes(motion, context, longest)) for context in contexts]
    said_so = {time for _, found in holes for hole in found for time in hole}
    ends = {time for gap in gaps for time in gap} - said_so
    anchors = sorted({*keys, *(time for context in contexts for time in context if time in ends)})
    return [
        *_unsampled(motion, anchors),
        *(_left_out(keys, contexts, gaps, lone) if keys else _cut_off(motion, contexts, gaps, dense)),
        *(_of_holes(context, found) for context, found in holes if found),
    ]


def changing(motion: Motion) -> dict[Channel, Motion]:
    """The samples of every channel that changes, where channels have samples of their own."""
    own = {c: motion.at(np.isin(motion.times, motion.channel_times.get(c, ()))) for c in CHANNELS}
    return {
        channel: samples
        for channel, samples in own.items()
        if len(samples.times) > 1 and np.ptp(getattr(samples, channel), axis=0).max(initial=0.0) > 0
    }


def _unsampled(motion: Motion, anchors: Sequence[float]) -> list[str]:
    """Anchors at which no channel has a sample, and those at which some have none."""
    margin = _EPSILON * motion.frame_step
    nothing = _missing(motion.times, anchors, margin)
    rest = sorted({*anchors} - {*nothing})
    said = []
    if nothing:
        said.append(
            f"no sample is authored at {listed(nothing)}, named by hand: the pose that USD interpolates there is taken "
            "for the key; name times that have samples, or set keys there."
        )
    for channel, samples in changing(motion).items():
        part = _missing(samples.times, rest, margin)
        if part:
            said.append(
                f"{channel} have no sample at {listed(part)}, named by hand, where other channels have one: what USD "
                f"interpolates there is taken for the key; name times at which {channel} have samples, or set them."
            )
    return said


def _left_out(
    keys: Sequence[float], contexts: Spans, gaps: Spans, lone: Mapping[Channel, Sequence[float]]
) -> list[str]:
    """Lone samples that are none of the named keys: in a gap they are replaced, beyond the keys nothing is filled."""
    known = (*((key, key) for key in keys), *contexts, *gaps)
    first, last = min(start for start, _ in known), max(end for _, end in known)
    replaced, beyond = [], []
    for times, of in _by_channels(lone):
        within = times[inside(times, gaps)].tolist()
        if within:
            one = len(within) == 1
            replaced.append(
                f"the authored {'sample' if one else 'samples'} at {listed(within)}{of} {'is' if one else 'are'} none "
                f"of the keys named by hand, and what is filled replaces {'it' if one else 'them'}; name as keys what "
                "is to stay."
            )
        outside = times[(times < first) | (times > last)].tolist()
        if outside:
            one = len(outside) == 1
            beyond.append(
                f"the authored {'sample' if one else 'samples'} at {listed(outside)}{of} {'lies' if one else 'lie'} "
                f"beyond the keys named by hand and {'stays' if one else 'stay'}, with nothing filled in between; name "
                "as keys what is to be filled up to."
            )
    return replaced + beyond


def _by_channels(
    lone: Mapping[Channel, Sequence[float]],
) -> list[tuple[Float[np.ndarray, " time"], str]]:
    """Times that the same channels have, and those channels in words where they are not all."""
    having: dict[float, list[str]] = {}
    for channel, times in lone.items():
        for time in times:
            having.setdefault(time, []).append(channel)
    groups: dict[str, list[float]] = {}
    for time, channels in sorted(having.items()):
        of = "" if len(channels) == len(lone) else f" (of {' and '.join(channels)} alone)"
        groups.setdefault(of, []).append(time)
    return [(np.array(times), of) for of, times in groups.items()]


def _cut_off(motion: Motion, contexts: Spans, gaps: Spans, dense: Spans) -> list[str]:
    """Finished motion that a named context leaves to a gap, unless that lies between two of them: no keys were named
    to have it made anew."""
    starts, ends = {start for start, _ in contexts}, {end for _, end in contexts}
    closed = [(start, end) for start, end in dense if start < end]
    said = []
    for start, end in gaps:
        if start in ends and end in starts:
            continue
        lost = motion.times[(motion.times > start) & (motion.times < end)]
        lost = lost[inside(lost, closed) | np.isin(lost, closed)]
        if len(lost):
            what = f"the authored sample at {timecode(lost[0])} lies"
            if len(lost) > 1:
                what = (
                    f"the {len(lost)} authored samples from {timecode(lost[0])} to {timecode(lost[-1])} lie"
                )
            said.append(
                f"{what} outside of the context named by hand, and what is filled replaces what is there; widen the "
                "context to keep it."
            )
    return said


def _holes(motion: Motion, context: tuple[float, float], longest: float) -> list[tuple[float, float]]:
    """Parts of a named context in which samples are too far apart to be finished motion."""
    start, end = context
    inner = motion.times[(motion.times > start) & (motion.times < end)]
    times = np.array([start, *inner, end])
    wide = np.flatnonzero(np.diff(times) > longest * (1 + _EPSILON))
    return [(float(times[n]), float(times[n + 1])) for n in wide.tolist()]


def _of_holes(context: tuple[float, float], holes: Spans) -> str:
    more = f" and elsewhere, {len(holes)} times in all" if len(holes) > 1 else ""
    return (
        f"the context {timecode(context[0])}:{timecode(context[1])} named by hand has no sample between "
        f"{timecode(holes[0][0])} and {timecode(holes[0][1])}{more}: what USD interpolates there is taken for "
        "finished motion; name only what is sampled throughout."
    )


def _missing(times: Float[np.ndarray, " sample"], wanted: Sequence[float], margin: float) -> list[float]:
    """Those of the wanted times at which there is no sample."""
    missing: list[float] = frames_at(times, np.array(wanted, float), margin)[1].tolist()
    return missing


def inside(times: Float[np.ndarray, " time"], spans: Spans) -> Bool[np.ndarray, " time"]:
    """Which times lie strictly inside one of some spans, which increase and do not overlap."""
    if not len(spans):
        return np.zeros(len(times), bool)
    starts, ends = np.array(spans, float).T
    last = np.searchsorted(starts, times, side="left") - 1
    found: Bool[np.ndarray, " time"] = (last >= 0) & (times < ends[last])
    return found


def listed(times: Sequence[float]) -> str:
    """Times in words, the first few of many."""
    words = [timecode(time) for time in times]
    if len(words) > MOST_TIMES:
        return f"{', '.join(words[:MOST_TIMES])} and {len(words) - MOST_TIMES} more"
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
