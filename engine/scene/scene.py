"""What the video engine looks at: the characters in front of cameras, and the times that pictures are needed of."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from engine.errors import DataError
from engine.geometry.resample import resample
from engine.geometry.time_grid import frame_times
from engine.planning.plan import Plan, grid_beside_frames
from engine.progress import Progress
from engine.rendering.actors import Actors
from engine.rendering.bones import drawable
from engine.rendering.camera import Cameras
from engine.rendering.mesh.surface import Surface, build_surface
from engine.rendering.renderers import TorchRenderer
from engine.rendering.threads import limited_threads
from engine.rendering.views import View, make_view, orbit_views
from engine.scene.stage_camera import read_cameras
from engine.scene.subject import Subject
from engine.scene.view_choice import AZIMUTHS, choose_view
from engine.settings.choices import VIEWS, Appearance, view_azimuth
from usd_io.errors import shown
from usd_io.model import Character, Motion
from usd_io.shapes import Float

CONTEXT_S = 2.0
"""Finished motion that is shown to the video model and the joint estimator, beside each gap [s]; as in the paper."""


@dataclass(frozen=True)
class Schedule:
    """The times that pictures are needed of [time codes], over all characters together."""

    gaps: tuple[tuple[float, float], ...]
    """Intervals to generate; at both ends every character is known."""
    true: tuple[float, ...]
    """Known frames near the gaps: keys and context, increasing."""
    keys: tuple[float, ...]
    """Those of them that are a key of some character."""
    context: tuple[float, ...]
    """The longest run of evenly spaced known frames, at the stage's rate."""


@dataclass(frozen=True, eq=False)
class Scene:
    """The skeletons that can be seen, with their work and the cameras on them."""

    subjects: tuple[Subject, ...]
    """Their characters with meshes; those without any, in a shot without any, with bones."""
    schedule: Schedule
    views: tuple[View, ...]
    """The video's own first."""
    known_view: View | None
    """A moving camera at the known times; None of a still one."""
    surface: Surface
    appearance: Appearance
    """How the characters look."""

    @property
    def cameras(self) -> Cameras:
        """The camera of the video: one, or one per frame of :attr:`times`."""
        return self.views[0].cameras

    @property
    def renderer(self) -> TorchRenderer:
        """Draws them."""
        return TorchRenderer(self.surface, self.appearance)

    @property
    def time_codes_per_second(self) -> float:
        return self.subjects[0].start.motion.time_codes_per_second

    @property
    def characters(self) -> tuple[Character, ...]:
        return tuple(subject.character for subject in self.subjects)

    def motions(self, times: Float[np.ndarray, " frame"]) -> tuple[Motion, ...]:
        """All characters at the same times [time codes]."""
        return tuple(resample(subject.start.motion, times) for subject in self.subjects)

    def actors(self, times: Float[np.ndarray, " frame"]) -> Actors:
        """All characters at the same times [time codes]; true where nothing is to be filled."""
        return Actors(self.characters, self.motions(times))


def make_schedule(plans: Sequence[Plan], motion: Motion) -> Schedule:
    """Find what has to be generated, and what of it may be looked at.

    A character counts as known wherever it has nothing to fill, so that several characters with keys of their own
    share one video.

    Args:
        plans: Of all characters in the picture.
        motion: Of any of them, for the rates.

    Raises:
        DataError: No time lies between two at which every character is known.
    """
    gaps = _video_gaps(plans)
    reach = CONTEXT_S * motion.time_codes_per_second
    ranges = finished(plans)
    grid = grid_beside_frames(motion, ranges)
    step = motion.frame_step if grid is None else grid.step  # each range begins at a sample
    grids = [frame_times(start, end, step) for start, end in ranges]
    times = np.concatenate([np.zeros(0), *grids])
    near = np.zeros(len(times), bool)
    for start, end in gaps:
        near |= (times >= start - reach - _EPSILON) & (times <= start) | (times >= end) & (
            times <= end + reach + _EPSILON
        )
    true = np.unique(np.concatenate([times[near], *map(np.array, gaps)]))
    keys = tuple(time for time in true.tolist() if any(time in plan.keys for plan in plans))
    return Schedule(gaps, tuple(true.tolist()), keys, _longest_run(times[near], step))


_EPSILON = 1e-6


def _video_gaps(plans: Sequence[Plan]) -> tuple[tuple[float, float], ...]:
    """Between neighbouring times at which nobody is inside a gap, where somebody has one."""
    everyones = sorted({t for plan in plans for gap in plan.gaps for t in (gap.start, gap.end)})
    inner = [(gap.start, gap.end) for plan in plans for gap in plan.gaps]
    ends = [t for t in everyones if not any(start < t < end for start, end in inner)]
    return tuple((a, b) for a, b in pairwise(ends) if any(start < b and a < end for start, end in inner))


def finished(plans: Sequence[Plan]) -> list[tuple[float, float]]:
    """Ranges that are context of one character while no other has anything to fill."""
    ranges = [
        (start, end)
        for plan in plans
        for start, end in plan.contexts
        if not any(start < gap.end and gap.start < end for other in plans for gap in other.gaps)
    ]
    return sorted(set(ranges))


def _longest_run(times: Float[np.ndarray, " frame"], step: float) -> tuple[float, ...]:
    if not len(times):
        return ()
    runs = np.split(times, np.flatnonzero(np.diff(times) > step * 1.5) + 1)
    return tuple(max(runs, key=len).tolist())


def make_scene(
    stage: Any,
    subjects: Sequence[Subject],
    *,
    height: int,
    width: int,
    camera: str = "",
    times: Sequence[float] = (),
    appearance: Appearance = "textured",
    ground: bool = True,
) -> Scene:
    """Read the meshes of the characters of a run and put cameras around them.

    Args:
        stage: The source, open or by its path; a run itself does not read meshes.
        subjects: Of the run.
        height: Of the pictures [pixels].
        width: Of the pictures [pixels].
        camera: Prim path of the video's camera, a ``render.json``, or a view by name or azimuth; empty: the front view.
        times: Of the video [time codes], for a camera that moves.
        appearance: How the characters look.
        ground: Whether they stand on one.

    Raises:
        DataError: There is nothing to see.
        UsdIoError: The camera cannot be read.
    """
    from usd_io.read.character import find_skinned, read_bound_character
    from usd_io.read.material import read_texture_bytes
    from usd_io.read.stage import open_stage

    opened = open_stage(stage)
    skinned = find_skinned(opened)
    read = [read_bound_character(opened, subject.path, skinned) for subject in subjects]
    characters, places = drawable(read)
    if not places:
        name = shown(opened.GetRootLayer().identifier)
        raise DataError(f"{name}: nothing is bound to the skeletons and they have no joints to draw.")
    seen = tuple(
        replace(subjects[i], character=character) for character, i in zip(characters, places, strict=True)
    )
    schedule = make_schedule([subject.plan for subject in seen], seen[0].start.motion)
    surface = build_surface(characters, read_texture_bytes, appearance)
    scene = Scene(seen, schedule, (), None, surface, appearance)
    azimuth = view_azimuth(camera or "front")
    scene = _around(scene, azimuth or 0.0, height=height, width=width, ground=ground)
    if azimuth is not None:
        return scene
    cameras = read_cameras(opened, camera, np.array(times), height=height, width=width)
    known_view = None
    if len(cameras) > 1:
        at_known = read_cameras(opened, camera, np.array(schedule.true), height=height, width=width)
        known_view = make_view("camera", at_known)
    return replace(scene, views=(make_view("camera", cameras), *scene.views), known_view=known_view)


def _around(scene: Scene, azimuth: float, *, height: int, width: int, ground: bool) -> Scene:
    """The scene in views whose front is at an azimuth [degrees]."""
    views = {name: azimuth + beside for name, beside in VIEWS.items()}
    return replace(scene, views=orbit_views(_framed(scene), views, height=height, width=width, ground=ground))


def _framed(scene: Scene) -> Actors:
    """All that has to be in the picture."""
    filled = [subject.plan.fill_times for subject in scene.subjects]
    return scene.actors(np.unique(np.concatenate([scene.schedule.true, *filled])))


def best_azimuth(scene: Scene, *, ground: bool, progress: Progress) -> float:
    """From where a video will tell most of the motion [degrees], see :mod:`engine.scene.view_choice`.

    Args:
        scene: Seen by a still camera.
        ground: Whether the characters stand on one.
        progress: Reports when another view than the front is chosen.
    """
    size = scene.cameras.height, scene.cameras.width
    around = {f"{a:g}": a for a in AZIMUTHS}
    views = orbit_views(_framed(scene), around, height=size[0], width=size[1], ground=ground)
    subjects = [subject.to_fit() for subject in scene.subjects]
    by_azimuth = dict(zip(AZIMUTHS, views, strict=True))
    with limited_threads():
        best, expected = choose_view(subjects, scene.surface, scene.appearance, by_azimuth)
    front = VIEWS["front"]
    if best != front:
        progress.note(
            f"The video is seen from azimuth {best:g}: joints are expected {expected[best]:.2%} of the height off, "
            f'from the front {expected[front]:.2%}. Choose the camera "front" to see them from there.'
        )
    return best


def seen_from(scene: Scene, azimuth: float, *, ground: bool) -> Scene:
    """The scene with all views turned so that the video's is at an azimuth [degrees]."""
    size = scene.cameras
    return _around(scene, azimuth, height=size.height, width=size.width, ground=ground)
