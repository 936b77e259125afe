"""Samples that hold a pose up to a step: less than a frame later comes another pose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.planning.by_hand import Spans, changing, inside, listed
from usd_io.model import CHANNELS, Channel, Motion
from usd_io.shapes import Bool, Float

HELD = 1e-4
"""Change of a pose (1, or the size of the rig) below which it is held."""
EXPORTED = 0.1
"""Exporters write a stepped key as the pose before it and, at most this part of a frame later, its own."""
_EPSILON = 1e-6
"""Times closer than this part of a frame are one time."""


@dataclass(frozen=True)
class Holds:
    """Samples with the pose of the one before, less than a frame before another pose [time codes], increasing."""

    exported: Float[np.ndarray, " exported"]
    """Between frames, just before a key: how exporters write a stepped key. They are no keys."""
    authored: Float[np.ndarray, " authored"]
    """The others: the pose is held up to there, and pops. They are keys, and what is held stays."""
    since: Float[np.ndarray, " authored"]
    """The sample from which on that pose is held [time codes]."""

    def spans(self, times: Float[np.ndarray, " frame"], keys: Sequence[float]) -> list[tuple[float, float]]:
        """What is held up to some of the samples of a channel or motion: from the sample before, or earlier."""
        at = np.isin(self.authored, keys)
        ends, since = self.authored[at], self.since[at]
        before = times[np.searchsorted(times, ends) - 1]
        return list(zip(np.minimum(before, since).tolist(), ends.tolist(), strict=True))


def find_holds(motion: Motion) -> Holds:
    """The samples that hold a pose up to a step.

    All channels that are sampled there have to hold what they had: one whose value merely comes again, as a walk's
    does after a period, is no step of it while the others move.
    """
    held, authored, moved = np.zeros(0), np.zeros(0), np.zeros(0)
    begins: list[tuple[Motion, Float[np.ndarray, " frame"]]] = []
    for channel, samples in _by_channel(motion).items():
        still = _still(samples, channel)
        quiet, steps = _before_steps(samples, still)
        held = np.union1d(held, samples.times[steps])
        authored = np.union1d(authored, samples.times[steps & ~_as_exported(samples)])
        moved = np.union1d(moved, samples.times[~quiet])
        begins.append((samples, _begins(samples, still)))
    held = np.setdiff1d(held, moved)
    authored = np.intersect1d(held, authored)
    since = np.full(len(authored), -np.inf)
    for samples, begin in begins:
        at = np.isin(authored, samples.times)
        since[at] = np.maximum(since[at], begin[np.searchsorted(samples.times, authored[at])])
    return Holds(np.setdiff1d(held, authored), authored, since)


def _by_channel(motion: Motion) -> Mapping[Channel, Motion]:
    """The samples of each channel that changes."""
    return changing(motion) if motion.channel_times else dict.fromkeys(CHANNELS, motion)


def _still(motion: Motion, channel: Channel) -> Bool[np.ndarray, " interval"]:
    """Between which neighbouring samples a channel does not change."""
    values = getattr(motion, channel)
    size = max(1.0, float(np.abs(values).max(initial=0.0)))
    still: Bool[np.ndarray, " interval"] = (
        np.abs(np.diff(values, axis=0)).max((1, 2), initial=0.0) <= HELD * size
    )
    return still


def _before_steps(
    motion: Motion, still: Bool[np.ndarray, " interval"]
) -> tuple[Bool[np.ndarray, " frame"], Bool[np.ndarray, " frame"]]:
    """Which samples have the value of the one before and come less than a frame before the next, and which of these
    have another one than that."""
    close = np.diff(motion.times) < motion.frame_step * (1 - _EPSILON)
    quiet, steps = np.zeros((2, len(motion.times)), bool)
    quiet[1:-1] = still[:-1] & close[1:]
    steps[1:-1] = quiet[1:-1] & ~still[1:]
    return quiet, steps


def _begins(motion: Motion, still: Bool[np.ndarray, " interval"]) -> Float[np.ndarray, " frame"]:
    """Since when each sample's value has been held [time codes]; its own time where it was not."""
    changed = np.flatnonzero(np.append(True, ~still))
    begins: Float[np.ndarray, " frame"] = motion.times[
        changed[np.searchsorted(changed, np.arange(len(motion.times)), side="right") - 1]
    ]
    return begins


def _as_exported(motion: Motion) -> Bool[np.ndarray, " frame"]:
    """Which samples lie just before the next, and no whole number of frames behind the one before: a player that goes
    from frame to frame does not show them, but what is on a frame is meant to be seen."""
    frames = np.diff(motion.times) / motion.frame_step
    found = np.zeros(len(motion.times), bool)
    found[1:-1] = (frames[1:] <= EXPORTED + _EPSILON) & (np.abs(frames - np.round(frames))[:-1] > _EPSILON)
    return found


def said_of(
    holds: Holds,
    lone: Mapping[Channel, Sequence[float]],
    gaps: Mapping[Channel, Spans],
    *,
    named: bool,
) -> list[str]:
    """Sentences about what is held up to a step.

    Args:
        holds: What is held.
        lone: Lone samples by channel, of all that change; one entry where the channels share their samples.
        gaps: What is filled, by channel.
        named: Whether the keys were named by hand: then what is filled was asked for.
    """
    stay, filled = np.zeros(0), np.zeros(0)
    for channel, times in () if named else lone.items():
        own, spans = np.intersect1d(holds.authored, times), gaps.get(channel, ())
        reached = inside(own, spans) | np.isin(own, [end for _, end in spans])
        stay = np.union1d(stay, own[~reached])
    for spans in gaps.values():
        filled = np.union1d(filled, holds.exported[inside(holds.exported, spans)])
    said = []
    if len(stay):
        said.append(
            f"a pose is held up to {listed(stay.tolist())}, less than a frame before another one: hold and jump stay "
            "as they are, and nothing is filled in the hold; name the keys to have it filled."
        )
    if len(filled):
        said.append(
            f"what is authored at {listed(filled.tolist())} only holds a pose up to the key just behind, as exporters "
            "write stepped keys, and is filled over; name all samples as keys to keep it."
        )
    return said
