"""The video engine: what a run does between *fill* and *score* where motion is fitted to a video.

    render -> adapt -> generate -> estimate -> mimic

The motion prior's answer is where the fit starts and what it falls back to. With a video that is given, the first three
stages are left out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from engine.config import RunConfig
from engine.errors import ConfigError
from engine.files.arrays import load_arrays, save_arrays
from engine.files.hashing import content_hash
from engine.files.video import Video
from engine.files.video_file import read_video
from engine.geometry.resample import resample
from engine.joints.estimator import Estimator, estimate, load_estimator, save_estimator
from engine.joints.settings import EstimatorSettings
from engine.mimic.settings import MimicSettings
from engine.planning.plan import Plan
from engine.priors.fill import Filled, complete
from engine.progress import Progress
from engine.rendering.threads import limited_threads
from engine.rendering.views import IMAGES_AT_ONCE, View, make_view
from engine.runs.stage_cache import Store
from engine.scene.background import seen_backdrop
from engine.scene.scene import Scene, make_scene
from engine.scene.stage_camera import read_cameras
from engine.stages.estimate_joints import train_estimator
from engine.stages.generate import Generation
from engine.stages.mimic import mimic
from engine.video.backends import backend
from usd_io.errors import shown
from usd_io.model import Character

VIDEO_WEIGHTS = {"render": 3.0, "adapt": 60.0, "generate": 40.0, "estimate": 40.0, "mimic": 40.0}
"""Stages with their share of the time beside :data:`engine.pipeline.STAGE_WEIGHTS`, measured with ``tiny``."""
FIT_RATE = 15.0
"""Frames per second that are fitted, as in the paper; a quicker video is thinned out."""
VIDEO = "video"
"""Stands in the scores where a motion prior's name does."""
SELF_TEST = "self-test"
"""Name of the stage that fills a hidden piece of the context (:mod:`engine.video_self_test`)."""
CHANNELS = ("translations", "rotations", "scales")
Arrays = Mapping[str, np.ndarray]


def stage_weights(config: RunConfig) -> dict[str, float]:
    """Shares of the stages that a run with these settings has."""
    given = ("render", "adapt", "generate") if config.video else ()
    test = {SELF_TEST: sum(VIDEO_WEIGHTS.values())} if config.self_test else {}
    return test | {name: weight for name, weight in VIDEO_WEIGHTS.items() if name not in given}


def check_ready(config: RunConfig) -> None:
    """Find out that something is missing before any work is done.

    Raises:
        ResourceMissing: Weights or a device are missing; says what to do and what runs without.
    """
    if not config.video:
        backend(config.model, memory=config.memory)


@dataclass(frozen=True, eq=False)
class VideoRun:
    """One run's way from the prior's motion over a video to a better one."""

    config: RunConfig
    characters: Sequence[Character]
    """The skeletons of the run."""
    plans: Sequence[Plan]
    starts: Sequence[Filled]
    """What the motion prior made, one per skeleton."""
    store: Store
    folder: Path
    """Where videos go that people can play: the run folder."""
    progress: Progress

    @property
    def rate(self) -> float:
        """Time codes per second."""
        return self.starts[0].motion.time_codes_per_second

    def run(self) -> tuple[Filled, ...]:
        """All stages; skeletons that cannot be seen keep the prior's motion.

        Raises:
            ConfigError: The video does not reach over the gaps.
            DataError: It cannot be read, or nothing can be seen.
            ResourceMissing: Weights or a device are missing.
        """
        scene, videos = self._given() if self.config.video else self._generated()
        contents = tuple(content_hash(video.frames) for video in videos)
        before = cache(partial(self._before, scene, videos))  # drawn only if something is left to do
        with self.progress.stage("estimate"):
            estimator = self._train(scene, before, contents)
        with self.progress.stage("mimic"):
            return self._mimic(scene, before, videos, contents, estimator)

    def _generated(self) -> tuple[Scene, tuple[Video, ...]]:
        config = self.config
        model = backend(config.model, memory=config.memory)
        scene = self._scene(
            model.height, model.width, self._span(), appearance=model.drawn, ground=model.ground
        )
        if len(scene.cameras) > 1:
            raise ConfigError(
                f"--camera {shown(config.camera)} moves; videos are generated in front of still cameras only."
            )
        return Generation(config, model, scene, self.store, self.folder, self.progress).run()

    def _span(self) -> tuple[float, float]:
        """From the first gap's start to the last one's end [time codes]."""
        gaps = [gap for plan in self.plans for gap in plan.gaps]
        return min(gap.start for gap in gaps), max(gap.end for gap in gaps)

    def _given(self) -> tuple[Scene, tuple[Video, ...]]:
        """The video that the user has, its frames put on the stage's times."""
        config = self.config
        video = read_video(config.video, config.video_fps or None)
        first, last = (time / self.rate for time in self._span())
        times = tuple(first + config.video_offset + time for time in video.times)
        self._check_reach(times, first, last)
        kept = thinned(times, FIT_RATE)
        video = Video(tuple(times[i] for i in kept), video.frames[kept])
        height, width = video.frames.shape[2:]
        return self._scene(height, width, [t * self.rate for t in video.times]), (video,)

    def _check_reach(self, times: Sequence[float], first: float, last: float) -> None:
        """Every gap has to be shown whole, but for a frame at its ends."""
        spare = 1.5 * (times[-1] - times[0]) / max(len(times) - 1, 1)
        if times[0] > first + spare or times[-1] < last - spare:
            raise ConfigError(
                f"the video {shown(self.config.video)} shows {times[0] * self.rate:g} to "
                f"{times[-1] * self.rate:g}, but motion is wanted from {first * self.rate:g} to "
                f"{last * self.rate:g}; name its frame rate with --fps or its beginning with --offset."
            )

    def _scene(self, height: int, width: int, times: Sequence[float], **look: Any) -> Scene:
        return make_scene(
            self.config.stage,
            self.characters,
            self.plans,
            self.starts,
            height=height,
            width=width,
            camera=self.config.camera,
            times=times,
            **look,
        )

    def _before(self, scene: Scene, videos: Sequence[Video]) -> Scene:
        """The scene in front of what the video shows behind the characters, if its camera stands still: nobody knows
        what a given one has there, and generated ones stray from what they were shown."""
        if len(scene.cameras) > 1:
            return scene
        view, *others = scene.views
        frames = torch.cat([video.frames for video in videos])
        times = np.concatenate([np.array(video.times) * self.rate for video in videos])
        with limited_threads():
            masks = [
                scene.renderer.render(
                    scene.actors(times[i : i + IMAGES_AT_ONCE]).vertices(slice(None)), view.cameras
                ).mask
                for i in range(0, len(times), IMAGES_AT_ONCE)
            ]
        backdrop = seen_backdrop(frames, torch.cat(masks) > 0, view.backdrop)
        return replace(scene, views=(replace(view, backdrop=backdrop), *others))

    def _train(self, scene: Scene, before: Callable[[], Scene], contents: Sequence[str]) -> Estimator:
        """The joint estimator of the characters as the video's camera sees them."""
        config, schedule, cameras = self.config, scene.schedule, scene.cameras
        known = np.array(schedule.true)
        area = min(
            EstimatorSettings.area, cameras.height * cameras.width
        )  # a smaller video says no more when enlarged
        settings = EstimatorSettings(features=config.features, seed=config.seed, area=area)
        decides = {
            "settings": asdict(settings),
            "camera": config.camera,
            "size": (cameras.height, cameras.width),
            "videos": contents,
        }

        def make() -> Estimator:
            return train_estimator(
                scene.actors(known),
                scene.renderer,
                (self._known_view(before(), known), *scene.views[1:]),
                keys=schedule.keys,
                gaps=schedule.gaps,
                settings=settings,
                progress=self.progress,
                checkpoint_dir=self.store.checkpoints("estimate", **decides),
            )

        return self.store.one(
            "estimate", "estimator.safetensors", make, save_estimator, load_estimator, **decides
        )

    def _known_view(self, scene: Scene, known: Float[np.ndarray, " frame"]) -> View:
        """The video's view at the known times: a camera that moves was read at the video's."""
        view = scene.views[0]
        if len(view.cameras) == 1:
            return view
        height, width = view.cameras.height, view.cameras.width
        cameras = read_cameras(self.config.stage, self.config.camera, known, height=height, width=width)
        return make_view(view.name, cameras)

    def _mimic(
        self,
        scene: Scene,
        before: Callable[[], Scene],
        videos: Sequence[Video],
        contents: Sequence[str],
        estimator: Estimator,
    ) -> tuple[Filled, ...]:
        """The motion of every take."""
        takes = []
        for number, (video, content) in enumerate(zip(videos, contents, strict=True), start=1):
            decides = {"solver": self.config.solver, "times": video.times, "video": content}

            def make(video: Video = video, decides: dict[str, Any] = decides) -> Arrays:
                checkpoints = self.store.checkpoints("mimic", **decides)
                return self._fit(before(), video, estimator, checkpoints)

            takes.append(self.store.one("mimic", f"mimic-{number}.npz", make, _save, _load, **decides))
        results = list(self.starts)
        for place, (index, plan) in enumerate(zip(scene.indices, scene.plans, strict=True)):
            own = [{name: take[f"{name}_{place}"] for name in (*CHANNELS, "confidence")} for take in takes]
            results[index] = _fitted(self.characters[index], plan, self.starts[index], own)
        return tuple(results)

    def _fit(self, scene: Scene, video: Video, estimator: Estimator, checkpoints: Path) -> Arrays:
        """Channels at the fill times and confidence of every character."""
        made = mimic(
            scene.characters,
            scene.plans,
            [start.motion for start in scene.starts],
            video,
            scene.views[0],
            scene.surface,
            evidence=estimate(estimator, video.frames, scene.cameras),
            settings=MimicSettings(
                solver=self.config.solver, appearance=scene.appearance, seed=self.config.seed
            ),
            progress=self.progress,
            checkpoint_dir=checkpoints,
        )
        arrays = {f"confidence_{i}": m.confidence.astype(np.float32) for i, m in enumerate(made)}
        for name in CHANNELS:
            arrays |= {f"{name}_{i}": getattr(m.motion, name) for i, m in enumerate(made)}
        return arrays


def thinned(times: Sequence[float], rate: float) -> list[int]:
    """Indices of evenly chosen frames, as many as a rate asks for [frames/s] or a few more."""
    if len(times) < 2:
        return list(range(len(times)))
    stride = max(1, int((len(times) - 1) / (times[-1] - times[0]) / rate + 1e-6))
    return list(range(0, len(times), stride))


def _fitted(character: Character, plan: Plan, start: Filled, takes: Sequence[Arrays]) -> Filled:
    """What the prior made with the motion of the fit instead, take by take."""
    base = resample(start.motion, plan.fill_times)
    motions = []
    for take in takes:
        channels: dict[str, Any] = {name: take[name] for name in CHANNELS}
        motions.append(complete(character, start.parts, plan, replace(base, **channels)))
    confidence = np.ones(motions[0].translations.shape[:2], np.float32)
    confidence[np.isin(motions[0].times, plan.fill_times)] = takes[0]["confidence"]
    confidence[:, np.isin(character.joints, plan.locked)] = 1
    return replace(start, prior=VIDEO, motion=motions[0], others=tuple(motions[1:]), confidence=confidence)


def _save(path: Path, arrays: Arrays) -> None:
    save_arrays(path, arrays, {})


def _load(path: Path) -> Arrays:
    return load_arrays(path)[0]
