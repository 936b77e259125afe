"""Run stage *generate*: pictures of what is known -> a video of the whole, by a video model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.files.images import VideoWriter
from engine.files.video import Video, frames_of, load_videos, pictures_of, save_videos
from engine.runs.stage_cache import RunContext, Stage, StageWork
from engine.scene.scene import Scene
from engine.video.backends.protocol import Backend
from engine.video.options import GenerateOptions


@dataclass(frozen=True, eq=False)
class GenerateInputs:
    """What decides a video. Its times are time codes over time codes per second."""

    source: Mapping[str, Any]
    """What the model's weights are."""
    memory: str
    adapter: Path | None
    true: Video
    """Pictures at the known times."""
    gaps: tuple[tuple[float, float], ...]
    """Start and end [s], both true frames."""
    prompt: str
    options: GenerateOptions
    model: Backend = field(compare=False)
    take: int = field(compare=False)
    """Counted from 1."""


def generate(
    model: Backend, scene: Scene, true: Video, prompt: str, adapter: Path | None, context: RunContext
) -> tuple[Video, ...]:
    """One video per take.

    Raises:
        OutOfMemory: Memory ran out; finished work is kept.
        RunCancelled: The user stopped the run; finished work is kept.
    """
    config, rate = context.config, scene.time_codes_per_second
    gaps = tuple((start / rate, end / rate) for start, end in scene.schedule.gaps)
    videos = []
    for take in range(1, config.takes + 1):
        options = GenerateOptions(config.steps, config.guidance, config.seed + take - 1)
        inputs = GenerateInputs(
            model.source, config.memory, adapter, true, gaps, prompt, options, model, take
        )
        stage = Stage("generate", inputs, _generate, save_videos, load_videos, f"video-{take}.npz")
        videos.append(context.cache.get(stage)["video"])
    return tuple(videos)


def _generate(inputs: GenerateInputs, work: StageWork) -> dict[str, Video]:
    video = inputs.model.generate(
        inputs.true,
        list(inputs.gaps),
        inputs.prompt,
        inputs.options,
        adapter=inputs.adapter,
        progress=work.progress,
        checkpoint_dir=work.checkpoints(),
    )
    return {"video": _show(video, inputs, work)}


def _show(video: Video, inputs: GenerateInputs, work: StageWork) -> Video:
    """The video as its bytes have it, and as a file that people can play."""
    pictures = pictures_of(video)
    path = work.folder / f"generated-{inputs.take}.mp4"
    work.claim(path)
    with VideoWriter(path, inputs.model.rate, *pictures.shape[1:3]) as writer:
        for picture in pictures:
            writer.write(picture)
    work.progress.preview(path)
    return Video(video.times, frames_of(pictures))
