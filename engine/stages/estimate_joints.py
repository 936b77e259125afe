"""Run stage *estimate joints*: train the joint estimator of a scene on pictures of context and keys (paper sec. 3.3).

From top to bottom: pictures of the known frames from all views and of random poses around them are drawn once; a
small network learns to find the joints in them, changed at every step as generated video might change them; what it
says of its own errors is set right on frames it has not seen. Every random number follows from the seed and the step,
so that a stopped training goes on as if it had not been stopped. The estimate itself is
:func:`engine.joints.estimator.estimate`.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from engine.errors import DataError
from engine.files.hashing import content_hash
from engine.files.json_values import as_json
from engine.files.training_loop import TrainingLoop
from engine.geometry.time_grid import frames_at
from engine.joints.adamw import AdamW
from engine.joints.augment import AugmentedBatch, augmented, plain
from engine.joints.estimator import Estimator, build_network, load_estimator, predict, save_estimator
from engine.joints.loss import entropy, estimation_loss, measure_spread
from engine.joints.poses import WILDEST, random_motions
from engine.joints.samples import JointSamples, TrainingScene, draw_samples, join_samples, make_training_scene
from engine.joints.settings import EstimatorSettings
from engine.progress import Progress
from engine.rendering.actors import Actors
from engine.rendering.renderers import Renderer
from engine.rendering.threads import limited_threads
from engine.rendering.views import View
from engine.runs.stage_cache import RunContext, Stage, StageWork
from engine.scene.footage import Footage
from engine.video.network.sample import combine_seeds
from usd_io.errors import timecode
from usd_io.shapes import Bool, Float, Int

CHECKPOINT = "estimator-training.safetensors"
"""In the checkpoint folder."""
POSE_SEED, CHECK_SEED, STEP_SEED = range(3)
"""First parts of seeds, so that no two draws share one."""
WARM_UP = 0.1
"""Share of the steps in which the learning rate rises."""
CHECK_POSES = 64
"""Random poses that are not trained on, to set the spread by."""
CHECK_WILDEST = WILDEST / 2
"""Of these: trained on are poses far out as well, but motion between keys seldom goes there, and errors shall be true
where it goes."""
TIME_MARGIN = 1e-6


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """What is trained and measured on."""

    samples: JointSamples
    weights: Float[Tensor, " sample"]
    """How often each is drawn, in proportion."""
    held_out: JointSamples
    backdrop: Float[Tensor, "3 height width"]
    """Of the video's view."""
    scene: TrainingScene
    seen: tuple[Bool[np.ndarray, " joint"], ...]


@dataclass(frozen=True, eq=False)
class EstimateInputs:
    """What decides a joint estimator: the characters as the video's camera sees them."""

    footage: Footage
    settings: EstimatorSettings


def estimate_joints(
    footage: Footage,
    settings: EstimatorSettings,
    context: RunContext,
    *,
    file: str = "estimator.safetensors",
) -> Estimator:
    """The joint estimator of the characters of some videos, kept in a file of that name."""
    inputs = EstimateInputs(footage, settings)
    return context.cache.get(Stage("estimate_joints", inputs, _train, save_estimator, load_estimator, file))


def _train(inputs: EstimateInputs, work: StageWork) -> Estimator:
    scene, schedule = inputs.footage.scene, inputs.footage.scene.schedule
    return train_estimator(
        scene.actors(np.array(schedule.true)),
        scene.renderer,
        (inputs.footage.known_view, *scene.views[1:]),
        keys=schedule.keys,
        gaps=schedule.gaps,
        settings=inputs.settings,
        progress=work.progress,
        checkpoint_dir=work.checkpoints(),
    )


def train_estimator(
    actors: Actors,
    renderer: Renderer,
    views: Sequence[View],
    *,
    keys: Sequence[float],
    gaps: Sequence[tuple[float, float]],
    settings: EstimatorSettings,
    progress: Progress,
    checkpoint_dir: Path | None = None,
    device: str = "cpu",
) -> Estimator:
    """Train the estimator of some characters.

    Args:
        actors: The characters at the known frames alone: context and keys.
        renderer: Draws their surface as the video shows it.
        views: The video's view first; the others help. Cameras are still, or one per known frame.
        keys: Times among those of the actors that are keys.
        gaps: Times of the known frames on both sides of each gap.
        settings: What is trained and how.
        progress: Reports each step with its ``loss`` and, where measured, ``held_out``.
        checkpoint_dir: Where the state is kept; a state of the same work there is taken up.
        device: Where the network is trained.

    Raises:
        DataError: No joint can be seen, or a key or an end of a gap is not among the times.
        ResourceMissing: The frozen features are not at hand.
        RunCancelled: The user stopped the run; its state is kept.
    """
    with limited_threads():
        material = draw_training_set(actors, renderer, views, keys, gaps, settings, progress)
        return _EstimatorTraining(material, settings, device).run(progress, checkpoint_dir)


def draw_training_set(
    actors: Actors,
    renderer: Renderer,
    views: Sequence[View],
    keys: Sequence[float],
    gaps: Sequence[tuple[float, float]],
    settings: EstimatorSettings,
    progress: Progress,
) -> TrainingSet:
    """Draw all pictures that are trained or measured on; see :func:`train_estimator`."""
    seen = tuple(character.observable for character in actors.characters)
    if not any(s.any() for s in seen):
        raise DataError(
            "no mesh follows a joint, so that pictures show none; give the characters skinned meshes."
        )
    front, others = views[0], views[1:] if settings.other_views > 0 else ()
    scene = make_training_scene(actors, seen, front.cameras, settings.area)
    times = actors.motions[0].times
    key_frames = _frames_at(times, keys)
    pairs = np.array([_frames_at(times, gap) for gap in gaps], int).reshape(-1, 2)
    held = _held_out(len(times), np.union1d(key_frames, pairs), settings.held_out)
    known = np.setdiff1d(np.arange(len(times)), held)
    importance = np.where(np.isin(known, key_frames), settings.key_weight, 1.0)

    def draw(frames: Int[np.ndarray, " frame"], view: View) -> JointSamples:
        cameras = view.cameras if len(view.cameras) == 1 else view.cameras.at(frames)
        part = Actors(actors.characters, [m.at(frames) for m in actors.motions])
        return draw_samples(part, seen, renderer, cameras, scene, progress)

    def pose(count: int, seed: int, wildest: float) -> JointSamples:
        mixed = random_motions(
            actors.characters, actors.motions, known, pairs, scene.height, count, seed, wildest
        )
        which = np.random.default_rng(seed).integers(0, len(front.cameras), count)
        return draw_samples(
            Actors(actors.characters, mixed), seen, renderer, front.cameras.at(which), scene, progress
        )

    shared = settings.random_share if settings.random_poses else 0.0
    aside = settings.other_views if others else 0.0
    parts = [draw(known, front)]
    shares = [importance / importance.sum() * (1 - shared) * (1 - aside)]
    for view in others:
        parts.append(draw(known, view))
        shares.append(importance / importance.sum() * (1 - shared) * aside / len(others))
    if settings.random_poses:
        parts.append(pose(settings.random_poses, combine_seeds(POSE_SEED, settings.seed), WILDEST))
        shares.append(np.full(settings.random_poses, shared / settings.random_poses))
    checks = [pose(CHECK_POSES, combine_seeds(CHECK_SEED, settings.seed), CHECK_WILDEST)]
    if len(held):
        checks.append(draw(held, front))
    weights = torch.from_numpy(np.concatenate(shares)).float()
    return TrainingSet(
        join_samples(parts), weights, join_samples(checks), _backdrop(front, scene), scene, seen
    )


def _frames_at(times: Float[np.ndarray, " frame"], wanted: Sequence[float]) -> Int[np.ndarray, " wanted"]:
    """Frames of some times."""
    tolerance = TIME_MARGIN * max(1.0, float(np.abs(times).max()))
    frames, missing = frames_at(times, np.array(wanted, float), tolerance)
    if len(missing):
        raise DataError(f"the known frames lack time {timecode(missing[0])}, which a key or a gap names.")
    return frames


def _held_out(count: int, fixed: Int[np.ndarray, " fixed"], share: float) -> Int[np.ndarray, " held"]:
    """Two runs of neighbouring context frames: single ones would lie between trained ones that look the same."""
    free = np.setdiff1d(np.arange(count), fixed)
    length = round(share * len(free) / 2)
    if length < 1 or len(free) - 2 * length < 2:
        return free[:0]
    starts = [len(free) // 3 - length // 2, 3 * len(free) // 4 - length // 2]
    return np.unique(np.concatenate([free[s : s + length] for s in starts]))


def _backdrop(view: View, scene: TrainingScene) -> Float[Tensor, "3 height width"]:
    """The background of the video's first camera, or white."""
    if view.backdrop is None:
        return torch.ones(3, *scene.size)
    rgb = view.backdrop.rgb[:1].permute(0, 3, 1, 2)
    return interpolate(rgb, size=list(scene.size), mode="bilinear", antialias=True, align_corners=False)[0]


class _EstimatorTraining:
    """One step and one measurement of the estimator, and what comes of them."""

    def __init__(self, material: TrainingSet, settings: EstimatorSettings, device: str) -> None:
        self.material, self.settings, self.device = material, settings, device
        joints = sum(int(s.sum()) for s in material.seen)
        self.network = build_network(joints, settings).to(device)
        self.optimiser = AdamW(self.network.parameters(), weight_decay=1e-3)
        samples = {name: value for name, value in vars(material.samples).items() if name != "mask"}
        self.loop = TrainingLoop(
            self.network.state_dict(),
            self.optimiser,
            {"settings": asdict(settings), "samples": content_hash(samples)},
            steps=settings.steps,
            evaluate_every=settings.evaluate_every,
            save_every=settings.save_every,
            patience=settings.patience,
        )

    def run(self, progress: Progress, folder: Path | None) -> Estimator:
        """Train to the end, saving on the way and when stopped."""
        self.loop.run(self._advance, self._measure, None if folder is None else folder / CHECKPOINT, progress)
        return self._finish()

    def _advance(self) -> float:
        """One step of the optimiser."""
        settings, material, step = self.settings, self.material, self.loop.step
        generator = torch.Generator().manual_seed(combine_seeds(STEP_SEED, settings.seed, step))
        chosen = torch.multinomial(material.weights, settings.batch, replacement=True, generator=generator)
        if settings.augmentation:
            batch = augmented(material.samples, chosen, material.backdrop, generator)
        else:
            batch = plain(material.samples, chosen, material.backdrop)
        self.optimiser.rate = settings.learning_rate * _rate(step / settings.steps)
        self.network.train()
        loss = self._loss(batch)
        self.optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), settings.clip_norm)
        self.optimiser.step()
        return loss.item()

    def _loss(self, batch: AugmentedBatch) -> Float[Tensor, ""]:
        prediction = self.network(batch.images.to(self.device), batch.lens.to(self.device))
        return estimation_loss(prediction, batch.tracks.to(self.device), *self.material.scene.size)

    def _held_out(self) -> AugmentedBatch:
        held = self.material.held_out
        return plain(held, torch.arange(len(held)), self.material.backdrop)

    def _measure(self) -> float:
        """Loss on the held-out pictures as they are."""
        batch = self._held_out()
        prediction = predict(self.network, batch.images, batch.lens)
        return float(estimation_loss(prediction, batch.tracks, *self.material.scene.size))

    def _finish(self) -> Estimator:
        material, batch = self.material, self._held_out()
        prediction = predict(self.network, batch.images, batch.lens)
        counts = [int(seen.sum()) for seen in material.seen]
        spread = measure_spread(prediction, batch.tracks, counts, *material.scene.size)
        typical = float(entropy(prediction).mean())
        return Estimator(
            self.network.eval(), material.scene, material.seen, spread, typical, as_json(self.loop.record())
        )


def _rate(done: float) -> float:
    """Learning rate over the training, in its highest one: a warm-up, then a cosine down to zero."""
    if done < WARM_UP:
        return (done + 0.1 * WARM_UP) / (1.1 * WARM_UP)
    return 0.5 + 0.5 * math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))
