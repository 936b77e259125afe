"""What changes in time besides the skeleton, read at each of its samples."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from usd_io.model import Changing

MOST_VALUES = 60_000_000
"""Numbers over all samples of what changes."""


def read_track(
    times: Sequence[float], read: Callable[[float], Any], path: str, warn: Callable[[str], None], like: Any
) -> Changing | None:
    """Read something at each of its samples.

    Args:
        times: Of the samples, increasing [time codes].
        read: Gives an array, a text or None at one of them; an empty array stands for None, too.
        path: Whose it is.
        warn: Called where it cannot be shown at each time.
        like: What it is at first: of arrays, the shape.

    Returns:
        None where it never changes, or not as pictures could show it.
    """
    if len(times) < 2:
        return None
    values = [read(time) for time in times] if np.size(like) * len(times) <= MOST_VALUES else []
    values = [None if isinstance(value, np.ndarray) and not value.size else value for value in values]
    arrays = [value for value in values if isinstance(value, np.ndarray)]
    fit = all(
        array.shape == np.shape(like) and (array.dtype.kind != "f" or np.isfinite(array).all())
        for array in arrays
    )
    if not values or not fit:
        warn(f"<{path}> changes in time, and not to as many finite values at each; its first sample is used.")
        return None
    return Changing(np.array(times, float), values)
