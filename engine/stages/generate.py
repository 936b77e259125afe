"""Run stage *generate*: pictures of what is known -> a video of the whole, by a video model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.errors import ConfigError
from engine.files.images import VideoWriter
from engine.files.video import Video, frames_of, load_videos, pictures_of, save_videos
from engine.runs.stage_cache import RunContext, Stage, StageWork
from engine.scene.scene import Scene
from engine.settings.choices import ControlName
from engine.settings.pinned_file import FEW_STEP_LORA
from engine.stages.render import draw_control
from engine.video.adaptation.lora_stack import require_pinned
from engine.video.backends.protocol import Backend, ControlledBackend
from engine.video.options import GenerateOptions
from usd_io.errors import shown


@dataclass(frozen=True, eq=False)
class GenerateInputs:
    """What decides a video. Its times are time codes over time codes per second."""

    source: Mapping[str, Any]
    """What the model's weights are."""
    memory: str
    precision: str
    adapter: Path | None
    true: Video
    """Pictures at the known times."""
    gaps: tuple[tuple[float, float], ...]
    """Start and end [s], both true frames."""
    prompt: str
    options: GenerateOptions
    control: Video | None
    """The motion prior's guess at the times of the frames to generate; None: not shown."""
    model: Backend = field(compare=False)
    take: int = field(compare=False)
    """Counted from 1."""


def generate(
    model: Backend, scene: Scene, true: Video, prompt: str, adapter: Path | None, context: RunContext
) -> tuple[Video, ...]:
    """One video per take.

    Raises:
        ConfigError: The model takes no control.
        OutOfMemory: Memory ran out; finished work is kept.
        RunCancelled: The user stopped the run; finished work is kept.
    """
    config, choice, rate = context.config, context.config.video_choice, scene.time_codes_per_second
    gaps = tuple((start / rate, end / rate) for start, end in scene.schedule.gaps)
    control = None
    if config.control != "none":
        control = draw_control(config.control, scene, free_times(model, config.control, gaps, true), context)
    loras = require_pinned(config.few_step_lora, FEW_STEP_LORA)
    usual = GenerateOptions(choice.steps, config.guidance, few_step_lora=loras)
    if control is not None:
        usual = replace(usual, control_strength=config.control_strength)
    videos = []
    for take in range(1, config.takes + 1):
        options = replace(usual, seed=config.seed + take - 1, control_scale=config.control_scale)
        inputs = GenerateInputs(
            model.source,
            config.memory,
            choice.precision,
            adapter,
            true,
            gaps,
            prompt,
            options,
            control,
            model,
            take,
        )
        mark = "" if control is None else f"-{config.control}-{config.control_strength:g}"
        stage = Stage("generate", inputs, _generate, save_videos, load_videos, f"video-{take}{mark}.npz")
        videos.append(context.cache.get(stage)["video"])
    return tuple(videos)


def free_times(
    model: Backend, control: ControlName, gaps: Sequence[tuple[float, float]], true: Video
) -> tuple[float, ...]:
    """When the frames are that a model will generate and that may show a control [s].

    Raises:
        ConfigError: It takes no such control.
    """
    if not isinstance(model, ControlledBackend) or control not in model.controls:
        raise ConfigError(
            f"the video model {shown(model.name)} takes no control {control}; choose control none.",
            settings=("control",),
        )
    return model.free_times(gaps, true.times)


def _generate(inputs: GenerateInputs, work: StageWork) -> dict[str, Video]:
    video = inputs.model.generate(
        inputs.true,
        list(inputs.gaps),
        inputs.prompt,
        inputs.options,
        adapter=inputs.adapter,
        **({} if inputs.control is None else {"control": inputs.control}),
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
