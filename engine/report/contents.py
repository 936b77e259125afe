"""What a report shows of a run, read from its folder: the motions side by side, their scores, and what made them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from engine.config import RunConfig
from engine.errors import ConfigError
from engine.files.json_values import from_plain, read_json
from engine.geometry.metrics import height
from engine.geometry.resample import resample
from engine.planning.plan import Plan
from engine.preview.times import preview_times
from engine.priors.fill import Filled, fill_plainly, merge, split
from engine.priors.self_test import SelfTest
from engine.rendering.bones import with_bones
from engine.report.words import TOUR
from engine.runs.inputs import read_inputs
from engine.runs.workspace import REPORT, SETTINGS, check_readable, read_settings
from engine.scene.subject import Subject
from engine.scene.truth import true_motion
from usd_io.errors import UsdIoError, shown
from usd_io.files import file_hash
from usd_io.model import Character, Motion, UpAxis
from usd_io.shapes import Float

MOST_FRAMES = 600
"""Longer shots are shown at a lower frame rate."""
MOST_VALUES = 150_000
"""Frames times joints times takes at most, so that the file stays small; more are shown at a lower frame rate."""
MOST_TAKES = 6
LARGEST_REPORT = 64 << 20
RESULT, SLERP, TRUTH = "result", "slerp", "truth"


@dataclass(frozen=True, eq=False)
class Actor:
    """One skeleton of the run."""

    character: Character
    """With its meshes, or with bones where it has none."""
    plan: Plan
    scores: Mapping[str, Any]
    """As in ``report.json``."""
    height: float
    """[stage units]"""
    takes: Mapping[str, Motion]
    """``slerp``, ``result``, ``take 2`` ..., and ``truth`` where it is known, at the times of the report."""


@dataclass(frozen=True, eq=False)
class Contents:
    """All that is in a report."""

    folder: Path
    config: RunConfig
    result: Mapping[str, Any]
    """What ``report.json`` holds."""
    times: Float[np.ndarray, " frame"]
    """Of what is shown [time codes]."""
    frames_per_second: float
    """At which they follow one another; a fraction of the clip's where frames are left out."""
    time_codes_per_second: float
    every: int
    """1 where every frame of the clip is shown, 2 where every other one is, ..."""
    up_axis: UpAxis
    meters_per_unit: float
    actors: tuple[Actor, ...]
    hashes: Mapping[str, str]
    """SHA-256 by path of the layers that were read and the files that were made."""
    notes: tuple[str, ...]
    """What is not shown, and why, and what is not to be taken for quality."""


def read_contents(folder: Path) -> Contents:
    """Gather a report from the folder of a run that is done.

    Raises:
        ConfigError: It is no run folder or the run has no result.
        UsdIoError: The source or the result cannot be read.
    """
    check_readable(folder)
    if not (folder / SETTINGS).is_file():
        raise ConfigError(f"{shown(folder)} is no run folder: it holds no {SETTINGS}.")
    return gather(read_settings(folder), read_result(folder), folder)


def read_result(folder: Path) -> Mapping[str, Any]:
    """``report.json`` of a run folder.

    Raises:
        ConfigError: There is none, or it cannot be understood.
    """
    try:
        found = read_json(folder / REPORT, LARGEST_REPORT)
        if not (isinstance(found["result"], str) and isinstance(found["scores"], dict)):
            raise TypeError(folder)
        return found
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigError(
            f"{shown(folder)} holds no result yet; 'anymole resume' goes on with the run."
        ) from error


def gather(
    config: RunConfig,
    result: Mapping[str, Any],
    folder: Path,
    stage: Any | None = None,
    truth: Any | None = None,
) -> Contents:
    """Gather a report of what a run made.

    Args:
        config: Settings of the run.
        result: What ``report.json`` holds; files are looked for in the run folder, wherever it is now.
        folder: The run folder.
        stage: The source, where it is open already; None opens it.
        truth: The stage with the true motion, likewise, its times counted as the source's.

    Raises:
        ConfigError: The result is not of these settings.
        UsdIoError: The source or the result cannot be read.
    """
    from usd_io.author.takes import read_takes, show_take
    from usd_io.read.motion import read_motion
    from usd_io.read.stage import open_stage

    root = Path(os.path.realpath(folder)) / Path(result["result"]).name  # USD joins paths as text
    plans = _plans(result)
    source, made = open_stage(stage or config.stage), open_stage(root)
    subjects = [_subject(source, plan, result["scores"]) for plan in plans]
    first = subjects[0].start.parts.kept
    count = read_takes(root).count
    shown_takes = min(count, MOST_TAKES)
    joints = sum(len(subject.character.joints) for subject in subjects)
    most = min(MOST_FRAMES, MOST_VALUES // max(1, joints * (shown_takes + 2)))
    times = preview_times(plans, first, max(most, 30))
    every = round(float(times[1] - times[0]) / first.frame_step) if len(times) > 1 else 1
    takes: dict[str, dict[str, Motion]] = {}
    for s in subjects:
        takes[s.path] = {SLERP: resample(fill_plainly("slerp", s.character, s.start.parts, s.plan), times)}
    for number in range(1, shown_takes + 1):
        if count > 1:
            show_take(made, number)
        for s in subjects:
            name = RESULT if number == 1 else f"take {number}"
            takes[s.path][name] = read_motion(made, s.path, times)
    notes = [] if count <= MOST_TAKES else [f"{MOST_TAKES} of {count} takes are shown."]
    for s, true in _truths(truth or config.truth, source, subjects):
        kept = s.start.parts.kept
        missing = ~np.isin(true.times, kept.times)
        takes[s.path][TRUTH] = resample(merge(kept, true.at(missing.nonzero()[0])), times)
    if every > 1:
        notes.append(f"Player and plots show every {_ordinal(every)} frame of the clip.")
    made_by_tiny = config.video_choice.model == "tiny" and not config.video
    if made_by_tiny and any(scores["prior"] == "video" for scores in result["scores"].values()):
        notes.append(f"{TOUR[0].upper()}{TOUR[1:]}.")
    actors = tuple(
        Actor(
            with_bones(s.character),
            s.plan,
            result["scores"][s.path],
            height(s.character, s.start.parts.kept, s.plan.keys[0]),
            takes[s.path],
        )
        for s in subjects
    )
    return Contents(
        folder=folder,
        config=config,
        result=result,
        times=times,
        frames_per_second=first.frame_rate / every,
        time_codes_per_second=first.time_codes_per_second,
        every=every,
        up_axis=subjects[0].character.up_axis,
        meters_per_unit=subjects[0].character.meters_per_unit,
        actors=actors,
        hashes=_hashes(folder, result),
        notes=tuple(notes),
    )


def _plans(result: Mapping[str, Any]) -> tuple[Plan, ...]:
    try:
        return tuple(from_plain(Plan, plan) for plan in result["plan"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"the {REPORT} of this run is damaged; 'anymole resume' recomputes it.") from error


def _subject(source: Any, plan: Plan, scores: Mapping[str, Any]) -> Subject:
    """What a plan was for, as the source has it; of the filled motion the known parts alone."""
    from usd_io.read.character import find_skinned, read_bound_character
    from usd_io.read.motion import read_motion

    own = scores[plan.skeleton_path]
    character = read_bound_character(source, plan.skeleton_path, find_skinned(source))
    motion = read_motion(source, plan.skeleton_path)
    parts = split(motion, plan, partial(read_motion, source, plan.skeleton_path))
    known = Filled(parts.kept, parts, str(own["prior"]), from_plain(SelfTest, own["self_test"]))
    return Subject(character, plan, known, known)


def _truths(truth: Any, source: Any, subjects: Sequence[Subject]) -> list[tuple[Subject, Motion]]:
    """Subjects with their true motions, where those of all are known and can still be read; ``truth`` is their stage,
    by its path or open, or nothing."""
    from usd_io.read.stage import open_stage

    try:
        opened = open_stage(truth, in_times_of=source) if truth else None
        found = [(subject, true_motion(subject, opened)) for subject in subjects]
    except (ConfigError, UsdIoError):
        return []
    known = [(subject, motion) for subject, motion in found if motion is not None]
    return known if len(known) == len(found) else []


def _hashes(folder: Path, result: Mapping[str, Any]) -> dict[str, str]:
    made = [folder / Path(str(result[name])).name for name in ("result", "layer")]
    return read_inputs(folder) | {str(path): file_hash(path) for path in made if path.is_file()}


def _ordinal(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")
