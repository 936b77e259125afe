"""Which frames a preview or a report shows."""

from collections.abc import Sequence

import numpy as np

from engine.geometry.time_grid import frame_times
from engine.planning.plan import Plan
from usd_io.model import Motion
from usd_io.shapes import Float

LEAD_S = 0.5
"""Context shown before the first and after the last gap [s]."""
MOST_FRAMES = 90
"""Longer shots are shown at a lower frame rate."""


def preview_times(
    plans: Sequence[Plan], motion: Motion, most: int = MOST_FRAMES
) -> Float[np.ndarray, " frame"]:
    """Evenly spaced times around all gaps [time codes], at most ``most`` of them; the first gap begins at one of them,
    so that keys at even distances are shown as they are."""
    lead = LEAD_S * motion.time_codes_per_second
    start = min(plan.gaps[0].start for plan in plans)
    last = max(plan.gaps[-1].end for plan in plans) + lead
    first, last = max(start - lead, float(motion.times[0])), min(last, float(motion.times[-1]))
    stride = max(1, int(np.ceil((last - first) / motion.frame_step / (most - 1) - 1e-9)))
    step = stride * motion.frame_step
    return frame_times(start - np.floor((start - first) / step + 1e-9) * step, last, step)
