"""``render``: a stage -> pictures, joint tracks and cameras in a folder; on request videos and a contact sheet.

Like :mod:`engine.run` this module calls :mod:`usd_io`, with imports inside its functions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import ConfigError, DataError
from engine.geometry.time_grid import frame_times
from engine.progress import Progress
from engine.render_command.config import RenderConfig
from engine.render_command.folder import RenderFolder, check_render_folder
from engine.rendering.actors import Actors
from engine.rendering.bones import drawable, visible_characters
from engine.rendering.framing import azimuths
from engine.rendering.mesh.surface import build_surface
from engine.rendering.renderers import choose_renderer
from engine.rendering.threads import limited_threads
from engine.rendering.views import View, orbit_views, render_view
from engine.scene.stage_camera import read_cameras
from usd_io.errors import StageReadError, shown, timecode
from usd_io.model import Character, Motion, Shot, StageInfo
from usd_io.shapes import Float

MOST_IMAGES = 100_000
_EPSILON = 1e-6
"""Rows of times are rounded: this part of a range lies within it."""


@dataclass(frozen=True)
class RenderResult:
    """What was written."""

    folder: str
    data: str
    """``render.json``: times, cameras, skeletons; the joint tracks are in ``tracks.npz`` beside it."""
    images: int
    renderer: str
    videos: tuple[str, ...]
    sheet: str


def render_stage(config: RenderConfig, progress: Progress | None = None) -> RenderResult:
    """Draw a stage.

    Raises:
        UsdIoError: The stage cannot be read.
        ConfigError: Settings, prims or times that do not exist; a folder that cannot be written to.
        EngineError: The requested renderer cannot work here.
    """
    from usd_io.read.material import read_texture_bytes

    progress = progress or Progress()
    check_render_folder(Path(config.out))
    shot = read_shot_to_draw(config, progress)
    characters, motions, times = shot.characters, shot.motions, shot.motions[0].times
    with limited_threads(config.threads):
        actors = Actors(characters, motions)
        surface = build_surface(characters, read_texture_bytes, config.appearance)
        for warning in surface.warnings:
            progress.note(warning, level="warning")
        renderer, note = choose_renderer(config.renderer, surface, config.appearance)
        if note:
            progress.note(note)
        views = _views(config, actors, times)
        files = RenderFolder(config, times, shot.info)
        total = len(times) * len(views)
        for number, view in enumerate(views):
            pictures = render_view(renderer, actors, view, progress, first=number * len(times), total=total)
            files.write_view(view.name, pictures)
        data = files.write_data(views, characters, motions, renderer.name)
    return RenderResult(config.out, str(data), total, renderer.name, tuple(files.videos), files.write_sheet())


def read_shot_to_draw(config: RenderConfig, progress: Progress) -> Shot:
    """The characters that can be seen, with all requested frames; warnings become notes.

    Raises:
        UsdIoError: The stage cannot be read.
        ConfigError: Prims or times that do not exist.
        DataError: There is nothing to see.
    """
    from usd_io.read.stage import open_stage, stage_info

    opened = open_stage(config.stage)
    info = stage_info(opened)
    characters = _read_characters(opened, info, config.skeletons, progress)
    if config.times:
        _check_times(config.times, opened, info, characters)
    times = np.array(config.times) if config.times else _all_frames(opened, info, characters)
    _check_count(len(times), 1 if config.camera else len(config.views))
    return Shot(info, characters, _read_motions(opened, characters, times))


def _read_characters(
    opened: Any, info: StageInfo, paths: Sequence[str], progress: Progress
) -> tuple[Character, ...]:
    """The characters that can be seen; bones are drawn where none has a mesh."""
    from usd_io.read.character import find_skinned, read_bound_character

    if not info.skeletons:
        from usd_io.read.skeleton import why_no_skeleton

        raise StageReadError(f"{shown(info.path)} holds no skeleton. {why_no_skeleton(opened)}")
    skinned = find_skinned(opened)
    chosen = tuple(paths) or tuple(skeleton.path for skeleton in info.skeletons)
    characters = tuple(read_bound_character(opened, path, skinned) for path in chosen)
    for warning in dict.fromkeys((*info.warnings, *(w for c in characters for w in c.warnings))):
        progress.note(warning, level="warning")
    seen, _ = drawable(characters)
    if not visible_characters(characters):
        progress.note("no mesh is bound to the skeletons: their bones are drawn.")
    if not seen:
        raise DataError(
            f"{shown(info.path)}: nothing is bound to the skeletons and they have no joints to draw."
        )
    return seen


def _check_times(
    times: Sequence[float], opened: Any, info: StageInfo, characters: Sequence[Character]
) -> None:
    """Refuse times outside of the stage's range and of all samples; of a still, every time shows the same."""
    from usd_io.read.motion import joint_sample_times

    known = np.array([time for time in (info.start, info.end) if time is not None])
    known = np.concatenate([known, *(joint_sample_times(opened, c.skeleton_path) for c in characters)])
    first, last = float(known.min(initial=np.inf)), float(known.max(initial=-np.inf))
    margin = _EPSILON * (last - first)
    outside = [time for time in times if not first - margin <= time <= last + margin]
    if outside and first < last:
        raise ConfigError(
            f"{shown(info.path)}: time {timecode(outside[0])} lies outside the authored samples and the range of the "
            f"stage, {timecode(first)}..{timecode(last)}; choose a time inside.",
            settings=("times",),
        )


def _all_frames(opened: Any, info: StageInfo, characters: Sequence[Character]) -> Float[np.ndarray, " frame"]:
    """Every frame from the first to the last authored sample, or of the stage's range where there are none."""
    from usd_io.read.motion import read_motion

    samples: list[float] = []
    for character in characters:
        try:
            samples += read_motion(opened, character.skeleton_path).times.tolist()
        except StageReadError:
            continue  # a still, or blend shapes alone: the stage's range tells
    first = min(samples) if samples else info.start
    last = max(samples) if samples else info.end
    if first is None or last is None or last <= first:
        return np.array([first or 0.0])
    step = info.time_codes_per_second / info.frame_rate
    return frame_times(first, last, step)


def _read_motions(
    opened: Any, characters: Sequence[Character], times: Float[np.ndarray, " frame"]
) -> tuple[Motion, ...]:
    from usd_io.read.motion import read_motion

    return tuple(read_motion(opened, character.skeleton_path, times) for character in characters)


def _check_count(frames: int, views: int) -> None:
    if frames * views > MOST_IMAGES:
        raise ConfigError(
            f"{frames} frames of {views} views are more than {MOST_IMAGES} images; choose fewer times.",
            settings=("times",),
        )


def _views(config: RenderConfig, actors: Actors, times: Float[np.ndarray, " frame"]) -> tuple[View, ...]:
    if config.camera:
        cameras = read_cameras(config.stage, config.camera, times, height=config.height, width=config.width)
        return (View("camera", cameras),)
    return orbit_views(
        actors,
        azimuths(config.views),
        height=config.height,
        width=config.width,
        elevation_deg=config.elevation_deg,
        ground=config.ground,
    )
