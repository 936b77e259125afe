"""The videos of a scene, one per take, with what they show behind the characters."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from engine.config import RunConfig
from engine.files.video import Video
from engine.files.video_file import read_video
from engine.progress import Progress
from engine.rendering.threads import limited_threads
from engine.rendering.views import IMAGES_AT_ONCE, View
from engine.scene.background import seen_backdrop
from engine.scene.film_look import as_filmed
from engine.scene.given_video import FIT_RATE, blamed_on, on_the_stage, thinned, video_and_camera
from engine.scene.scene import Scene, make_scene
from engine.scene.subject import Subject


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


def given_footage(
    config: RunConfig,
    stage: Any,
    subjects: Sequence[Subject],
    progress: Progress,
    *,
    second: bool = False,
) -> Footage:
    """The video that the user has, or the second one, its frames put on the stage's times, and the characters in the
    look that it shows.

    Raises:
        ConfigError: It does not reach over the gaps.
        DataError: It cannot be read, or nothing can be seen.
    """
    rate = subjects[0].start.motion.time_codes_per_second
    name, camera = video_and_camera(config, second=second)
    with blamed_on(second=second):
        video = read_video(name, config.video_fps or None)
        times = on_the_stage(config, name, video.times, [subject.plan for subject in subjects], rate)
        kept = thinned(times, FIT_RATE)
        video = Video(tuple(times[i] for i in kept), video.frames[kept])
        height, width = video.frames.shape[2:]
        codes = [time * rate for time in video.times]
        scene = make_scene(stage, subjects, height=height, width=width, camera=camera, times=codes)
    return Footage(as_filmed(scene, video, progress), (video,))
