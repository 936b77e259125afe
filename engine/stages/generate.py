"""The first stages of the video engine, *render*, *adapt* and *generate*: pictures of what is known -> a video."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from engine.config import RunConfig
from engine.files.images import Picture, VideoWriter
from engine.files.video import Video, frames_of, load_videos, pictures_of, save_videos
from engine.progress import Progress
from engine.rendering.threads import limited_threads
from engine.rendering.views import render_view
from engine.runs.stage_cache import Store
from engine.scene.scene import Scene, best_azimuth, seen_from
from engine.video.backends import Backend
from engine.video.options import AdaptOptions, GenerateOptions
from engine.video.windows import WINDOW_FRAMES

ADAPTER = "adapter.safetensors"


@dataclass(frozen=True, eq=False)
class Generation:
    """One run's videos in the making. Times of videos are time codes over time codes per second."""

    config: RunConfig
    model: Backend
    scene: Scene
    store: Store
    folder: Path
    """Where the videos go that people can play."""
    progress: Progress

    def run(self) -> tuple[Scene, tuple[Video, ...]]:
        """All stages; the scene as the video sees it, and one video per take.

        Raises:
            DataError: The context is too short to adapt to.
            OutOfMemory: Memory ran out; finished work is kept.
            RunCancelled: The user stopped the run; finished work is kept.
        """
        with self.progress.stage("render"):
            chosen = replace(self, scene=self._seen_best())
            renders = self.store.one(
                "render",
                "renders.npz",
                chosen._render,
                save_videos,
                load_videos,
                model=self.config.model,
                camera=self.config.camera,
            )
        with self.progress.stage("adapt"):
            prompt = chosen._prompt(renders)
            adapter = chosen._adapt(renders, prompt)
        with self.progress.stage("generate"):
            true = _first(renders)
            takes = range(self.config.takes)
            return chosen.scene, tuple(chosen._generate(take, true, prompt, adapter) for take in takes)

    def _seen_best(self) -> Scene:
        """The scene from where the video will tell most, unless the user named a camera; found once."""
        if self.config.camera:
            return self.scene
        ground = self.model.ground

        def make() -> dict[str, float]:
            return {"azimuth": best_azimuth(self.scene, ground=ground, progress=self.progress)}

        found = self.store.json("view", make, tell=False, model=self.config.model)
        return seen_from(self.scene, float(found["azimuth"]), ground=ground)

    def _render(self) -> dict[str, Video]:
        """The video's view at all known times near the gaps, the others over the context."""
        scene, renderer = self.scene, self.scene.renderer
        true, context = np.array(self.scene.schedule.true), np.array(self.scene.schedule.context)
        videos: dict[str, Video] = {}
        views = scene.views if len(context) else scene.views[:1]
        total, done = len(true) + len(context) * (len(views) - 1), 0
        with limited_threads():
            for view in views:
                times = context if videos else true
                drawn = render_view(
                    renderer, scene.actors(times), view, self.progress, first=done, total=total
                )
                videos[view.name] = _video(times / scene.time_codes_per_second, drawn)
                done += len(times)
        return videos

    def _prompt(self, renders: Mapping[str, Video]) -> str:
        """The user's words, or those of an image-text model on what it sees."""
        config = self.config
        if not config.caption:
            return config.prompt

        def make() -> dict[str, str]:
            from engine.video.caption import caption

            return {"prompt": caption(_first(renders).frames, Path(config.caption), prompt=config.prompt)}

        return str(self.store.json("caption", make, caption=config.caption, prompt=config.prompt)["prompt"])

    def _adapt(self, renders: Mapping[str, Video], prompt: str) -> Path | None:
        """The adapter, None where nothing was to be trained."""
        config = self.config
        if config.adapt == "off":
            return None
        if len(self.scene.schedule.context) < WINDOW_FRAMES:
            self.progress.note(
                f"the video model is not adapted to the character: of {WINDOW_FRAMES} frames of context that it takes, "
                f"{len(self.scene.schedule.context)} are there.",
                level="warning",
            )
            return None
        context = {t / self.scene.time_codes_per_second for t in self.scene.schedule.context}
        views = {name: _at(video, context) for name, video in renders.items()}
        options = AdaptOptions(mode=config.adapt, seed=config.seed)
        decides = self._decides(prompt, asdict(options))
        out = self.store.folder / ADAPTER

        def make() -> tuple[Path, ...]:
            out.parent.mkdir(parents=True, exist_ok=True)
            made = self.model.adapt(
                views,
                prompt,
                options,
                out=out,
                progress=self.progress,
                checkpoint_dir=self.store.checkpoints("adapt", **decides),
            )
            return () if made is None else (made,)

        return next(iter(self.store.files("adapt", make, **decides)), None)

    def _generate(self, take: int, true: Video, prompt: str, adapter: Path | None) -> Video:
        config, rate = self.config, self.scene.time_codes_per_second
        options = GenerateOptions(config.steps, config.guidance, config.seed + take)
        decides = self._decides(prompt, asdict(options))

        def make() -> dict[str, Video]:
            video = self.model.generate(
                true,
                [(start / rate, end / rate) for start, end in self.scene.schedule.gaps],
                prompt,
                options,
                adapter=adapter,
                progress=self.progress,
                checkpoint_dir=self.store.checkpoints("generate", **decides),
            )
            return {"video": self._show(take, video)}

        name = f"video-{take + 1}.npz"
        return self.store.one("generate", name, make, save_videos, load_videos, **decides)["video"]

    def _decides(self, prompt: str, options: Mapping[str, object]) -> dict[str, object]:
        return {
            "model": dict(self.model.source),
            "memory": self.config.memory,
            "prompt": prompt,
            "options": options,
        }

    def _show(self, take: int, video: Video) -> Video:
        """The video as its bytes have it, and as a file that people can play."""
        pictures = pictures_of(video)
        path = self.folder / f"generated-{take + 1}.mp4"
        with VideoWriter(path, self.model.rate, *pictures.shape[1:3]) as writer:
            for picture in pictures:
                writer.write(picture)
        self.progress.preview(path)
        return Video(video.times, frames_of(pictures))


def _first(renders: Mapping[str, Video]) -> Video:
    """What the video's own view shows."""
    return next(iter(renders.values()))


def _at(video: Video, times: Container[float]) -> Video:
    """Some frames of a video."""
    chosen = [i for i, time in enumerate(video.times) if time in times]
    return Video(tuple(video.times[i] for i in chosen), video.frames[chosen])


def _video(times: Float[np.ndarray, " frame"], pictures: Iterable[Picture]) -> Video:
    return Video(tuple(times.tolist()), frames_of(np.stack(list(pictures))))
