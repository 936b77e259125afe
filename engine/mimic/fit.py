"""The most probable motion: joints alone first, then joints and pictures, from the keys inwards and from coarse to
fine."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.files.arrays import load_arrays, save_arrays
from engine.mimic.gauss_newton import ROUGHLY, Quadratic, Term, add, no_term, quadratic, solve
from engine.mimic.hyperparameters import Scales, expected_scales, rescaled
from engine.mimic.joint_term import JointForm, JointTerm, joint_form
from engine.mimic.kinematics import Pose, pose_at
from engine.mimic.parameters import Unknowns
from engine.mimic.pictures.colour_match import match_colours
from engine.mimic.pictures.photometric_term import PictureCosts, compare, picture_form
from engine.mimic.pictures.pyramid import FitScene, Level, Picture, make_level
from engine.mimic.settings import MimicSettings
from engine.progress import Progress
from usd_io.shapes import Float

STATE = "mimic.npz"
"""The unknowns after the last step, in the checkpoint folder."""
LONGEST_STEP = 0.5
"""No joint turns further than this in one step [rad]."""
STRETCH = 1.5
"""A step is this much longer, in proportion, after one that lowered the cost."""
FIRST_DAMPING = 1e-3
MOST_DAMPING = 1e4
ROUNDS = 4
"""Joints alone are gone through so often, scales being estimated again from the data after each time."""
INWARDS = 4
"""Most steps each time that pictures of one more frame on either side of each gap are looked at."""
FINE, FINEST = 6, 4
"""Most steps in pictures finer than the coarsest, and in the finest ones while they are gone through first: there they
cost most, and a second time follows."""
ENOUGH = 5e-3
"""A phase ends when a step lowers the cost by less than this part."""

Unknown = Float[Tensor, "_ _"]
"""Of one character: modes by parameters."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """The outcome for all characters."""

    z: tuple[Unknown, ...]
    forms: tuple[Quadratic, ...]
    """The cost around the outcome, per character."""
    unknowns: tuple[Unknowns, ...]
    """With the sizes of offsets estimated from the data."""
    poses: tuple[Pose, ...]
    level: Level | None
    """The finest pictures that were looked at."""


@dataclass(frozen=True)
class Phase:
    """What is looked at for some steps."""

    steps: int
    """At most."""
    height: int | None = None
    """Of the pictures [pixels]; None: joints alone."""
    least_noise: float = 0.0
    """Colour differences are taken to be no smaller than this ..."""
    width: float = 0.0
    """... and count in full up to this: what is far off at first is something that has to move, and only at last
    something else in the picture (graduated non-convexity, Blake and Zisserman 1987)."""
    reach: int | None = None
    """Pictures so many frames from a key are looked at: there motion is near what is known, and each frame leads to
    the next one further in; None: all of them."""
    settled: bool = False
    """All pictures have been fitted before."""


def phases_of(settings: MimicSettings, video_height: int, deepest: int, joints: bool) -> tuple[Phase, ...]:
    """The order of a fit.

    Args:
        settings: Heights and steps.
        video_height: No picture is larger.
        deepest: How many frames from the nearest key the frame furthest from all is.
        joints: Whether there is joint evidence.
    """
    result = [Phase(settings.steps)] * (ROUNDS if joints else 0)
    if settings.image_weight > 0:
        first, *finer = sorted({min(height, video_height) for height in settings.heights})
        last = finer[-1] if finer else first
        result += [Phase(INWARDS, first, 0.05, 0.3, reach + 1) for reach in range(deepest)]
        result += [Phase(settings.steps, first, 0.05, 0.3)]
        few, fewer = (min(settings.steps, most) for most in (FINE, FINEST))
        result += [Phase(few, height, 0.03, 0.3, settled=True) for height in finer[:-1]]
        result += [Phase(fewer, height, 0.03, 0.3, settled=True) for height in finer[-1:]]
        result += [Phase(few, last, 0.01, 0.15, settled=True)]
    return tuple(result)


@dataclass(frozen=True, eq=False)
class _State:
    """How far a fit is: all that a stopped one needs to go on."""

    phase: int
    step: int
    done: bool
    """Whether the phase needs no more steps."""
    damping: float
    stretch: float
    """Times a step is taken: that of pictures often falls short, since their slopes fade with distance."""
    z: tuple[Unknown, ...]
    begin: tuple[Unknown, ...]
    """The unknowns at the start of the phase, at which colours were matched."""
    scales: tuple[Scales, ...]


@dataclass(frozen=True, eq=False)
class Costs:
    """The negative logarithm of the probability of a motion, by parts."""

    prior: float
    joints: float
    pictures: float

    @property
    def total(self) -> float:
        return self.prior + self.joints + self.pictures

    def values(self) -> dict[str, float]:
        """For the progress."""
        parts = {"prior": self.prior, "joints": self.joints, "pictures": self.pictures}
        return {"loss": self.total, **parts}


@dataclass(frozen=True, eq=False)
class TriedMotion:
    """A motion and what it costs; what its form is made from is kept with it."""

    z: tuple[Unknown, ...]
    costs: Costs
    poses: tuple[Pose, ...]
    terms: tuple[Term, ...]
    """Of the joint evidence, per character."""
    compared: PictureCosts | None
    """With the pictures."""


@dataclass(frozen=True, eq=False)
class CostsAround:
    """What a motion costs, and the form of it around the motion, per character."""

    costs: Costs
    forms: tuple[Quadratic, ...]


def poses_at(scene: FitScene, z: Sequence[Unknown]) -> tuple[Pose, ...]:
    """Where all joints of each character are at the frames of the video."""
    return tuple(pose_at(figure.unknowns, figure.rig, x) for figure, x in zip(scene.figures, z, strict=True))


class Fit:
    """All that stays the same during a fit."""

    def __init__(
        self,
        scene: FitScene,
        joints: Sequence[JointTerm | None],
        frames: Float[Tensor, "frame 3 height width"],
        settings: MimicSettings,
    ) -> None:
        self.scene, self.joints, self.settings, self.frames = scene, tuple(joints), settings, frames
        # largest over the characters: a frame is near the known ones only where it is so for all that it shows
        self.depth = np.max([u.depth for u in scene.unknowns], axis=0)
        """Of each frame: how many frames it is from the nearest key."""
        deepest = int(self.depth.max(initial=0))
        self.phases = phases_of(settings, scene.cameras.height, deepest, any(j is not None for j in joints))

    def under(self, scales: Sequence[Scales]) -> "Fit":
        """The same problem with other sizes of offsets and errors than were expected."""
        result = copy(self)
        figures = tuple(
            replace(figure, unknowns=figure.unknowns.scaled(s.prior))
            for figure, s in zip(self.scene.figures, scales, strict=True)
        )
        result.scene = replace(self.scene, figures=figures)
        result.joints = tuple(
            None if joint is None else joint.rescaled(*s.errors.tolist())
            for joint, s in zip(self.joints, scales, strict=True)
        )
        return result

    def poses(self, z: Sequence[Unknown]) -> tuple[Pose, ...]:
        """Where all joints are at the frames of the video."""
        return poses_at(self.scene, z)

    def joint_forms(self, poses: Sequence[Pose]) -> tuple[JointForm | None, ...]:
        """What joint evidence says of every character."""
        cameras = self.scene.cameras
        return tuple(
            None if joint is None else joint_form(joint, pose, cameras)
            for joint, pose in zip(self.joints, poses, strict=True)
        )

    def level(self, phase: Phase, z: Sequence[Unknown]) -> tuple[Level | None, Sequence[Picture] | None]:
        """The pictures of a phase, their colours matched at its start; and what was drawn there."""
        if phase.height is None:
            return None, None
        s = self.settings
        used = None if phase.reach is None else np.flatnonzero(self.depth <= phase.reach)
        level = make_level(self.scene, self.frames, phase.height, s.silhouette_weight, s.image_weight, used)
        return match_colours(
            self.scene,
            level,
            self.poses(z),
            least_noise=phase.least_noise,
            width=phase.width,
            settled=phase.settled,
        )

    def tried(
        self, z: Sequence[Unknown], level: Level | None, pictures: Sequence[Picture] | None = None
    ) -> TriedMotion:
        """What ``z`` costs; ``pictures`` are those drawn of it, where they are known."""
        poses = self.poses(z)
        # joint evidence: residuals in standard deviations across and along the view axis, their Gauss-Newton matrices
        # per frame in rotation vectors [rad] and translations [stage units] of each character's joints
        terms = tuple(
            no_term(u) if joint is None else add(joint.plane, joint.depth)
            for u, joint in zip(self.scene.unknowns, self.joint_forms(poses), strict=True)
        )
        compared = None if level is None else compare(self.scene, level, poses, pictures)
        costs = Costs(
            prior=sum(0.5 * float((x**2).sum()) for x in z),
            joints=sum(term.cost for term in terms),
            pictures=0.0 if compared is None else compared.cost,
        )
        return TriedMotion(tuple(z), costs, poses, terms, compared)

    def found(self, trial: TriedMotion, level: Level | None) -> CostsAround:
        """The form of the cost around a motion."""
        terms = trial.terms
        if level is not None:
            # the same matrices of colour differences, in standard deviations of their noise
            seen = picture_form(self.scene, level, trial.poses, trial.compared)
            terms = tuple(add(a, b) for a, b in zip(terms, seen, strict=True))
        # from joints to whitened unknowns (modes by parameters), where the prior is the identity: |z|^2 / 2
        forms = tuple(quadratic(u, t, x) for u, t, x in zip(self.scene.unknowns, terms, trial.z, strict=True))
        return CostsAround(trial.costs, forms)

    def around(self, z: Sequence[Unknown]) -> Fitted:
        """Any state as if it were the outcome."""
        level, pictures = self.level(self.phases[-1], z)
        trial = self.tried(z, level, pictures)
        return Fitted(tuple(z), self.found(trial, level).forms, self.scene.unknowns, trial.poses, level)

    def bounded(self, z: Sequence[Unknown], change: Sequence[Unknown]) -> tuple[Unknown, ...]:
        """The change, no joint turning too far at once."""
        # the longest rotation vector of any joint in any frame by which the change turns it [rad]; one factor for all
        # characters keeps the direction of the step
        most = max(
            (
                float(u.offsets(d, u.basis)[0].norm(dim=-1).max())
                for u, d in zip(self.scene.unknowns, change, strict=True)
                if len(u.turning) and len(u.basis) and d.numel()
            ),
            default=0.0,
        )
        share = min(1.0, LONGEST_STEP / most) if most > 0 else 1.0
        return tuple(x + share * d for x, d in zip(z, change, strict=True))


def fit(fit: Fit, progress: Progress, checkpoint_dir: Path | None, mark: str) -> Fitted:
    """Minimise the cost by damped Gauss-Newton steps (Levenberg 1944, Marquardt 1963).

    Args:
        fit: The problem.
        progress: Reports every step, with the costs.
        checkpoint_dir: Where the state is kept after every step; a fit of the same ``mark`` goes on from there and
            gives the same result.
        mark: Hash of all that decides the result.
    """
    unknowns = fit.scene.unknowns
    state = _restore(checkpoint_dir, mark) or _begin(
        0, tuple(u.zeros() for u in unknowns), tuple(expected_scales(u) for u in unknowns)
    )
    total = sum(phase.steps for phase in fit.phases)
    for number in range(state.phase, len(fit.phases)):
        now, phase = fit.under(state.scales), fit.phases[number]
        before = sum(phase.steps for phase in fit.phases[:number])
        level, pictures = now.level(phase, state.begin)
        # a fit that goes on within a phase has left the poses at which colours were matched
        found = now.found(now.tried(state.z, level, None if state.step else pictures), level)
        while not state.done and state.step < phase.steps:
            state, found = _step(now, state, level, found)
            _keep(checkpoint_dir, mark, state)
            progress.step(before + state.step, total, **found.costs.values())
        if number + 1 < len(fit.phases):
            state = _next(fit, now, state, found)
    progress.step(total, total, **found.costs.values())
    return Fitted(state.z, found.forms, now.scene.unknowns, now.poses(state.z), level)


def _begin(phase: int, z: tuple[Unknown, ...], scales: tuple[Scales, ...]) -> _State:
    return _State(phase, 0, False, FIRST_DAMPING, 1.0, z, z, scales)


def _next(fit: Fit, now: Fit, state: _State, found: CostsAround) -> _State:
    """The start of the next phase: the same poses under scales estimated from the last one (``now``), if it saw all."""
    # a phase that looked at some frames alone says too little of the sizes of offsets in all
    if fit.phases[state.phase].reach is not None:
        return _begin(state.phase + 1, state.z, state.scales)
    joints = now.joint_forms(now.poses(state.z))
    scales = tuple(
        rescaled(u, z, form, joint, fit.settings.seed, before)
        for u, z, form, joint, before in zip(
            now.scene.unknowns, state.z, found.forms, joints, state.scales, strict=True
        )
    )
    # the same offsets in units of the new sizes: whitened unknowns change, poses do not
    following = fit.under(scales).scene.unknowns
    z = tuple(
        u.taken_over(x, before) for u, x, before in zip(following, state.z, now.scene.unknowns, strict=True)
    )
    return _begin(state.phase + 1, z, scales)


def _step(fit: Fit, state: _State, level: Level | None, found: CostsAround) -> tuple[_State, CostsAround]:
    """One step; it is taken only when it lowers the cost."""
    # Gauss-Newton with damping d (Marquardt 1963): (1 + d) diag(H) in place of H's diagonal; characters are solved one
    # by one, since what they share in pictures is left out of the matrices
    change = [solve(form, -form.gradient, state.damping, ROUGHLY) for form in found.forms]
    # over-relaxed while steps succeed, since slopes of pictures fade with distance and steps fall short
    z = fit.bounded(state.z, [state.stretch * d for d in change])
    trial = fit.tried(z, level)
    state = replace(state, step=state.step + 1)
    before, after = found.costs.total, trial.costs.total
    if after < before:
        done = before - after < ENOUGH * before
        return replace(state, done=done, damping=state.damping / 5, stretch=STRETCH, z=z), fit.found(
            trial, level
        )
    # a failed step is first tried at its own length, then with ten times the damping: shorter, and nearer to
    # steepest descent
    if state.stretch > 1:
        return replace(state, stretch=1.0), found
    damping = max(state.damping, FIRST_DAMPING) * 10
    return replace(state, done=damping > MOST_DAMPING, damping=damping), found


def store_arrays(folder: Path | None, name: str, arrays: Mapping[str, np.ndarray], plain: object) -> None:
    """Write a state, whole or not at all; nowhere without a folder."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        save_arrays(folder / name, arrays, plain)


def restore_arrays(folder: Path | None, name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """What :func:`store_arrays` wrote; None where there is nothing that can be read."""
    if folder is None:
        return None
    try:
        arrays, plain = load_arrays(folder / name)
        return arrays, dict(plain)
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None


def _keep(folder: Path | None, mark: str, state: _State) -> None:
    arrays = {f"{name}{i}": x.numpy() for name in ("z", "begin") for i, x in enumerate(getattr(state, name))}
    for i, scales in enumerate(state.scales):
        arrays |= {f"prior{i}": scales.prior.numpy(), f"errors{i}": scales.errors.numpy()}
    plain = {name: getattr(state, name) for name in ("phase", "step", "done", "damping", "stretch")}
    store_arrays(folder, STATE, arrays, {"mark": mark, **plain})


def _restore(folder: Path | None, mark: str) -> _State | None:
    """The state of a stopped fit of the same mark."""
    kept = restore_arrays(folder, STATE)
    if kept is None or kept[1].pop("mark", None) != mark:
        return None
    arrays, plain = kept
    z, begin, prior, errors = (
        tuple(torch.from_numpy(arrays[f"{name}{i}"]) for i in range(len(arrays) // 4))
        for name in ("z", "begin", "prior", "errors")
    )
    return _State(**plain, z=z, begin=begin, scales=tuple(map(Scales, prior, errors)))
