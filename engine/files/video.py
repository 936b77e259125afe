"""Videos in memory, and as files of a run: pictures as bytes, so that what is fitted is what a player shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.errors import DataError
from engine.files.arrays import load_arrays, save_arrays
from usd_io.shapes import Float, UInt8


@dataclass(frozen=True)
class Video:
    """Frames of one view at increasing times."""

    times: tuple[float, ...]
    """Seconds."""
    frames: Float[Tensor, "frame 3 height width"]
    """Display-referred RGB in [0, 1]."""

    def __post_init__(self) -> None:
        if len(self.times) != len(self.frames):
            raise DataError(f"{len(self.frames)} frames came with {len(self.times)} times.")


def pictures_of(video: Video) -> UInt8[np.ndarray, "frame height width 3"]:
    """The frames as bytes."""
    rounded = (video.frames.clamp(0, 1) * 255 + 0.5).to(torch.uint8)
    return np.ascontiguousarray(rounded.permute(0, 2, 3, 1).cpu().numpy())


def save_videos(path: Path, videos: Mapping[str, Video]) -> None:
    """Write videos by name."""
    arrays = {name: pictures_of(video) for name, video in videos.items()}
    save_arrays(path, arrays, {name: video.times for name, video in videos.items()})


def load_videos(path: Path) -> dict[str, Video]:
    """Read what :func:`save_videos` wrote.

    Raises:
        OSError, ValueError, KeyError: The file is no such thing.
    """
    arrays, times = load_arrays(path)
    return {name: Video(tuple(map(float, times[name])), frames_of(arrays[name])) for name in times}


def frames_of(pictures: UInt8[np.ndarray, "frame height width 3"]) -> Float[Tensor, "frame 3 height width"]:
    """Bytes as display-referred RGB in [0, 1]."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
