"""Training cases of the tiny model: windows of pictures with some frames known, as :mod:`engine.video.windows` asks."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.training.learned_prior.data import FRAME_RATE
from engine.training.tiny_video.data import Pictures
from engine.video.windows import FPS_RANGE, WINDOW_FRAMES
from usd_io.shapes import Bool, Float

LAST = WINDOW_FRAMES - 1
STRIDES = {"coarse": (3, 4, 5, 6), "fine": (1, 2, 2, 3), "ends": (1, 2, 3), "any": (1, 2, 3, 4, 5, 6)}
"""Frames from one frame of a window to the next at 30 frames/s: 5 to 10 frames/s coarse, 10 to 30 fine."""
SHARES = {"coarse": 0.45, "fine": 0.3, "ends": 0.15, "any": 0.1}
"""Kinds of windows: a gap with history, one between guides, one as ICAdapt trains it, anything."""
WORST_GUIDE = 0.6
"""Guides are truth and a cross-fade mixed, up to this share of the latter: a model made them, not a camera."""


@dataclass(frozen=True)
class ClipBatch:
    """Windows with what is known of them."""

    frames: Float[Tensor, "batch 16 3 height width"]
    """The truth, in [0, 1]."""
    known: Bool[Tensor, "batch 16"]
    soft: Float[Tensor, "batch 16"]
    """How much of each known frame is a cross-fade of the end frames."""
    fps: Float[Tensor, " batch"]
    """Frames/s."""


def draw_batch(pictures: Pictures, count: int, crop: int, rng: np.random.Generator) -> ClipBatch:
    """Some windows of random clips, cut to ``crop`` pixels squared (a multiple of 16), mirrored, turned in time."""
    rows = [_draw_window(pictures, crop, rng) for _ in range(count)]
    frames, known, soft, fps = zip(*rows, strict=True)
    return ClipBatch(
        torch.from_numpy(np.stack(frames)).permute(0, 1, 4, 2, 3).float() / 255,
        torch.from_numpy(np.stack(known)),
        torch.from_numpy(np.stack(soft)).float(),
        torch.tensor(fps),
    )


Row = tuple[np.ndarray, np.ndarray, np.ndarray, float]


def _draw_window(pictures: Pictures, crop: int, rng: np.random.Generator) -> Row:
    while True:
        clip = int(rng.integers(len(pictures.starts) - 1))
        first, end = pictures.starts[clip], pictures.starts[clip + 1]
        kind = str(rng.choice(list(SHARES), p=list(SHARES.values())))
        stride = int(rng.choice(STRIDES[kind]))
        room = end - first - LAST * stride
        if room < 1:
            continue
        start = first + int(rng.integers(room))
        frames = _cut(pictures.frames[start : start + LAST * stride + 1 : stride], crop, rng)
        if frames.std(0).max() > 8:  # something moves within the cut
            break
    if rng.random() < 0.5:
        frames = frames[::-1]
    if rng.random() < 0.5:
        frames = frames[:, :, ::-1]
    known = _known(kind, rng)
    soft = np.zeros(WINDOW_FRAMES)
    if kind == "fine" and rng.random() < 0.7:
        soft[1:LAST] = rng.uniform(0, WORST_GUIDE)
    low, high = FPS_RANGE
    return np.ascontiguousarray(frames), known, soft, float(min(max(round(FRAME_RATE / stride), low), high))


def _cut(frames: np.ndarray, crop: int, rng: np.random.Generator) -> np.ndarray:
    most = frames.shape[1] - crop
    y, x = (int(rng.integers(most + 1)) for _ in range(2))
    return frames[:, y : y + crop, x : x + crop]


def _known(kind: str, rng: np.random.Generator) -> Bool[np.ndarray, "16"]:
    known = np.zeros(WINDOW_FRAMES, bool)
    known[[0, LAST]] = True
    if kind == "coarse":  # a history and a gap of five intervals or more; turned in time half of the time
        gap = 5 if rng.random() < 0.6 else int(rng.integers(5, 14))
        known[: LAST - gap + 1] = True
    elif kind == "fine":
        known[::3] = True
    elif kind == "any":
        known |= rng.random(WINDOW_FRAMES) < rng.uniform(0, 0.6)
    return known
