"""Which frames a preview or a report shows."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from engine.planning.plan import Plan
from engine.planning.time_grid import frame_times
from usd_io.model import Motion

LEAD_S = 0.5
"""Context shown before the first and after the last gap [s]."""
MOST_FRAMES = 90
"""Longer shots are shown at a lower frame rate."""


def preview_times(
    plans: Sequence[Plan], motion: Motion, most: int = MOST_FRAMES
) -> Float[np.ndarray, " frame"]:
    """Evenly spaced times around all gaps [time codes], at most ``most`` of them."""
    lead = LEAD_S * motion.time_codes_per_second
    first = min(plan.gaps[0].start for plan in plans) - lead
    last = max(plan.gaps[-1].end for plan in plans) + lead
    first, last = max(first, float(motion.times[0])), min(last, float(motion.times[-1]))
    stride = max(1, int(np.ceil((last - first) / motion.frame_step / (most - 1) - 1e-9)))
    step = stride * motion.frame_step
    return frame_times(first, last, step)
