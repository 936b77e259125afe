"""``render``: a stage -> pictures, joint tracks and cameras in a folder; on request videos and a contact sheet.

Like :mod:`engine.run` this module calls :mod:`usd_io`, with imports inside its functions.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from jaxtyping import Float

from engine.errors import ConfigError, DataError, EngineError
from engine.images import Picture, VideoWriter, contact_sheet, write_png
from engine.progress import Progress
from engine.rendering.actors import Actors
from engine.rendering.bones import with_bones
from engine.rendering.camera import Cameras
from engine.rendering.framing import ELEVATION_DEG, VIEWS
from engine.rendering.renderers import RendererName, choose_renderer
from engine.rendering.surface import Appearance, build_surface
from engine.rendering.threads import DEFAULT_THREADS, limited_threads
from engine.stages.render import View, joint_tracks, orbit_views, render_view, visible_characters
from usd_io.errors import StageReadError, shown
from usd_io.model import Character, Motion, Shot, StageInfo

MOST_IMAGES = 100_000
LARGEST_SIDE = 8192
SHEET_COLUMNS = 8
"""Pictures of each view that a contact sheet shows, spread over the motion."""
FORMAT = 1
"""Version of ``render.json``."""


@dataclass(frozen=True)
class RenderConfig:
    """What to draw and how. Times are time codes of the stage."""

    stage: str
    out: str
    """Folder for the pictures."""
    skeletons: tuple[str, ...] = ()
    """Prim paths; empty: all."""
    times: tuple[float, ...] = ()
    """Empty: every frame of the authored motion."""
    views: Mapping[str, float] = field(default_factory=lambda: dict(VIEWS))
    """Azimuths [degrees] by name."""
    elevation_deg: float = ELEVATION_DEG
    camera: str = ""
    """Prim path of a camera of the stage; it takes the place of the views."""
    height: int = 320
    width: int = 512
    appearance: Appearance = "textured"
    renderer: RendererName = "auto"
    ground: bool = True
    video: bool = False
    sheet: bool = False
    threads: int = DEFAULT_THREADS
    """Threads of torch; 0: as many as it likes."""

    def __post_init__(self) -> None:
        problems = []
        if not (1 <= self.height <= LARGEST_SIDE and 1 <= self.width <= LARGEST_SIDE):
            problems.append(f"--size {self.height}x{self.width} is out of range; choose up to {LARGEST_SIDE}")
        if not abs(self.elevation_deg) < 90:
            problems.append(
                f"--elevation {self.elevation_deg:g} is out of range; choose between -90 and 90 degrees"
            )
        if not np.isfinite(self.times).all():
            problems.append("--times takes finite time codes")
        if problems:
            raise ConfigError("; ".join(problems) + ".")


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
        ConfigError: Settings, prims or times that do not exist.
        EngineError: The folder cannot be written to, or the renderer asked for cannot work here.
    """
    from usd_io.texture import read_texture_bytes

    progress = progress or Progress()
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
        files = _Files(config, times, shot.info)
        total = len(times) * len(views)
        for number, view in enumerate(views):
            pictures = render_view(renderer, actors, view, progress, first=number * len(times), total=total)
            files.write_view(view.name, pictures)
        data = files.write_data(views, characters, motions, renderer.name)
    return RenderResult(config.out, str(data), total, renderer.name, tuple(files.videos), files.write_sheet())


def read_shot_to_draw(config: RenderConfig, progress: Progress) -> Shot:
    """The characters that can be seen, with all frames that are asked for; warnings become notes.

    Raises:
        UsdIoError: The stage cannot be read.
        ConfigError: Prims or times that do not exist.
        DataError: There is nothing to see.
    """
    from usd_io.stage import open_stage, stage_info

    opened = open_stage(config.stage)
    info = stage_info(opened)
    characters = _read_characters(opened, info, config.skeletons, progress)
    times = np.array(config.times) if config.times else _all_frames(opened, info, characters)
    _check_count(len(times), 1 if config.camera else len(config.views))
    return Shot(info, characters, _read_motions(opened, characters, times))


def _read_characters(
    opened: Any, info: StageInfo, paths: Sequence[str], progress: Progress
) -> tuple[Character, ...]:
    """The characters that can be seen; bones are drawn where none has a mesh."""
    from usd_io.read_character import find_skinned, read_bound_character

    if not info.skeletons:
        from usd_io.skeleton import why_no_skeleton

        raise StageReadError(f"{shown(info.path)} holds no skeleton. {why_no_skeleton(opened)}")
    skinned = find_skinned(opened)
    chosen = tuple(paths) or tuple(skeleton.path for skeleton in info.skeletons)
    characters = tuple(read_bound_character(opened, path, skinned) for path in chosen)
    for warning in dict.fromkeys((*info.warnings, *(w for c in characters for w in c.warnings))):
        progress.note(warning, level="warning")
    if not visible_characters(characters):
        characters = tuple(map(with_bones, characters))
        progress.note("no mesh is bound to the skeletons: their bones are drawn.")
    seen = tuple(characters[i] for i in visible_characters(characters))
    if not seen:
        raise DataError(
            f"{shown(info.path)}: nothing is bound to the skeletons and they have no joints to draw."
        )
    return seen


def _all_frames(opened: Any, info: StageInfo, characters: Sequence[Character]) -> Float[np.ndarray, " frame"]:
    """Every frame from the first to the last authored sample, or of the stage's range where there are none."""
    from usd_io.read_motion import read_motion

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
    return first + step * np.arange(int((last - first) / step + 1e-6) + 1)


def _read_motions(
    opened: Any, characters: Sequence[Character], times: Float[np.ndarray, " frame"]
) -> tuple[Motion, ...]:
    from usd_io.read_motion import read_motion

    if (np.diff(times) <= 0).any():
        raise ConfigError("--times must increase from one to the next.")
    return tuple(read_motion(opened, character.skeleton_path, times) for character in characters)


def _check_count(frames: int, views: int) -> None:
    if frames * views > MOST_IMAGES:
        raise ConfigError(
            f"{frames} frames of {views} views are more than {MOST_IMAGES} images; choose fewer with --times."
        )


def _views(config: RenderConfig, actors: Actors, times: Float[np.ndarray, " frame"]) -> tuple[View, ...]:
    if config.camera:
        from usd_io.read_camera import read_camera
        from usd_io.stage import open_stage

        pinhole = read_camera(open_stage(config.stage), config.camera, times)
        cameras = stage_cameras(
            pinhole.T_world_camera,
            pinhole.aperture,
            pinhole.offset,
            config.height,
            config.width,
            pinhole.near,
        )
        return (View("camera", cameras),)
    return orbit_views(
        actors,
        dict(config.views),
        height=config.height,
        width=config.width,
        elevation_deg=config.elevation_deg,
        ground=config.ground,
    )


def stage_cameras(
    T_world_camera: Float[np.ndarray, "frame 4 4"],
    aperture: Float[np.ndarray, "frame 2"],
    offset: Float[np.ndarray, "frame 2"],
    height: int,
    width: int,
    near: float,
) -> Cameras:
    """A camera of a stage as ours; all that it sees is in the picture, with more at two sides where the image has
    another aspect. For the arguments see :class:`usd_io.read_camera.PinholeCamera`."""
    focal = (np.array([width, height]) / aperture).min(axis=1, keepdims=True).repeat(2, axis=1)
    centre = np.array([width, height]) / 2 + focal * offset * [-1, 1]
    transforms = np.diag([1.0, -1, -1, 1]) @ np.linalg.inv(T_world_camera)
    cameras = Cameras(transforms, focal, centre, height, width, near)
    still = all(np.allclose(a, a[:1]) for a in (transforms, focal, centre))
    return cameras.at(slice(0, 1)) if still else cameras


class _Files:
    """The folder that is written to."""

    def __init__(self, config: RenderConfig, times: Float[np.ndarray, " frame"], info: StageInfo) -> None:
        self.folder = Path(config.out)
        self.videos: list[str] = []
        self._config = config
        self._times = times
        self._info = info
        self._rows: dict[str, list[Picture]] = {}
        if self.folder.exists() and not self.folder.is_dir():
            raise ConfigError(f"--out {shown(config.out)} is a file; name a folder.")

    def frame_rate(self) -> float:
        """Of the pictures [1/s]: the stage's own where they are one frame apart."""
        step = float(np.median(np.diff(self._times))) if len(self._times) > 1 else 0.0
        own = self._info.time_codes_per_second / self._info.frame_rate
        if step == 0 or abs(step - own) < 1e-6 * own:
            return self._info.frame_rate
        return self._info.time_codes_per_second / step

    def write_view(self, name: str, pictures: Iterator[Picture]) -> None:
        """Pictures of one view, and its video where one was asked for."""
        shown_frames = (
            np.linspace(0, len(self._times) - 1, min(SHEET_COLUMNS, len(self._times))).round().astype(int)
        )
        row = self._rows.setdefault(name, [])
        size = self._config.height, self._config.width
        with ExitStack() as stack:
            video = None
            if self._config.video:
                path = self.folder / f"{name}.mp4"
                video = stack.enter_context(VideoWriter(path, self.frame_rate(), *size))
                self.videos.append(str(path))
            for frame, picture in enumerate(pictures):
                write_png(self.folder / name / f"{frame:05d}.png", picture)
                if video is not None:
                    video.write(picture)
                if frame in shown_frames:
                    row.append(picture)

    def write_sheet(self) -> str:
        """The contact sheet, one row per view; empty where none was asked for."""
        if not self._config.sheet:
            return ""
        path = self.folder / "contact_sheet.png"
        write_png(path, contact_sheet(list(self._rows.values()), list(self._rows)))
        return str(path)

    def write_data(
        self, views: Sequence[View], characters: Sequence[Character], motions: Sequence[Motion], renderer: str
    ) -> Path:
        """``render.json`` and ``tracks.npz``."""
        tracks = {
            f"skeleton{i}": np.stack([joint_tracks(c, m, v.cameras).astype(np.float32) for v in views])
            for i, (c, m) in enumerate(zip(characters, motions, strict=True))
        }
        facts = {
            "format": FORMAT,
            "stage": self._config.stage,
            "renderer": renderer,
            "appearance": self._config.appearance,
            "times": self._times.tolist(),
            "frame_rate": self.frame_rate(),
            "up_axis": self._info.up_axis,
            "meters_per_unit": self._info.meters_per_unit,
            "views": [
                {"name": v.name, "images": f"{v.name}/%05d.png", "cameras": v.cameras.to_dict()}
                for v in views
            ],
            "tracks": "tracks.npz",
            "skeletons": [
                {
                    "path": c.skeleton_path,
                    "array": f"skeleton{i}",
                    "axes": "view frame joint (x px, y px, depth)",
                    "joints": c.joints,
                }
                for i, c in enumerate(characters)
            ],
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            np.savez(self.folder / "tracks.npz", **tracks)  # type: ignore[arg-type]  # its stub lacks keywords
            path = self.folder / "render.json"
            path.write_text(json.dumps(facts, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        except OSError as error:
            raise EngineError(
                f"{shown(self.folder)} cannot be written to ({error.strerror}); name another --out."
            ) from error
        return path


def chosen(option: str, text: str, choices: Any) -> Any:
    """The text of an option that takes one of the values of a ``Literal``."""
    if text not in get_args(choices):
        raise ConfigError(f"{option} {text!r} is unknown; choose {', '.join(get_args(choices))}.")
    return text


def with_size(config: RenderConfig, text: str) -> RenderConfig:
    """``320x512``: height x width."""
    height, separator, width = text.lower().partition("x")
    if not separator or not height.strip().isdigit() or not width.strip().isdigit():
        raise ConfigError(f"--size {text!r} is no size; give HEIGHTxWIDTH, for example 320x512.")
    return replace(config, height=int(height), width=int(width))
