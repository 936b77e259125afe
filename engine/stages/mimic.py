"""Run stage *mimic*: a video of characters and a first guess of their motion -> the motion that the video shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.errors import DataError
from engine.files.arrays import load_arrays, save_arrays
from engine.files.hashing import content_hash
from engine.files.video import Video
from engine.geometry.metrics import height
from engine.geometry.resample import resample as at_times
from engine.geometry.skeleton import joint_positions
from engine.joints.estimator import Estimator, estimate
from engine.mimic.confidence import LARGEST_RESIDUAL, LEAST_EXPLAINED, explained, sureness
from engine.mimic.fit import Fit, Fitted, fit
from engine.mimic.fit_subject import FitSubject
from engine.mimic.gauss_newton import no_term, quadratic
from engine.mimic.joint_term import JointTerm, make_joint_term, residuals
from engine.mimic.key_check import across, frames_at_keys, off_at_keys, pixel
from engine.mimic.paper_solver import filled, fit_paper, to_unknowns
from engine.mimic.parameters import Unknowns, make_unknowns
from engine.mimic.pictures.pyramid import make_fit_scene, resample
from engine.mimic.pictures.stabilise import shifts, steadied
from engine.mimic.pictures.two_views import Seen, joined
from engine.mimic.pictures.video_frames import frames_to_fit
from engine.mimic.settings import MimicSettings
from engine.planning.plan import Plan
from engine.priors import offsets
from engine.priors.fill import Filled, complete
from engine.progress import Progress
from engine.rendering.mesh.surface import Surface
from engine.rendering.torch_renderer.renderer import Backdrop
from engine.rendering.views import View
from engine.runs.stage_cache import RunContext, Stage, StageWork
from engine.scene.footage import Footage
from engine.scene.subject import Subject
from usd_io.errors import shown, timecode
from usd_io.model import Character, Motion
from usd_io.shapes import Float, Int

VIDEO = "video"
"""Stands in the scores where a motion prior's name does."""
CHANNELS = ("translations", "rotations", "scales")
MOST_OFF = 0.4
"""A video may be so far off at a key, as part of what it changes between the keys (measured, docs/measurements.md)."""
LEAST_OFF_PX = 0.15
"""No less is held against it [pixels of the finest pictures]: honest fits leave a key by up to 0.13, by rounding."""
LEAST_KNOWN = 0.5
"""Part of what differs from the background that the known poses have to explain at the keys."""
HALF_TRUSTED = 0.05
"""Expected error [heights] at which the confidence is one half, as with the learned prior."""


@dataclass(frozen=True, eq=False)
class MimicInputs:
    """What decides a fit to one video."""

    footage: Footage
    """Of all takes: what stands behind the characters is learnt from all."""
    take: int
    """Which of its videos."""
    estimator: Estimator
    settings: MimicSettings
    second: tuple[Footage, Estimator] | None
    """A video of the same motion from another side, and what was trained for it."""


FittedArrays = Mapping[str, np.ndarray]
"""Channels at the fill times and confidence of every subject of a scene, by name and place."""


def fit_motion(
    footage: Footage,
    estimator: Estimator,
    settings: MimicSettings,
    context: RunContext,
    *,
    second: tuple[Footage, Estimator] | None = None,
) -> Mapping[str, Filled]:
    """What the videos of a scene make of the motion of the prior, by skeleton path; with another side of it, of both
    sides together."""
    warn_of_moving_skin([subject.character for subject in footage.scene.subjects], context.progress)
    takes = []
    for take in range(len(footage.videos)):
        inputs = MimicInputs(footage, take, estimator, settings, second)
        takes.append(context.cache.get(Stage("mimic", inputs, _fit, _save, _load, f"mimic-{take + 1}.npz")))
    results = {}
    for place, subject in enumerate(footage.scene.subjects):
        own = [{name: take[f"{name}_{place}"] for name in (*CHANNELS, "confidence")} for take in takes]
        results[subject.path] = _fitted(subject, own)
    return results


def warn_of_moving_skin(characters: Sequence[Character], progress: Progress) -> None:
    """Report meshes whose binding to the joints changes in time, which the fit does not follow."""
    for character in characters:
        moving = [mesh.path for mesh in character.meshes if mesh.reskinned]
        if moving:
            progress.note(
                f"{shown(character.skeleton_path)}: skin weights or bind transforms of {shown(moving[0])} change in "
                "time; the fit draws the mesh with their first sample, so that joints may be off where they differ.",
                level="warning",
            )


def _fit(inputs: MimicInputs, work: StageWork) -> FittedArrays:
    scene, seen = inputs.footage.in_front, _seen(inputs.footage, inputs.take, inputs.estimator)
    if inputs.second is not None:
        seen = joined(seen, _seen(inputs.second[0], 0, inputs.second[1]))
    subjects = [
        subject.to_fit(evidence) for subject, evidence in zip(scene.subjects, seen.evidence, strict=True)
    ]
    made = mimic(
        subjects,
        seen.video,
        seen.view,
        scene.surface,
        settings=inputs.settings,
        progress=work.progress,
        checkpoint_dir=work.checkpoints(),
    )
    arrays = {f"confidence_{i}": m.confidence.astype(np.float32) for i, m in enumerate(made)}
    for name in CHANNELS:
        arrays |= {f"{name}_{i}": getattr(m.motion, name) for i, m in enumerate(made)}
    return arrays


def _seen(footage: Footage, take: int, estimator: Estimator) -> Seen:
    scene, video = footage.in_front, footage.videos[take]
    return Seen(video, scene.views[0], estimate(estimator, video.frames, scene.cameras))


def _fitted(subject: Subject, takes: Sequence[FittedArrays]) -> Filled:
    """What the prior made with the motion of the fit instead, take by take."""
    character, plan, start = subject.character, subject.plan, subject.start
    base = at_times(start.motion, plan.fill_times)
    motions = []
    for take in takes:
        channels: dict[str, Any] = {name: take[name] for name in CHANNELS}
        motions.append(complete(character, start.parts, plan, replace(base, **channels)))
    confidence = np.ones(motions[0].translations.shape[:2], np.float32)
    confidence[np.isin(motions[0].times, plan.fill_times)] = takes[0]["confidence"]
    confidence[:, np.isin(character.joints, plan.locked)] = 1
    return replace(start, prior=VIDEO, motion=motions[0], others=tuple(motions[1:]), confidence=confidence)


def _save(path: Path, arrays: FittedArrays) -> None:
    save_arrays(path, arrays, {})


def _load(path: Path) -> FittedArrays:
    return load_arrays(path)[0]


@dataclass(frozen=True, eq=False)
class Mimicked:
    """The outcome for one character."""

    motion: Motion
    """At the fill times of the plan."""
    plane_sigma: Float[np.ndarray, "fill joint"]
    """Expected error of joint positions across the view axis, per axis [heights]."""
    view_sigma: Float[np.ndarray, "fill joint"]
    """The same along the view axis: large where one view cannot tell the depth."""
    trusted: bool
    """False: the video does not show this character's motion, and the motion is the start."""
    explained: float | None = None
    """How much of what differs from the background the fit explained, of 1, over all characters; None: joints alone."""

    @property
    def confidence(self) -> Float[np.ndarray, "fill joint"]:
        """0 to 1 per frame and joint."""
        error = np.sqrt(2 * self.plane_sigma**2 + self.view_sigma**2)
        return 1 / (1 + error / HALF_TRUSTED)


def mimic(
    subjects: Sequence[FitSubject],
    video: Video,
    view: View,
    surface: Surface,
    *,
    settings: MimicSettings | None = None,
    progress: Progress | None = None,
    checkpoint_dir: Path | None = None,
) -> tuple[Mimicked, ...]:
    """Fit the motion between the keys to a video.

    Args:
        subjects: All characters that the video shows.
        video: Its times are seconds such that ``time * timeCodesPerSecond`` is the time code of the stage. Frames
            outside all gaps are not looked at. Any size of the camera's aspect ratio.
        view: From where it was taken, and what stands still behind the characters.
        surface: Of the subjects in their order, with the colours of ``settings.appearance``.
        settings: How to fit.
        progress: Reports every step with its ``loss``, and of videos that do not show the motion.
        checkpoint_dir: Where the state is kept after every step; a stopped fit goes on from there.

    Returns:
        Per subject the motion at the fill times; keys are not among them and so stay exact.

    Raises:
        DataError: The video or the evidence cannot be fitted.
        RunCancelled: The user stopped the run.
    """
    settings, progress = settings or MimicSettings(), progress or Progress()
    rate = subjects[0].start.time_codes_per_second
    times, frames, which = frames_to_fit(video, [s.plan for s in subjects], view.cameras, rate)
    whole, view = view, _at_frames(view, which)
    subjects = [_at(s, which) for s in subjects]
    if view.backdrop is not None:
        frames, subjects = _held_still(frames, subjects, view.backdrop, progress)
    unknowns = tuple(
        make_unknowns(s.character, s.plan, s.start, times, pose_prior=settings.pose_prior) for s in subjects
    )
    scene = make_fit_scene(unknowns, surface, view.cameras, view.backdrop, settings.appearance)
    joints = [_joint_term(u, s, settings) for u, s in zip(unknowns, subjects, strict=True)]
    problem = Fit(scene, joints, frames, settings)
    mark = _mark(subjects, view, [times, frames.numpy()], settings)
    if settings.solver == "paper":
        tracks = fit_paper(problem, progress, checkpoint_dir, mark)
        fitted = problem.around([to_unknowns(u, m) for u, m in zip(unknowns, tracks, strict=True)])
        made = [filled(u, t, s.fill_times) for u, t, s in zip(unknowns, tracks, subjects, strict=True)]
    else:
        fitted = fit(problem, progress, checkpoint_dir, mark)
        made = [
            u.filled(z, s.fill_times) for u, z, s in zip(fitted.unknowns, fitted.z, subjects, strict=True)
        ]
    share = None if fitted.level is None else explained(problem.scene, fitted.level, fitted.poses)
    missed = _missed_keys(problem, video, whole, rate, made, subjects)
    outcomes = []
    for i, (subject, motion) in enumerate(zip(subjects, made, strict=True)):
        trouble = missed[i] or _trouble(problem, fitted, i, share)
        outcome = _outcome(subject.plan, motion, fitted, i, problem, trouble, progress)
        outcomes.append(replace(outcome, explained=share))
    return tuple(outcomes)


def _joint_term(unknowns: Unknowns, subject: FitSubject, settings: MimicSettings) -> JointTerm | None:
    if subject.evidence is None or settings.joint_weight == 0:
        return None
    return make_joint_term(unknowns, subject.evidence, settings.joint_weight)


def _at_frames(view: View, which: Int[np.ndarray, " frame"]) -> View:
    """A moving camera at the chosen frames; a still one as it is."""
    if len(view.cameras) == 1:
        return view
    backdrop = view.backdrop
    if backdrop is not None:
        backdrop = Backdrop(backdrop.rgb[which], backdrop.depth[which])
    return View(view.name, view.cameras.at(which), backdrop)


def _at(subject: FitSubject, which: Int[np.ndarray, " frame"]) -> FitSubject:
    """The subject with the evidence of the chosen frames alone."""
    evidence = subject.evidence
    if evidence is None:
        return subject
    if len(which) and which.max() >= len(evidence.xy):
        raise DataError(f"joint evidence of {len(evidence.xy)} frames came with a longer video.")
    chosen = {n: v[which] for n, v in vars(evidence).items() if n != "seen" and v is not None}
    return replace(subject, evidence=replace(evidence, **chosen))


def _held_still(
    frames: Float[torch.Tensor, "frame 3 height width"],
    subjects: Sequence[FitSubject],
    backdrop: Backdrop,
    progress: Progress,
) -> tuple[Float[torch.Tensor, "frame 3 height width"], list[FitSubject]]:
    """Pictures and evidence of a camera that shakes as if it stood still."""
    moved = shifts(frames, backdrop)
    if not moved.any():
        return frames, list(subjects)
    progress.note(
        f"The video's camera shakes, by up to {float(moved.norm(dim=1).max()):.1f} pixels; it is held still by what "
        "stands behind the characters."
    )
    by = moved.double().numpy()[:, None]
    still = [
        s if s.evidence is None else replace(s, evidence=replace(s.evidence, xy=s.evidence.xy - by))
        for s in subjects
    ]
    return steadied(frames, moved), still


def _mark(
    subjects: Sequence[FitSubject],
    view: View,
    arrays: Sequence[np.ndarray],
    settings: MimicSettings,
) -> str:
    starts = [s.start for s in subjects]
    moved = [(s.times, s.translations, s.rotations, s.scales, s.T_world_skel) for s in starts]
    evidence = [None if s.evidence is None else vars(s.evidence) for s in subjects]
    plans = [s.plan for s in subjects]
    return content_hash([arrays, evidence, moved, settings, view.cameras.to_dict(), plans])


def _missed_keys(
    problem: Fit,
    video: Video,
    view: View,
    rate: float,
    made: Sequence[Motion],
    subjects: Sequence[FitSubject],
) -> list[str]:
    """For each subject what is wrong with the video at a key, where all is known, if that is much beside what the
    video changes between the keys; empty where it is not, or where no frame shows a key."""
    result = [""] * len(subjects)
    times = np.asarray(video.times) * rate
    which = frames_at_keys(times, problem.scene.unknowns)
    if not len(which) or problem.settings.image_weight == 0:
        return result
    view = _at_frames(view, which)
    frames = resample(video.frames[which], view.cameras.height, view.cameras.width)
    if view.backdrop is not None:
        frames = steadied(frames, shifts(frames, view.backdrop))
    scene = replace(problem.scene, cameras=view.cameras, backdrop=view.backdrop)
    known, off = off_at_keys(scene, times[which], frames, problem.settings)
    for i, (u, subject, motion) in enumerate(zip(scene.unknowns, subjects, made, strict=True)):
        plan = subject.plan
        if plan is None or not plan.gaps:
            continue
        if known < LEAST_KNOWN:
            result[i] = (
                f"at the keys, where all is known, what is drawn explains {known:.0%} of what moves in it; is its "
                "camera right? Of a film by 'anymole render' it is the render.json beside it"
            )
            continue
        start = offsets.sample(u.start, plan.fill_times)
        change = joint_positions(u.character, motion) - joint_positions(u.character, start)
        change = float(across(change[:, u.character.observable], scene).mean())
        own = np.isin(which, frames_at_keys(times, [u]))
        worst = int(np.where(own, off[i], -1.0).argmax())
        finest = problem.phases[-1].height or view.cameras.height
        least = LEAST_OFF_PX * pixel(scene, u, times[which], finest)[worst]
        if off[i][worst] > max(MOST_OFF * change, least):
            size = height(u.character, u.start, plan.keys[0])
            result[i] = (
                f"at the key {timecode(times[which[worst]])} it is {off[i][worst] / size:.2%} of the height off, and "
                f"between the keys it changes {change / size:.2%}; are its frame rate and its beginning right?"
            )
    return result


def _trouble(problem: Fit, fitted: Fitted, index: int, share: float | None) -> str:
    """What speaks against the video showing a character's motion; empty where nothing does."""
    poses, joint = fitted.poses, problem.joints[index]
    if joint is not None:
        free = torch.from_numpy(problem.scene.unknowns[index].free)
        off = residuals(joint, poses[index], problem.scene.cameras)[free][:, joint.used].norm(dim=-1)
        if off.numel() and float(off.median()) > LARGEST_RESIDUAL:
            return f"the joints seen in it stay {float(off.median()):.0f} standard deviations off"
    if share is not None and share < LEAST_EXPLAINED:
        return f"the character explains {share:.0%} of what moves in it"
    return ""


def _outcome(
    plan: Plan | None,
    made: Motion,
    fitted: Fitted,
    index: int,
    problem: Fit,
    trouble: str,
    progress: Progress,
) -> Mimicked:
    """The motion with what to expect of it, or the start with a warning."""
    unknowns = fitted.unknowns[index]
    if plan is None or not plan.gaps:
        nothing = np.zeros((0, len(unknowns.character.joints)))
        return Mimicked(made, nothing, nothing, True)
    z, form, times = fitted.z[index], fitted.forms[index], plan.fill_times
    if trouble:
        progress.note(
            f"{shown(unknowns.character.skeleton_path)}: the video does not show this character between these keys "
            f"({trouble}); the motion prior's motion is kept.",
            level="warning",
        )
        z, made = unknowns.zeros(), offsets.sample(unknowns.start, times)
        form = quadratic(unknowns, no_term(unknowns), z)
    size = height(unknowns.character, unknowns.start, plan.keys[0])
    sure = sureness(unknowns, z, form, times, problem.scene.cameras, problem.settings.seed)
    return Mimicked(made, sure.plane / size, sure.view / size, not trouble)
