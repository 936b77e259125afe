"""Run stage *render*: the characters where all is known -> pictures for the video model, from the best view."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from engine.files.images import Picture
from engine.files.video import Video, frames_of, load_videos, save_videos
from engine.rendering.threads import limited_threads
from engine.rendering.views import render_view
from engine.runs.stage_cache import RunContext, Stage, StageWork, load_json, save_json
from engine.scene.control import control_pictures
from engine.scene.scene import Scene, best_azimuth, seen_from
from engine.settings.choices import ControlName
from usd_io.shapes import Float


@dataclass(frozen=True, eq=False)
class ViewInputs:
    """What decides from where the video is taken."""

    scene: Scene
    ground: bool


@dataclass(frozen=True, eq=False)
class RenderInputs:
    """What decides the pictures."""

    scene: Scene


@dataclass(frozen=True, eq=False)
class ControlInputs:
    """What decides what a video model is shown of the motion prior's guess."""

    scene: Scene
    kind: ControlName
    times: tuple[float, ...]
    """Of the frames to generate [s]."""


def choose_view(scene: Scene, context: RunContext, *, ground: bool) -> Scene:
    """The scene from where the video will best constrain the motion."""
    stage = Stage("render", ViewInputs(scene, ground), _choose_view, save_json, load_json, "view.json")
    return seen_from(scene, float(context.cache.get(stage)["azimuth"]), ground=ground)


def render(scene: Scene, context: RunContext) -> Mapping[str, Video]:
    """Videos by view: the video's own at all known times near the gaps, the others over the context."""
    return context.cache.get(
        Stage("render", RenderInputs(scene), _render, save_videos, load_videos, "renders.npz")
    )


def draw_control(kind: ControlName, scene: Scene, times: tuple[float, ...], context: RunContext) -> Video:
    """The motion prior's guess, drawn at some times [s] for a video model."""
    inputs = ControlInputs(scene, kind, times)
    stage = Stage("render", inputs, _draw_control, save_videos, load_videos, "control.npz")
    return context.cache.get(stage)["control"]


def first_of(renders: Mapping[str, Video]) -> Video:
    """What the video's own view shows."""
    return next(iter(renders.values()))


def _choose_view(inputs: ViewInputs, work: StageWork) -> dict[str, float]:
    return {"azimuth": best_azimuth(inputs.scene, ground=inputs.ground, progress=work.progress)}


def _render(inputs: RenderInputs, work: StageWork) -> dict[str, Video]:
    scene, renderer = inputs.scene, inputs.scene.renderer
    true, context = np.array(scene.schedule.true), np.array(scene.schedule.context)
    videos: dict[str, Video] = {}
    views = scene.views if len(context) else scene.views[:1]
    total, done = len(true) + len(context) * (len(views) - 1), 0
    with limited_threads():
        for view in views:
            times = context if videos else true
            drawn = render_view(renderer, scene.actors(times), view, work.progress, first=done, total=total)
            videos[view.name] = _video(times / scene.time_codes_per_second, drawn)
            done += len(times)
    return videos


def _draw_control(inputs: ControlInputs, work: StageWork) -> dict[str, Video]:
    times = np.array(inputs.times)
    with limited_threads():
        drawn = control_pictures(inputs.scene, inputs.kind, times * inputs.scene.time_codes_per_second)
    return {"control": Video(inputs.times, frames_of(drawn))}


def _video(times: Float[np.ndarray, " frame"], pictures: Iterable[Picture]) -> Video:
    return Video(tuple(times.tolist()), frames_of(np.stack(list(pictures))))
