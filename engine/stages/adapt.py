"""Run stage *adapt*: a video model is adapted to the characters by their context, as far as it can be."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.config import RunConfig
from engine.files.video import Video
from engine.runs.stage_cache import FileStage, RunContext, Stage, StageWork, load_json, save_json
from engine.scene.scene import Scene
from engine.stages.render import first_of
from engine.video.backends.protocol import Backend
from engine.video.options import AdaptOptions
from engine.video.windows import WINDOW_FRAMES

ADAPTER = "adapter.safetensors"


@dataclass(frozen=True, eq=False)
class CaptionInputs:
    """What decides the words of an image-text model."""

    video: Video
    caption: str
    """Folder of the model."""
    prompt: str


@dataclass(frozen=True, eq=False)
class AdaptInputs:
    """What decides an adapter."""

    source: Mapping[str, Any]
    """What the model's weights are."""
    memory: str
    precision: str
    views: Mapping[str, Video]
    """The context from some views."""
    prompt: str
    options: AdaptOptions
    model: Backend = field(compare=False)


def prompt_of(renders: Mapping[str, Video], context: RunContext) -> str:
    """The user's words, or those of an image-text model on what it sees."""
    config = context.config
    if not config.caption:
        return config.prompt
    inputs = CaptionInputs(first_of(renders), config.caption, config.prompt)
    return str(
        context.cache.get(Stage("adapt", inputs, _caption, save_json, load_json, "caption.json"))["prompt"]
    )


def adapt(
    model: Backend, scene: Scene, renders: Mapping[str, Video], prompt: str, context: RunContext
) -> Path | None:
    """The adapter, None where nothing was to be trained."""
    config: RunConfig = context.config
    if config.adapt == "off":
        return None
    known = scene.schedule.context
    if len(known) < WINDOW_FRAMES:
        context.progress.note(
            f"the video model is not adapted to the character: of {WINDOW_FRAMES} frames of context that it takes, "
            f"{len(known)} are there.",
            level="warning",
        )
        return None
    times = {time / scene.time_codes_per_second for time in known}
    views = {name: _at(video, times) for name, video in renders.items()}
    options = AdaptOptions(mode=config.adapt, seed=config.seed)
    inputs = AdaptInputs(
        model.source, config.memory, config.video_choice.precision, views, prompt, options, model
    )
    return next(iter(context.cache.files(FileStage("adapt", inputs, _adapt))), None)


def _caption(inputs: CaptionInputs, work: StageWork) -> dict[str, str]:
    from engine.video.caption import caption

    return {"prompt": caption(inputs.video.frames, Path(inputs.caption), prompt=inputs.prompt)}


def _adapt(inputs: AdaptInputs, work: StageWork) -> tuple[Path, ...]:
    out = work.artefacts / ADAPTER
    work.claim(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    made = inputs.model.adapt(
        inputs.views,
        inputs.prompt,
        inputs.options,
        out=out,
        progress=work.progress,
        checkpoint_dir=work.checkpoints(),
    )
    return () if made is None else (made,)


def _at(video: Video, times: Container[float]) -> Video:
    """Some frames of a video."""
    chosen = [i for i, time in enumerate(video.times) if time in times]
    return Video(tuple(video.times[i] for i in chosen), video.frames[chosen])
