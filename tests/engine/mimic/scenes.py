"""Characters with a known motion, a start that is off, and a video of the truth."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from engine.files.video import Video
from engine.geometry.metrics import height
from engine.geometry.skeleton import joint_positions
from engine.joints.evidence import JointEvidence
from engine.mimic.fit_subject import FitSubject
from engine.mimic.settings import MimicSettings
from engine.planning.plan import Plan, make_plan
from engine.priors import offsets
from engine.priors.fill import merge
from engine.progress import Progress
from engine.rendering.actors import Actors
from engine.rendering.bones import with_bones
from engine.rendering.mesh.surface import Surface, build_surface
from engine.rendering.renderers import TorchRenderer
from engine.rendering.views import View, joint_tracks, orbit_views, render_view
from engine.stages.mimic import Mimicked, mimic
from tests.engine.conftest import make_character, make_motion
from usd_io.model import Character, Motion

QUICK = MimicSettings(heights=(48, 96), appearance="canonical")


@dataclass(eq=False)
class Scene:
    """One character to fit, perhaps beside others that only stand in the picture."""

    characters: tuple[Character, ...]
    plans: tuple[Plan | None, ...]
    truths: tuple[Motion, ...]
    starts: tuple[Motion, ...]
    view: View
    video: Video
    surface: Surface

    @property
    def start(self) -> Motion:
        plan = self.plans[0]
        assert plan is not None
        return offsets.sample(self.starts[0], plan.fill_times)

    def run(
        self, *, evidence: JointEvidence | None = None, settings: MimicSettings = QUICK, **more: Any
    ) -> Mimicked:
        """Fit and give the first character's outcome."""
        video = more.pop("video", self.video)
        return mimic(self.subjects(evidence), video, self.view, self.surface, settings=settings, **more)[0]

    def subjects(self, evidence: JointEvidence | None = None) -> list[FitSubject]:
        """All characters, with joint evidence of the first alone."""
        told = (evidence, *[None] * (len(self.characters) - 1))
        return list(map(FitSubject, self.characters, self.plans, self.starts, told))

    def errors(self, motion: Motion) -> tuple[float, float]:
        """Mean distance of the joints that pictures show from the truth, in the image plane and along the view axis
        [heights]."""
        character, plan, truth = self.characters[0], self.plans[0], self.truths[0]
        assert plan is not None
        true, got = (joint_positions(character, m) for m in (offsets.sample(truth, plan.fill_times), motion))
        seen = character.observable
        apart = (got - true)[:, seen] @ self.view.cameras.T_camera_world[0, :3, :3].T
        size = height(character, truth, plan.keys[0])
        return float(np.linalg.norm(apart[..., :2], axis=-1).mean()) / size, float(
            np.abs(apart[..., 2]).mean()
        ) / size

    def evidence(self, *, sigma_px: float = 0.1, depth_sigma: float = 0.01) -> JointEvidence:
        """The true joints, said to be as exact as given [pixels, stage units]."""
        times = np.array(self.video.times) * self.truths[0].time_codes_per_second
        tracks = joint_tracks(self.characters[0], offsets.sample(self.truths[0], times), self.view.cameras)
        each = np.ones(tracks.shape[:2])
        return JointEvidence(
            xy=tracks[..., :2],
            depth=tracks[..., 2],
            xy_sigma=sigma_px * each,
            depth_sigma=depth_sigma * each,
            seen=self.characters[0].observable,
        )


def make_scene(
    character: Character,
    truth: Motion,
    plan: Plan,
    *,
    off: float,
    others: tuple[tuple[Character, Motion], ...] = (),
    fps: float = 12.0,
    size: tuple[int, int] = (96, 160),
) -> Scene:
    """A scene whose start is the truth, bent by a smooth arc of ``off`` radians about each axis in every gap."""
    characters = (character, *(c for c, _ in others))
    truths = (truth, *(m for _, m in others))
    rate = truth.time_codes_per_second
    gap = plan.gaps[0]
    times = np.arange(gap.start, gap.end + 1e-6, rate / fps)
    (view,) = orbit_views(
        Actors(characters, [offsets.sample(m, truth.times) for m in truths]),
        {"front": 0.0},
        height=size[0],
        width=size[1],
    )
    surface = build_surface(characters, lambda path: b"", "canonical")
    actors = Actors(characters, [offsets.sample(m, times) for m in truths])
    pictures = np.stack(list(render_view(TorchRenderer(surface, "canonical"), actors, view)))
    frames = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    return Scene(
        characters=characters,
        plans=(plan, *[None] * len(others)),
        truths=truths,
        starts=(bent(truth, plan, off), *truths[1:]),
        view=view,
        video=Video(tuple(times / rate), frames),
        surface=surface,
    )


def bent(truth: Motion, plan: Plan, off: float) -> Motion:
    """The truth with its fill frames turned away from it, most in the middle of the gap."""
    known = truth.at(plan.known(truth.times))
    base = offsets.sample(truth, plan.fill_times)
    gap = plan.gaps[0]
    part = (plan.fill_times - gap.start) / (gap.end - gap.start)
    signs = np.random.default_rng(1).choice([-1.0, 1.0], (base.rotations.shape[1], 3))
    change = np.zeros((*base.rotations.shape[:2], 9))
    turned = offsets.moving(known)[:, 0]
    change[..., offsets.ROTATION] = (
        np.where(turned[:, None], off * signs, 0) * np.sin(np.pi * part)[:, None, None]
    )
    return merge(known, offsets.apply(base, change))


def arm_plan(character: Character, truth: Motion) -> Plan:
    return make_plan(character, truth, contexts=[(0, 24)], keys=[24, 36])


def arm_scene(
    *,
    off: float = 0.1,
    T_world_skel: Float[np.ndarray, "4 4"] | None = None,
    up_axis: str = "Y",
) -> Scene:
    """Two bones of spindles and a knob at their end, the last joint without skin, under a transform."""
    character, boned = (_at_rest(make_character(parents, up_axis)) for parents in ((-1, 0, 1, 2), (-1, 0, 1)))
    character = replace(character, meshes=with_bones(boned).meshes)
    truth = make_motion(character, range(37))
    if T_world_skel is not None:
        truth = replace(truth, T_world_skel=np.tile(T_world_skel, (37, 1, 1)))
    return make_scene(character, truth, arm_plan(character, truth), off=off)


def _at_rest(character: Character) -> Character:
    """Bound in its rest pose, a chain along x: bones have no length where all joints are bound in one place."""
    T_skel_joint = np.tile(np.eye(4), (len(character.joints), 1, 1))
    T_skel_joint[:, :3, 3] = np.cumsum(character.rest_translations, axis=0)
    return replace(character, T_skel_joint_bind=T_skel_joint)


def cancelled_after(steps: int) -> Progress:
    """A progress that stops the run after some steps."""
    left = iter(range(steps))
    return Progress(cancel=lambda: next(left, None) is None)
