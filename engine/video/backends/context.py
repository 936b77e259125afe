"""The context as training sees it: all views, one stretch of evenly spaced frames."""

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor

from engine.errors import DataError
from engine.files.video import Video
from usd_io.shapes import Float

UNEVEN = 0.01
"""Part of the usual step by which another step may differ and still be one frame."""
BASE_RATE = 30.0
"""Frame rate of the paper's context [frames/s]."""


def longest_stretch(views: Mapping[str, Video]) -> tuple[Float[Tensor, "view frame 3 height width"], float]:
    """The longest run of frames without a hole, from every view, and its frame rate [frames/s].

    Raises:
        DataError: There is no view, or views have different times, or fewer than two frames.
    """
    videos = list(views.values())
    if not videos or any(v.times != videos[0].times for v in videos):
        raise DataError("adaptation needs one view or more, all drawn at the same times.")
    times = torch.tensor(videos[0].times, dtype=torch.float64)
    if len(times) < 2:
        raise DataError("the context has fewer than two frames; give a longer one.", settings=("context",))
    steps = times.diff()
    usual = float(steps.median())
    starts = [0, *(i + 1 for i, step in enumerate(steps) if abs(step - usual) > UNEVEN * usual), len(times)]
    first, end = max(pairwise(starts), key=lambda run: run[1] - run[0])
    return torch.stack([v.frames[first:end] for v in videos]), 1 / usual


def strides_for(frame_rate: float) -> tuple[int, ...]:
    """Strides that give about the paper's 30, 15 and 10 frames/s."""
    one = max(1, round(frame_rate / BASE_RATE))
    return one, 2 * one, 3 * one
