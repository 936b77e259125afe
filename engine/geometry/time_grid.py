"""Times of frames: even grids, and the frames that stand for given times."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from usd_io.shapes import Float, Int

_EPSILON = 1e-6
"""Part of a step by which rounding may put a time beside its place."""
_WRITTEN = 1e-3
"""Part of a step by which times that were written with a few decimals lie beside an even grid."""


@dataclass(frozen=True)
class TimeGrid:
    """Even times in both directions."""

    origin: float
    """One of them."""
    step: float

    def between(self, start: float, end: float) -> Float[np.ndarray, " time"]:
        """Its times strictly between two others."""
        first, last = np.floor((start - self.origin) / self.step), np.ceil((end - self.origin) / self.step)
        times = self.origin + np.arange(first, last + 1) * self.step
        margin = _EPSILON * self.step
        return np.asarray(times[(times > start + margin) & (times < end - margin)])

    def has(self, times: Float[np.ndarray, " time"]) -> bool:
        """Whether all of the times are its own, but for the decimals that they were written with."""
        places = (times - self.origin) / self.step
        return bool((np.abs(places - np.round(places)) <= _WRITTEN).all())


def grid_of(runs: Sequence[Float[np.ndarray, " time"]]) -> TimeGrid | None:
    """The coarsest even times that have all of those of some rising runs; None where nearly even ones do not.

    Args:
        runs: Of two times or more each, at least one.
    """
    longest = max(runs, key=len)
    step = float(np.diff(longest).min())
    # over the whole run: what was rounded in one step is small in many
    step = float(longest[-1] - longest[0]) / round(float(longest[-1] - longest[0]) / step)
    grid = TimeGrid(float(longest[0]), step)
    return grid if all(grid.has(run) for run in runs) else None


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
