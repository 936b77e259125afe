"""Times of frames: even grids, and the frames that stand for given times."""

import numpy as np
from jaxtyping import Float, Int

_EPSILON = 1e-6
"""Part of a step by which rounding may put a time beside its place."""


def frame_times(first: float, last: float, step: float) -> Float[np.ndarray, " frame"]:
    """Even times from the first on, as far as they go without passing the last."""
    return first + step * np.arange(int((last - first) / step + _EPSILON) + 1, dtype=float)


def nearest_frames(
    times: Float[np.ndarray, " frame"], wanted: Float[np.ndarray, " wanted"]
) -> Int[np.ndarray, " wanted"]:
    """The frames whose times are nearest to those wanted, the earlier of two as near; there is at least one frame."""
    return np.abs(np.asarray(times)[:, None] - np.asarray(wanted, float)).argmin(0)


def frames_at(
    times: Float[np.ndarray, " frame"], wanted: Float[np.ndarray, " wanted"], tolerance: float
) -> tuple[Int[np.ndarray, " wanted"], Float[np.ndarray, " missing"]]:
    """The frames of given times, and those of the times that no frame has within a tolerance."""
    wanted = np.asarray(wanted, float)
    frames = nearest_frames(times, wanted)
    return frames, wanted[np.abs(times[frames] - wanted) > tolerance]
