"""The oracle test: how near does a fit come to the truth, given a perfect video?

The hidden frames are drawn at a video model's rate from the front and given to the fit as if a video model had made
them. What is left of the error is the ceiling of all that goes by way of a video.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from engine.evaluation.config import ORACLE
from engine.evaluation.rows import Evaluation, Row, split_dense
from engine.files.video import Video
from engine.geometry.metrics import height, l2p, score, select
from engine.geometry.skeleton import joint_positions
from engine.geometry.time_grid import frame_times
from engine.joints.estimator import Estimator, estimate
from engine.joints.evidence import JointEvidence
from engine.joints.settings import EstimatorSettings
from engine.mimic.fit_subject import FitSubject
from engine.mimic.pictures.two_views import Seen, joined
from engine.mimic.settings import MimicSettings
from engine.planning.plan import Plan
from engine.priors import offsets
from engine.priors.fill import Parts, complete, fill_plainly
from engine.progress import Progress
from engine.rendering.actors import Actors
from engine.rendering.bones import drawable
from engine.rendering.mesh.surface import Surface, build_surface
from engine.rendering.renderers import TorchRenderer
from engine.rendering.views import View, joint_tracks, orbit_views, render_view
from engine.scene.scene import make_schedule
from engine.scene.view_choice import AZIMUTHS, choose_view
from engine.settings.choices import VIEWS, Appearance
from engine.stages.estimate_joints import train_estimator
from engine.stages.mimic import Mimicked, mimic
from usd_io.model import Character, Motion, Shot
from usd_io.shapes import Float

FPS = 15.0
"""Of the video, as the paper's."""
SIZE = (320, 512)
"""Height and width of the video [pixels], as the paper's."""
NOISE_PX, NOISE_DEPTH = 2.0, 0.04
"""Standard deviations of simulated joint evidence [pixels, heights]."""
SHARED_FRAMES = 7
"""Half the variance of simulated errors is shared by so many neighbouring frames: an estimator errs alike on like
pictures."""


@dataclass(frozen=True, eq=False)
class OracleSubject:
    """A character of the clip."""

    character: Character
    truth: Motion
    plan: Plan | None
    """None for one that has nothing to fill."""
    parts: Parts | None
    """What of the truth is known, for the plan."""
    start: Motion
    """The whole motion, its gaps filled by the prior."""


@dataclass(frozen=True, eq=False)
class Oracle:
    """A clip with a video of its hidden frames."""

    subjects: tuple[OracleSubject, ...]
    video: Video
    views: tuple[View, ...]
    """From where the video was taken first; then from the left, right and back of it, for training."""
    surface: Surface
    appearance: Appearance = "textured"
    """How the characters are drawn to train and to fit."""


def make_oracle(
    shot: Shot, plans: Sequence[Plan | None], *, fps: float = FPS, azimuth: float | None = None
) -> Oracle:
    """Draw the video of a dense clip.

    Args:
        shot: With meshes.
        plans: Of each character; None for one that has nothing to fill.
        fps: Rate of the video.
        azimuth: From where it is taken [degrees]; None: from where it tells most by what is known
            (:mod:`engine.scene.view_choice`), as in a run.
    """
    from usd_io.read.material import read_texture_bytes

    characters, seen = drawable(shot.characters)
    subjects = tuple(
        _subject(character, shot.motions[i], plans[i]) for character, i in zip(characters, seen, strict=True)
    )
    rate = subjects[0].truth.time_codes_per_second
    times = _video_times([s.plan for s in subjects], rate / fps)
    known = np.unique(
        np.concatenate([times, *(s.parts.known.times for s in subjects if s.parts is not None)])
    )
    surface = build_surface(characters, read_texture_bytes)

    def views_of(motions: Sequence[Motion], azimuths: dict[str, float]) -> tuple[View, ...]:
        framed = Actors(characters, [offsets.sample(m, known) for m in motions])
        return orbit_views(framed, azimuths, height=SIZE[0], width=SIZE[1])

    if azimuth is None:
        around = views_of([s.start for s in subjects], {f"{a:g}": a for a in AZIMUTHS})
        to_fit = [FitSubject(s.character, s.plan, s.start) for s in subjects]
        azimuth, _ = choose_view(to_fit, surface, "textured", dict(zip(AZIMUTHS, around, strict=True)))
    truths = [s.truth for s in subjects]
    views = views_of(truths, {name: azimuth + beside for name, beside in VIEWS.items()})
    actors = Actors(characters, [offsets.sample(m, times) for m in truths])
    pictures = np.stack(list(render_view(TorchRenderer(surface), actors, views[0])))
    frames = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    return Oracle(subjects, Video(tuple(times / rate), frames), views, surface)


def _subject(character: Character, truth: Motion, plan: Plan | None) -> OracleSubject:
    if plan is None:
        return OracleSubject(character, truth, None, None, truth)
    parts = split_dense(truth, plan)
    return OracleSubject(character, truth, plan, parts, fill_plainly("auto", character, parts, plan))


def _video_times(plans: Sequence[Plan | None], step: float) -> Float[np.ndarray, " frame"]:
    """Regular times [time codes] from the start of every gap to its end."""
    gaps = [gap for plan in plans if plan is not None for gap in plan.gaps]
    first, last = min(gap.start for gap in gaps), max(gap.end for gap in gaps)
    times = frame_times(first, last, step)
    inside = np.zeros(len(times), bool)
    for gap in gaps:
        inside |= (times >= gap.start) & (times <= gap.end)
    return times[inside]


def estimator_of(
    oracle: Oracle,
    settings: EstimatorSettings | None = None,
    progress: Progress | None = None,
    checkpoint_dir: Path | None = None,
) -> Estimator:
    """A joint estimator that has seen context and keys alone."""
    plans = [s.plan for s in oracle.subjects if s.plan is not None]
    schedule = make_schedule(plans, oracle.subjects[0].truth)
    known = np.array(schedule.true)
    return train_estimator(
        Actors(
            [s.character for s in oracle.subjects], [offsets.sample(s.truth, known) for s in oracle.subjects]
        ),
        TorchRenderer(oracle.surface, oracle.appearance),
        oracle.views,
        keys=schedule.keys,
        gaps=schedule.gaps,
        settings=settings or EstimatorSettings(),
        progress=progress or Progress(),
        checkpoint_dir=checkpoint_dir,
    )


def evidence_of(oracle: Oracle, estimator: Estimator) -> tuple[JointEvidence, ...]:
    """What an estimator sees in the video."""
    return estimate(estimator, oracle.video.frames, oracle.views[0].cameras)


def simulated_evidence(oracle: Oracle, seed: int = 0) -> tuple[JointEvidence, ...]:
    """The true joints with noise, as an estimator with small and honest errors would tell them: not what a real one
    tells, but what the fit makes of the best there could be."""
    rng = np.random.default_rng(seed)
    result = []
    for subject in oracle.subjects:
        character, truth, plan = subject.character, subject.truth, subject.plan
        times = np.array(oracle.video.times) * truth.time_codes_per_second
        tracks = joint_tracks(character, offsets.sample(truth, times), oracle.views[0].cameras)
        size = height(character, truth, plan.keys[0] if plan is not None else truth.times[0])
        sigma = np.array([NOISE_PX, NOISE_PX, NOISE_DEPTH * size])
        noisy = tracks + sigma * _errors(rng, tracks.shape)
        each = np.ones(tracks.shape[:2])
        result.append(
            JointEvidence(
                xy=noisy[..., :2],
                depth=noisy[..., 2],
                xy_sigma=NOISE_PX * each,
                depth_sigma=sigma[2] * each,
                seen=character.observable,
            )
        )
    return tuple(result)


def _errors(rng: np.random.Generator, shape: tuple[int, ...]) -> Float[np.ndarray, "frame joint 3"]:
    """Random numbers of variance 1, in part alike in neighbouring frames."""
    slow = np.cumsum(rng.normal(size=(shape[0] + SHARED_FRAMES, *shape[1:])), axis=0)
    slow = (slow[SHARED_FRAMES:] - slow[:-SHARED_FRAMES]) / np.sqrt(SHARED_FRAMES)
    return np.sqrt(0.5) * (slow + rng.normal(size=shape))


def run_oracle(
    oracle: Oracle,
    evidence: Sequence[JointEvidence | None] | None,
    settings: MimicSettings | None = None,
    progress: Progress | None = None,
) -> tuple[Mimicked, ...]:
    """Fit the video, with joint evidence of each subject, or with none at all."""
    subjects = [
        FitSubject(s.character, s.plan, s.start, seen)
        for s, seen in zip(oracle.subjects, evidence or [None] * len(oracle.subjects), strict=True)
    ]
    return mimic(
        subjects,
        oracle.video,
        oracle.views[0],
        oracle.surface,
        settings=replace(settings or MimicSettings(), appearance=oracle.appearance),
        progress=progress,
    )


def beside(
    first: Oracle,
    first_evidence: Sequence[JointEvidence],
    second: Oracle,
    second_evidence: Sequence[JointEvidence],
) -> tuple[Oracle, tuple[JointEvidence | None, ...]]:
    """Two oracles of one clip from two sides as one, with the evidence of both."""
    seen = joined(
        Seen(first.video, first.views[0], first_evidence),
        Seen(second.video, second.views[0], second_evidence),
    )
    return replace(first, video=seen.video, views=(seen.view, *first.views[1:])), tuple(seen.evidence)


def evaluate_oracle(
    shot: Shot, plans: Sequence[Plan | None], priors: Sequence[str], progress: Progress
) -> tuple[Evaluation, ...]:
    """Rows of some priors and of the oracle for each skeleton with a plan, errors in the image plane and along the
    view axis apart."""
    started = time.perf_counter()
    oracle = make_oracle(shot, plans)
    evidence = evidence_of(oracle, estimator_of(oracle, progress=progress))
    fitted = run_oracle(oracle, evidence, progress=progress)
    seconds = time.perf_counter() - started
    result = []
    for subject, fit in zip(oracle.subjects, fitted, strict=True):
        character, plan, part = subject.character, subject.plan, subject.parts
        if plan is None or part is None:
            continue
        rows: list[Row] = []
        for name in (*priors, ORACLE):
            began = time.perf_counter()
            if name == ORACLE:
                made = complete(character, part, plan, fit.motion)
            else:
                made = fill_plainly(name, character, part, plan)
            spent = seconds if name == ORACLE else time.perf_counter() - began
            row = row_of(oracle, subject, name, made, spent)
            rows.append(relative(row, rows[0] if rows else row))
        result.append(
            Evaluation(
                shot.info.path, character.skeleton_path, len(plan.fill_times), len(plan.gaps), tuple(rows)
            )
        )
    return tuple(result)


def row_of(oracle: Oracle, subject: OracleSubject, name: str, motion: Motion, seconds: float) -> Row:
    """Scores of a motion of one character, with its errors in and across the image plane [heights]."""
    character, truth, plan = subject.character, subject.truth, subject.plan
    assert plan is not None
    size = height(character, truth, plan.keys[0])
    axes = oracle.views[0].cameras.T_camera_world[0, :3, :3]
    true, got = (
        joint_positions(character, select(m, tuple(plan.fill_times))) @ axes.T / size for m in (truth, motion)
    )
    return Row(
        name,
        score(character, truth, motion, plan),
        1.0,
        seconds,
        plane=l2p(true[..., :2], got[..., :2]),
        view=l2p(true[..., 2:], got[..., 2:]),
    )


def relative(row: Row, base: Row) -> Row:
    """The row with its ratio to the baseline's L2P."""
    return replace(row, l2p_ratio=row.scores.l2p / base.scores.l2p if base.scores.l2p > 0 else 1.0)
