"""A video from disk: a folder of pictures or a film, read with bounds, so that no file can take all memory or time.

Only the demuxers of the named containers are used: a playlist under the name of a film could name any other file.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.error import FFmpegError
from PIL import Image

from engine.errors import ConfigError, DataError
from engine.files.images import Picture
from usd_io.errors import counted, shown

if TYPE_CHECKING:  # what looks at a video before a run goes without torch
    from engine.files.video import Video

DEFAULT_FPS = 15.0
"""Of a folder of pictures [frames/s]: the rate of the videos that this package makes."""
PICTURES = {".png", ".jpg", ".jpeg"}
CONTAINERS = {".mp4": "mov", ".mov": "mov", ".m4v": "mov", ".mkv": "matroska", ".webm": "matroska"}
"""Demuxer of each file name's end."""
LARGEST_SIDE = 4096
SMALLEST_SIDE = 16
MOST_FRAMES = 3000
MOST_PIXELS = 200_000_000
"""Of all frames together; as floats they take 12 bytes each."""
HIGHEST_FPS = 1000.0
_ASPECT = 0.01
"""Part by which the aspect ratios of two videos of one motion may differ."""


def read_video(path: str | Path, fps: float | None = None) -> "Video":
    """Read a video.

    Args:
        path: A folder of PNG or JPEG pictures, taken in the natural order of their names, or an mp4, mov, mkv or webm
            file. Transparent pictures are laid over white, the background of rendered ones.
        fps: Frame rate [frames/s]; None: the time stamps of the film's frames, 15 for a folder.

    Returns:
        Frames from time 0 on, where a player begins, turned as a player turns them; display-referred RGB in [0, 1].

    Raises:
        ConfigError: There is nothing of that name, or the frame rate is no rate.
        DataError: It is no video, is damaged, changes its size, or is too small, large or long.
    """
    from engine.files.video import Video, frames_of

    path = Path(path)
    if fps is not None:
        _check_rate(fps)
    with _reading(path):
        if path.is_dir():
            pictures = list(_checked(_read_folder(path), path))
            times = _even_times(len(pictures), fps or DEFAULT_FPS)
        else:
            times, pictures = _read_film(path, fps)
    return Video(times, frames_of(np.stack(pictures)))


@dataclass(frozen=True)
class VideoOutline:
    """What is known of a video whose first frame alone was decoded."""

    height: int
    width: int
    times: tuple[float, ...]
    """Of the frames, from 0 on [s]; empty where only decoding tells."""


def outline_video(path: str | Path, fps: float | None = None) -> VideoOutline:
    """Read the first frame of a video, and when the others are shown: what cannot be used is refused before any work.

    Raises:
        ConfigError, DataError: As :func:`read_video`, as far as the first frame tells.
    """
    path = Path(path)
    if fps is not None:
        _check_rate(fps)
    with _reading(path):
        if path.is_dir():
            first = next(_checked(_read_folder(path), path))
            times = _even_times(len(_pictures_of(path)), fps or DEFAULT_FPS)
        else:
            with _opened(path) as (container, stream):
                first = next(_checked(_decoded(container.decode(stream), []), path))
            with _opened(path) as (container, stream):
                times = _promised_times(container, stream, fps)
    return VideoOutline(first.shape[0], first.shape[1], times)


def _promised_times(
    container: av.container.InputContainer, stream: av.VideoStream, fps: float | None
) -> tuple[float, ...]:
    """Times of the frames of a film [s] by its packets; nothing where they do not say it."""
    packets = [packet for packet in container.demux(stream) if packet.size and not packet.is_discard]
    if fps:
        return _even_times(len(packets), fps)
    stamps = sorted(
        {float(p.pts * p.time_base) for p in packets if p.pts is not None and p.time_base is not None}
    )
    if len(stamps) < len(packets):
        return ()
    started = stamps[0] if container.start_time is None else container.start_time / av.time_base
    first = min(started, stamps[0])
    return tuple(stamp - first for stamp in stamps)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What is not there, and what the system refuses, is one sentence."""
    try:
        if not (path.is_dir() or path.is_file()):
            raise ConfigError(f"{shown(path)} is no folder and no file; name a video.", settings=("video",))
        yield
    except OSError as error:
        raise DataError(
            f"{shown(path)} cannot be read as a video: {shown(error.strerror or error)}; name one that can.",
            settings=("video",),
        ) from error


def _even_times(count: int, rate: float) -> tuple[float, ...]:
    return tuple(i / rate for i in range(count))


def natural(name: str) -> list[tuple[bool, int, str]]:
    """Key that sorts ``frame9`` before ``frame10``."""
    parts = re.split(r"([0-9]+)", name)
    return [
        (part.isascii() and part.isdigit(), int(part) if i % 2 else 0, part) for i, part in enumerate(parts)
    ]


def _check_rate(fps: float) -> None:
    if not 0 < fps <= HIGHEST_FPS:
        raise ConfigError(
            f"{fps:g} is no frame rate of a video; choose one up to {HIGHEST_FPS:g}.", settings=("video_fps",)
        )


def _check_size(height: int, width: int, where: Path) -> None:
    if not (SMALLEST_SIDE <= min(height, width) and max(height, width) <= LARGEST_SIDE):
        raise DataError(
            f"{shown(where)}: frames of {width} x {height} pixels; sides of {SMALLEST_SIDE} to {LARGEST_SIDE} are read."
        )


def _checked(pictures: Iterable[Picture], path: Path) -> Iterator[Picture]:
    """Pass pictures on while they are of one size and not too many."""
    count, size = 0, (0, 0)
    for picture in pictures:
        if not count:
            size = picture.shape[0], picture.shape[1]
            _check_size(*size, path)
        elif picture.shape[:2] != size:
            raise DataError(
                f"{shown(path)}: frame {count} has {picture.shape[1]} x {picture.shape[0]} pixels, those before "
                f"{size[1]} x {size[0]}; make all of one size."
            )
        count += 1
        if count > MOST_FRAMES or count * size[0] * size[1] > MOST_PIXELS:
            raise DataError(
                f"{shown(path)} is longer than {counted(count - 1, 'frame')} of {size[1]} x {size[0]} "
                "pixels, all that is read; "
                "cut it to the gaps between the keys or make it smaller."
            )
        yield picture
    if not count:
        raise DataError(f"{shown(path)} holds no frame; name a video with some.", settings=("video",))


def _pictures_of(folder: Path) -> list[Path]:
    return [p for p in folder.iterdir() if p.suffix.lower() in PICTURES and not p.name.startswith(".")]


def _read_folder(folder: Path) -> Iterator[Picture]:
    files = _pictures_of(folder)
    if not files:
        raise DataError(
            f"{shown(folder)} holds no PNG or JPEG pictures; name a folder of pictures, or a video file.",
            settings=("video",),
        )
    for file in sorted(files, key=lambda p: natural(p.name)):
        if not file.is_file():
            raise DataError(f"{shown(file)} is no picture; take it out of the folder.", settings=("video",))
        try:
            with Image.open(file, formats=("PNG", "JPEG")) as image:
                _check_size(image.height, image.width, file)
                yield _over_white(image)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise DataError(
                f"{shown(file)} cannot be read as a picture: {shown(error)}; write it again, or take it out.",
                settings=("video",),
            ) from error


def _over_white(image: Image.Image) -> Picture:
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return np.asarray(image.convert("RGB"))


@contextmanager
def _opened(path: Path) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    """A film and the track of it that is read; what goes wrong while it is read is one sentence."""
    kind = CONTAINERS.get(path.suffix.lower())
    if kind is None:
        raise DataError(
            f"{shown(path)} is not a video that can be read; give a folder of pictures or {', '.join(CONTAINERS)}.",
            settings=("video",),
        )
    try:
        with av.open(str(path), format=kind, timeout=10.0) as container:
            if not container.streams.video:
                raise DataError(
                    f"{shown(path)} holds no video stream; give a file with pictures.", settings=("video",)
                )
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise DataError(
                    f"{shown(path)} is coded in a way that cannot be read; make it H.264.",
                    settings=("video",),
                )
            stream.codec_context.options = {"max_pixels": str(LARGEST_SIDE**2)}
            stream.codec_context.thread_count = 1
            yield container, stream
    except (FFmpegError, ValueError) as error:
        raise DataError(
            f"{shown(path)} cannot be read as a video: {shown(error)}; write it again as H.264, or as a folder of "
            "pictures.",
            settings=("video",),
        ) from error


def _read_film(path: Path, fps: float | None) -> tuple[tuple[float, ...], list[Picture]]:
    stamps: list[float | None] = []
    with _opened(path) as (container, stream):
        unseen: list[Any] = []
        pictures = list(_checked(_decoded(_shown(container, stream, unseen), stamps), path))
        # both count what a cut-off file lacks; the second is without what lies behind the end of an edit list
        promised = min(stream.frames, len(getattr(stream, "index_entries", range(stream.frames)))) - len(
            unseen
        )
        started = None if container.start_time is None else container.start_time / av.time_base
        even = float(stream.average_rate or 0)
    if len(pictures) < promised:
        raise DataError(f"{shown(path)} ends after {len(pictures)} of {promised} frames; copy it again.")
    return _film_times(path, stamps, started, fps, even), pictures


def _shown(
    container: av.container.InputContainer, stream: av.VideoStream, unseen: list[Any]
) -> Iterator[av.VideoFrame]:
    """Frames that a player shows; packets of those that an edit list leaves out are added to ``unseen``."""
    for packet in container.demux(stream):
        if packet.size and packet.is_discard:
            unseen.append(packet)
        yield from packet.decode()


def _decoded(frames: Iterable[av.VideoFrame], stamps: list[float | None]) -> Iterator[Picture]:
    """Frames as a player shows them; the time stamp of each [s] is added to ``stamps``."""
    for frame in frames:
        stamps.append(frame.time)
        yield np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90)))


def _film_times(
    path: Path, stamps: list[float | None], started: float | None, fps: float | None, even: float
) -> tuple[float, ...]:
    """Time of each frame [s]: even where a rate is named or frames have no stamps."""
    rate = fps or (even if None in stamps else 0.0)
    if None in stamps and not 0 < rate <= HIGHEST_FPS:
        raise DataError(f"{shown(path)} does not state its frame rate; give one.", settings=("video_fps",))
    if rate:
        return _even_times(len(stamps), rate)
    known = [stamp for stamp in stamps if stamp is not None]
    first = known[0] if started is None else min(started, known[0])
    if any(b <= a for a, b in pairwise(known)):
        raise DataError(
            f"the time stamps of {shown(path)} do not increase; name its frame rate.", settings=("video_fps",)
        )
    return tuple(stamp - first for stamp in known)


def check_aspects(first: tuple[int, int], second: tuple[int, int]) -> None:
    """Refuse two videos, given by height and width, that cannot be put over one another.

    Raises:
        DataError: They differ in aspect ratio.
    """
    (height, width), (other_height, other_width) = first, second
    if abs(other_width * height / (other_height * width) - 1) > _ASPECT:
        raise DataError(
            f"the first video's picture is {width} x {height} pixels and the second's {other_width} x {other_height}; "
            "both must have one aspect ratio: crop one of them.",
            settings=("second_video",),
        )
