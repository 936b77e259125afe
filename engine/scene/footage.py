"""The videos of a scene, one per take, with what they show behind the characters."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from engine.config import RunConfig
from engine.errors import ConfigError
from engine.files.video import Video
from engine.files.video_file import read_video
from engine.rendering.threads import limited_threads
from engine.rendering.views import IMAGES_AT_ONCE, View
from engine.scene.background import seen_backdrop
from engine.scene.scene import Scene, make_scene
from engine.scene.subject import Subject
from usd_io.errors import shown

FIT_RATE = 15.0
"""Frames per second that are fitted, as in the paper; a quicker video is thinned out."""


@dataclass(frozen=True, eq=False)
class Footage:
    """Times of videos are time codes over time codes per second."""

    scene: Scene
    videos: tuple[Video, ...]

    @cached_property
    def in_front(self) -> Scene:
        """The scene in front of what the videos show behind the characters, if their camera stands still: nobody knows
        what a given one has there, and generated ones deviate from what they were shown. Drawn at its first use."""
        scene = self.scene
        if len(scene.cameras) > 1:
            return scene
        view, *others = scene.views
        frames = torch.cat([video.frames for video in self.videos])
        times = np.concatenate([np.array(video.times) * scene.time_codes_per_second for video in self.videos])
        with limited_threads():
            masks = [
                scene.renderer.render(
                    scene.actors(times[i : i + IMAGES_AT_ONCE]).vertices(slice(None)), view.cameras
                ).mask
                for i in range(0, len(times), IMAGES_AT_ONCE)
            ]
        backdrop = seen_backdrop(frames, torch.cat(masks) > 0, view.backdrop)
        return replace(scene, views=(replace(view, backdrop=backdrop), *others))

    @property
    def known_view(self) -> View:
        """The video's view at the known times."""
        return self.scene.known_view or self.in_front.views[0]


def span(subjects: Sequence[Subject]) -> tuple[float, float]:
    """From the first gap's start to the last one's end [time codes]."""
    gaps = [gap for subject in subjects for gap in subject.plan.gaps]
    return min(gap.start for gap in gaps), max(gap.end for gap in gaps)


def given_footage(
    config: RunConfig, stage: Any, subjects: Sequence[Subject], *, second: bool = False
) -> Footage:
    """The video that the user has, or the second one, its frames put on the stage's times.

    Raises:
        ConfigError: It does not reach over the gaps.
        DataError: It cannot be read, or nothing can be seen.
    """
    rate = subjects[0].start.motion.time_codes_per_second
    name, camera = (config.second_video, config.second_camera) if second else (config.video, config.camera)
    video = read_video(name, config.video_fps or None)
    first, last = (time / rate for time in span(subjects))
    times = tuple(first + config.video_offset + time for time in video.times)
    _check_reach(name, times, first, last, rate)
    kept = thinned(times, FIT_RATE)
    video = Video(tuple(times[i] for i in kept), video.frames[kept])
    height, width = video.frames.shape[2:]
    codes = [time * rate for time in video.times]
    scene = make_scene(stage, subjects, height=height, width=width, camera=camera, times=codes)
    return Footage(scene, (video,))


def _check_reach(name: str, times: Sequence[float], first: float, last: float, rate: float) -> None:
    """Every gap has to be shown whole, but for a frame at its ends."""
    spare = 1.5 * (times[-1] - times[0]) / max(len(times) - 1, 1)
    if times[0] > first + spare or times[-1] < last - spare:
        raise ConfigError(
            f"the video {shown(name)} shows {times[0] * rate:g} to {times[-1] * rate:g}, but motion is wanted from "
            f"{first * rate:g} to {last * rate:g}; name its frame rate or its beginning.",
            settings=("video_fps", "video_offset"),
        )


def thinned(times: Sequence[float], rate: float) -> list[int]:
    """Indices of evenly chosen frames, as many as a rate asks for [frames/s] or a few more."""
    if len(times) < 2:
        return list(range(len(times)))
    stride = max(1, int((len(times) - 1) / (times[-1] - times[0]) / rate + 1e-6))
    return list(range(0, len(times), stride))
