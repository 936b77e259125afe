"""Pictures of a run's result beside slerp and the bare keys: a video, a contact sheet, and a plot.

What is drawn is thinned out so that a preview takes seconds, whatever the shot.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.files.images import Picture, Sheet, VideoWriter, contact_sheet, write_labels, write_png
from engine.geometry.metrics import height
from engine.geometry.resample import resample
from engine.geometry.skeleton import joint_positions
from engine.geometry.time_grid import nearest_frames
from engine.planning.plan import Plan
from engine.preview.plots import Plot, draw_plots
from engine.preview.times import preview_times
from engine.priors.catalogue import prior_of
from engine.priors.fill import Filled, complete
from engine.progress import Progress
from engine.rendering.bones import visible_characters, with_bones
from engine.rendering.camera import Cameras
from engine.rendering.framing import frame_views
from engine.rendering.ground import draw_ground, ground_below
from engine.rendering.mesh.looks import LoadTexture, find_looks
from engine.rendering.numpy_renderer import draw_pictures, posed_points
from usd_io.errors import timecode
from usd_io.model import Character, Motion
from usd_io.shapes import Bool, Float, Int

SIDE_PX = 224
"""Height and width of each panel."""
AZIMUTH_DEG = 60.0
"""Three quarters from the front, where most of a walk shows."""
PICTURES_A_STEP = 8
"""Pictures after which progress is reported."""
SHEET_COLUMNS = 9
MOST_VERTICES = 60_000
"""More are not drawn: the plot alone is written, and a note says so."""


@dataclass(frozen=True, eq=False)
class Shown:
    """One skeleton as the preview needs it."""

    character: Character
    """With its meshes."""
    plan: Plan
    filled: Filled
    truth: Motion | None
    """At the fill times and the keys, where it is known."""


def write_preview(
    shown: Sequence[Shown], folder: Path, load_texture: LoadTexture, progress: Progress
) -> tuple[Path, ...]:
    """Write ``preview.mp4``, ``preview.png`` and ``preview_plot.png``; say which.

    Args:
        shown: All skeletons of the run; they share one picture.
        folder: The run folder.
        load_texture: As for :func:`engine.rendering.mesh.looks.find_looks`.
        progress: Reports after every batch of images.
    """
    times = preview_times([s.plan for s in shown], shown[0].filled.motion)
    takes = {name: [resample(motion(s), times) for s in shown] for name, motion in _takes(shown).items()}
    plot = folder / "preview_plot.png"
    write_png(plot, draw_plots(_plots(shown, times, takes)))
    characters = [with_bones(s.character) for s in shown]
    seen = visible_characters(characters)
    if not seen or sum(len(m.points) for c in characters for m in c.meshes) > MOST_VERTICES:
        progress.note(
            f"the preview is a plot only: the shot has no mesh or more than {MOST_VERTICES} points."
        )
        return (plot,)
    panels = draw_takes(
        [characters[i] for i in seen],
        {name: [motions[i] for i in seen] for name, motions in takes.items()},
        load_texture,
        progress,
    )
    video, sheet = folder / "preview.mp4", folder / "preview.png"
    keys = sorted({key for s in shown for key in s.plan.keys})
    _write_video(video, panels, times, keys, shown[0].filled.motion)
    write_png(sheet, _sheet(panels, times, keys))
    return video, sheet, plot


def _takes(shown: Sequence[Shown]) -> dict[str, Callable[[Shown], Motion]]:
    """What is compared, by name: the keys held, slerp, the result and the truth where it is known."""

    def prior(name: str) -> Callable[[Shown], Motion]:
        return lambda s: complete(
            s.character, s.filled.parts, s.plan, prior_of(name)(s.character, s.filled.parts.known, s.plan)
        )

    takes: dict[str, Callable[[Shown], Motion]] = {
        "keys": prior("hold"),
        "slerp": prior("slerp"),
        "result": lambda s: s.filled.motion,
    }
    if all(s.truth is not None for s in shown):
        takes["truth"] = lambda s: _with_truth(s)
    return takes


def _with_truth(s: Shown) -> Motion:
    """The truth inside the gaps, what was kept elsewhere."""
    from engine.priors.fill import merge

    assert s.truth is not None
    kept = s.filled.parts.kept
    missing = ~np.isin(s.truth.times, kept.times)
    return merge(kept, s.truth.at(missing.nonzero()[0]))


def draw_takes(
    characters: Sequence[Character],
    takes: Mapping[str, Sequence[Motion]],
    load_texture: LoadTexture,
    progress: Progress,
) -> dict[str, list[Picture]]:
    """Pictures of every take from one camera that sees all of what ``"result"`` shows.

    Args:
        characters: With meshes or bones to draw.
        takes: By name, the motions of the characters, all at the same times; one is called ``"result"``.
        load_texture: As for :func:`engine.rendering.mesh.looks.find_looks`.
        progress: Reports after every batch of images.
    """
    looks = find_looks(characters, load_texture)
    camera, ground = _watch(characters, takes["result"])
    frames, poses = _distinct(characters, takes)
    total = sum(map(len, frames.values()))
    pictures: list[Picture] = []
    for name, own in frames.items():
        times, first = takes[name][0].times[own], 0
        for points in posed_points(characters, [motion.at(own) for motion in takes[name]]):
            now, first = times[first : first + len(points)], first + len(points)
            for picture in draw_pictures(points, looks, camera, *ground, now):
                pictures.append(picture)
                if len(pictures) % PICTURES_A_STEP == 0 or len(pictures) == total:
                    progress.step(len(pictures), total)
    return {name: [pictures[pose] for pose in own] for name, own in poses.items()}


def _watch(
    characters: Sequence[Character], motions: Sequence[Motion]
) -> tuple[Cameras, tuple[Float[np.ndarray, "height width 3"], Float[np.ndarray, "height width"]]]:
    """A camera that sees the whole motion, and the ground as it sees it."""
    up_axis = characters[0].up_axis
    clouds = [points.reshape(-1, 3) for points in posed_points(characters, motions)]
    low, high = np.min([c.min(0) for c in clouds], axis=0), np.max([c.max(0) for c in clouds], axis=0)
    camera = frame_views(clouds, [AZIMUTH_DEG], up_axis=up_axis, height=SIDE_PX, width=SIDE_PX)
    rgb, depth = draw_ground(ground_below(low, high, up_axis), camera)
    return camera, (rgb[0], depth[0])


def _distinct(
    characters: Sequence[Character], takes: Mapping[str, Sequence[Motion]]
) -> tuple[dict[str, Int[np.ndarray, " new"]], dict[str, list[int]]]:
    """Of every take the frames that look like no frame before, and which of those, counted over all takes, each frame
    looks like: what is held, and what was known and so is the same in all takes, is drawn once."""
    known: dict[bytes, int] = {}
    frames, poses = {}, {}
    for name, motions in takes.items():
        count = len(motions[0].times)
        meshes = [mesh for character in characters for mesh in character.meshes]
        channels = [mesh.seen(motions[0].times)[:, None] for mesh in meshes]
        if any(mesh.recoloured or mesh.reskinned or mesh.point_times is not None for mesh in meshes):
            channels.append(motions[0].times[:, None])  # what is held does not look the same later
        for motion in motions:
            moving = (motion.translations, motion.rotations, motion.scales, motion.T_world_skel)
            channels += [
                values.reshape(count, -1) for values in (*moving, motion.blend_weights) if values is not None
            ]
        rows = [row.tobytes() for row in np.concatenate(channels, axis=1, dtype=np.float64)]
        before = len(known)
        poses[name] = [known.setdefault(row, len(known)) for row in rows]
        _, first = np.unique([pose for pose in poses[name] if pose >= before], return_index=True)
        frames[name] = np.flatnonzero(np.array(poses[name]) >= before)[first]
    return frames, poses


def _write_video(
    path: Path,
    panels: Mapping[str, Sequence[Picture]],
    times: Float[np.ndarray, " frame"],
    keys: Sequence[float],
    motion: Motion,
) -> None:
    step = float(times[1] - times[0]) if len(times) > 1 else motion.frame_step
    stride = round(step / motion.frame_step)
    at_key = _nearest(times, keys)
    with VideoWriter(
        path, motion.frame_rate / stride, SIDE_PX, SIDE_PX * len(panels), preset="veryfast"
    ) as video:
        for frame, time in enumerate(times):
            row = np.concatenate([pictures[frame] for pictures in panels.values()], axis=1)
            labels = [(4 + i * SIDE_PX, 2, name) for i, name in enumerate(panels)]
            labels.append((4, SIDE_PX - 16, f"{timecode(time)}{'  key' if at_key[frame] else ''}"))
            video.write(write_labels(row, labels))


def _nearest(times: Float[np.ndarray, " frame"], keys: Sequence[float]) -> Bool[np.ndarray, " frame"]:
    """The shown times that stand for a key."""
    marked = np.zeros(len(times), bool)
    inside = [key for key in keys if times[0] <= key <= times[-1]]
    marked[nearest_frames(times, np.array(inside, float))] = True
    return marked


def _sheet(
    panels: Mapping[str, Sequence[Picture]], times: Float[np.ndarray, " frame"], keys: Sequence[float]
) -> Sheet:
    """Keys and the middles between them, evenly thinned out."""
    at_key = np.flatnonzero(_nearest(times, keys))
    middles = (at_key[1:] + at_key[:-1]) // 2
    frames = np.unique(np.concatenate([at_key, middles]))
    if len(frames) > SHEET_COLUMNS:
        frames = frames[np.linspace(0, len(frames) - 1, SHEET_COLUMNS).round().astype(int)]
    columns = [f"{timecode(times[f])}{' key' if f in at_key else ''}" for f in frames]
    return contact_sheet(
        [[pictures[f] for f in frames] for pictures in panels.values()], list(panels), columns
    )


def _plots(
    shown: Sequence[Shown], times: Float[np.ndarray, " frame"], takes: Mapping[str, Sequence[Motion]]
) -> list[Plot]:
    """Mean joint speed of every take, and the distance from the truth where it is known."""
    positions = {
        name: np.concatenate(
            [
                joint_positions(s.character, m) / height(s.character, m, s.plan.keys[0])
                for s, m in zip(shown, motions, strict=True)
            ],
            axis=1,
        )
        for name, motions in takes.items()
    }
    keys = [key for s in shown for key in s.plan.keys if times[0] <= key <= times[-1]]
    seconds = (times[1] - times[0]) / shown[0].filled.motion.time_codes_per_second if len(times) > 1 else 1.0
    drawn = {name: p for name, p in positions.items() if name != "keys"}
    speeds = {
        name: np.linalg.norm(np.gradient(p, axis=0) if len(p) > 1 else 0 * p, axis=-1).mean(1) / seconds
        for name, p in drawn.items()
    }
    plots = [Plot("mean joint speed [heights/s] over time codes", times, speeds, keys)]
    if "truth" in drawn:
        errors = {
            name: np.linalg.norm((p - drawn["truth"]).reshape(len(p), -1), axis=1)
            for name, p in drawn.items()
            if name != "truth"
        }
        plots.append(Plot("distance from the true motion (L2P) over time codes", times, errors, keys))
    return plots
