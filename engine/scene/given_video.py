"""A video that somebody has made: whether it can be fitted, as far as first frame, times and camera tell."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from engine.config import RunConfig
from engine.errors import ConfigError, EngineError
from engine.planning.plan import Plan
from engine.scene.stage_camera import read_cameras
from engine.settings.choices import view_azimuth
from usd_io.errors import UsdIoError, shown, timecode

FIT_RATE = 15.0
"""Frames per second that are fitted, as in the paper; a quicker video is thinned out."""
_SECOND = {"video": "second_video", "camera": "second_camera"}
GENERATED = 512
"""Pixels of a picture each way, where a camera is looked at before the size is known."""


def check_given_videos(
    config: RunConfig, stage: Any, plans: Sequence[Plan], time_codes_per_second: float
) -> None:
    """Refuse what a run would refuse, before its folder is made; nothing is drawn.

    Args:
        config: Names one video, or two.
        stage: The source, open.
        plans: Of all its skeletons that are filled.
        time_codes_per_second: Of the stage.

    Raises:
        ConfigError: There is no such video or camera, or it does not reach over the gaps.
        DataError: It cannot be read, or both differ in aspect.
        UsdIoError: The camera cannot be read.
    """
    from engine.files.video_file import check_aspects, outline_video

    sizes = []
    for second in (False, True) if config.second_video else (False,):
        with blamed_on(second=second):
            name, camera = video_and_camera(config, second=second)
            outline = outline_video(name, config.video_fps or None)
            sizes.append((outline.height, outline.width))
            times = on_the_stage(config, name, outline.times, plans, time_codes_per_second)
            if outline.times and view_azimuth(camera or "front") is None:
                codes = np.array(times) * time_codes_per_second
                kept = codes[thinned(times, FIT_RATE)]
                read_cameras(stage, camera, kept, height=outline.height, width=outline.width)
    if len(sizes) > 1:
        check_aspects(*sizes)


def check_camera_of_generated(config: RunConfig, stage: Any, plans: Sequence[Plan]) -> None:
    """Refuse a camera prim that a video cannot be generated in front of; errors as of :func:`check_given_videos`."""
    camera = config.camera
    if view_azimuth(camera or "front") is not None:
        return
    if camera.endswith(".json"):
        check_camera_file(camera)
        return
    cameras = read_cameras(stage, camera, np.array(span(plans)), height=GENERATED, width=GENERATED)
    check_still(camera, len(cameras))


def check_camera_file(camera: str) -> None:
    """Refuse a file that is not there: of what aspect the pictures will be is not known yet.

    Raises:
        ConfigError: It is not.
    """
    if not Path(camera).is_file():
        raise ConfigError(f"the camera file {shown(camera)} is not there.", settings=("camera",))


def check_still(camera: str, count: int) -> None:
    """Refuse a camera that has several places.

    Raises:
        ConfigError: It has.
    """
    if count > 1:
        raise ConfigError(
            f"the camera {shown(camera)} moves; videos are generated in front of still cameras only.",
            settings=("camera",),
        )


@contextmanager
def blamed_on(*, second: bool) -> Iterator[None]:
    """Errors over a video or a camera name the settings of the second one, where it is that."""
    try:
        yield
    except (EngineError, UsdIoError) as error:
        if second:
            error.settings = tuple(_SECOND.get(name, name) for name in error.settings)
        raise


def video_and_camera(config: RunConfig, *, second: bool) -> tuple[str, str]:
    """Names of the first video and its camera, or of the second."""
    return (config.second_video, config.second_camera) if second else (config.video, config.camera)


def span(plans: Sequence[Plan]) -> tuple[float, float]:
    """From the first gap's start to the last one's end [time codes]."""
    gaps = [gap for plan in plans for gap in plan.gaps]
    return min(gap.start for gap in gaps), max(gap.end for gap in gaps)


def on_the_stage(
    config: RunConfig, name: str, times: Sequence[float], plans: Sequence[Plan], time_codes_per_second: float
) -> tuple[float, ...]:
    """Times of a video put on those of the stage, both in seconds.

    Raises:
        ConfigError: The video does not show every gap whole, but for a frame at its ends.
    """
    first, last = (time / time_codes_per_second for time in span(plans))
    placed = tuple(first + config.video_offset + time for time in times)
    if not placed:
        return ()
    spare = 1.5 * (placed[-1] - placed[0]) / max(len(placed) - 1, 1)
    if placed[0] > first + spare or placed[-1] < last - spare:
        shows, wanted = (
            f"{timecode(start * time_codes_per_second)} to {timecode(end * time_codes_per_second)}"
            for start, end in ((placed[0], placed[-1]), (first, last))
        )
        raise ConfigError(
            f"the video {shown(name)} shows {shows}, but motion is wanted from {wanted}; name its frame rate or its "
            "beginning.",
            settings=("video_fps", "video_offset"),
        )
    return placed


def thinned(times: Sequence[float], rate: float) -> list[int]:
    """Indices of evenly chosen frames, as many as a rate asks for [frames/s] or a few more."""
    if len(times) < 2:
        return list(range(len(times)))
    stride = max(1, int((len(times) - 1) / (times[-1] - times[0]) / rate + 1e-6))
    return list(range(0, len(times), stride))
