"""Pictures of a run's result beside slerp and the bare keys: a video, a contact sheet, and a plot.

What is drawn is thinned out so that a preview takes seconds, whatever the shot.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from engine.files.images import Picture, Sheet, VideoWriter, contact_sheet, write_labels, write_png
from engine.geometry.metrics import height
from engine.geometry.resample import resample
from engine.geometry.skeleton import joint_positions
from engine.planning.plan import Plan
from engine.planning.time_grid import nearest_frames
from engine.preview.plots import Plot, draw_plots
from engine.preview.times import preview_times
from engine.priors.fill import PRIORS, Filled, complete
from engine.progress import Progress
from engine.rendering.actors import Actors
from engine.rendering.bones import visible_characters, with_bones
from engine.rendering.mesh.looks import LoadTexture
from engine.rendering.mesh.surface import build_surface
from engine.rendering.renderers import TorchRenderer
from engine.rendering.threads import limited_threads
from engine.rendering.views import orbit_views, render_view
from usd_io.model import Character, Motion

SIDE_PX = 224
"""Height and width of each panel."""
AZIMUTH_DEG = 60.0
"""Three quarters from the front, where most of a walk shows."""
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
        load_texture: As for :func:`engine.rendering.mesh.surface.build_surface`.
        progress: Told after every batch of images.
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
    with limited_threads():
        panels = _draw(
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
            s.character, s.filled.parts, s.plan, PRIORS[name](s.character, s.filled.parts.known, s.plan)
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


def _draw(
    characters: Sequence[Character],
    takes: Mapping[str, Sequence[Motion]],
    load_texture: LoadTexture,
    progress: Progress,
) -> dict[str, list[Picture]]:
    """Pictures of every take from one camera that sees all of them."""
    surface = build_surface(characters, load_texture)
    renderer = TorchRenderer(surface)
    (view,) = orbit_views(
        Actors(characters, takes["result"]), {"view": AZIMUTH_DEG}, height=SIDE_PX, width=SIDE_PX
    )
    poses = {name: _distinct(motions) for name, motions in takes.items()}
    total, drawn = sum(len(frames) for frames, _ in poses.values()), 0
    panels = {}
    for name, (frames, pose) in poses.items():
        moving = Actors(characters, [motion.at(frames) for motion in takes[name]])
        pictures = list(render_view(renderer, moving, view, progress, first=drawn, total=total))
        panels[name] = [pictures[index] for index in pose]
        drawn += len(frames)
    return panels


def _distinct(motions: Sequence[Motion]) -> tuple[Int[np.ndarray, " pose"], Int[np.ndarray, " frame"]]:
    """Frames at which the pose changes, and which of them each frame shows: held keys are drawn once."""
    changed = np.ones(len(motions[0].times), bool)
    changed[1:] = False
    for motion in motions:
        for values in (
            motion.translations,
            motion.rotations,
            motion.scales,
            motion.T_world_skel,
            motion.blend_weights,
        ):
            if values is not None and values[0].size:
                changed[1:] |= (values[1:] != values[:-1]).reshape(len(values) - 1, -1).any(1)
    return np.flatnonzero(changed), np.cumsum(changed) - 1


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
    with VideoWriter(path, motion.frame_rate / stride, SIDE_PX, SIDE_PX * len(panels)) as video:
        for frame, time in enumerate(times):
            row = np.concatenate([pictures[frame] for pictures in panels.values()], axis=1)
            labels = [(4 + i * SIDE_PX, 2, name) for i, name in enumerate(panels)]
            labels.append((4, SIDE_PX - 16, f"{time:g}{'  key' if at_key[frame] else ''}"))
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
    columns = [f"{times[f]:g}{' key' if f in at_key else ''}" for f in frames]
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
