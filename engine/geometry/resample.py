"""A motion at other times."""

from dataclasses import replace

import numpy as np

from engine.geometry import rotations
from usd_io.model import Motion
from usd_io.shapes import Float


def resample(motion: Motion, times: Float[np.ndarray, " frame"]) -> Motion:
    """A motion at other times as USD evaluates it: linear, rotations by slerp, held beyond its ends."""
    inside = np.clip(times, motion.times[0], motion.times[-1])
    after = np.clip(np.searchsorted(motion.times, inside), 1, len(motion.times) - 1)
    before = after - 1
    share = (inside - motion.times[before]) / (motion.times[after] - motion.times[before])

    def mix(values: Float[np.ndarray, "frame *any"]) -> Float[np.ndarray, "selected *any"]:
        weight = share.reshape(-1, *(1,) * (values.ndim - 1)).astype(values.dtype)
        result = values[before] + weight * (values[after] - values[before])
        return result

    turned = np.broadcast_to(share[:, None], (len(times), motion.rotations.shape[1]))
    return replace(
        motion,
        times=times,
        translations=mix(motion.translations),
        rotations=rotations.slerp(motion.rotations[before], motion.rotations[after], turned),
        scales=mix(motion.scales),
        T_world_skel=mix(motion.T_world_skel),
        blend_weights=None if motion.blend_weights is None else mix(motion.blend_weights),
    )
