"""Is a video one that can be fitted: its times, sizes and numbers."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from engine.errors import DataError
from engine.files.video import Video
from engine.mimic.pictures.pyramid import resample
from engine.planning.plan import Plan
from engine.rendering.camera import Cameras
from usd_io.errors import counted, timecode
from usd_io.shapes import Float, Int

ASPECT_TOLERANCE = 0.02
"""Part by which a video's aspect ratio may differ from the camera's."""
SPARSE_S = 0.3
"""A gap longer than this [s] has to have a frame in it."""


def frames_to_fit(
    video: Video, plans: Sequence[Plan | None], cameras: Cameras, time_codes_per_second: float
) -> tuple[Float[np.ndarray, " frame"], Float[Tensor, "frame 3 height width"], Int[np.ndarray, " selected"]]:
    """The frames that lie in a gap of some character: time codes, pictures of the camera's size, and which they are.

    Raises:
        DataError: The video cannot be fitted.
    """
    times = np.asarray(video.times, float)
    frames = video.frames
    if len(times) == 0:
        raise DataError("the video holds no frame; give one that shows the motion between the keys.")
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise DataError("the times of the video's frames do not increase; check its frame rate.")
    if not torch.isfinite(frames).all():
        raise DataError("the video holds values that are not finite; it is damaged.")
    height, width = frames.shape[2:]
    if abs(width / height / (cameras.width / cameras.height) - 1) > ASPECT_TOLERANCE:
        raise DataError(
            f"the video is {width} x {height} pixels and the camera's picture {cameras.width} x {cameras.height}; "
            "they must agree in aspect ratio: crop the video, or give the camera that it was made with."
        )
    if len(cameras) not in (1, len(times)):
        raise DataError(
            f"the camera has {counted(len(cameras), 'place')} and the video "
            f"{counted(len(times), 'frame')}; give one each."
        )
    codes = times * time_codes_per_second
    inside = np.zeros(len(codes), bool)
    for gap in (gap for plan in plans if plan is not None for gap in plan.gaps):
        within = (codes > gap.start) & (codes < gap.end)
        seconds = (gap.end - gap.start) / time_codes_per_second
        if not within.any() and seconds > SPARSE_S:
            raise DataError(
                f"the video shows nothing of the gap {timecode(gap.start)}..{timecode(gap.end)} ({seconds:.2g} s): "
                f"its frames run from {timecode(codes[0])} to {timecode(codes[-1])} in time codes; check its first "
                "frame and its frame rate."
            )
        inside |= within
    which = np.flatnonzero(inside)
    return codes[inside], resample(frames[which], cameras.height, cameras.width), which
