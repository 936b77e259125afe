"""Samples that hold a pose up to a step: less than a frame later comes another pose."""

from collections.abc import Mapping

import numpy as np

from engine.planning.by_hand import changing
from usd_io.model import CHANNELS, Channel, Motion
from usd_io.shapes import Bool, Float

HELD = 1e-4
"""Change of a pose (1, or the size of the rig) below which it is held."""
_EPSILON = 1e-6
"""Times closer than this part of a frame are one time."""

Times = Float[np.ndarray, " time"]


def before_steps(motion: Motion) -> Times:
    """Samples less than a frame before another pose, with the pose of the one before: exporters write a step so.

    All channels that are sampled there have to hold what they had: one whose value merely comes again, as a walk's
    does after a period, is no step of it while the others move.
    """
    held, moved = np.zeros(0), np.zeros(0)
    for channel, samples in _by_channel(motion).items():
        quiet, steps = _of_channel(samples, channel)
        held = np.union1d(held, samples.times[quiet & steps])
        moved = np.union1d(moved, samples.times[~quiet])
    return np.setdiff1d(held, moved)


def _by_channel(motion: Motion) -> Mapping[Channel, Motion]:
    """The samples of each channel that changes."""
    return changing(motion) if motion.channel_times else dict.fromkeys(CHANNELS, motion)


def _of_channel(
    motion: Motion, channel: Channel
) -> tuple[Bool[np.ndarray, " frame"], Bool[np.ndarray, " frame"]]:
    """Which samples have the value of the one before and come less than a frame before the next, and before which the
    value changes to the next."""
    values = getattr(motion, channel)
    size = max(1.0, float(np.abs(values).max(initial=0.0)))
    still = np.abs(np.diff(values, axis=0)).max((1, 2), initial=0.0) <= HELD * size
    close = np.diff(motion.times) < motion.frame_step * (1 - _EPSILON)
    quiet = np.concatenate([[False], still[:-1] & close[1:], [False]])[: len(motion.times)]
    return quiet, np.append(~still, False)
