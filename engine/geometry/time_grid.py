"""Times of frames: even grids, and the frames that stand for given times."""

import numpy as np

from usd_io.shapes import Float, Int

_EPSILON = 1e-6
"""Part of a step by which rounding may put a time beside its place."""


def frame_times(first: float, last: float, step: float) -> Float[np.ndarray, " frame"]:
    """Even times from the first on, as far as they go without passing the last."""
    return first + step * np.arange(int((last - first) / step + _EPSILON) + 1, dtype=float)


def nearest_frames(
    times: Float[np.ndarray, " frame"], wanted: Float[np.ndarray, " wanted"]
) -> Int[np.ndarray, " wanted"]:
    """The frames whose times are nearest to those wanted, the earlier of two as near.

    Args:
        times: Rising; at least one.
        wanted: In any order.
    """
    times, wanted = np.asarray(times, float), np.asarray(wanted, float)
    # the frames on either side of each time; beyond an end both are the frame there
    after = np.clip(np.searchsorted(times, wanted), 0, len(times) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(np.abs(wanted - times[before]) <= np.abs(times[after] - wanted), before, after)


def frames_at(
    times: Float[np.ndarray, " frame"], wanted: Float[np.ndarray, " wanted"], tolerance: float
) -> tuple[Int[np.ndarray, " wanted"], Float[np.ndarray, " missing"]]:
    """The frames of given times, and those of the times that no frame has within a tolerance."""
    wanted = np.asarray(wanted, float)
    frames = nearest_frames(times, wanted)
    return frames, wanted[np.abs(times[frames] - wanted) > tolerance]
