"""Train the learned prior, from the corpus to the shipped weights, in one file to read from top to bottom.

    python -m engine.training.learned_prior.train --corpus DIR --assets DIR --out DIR --minutes N --resume

Features: a fixed seed gives the same weights on the same machine and number of threads; the run can be stopped at any
time and resumed from its last checkpoint, and is then the same run; a log as JSON lines; an evaluation on held-out
characters at fixed intervals. Checkpoints are safetensors and JSON, nothing is pickled.

Limits: CPU only, one process; a checkpoint fits the settings it was begun with.
"""

import argparse
import json
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from engine.files.training_state import optimiser_tensors, restore_optimiser
from engine.priors.learned import weights as checkpoint
from engine.priors.learned.features import make_features
from engine.priors.learned.network import Network, Shape, relations
from engine.priors.learned.poses import Poses
from engine.training.learned_prior import data
from engine.training.learned_prior.data import Clip
from engine.training.learned_prior.losses import Measures, measure
from engine.training.learned_prior.procedural import procedural_clips
from engine.training.learned_prior.sampling import MOST_JOINTS, Truth, make_batch

log = logging.getLogger(__name__)

HELD_OUT_BATCHES = 10
"""Batches of the evaluation on held-out characters, drawn with a seed of their own."""
HELD_OUT_SEED = 1
BUCKETS = (20, 32, MOST_JOINTS)
"""Joint counts up to which clips share batches, so that little is padded."""
SAVE_SECONDS = 180
STATE, WEIGHTS, LOG, CLIPS = "state.safetensors", "learned.safetensors", "log.jsonl", "clips.txt"


@dataclass(frozen=True)
class Settings:
    """Everything that decides what is learnt."""

    steps: int = 40_000
    batch: int = 32
    learning_rate: float = 1.2e-3
    warm_up: int = 300
    weight_decay: float = 0.02
    average: float = 0.9995
    """Decay per step of the averaged weights, which are the result."""
    seed: int = 8
    mocap: float = 0.5
    """Share of cases from motion capture, from rigs animated by hand, and made up."""
    by_hand: float = 0.38
    procedural: float = 0.12
    procedural_clips: int = 400
    context: bool = True
    """Whether finished motion around the gap is seen, or keys alone."""


WITHOUT: dict[str, tuple[dict[str, float | bool], dict[str, bool]]] = {
    "procedural": ({"procedural": 0.0}, {}),
    "real": ({"mocap": 0.0, "by_hand": 0.0}, {}),
    "context": ({"context": False}, {}),
    "attention": ({}, {"attention": False}),
}
"""Ablations: what each changes in the settings and in the shape of the network."""

Batch = tuple[Poses, Truth, Float[Tensor, "batch 3 3"]]
"""What is known, what was there, and the heading in which the network sees it."""


class Sampler:
    """Draws clips: by kind, then the longer ones more often; one batch holds rigs of about one size."""

    def __init__(self, clips: Sequence[Clip], settings: Settings) -> None:
        shares = {"cmu": settings.mocap, "procedural": settings.procedural}
        kinds = [clip.source.split("/")[0] for clip in clips]
        weights = np.array([clip.frames**0.7 for clip in clips])
        groups = np.array([kind if kind in shares else "by_hand" for kind in kinds])
        for group in np.unique(groups):
            chosen = groups == group
            weights[chosen] *= shares.get(group, settings.by_hand) / weights[chosen].sum()
        sizes = [min(len(clip.rig.parents), MOST_JOINTS) for clip in clips]
        bucket = np.searchsorted(BUCKETS, sizes)
        self.batch, self.context = settings.batch, settings.context
        self.buckets = [
            ([clips[int(i)] for i in np.flatnonzero(bucket == b)], weights[bucket == b])
            for b in np.unique(bucket)
        ]
        self.shares = np.array([w.sum() for _, w in self.buckets])

    def draw(self, rng: np.random.Generator, *, plain: bool = False) -> tuple[Poses, Truth]:
        """One batch."""
        clips, weights = self.buckets[rng.choice(len(self.buckets), p=self.shares / self.shares.sum())]
        chosen = rng.choice(len(clips), size=self.batch, p=weights / weights.sum())
        return make_batch([clips[i] for i in chosen], rng, plain=plain, context=self.context)


def random_frames(count: int, rng: np.random.Generator) -> Float[Tensor, "batch 3 3"]:
    """Random headings, half of them mirrored: what the network must not depend on."""
    angle, mirror = rng.uniform(0, 2 * np.pi, count), np.where(rng.random(count) < 0.5, -1.0, 1.0)
    frames = np.zeros((count, 3, 3), np.float32)
    frames[:, 0, 0], frames[:, 0, 2] = mirror * np.cos(angle), mirror * np.sin(angle)
    frames[:, 2, 0], frames[:, 2, 2], frames[:, 1, 1] = -np.sin(angle), np.cos(angle), 1
    return torch.from_numpy(frames)


def run_network(network: Network, batch: Batch) -> Measures:
    """Answer a batch and measure the answer."""
    poses, truth, frame = batch
    depth = int(poses.depth.max())
    features = make_features(poses, frame, depth)
    relation = relations(poses.parents, poses.depth, depth)
    answer = network(features, poses.parents, poses.present, relation)
    return measure(answer, features, frame, poses, truth, depth)


class Training:
    """The state of a run: network, averaged weights, optimiser, random numbers, step."""

    def __init__(self, settings: Settings, shape: Shape) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.shape = settings, shape
        self.network, self.averaged = Network(shape), Network(shape)
        self.averaged.load_state_dict(self.network.state_dict())
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=0.0, betas=(0.9, 0.98), weight_decay=settings.weight_decay
        )
        self.step, self.seconds = 0, 0.0

    def learning_rate(self) -> float:
        """Linear warm-up, then half a cosine down to a hundredth."""
        s = self.settings
        cosine = 0.5 * (1 + np.cos(np.pi * min(self.step / s.steps, 1.0)))
        return s.learning_rate * min(1.0, (self.step + 1) / s.warm_up) * float(0.01 + 0.99 * cosine)

    def draw(self, sampler: Sampler, step: int) -> Batch:
        """The batch of a step, which depends on the seed and the step alone: resuming needs no other state."""
        rng = np.random.default_rng([self.settings.seed, step])
        return *sampler.draw(rng), random_frames(self.settings.batch, rng)

    def advance(self, batch: Batch) -> Measures:
        """One step of the optimiser."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate()
        result = run_network(self.network, batch)
        self.optimiser.zero_grad()
        result.total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        decay = min(self.settings.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, new in zip(self.averaged.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(new, 1 - decay)
        self.step += 1
        return result

    def save(self, out: Path) -> None:
        """Write the checkpoint and the averaged weights."""
        tensors = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"averaged.{k}": v for k, v in self.averaged.state_dict().items()}
        tensors |= optimiser_tensors(self.optimiser)
        meta = {"step": self.step, "seconds": self.seconds, "settings": asdict(self.settings)}
        checkpoint.save(out / STATE, tensors, {**meta, "shape": asdict(self.shape)})
        checkpoint.save_weights(out / WEIGHTS, self.averaged, self.shape, meta)

    @classmethod
    def load(cls, out: Path, *, steps: int | None = None) -> "Training":
        """Go on from the checkpoint in a folder, with its settings; only the length of the schedule may change."""
        tensors, state = checkpoint.load(out / STATE)
        settings = Settings(**state["settings"])
        run = cls(replace(settings, steps=steps or settings.steps), Shape(**state["shape"]))
        for name, module in (("network.", run.network), ("averaged.", run.averaged)):
            module.load_state_dict({k[len(name) :]: v for k, v in tensors.items() if k.startswith(name)})
        restore_optimiser(run.optimiser, tensors)
        run.step, run.seconds = state["step"], state["seconds"]
        return run


def evaluate(network: Network, sampler: Sampler, batches: int = HELD_OUT_BATCHES) -> dict[str, float]:
    """Mean ratio to slerp, and how well the expected errors hold, on held-out characters; always the same cases."""
    rng = np.random.default_rng(HELD_OUT_SEED)
    ratios, losses, errors, straight = [], [], [], []
    with torch.no_grad():
        for _ in range(batches):
            result = run_network(network, (*sampler.draw(rng, plain=True), random_frames(sampler.batch, rng)))
            losses.append(float(result.total))
            ratios.append(result.ratio)
            errors.append(result.error)
            straight.append(result.straight)
    ratio, error, line = torch.cat(ratios), torch.cat(errors), torch.cat(straight)
    moving = line > 0.05
    return {
        "held_out_loss": float(np.mean(losses)),
        "held_out_ratio": float(ratio.mean()),
        "held_out_moving": float((error / line)[moving].mean()),
        "held_out_worse": float((error > line * 1.05 + 0.005).float().mean()),
    }


def read_clips(corpus: Path, assets: Path | None, settings: Settings) -> tuple[list[Clip], list[Clip]]:
    """Clips to train on and clips held out."""
    training = list(data.read_corpus(corpus, held_out=False))
    training += list(data.read_assets(assets)) if assets else []
    training += procedural_clips(settings.procedural_clips, settings.seed)
    return training, list(data.read_corpus(corpus, held_out=True))


def train(run: Training, clips: tuple[Sequence[Clip], Sequence[Clip]], out: Path, minutes: float) -> None:
    """Go on until the steps or the minutes are over; log and save every two minutes and at the end."""
    held_out_settings = Settings(batch=run.settings.batch, context=run.settings.context)
    sampler, held_out = Sampler(clips[0], run.settings), Sampler(clips[1], held_out_settings)
    began, saved, before = time.monotonic(), time.monotonic(), run.seconds
    recent: list[dict[str, float]] = []
    ahead = ThreadPoolExecutor(max_workers=1)
    drawn = ahead.submit(run.draw, sampler, run.step)
    while run.step < run.settings.steps:
        batch, drawn = drawn.result(), ahead.submit(run.draw, sampler, run.step + 1)
        result = run.advance(batch)
        recent.append(
            {k: float(v.detach()) for k, v in result.losses.items()} | {"ratio": float(result.ratio.mean())}
        )
        now = time.monotonic()
        over = now - began > 60 * minutes or run.step == run.settings.steps
        if over or now - saved > SAVE_SECONDS:
            run.seconds = before + now - began
            row = {k: float(np.mean([r[k] for r in recent])) for k in recent[0]}
            row |= evaluate(run.averaged, held_out)
            write_row(out / LOG, {"step": run.step, "seconds": run.seconds, **row})
            run.save(out)
            saved, recent = time.monotonic(), []
        if over:
            break
    ahead.shutdown()


def write_row(path: Path, row: dict[str, float]) -> None:
    """Append a line of the log."""
    log.info(" ".join(f"{k} {v:.4g}" for k, v in row.items()))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({k: round(v, 5) for k, v in row.items()}) + "\n")


def write_clip_list(path: Path, clips: Sequence[Clip]) -> None:
    """What was trained on, to be shipped beside the weights; made-up clips are not listed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = sorted({f"{clip.source}: {clip.name}" for clip in clips if clip.source != "procedural"})
    path.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", type=Path, required=True, help="folder of the motion corpus (.npz)")
    parser.add_argument(
        "--assets", type=Path, help="folder of the test assets; only characters without suite clips"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint, weights and log")
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="stop after so long, even if steps are left"
    )
    parser.add_argument("--steps", type=int, help="length of the schedule; may be changed on resuming")
    parser.add_argument("--batch", type=int, default=Settings.batch)
    parser.add_argument("--width", type=int, default=Shape.width)
    parser.add_argument("--blocks", type=int, default=Shape.blocks)
    parser.add_argument("--without", choices=WITHOUT, help="leave a part out, to see what it is worth")
    parser.add_argument("--seed", type=int, default=Settings.seed)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(args.threads)
    if args.resume and (args.out / STATE).exists():
        run = Training.load(args.out, steps=args.steps)
    else:
        settings = Settings(steps=args.steps or Settings.steps, batch=args.batch, seed=args.seed)
        less, narrower = WITHOUT.get(args.without, ({}, {}))
        shape = Shape(width=args.width, blocks=args.blocks)
        run = Training(replace(settings, **less), replace(shape, **narrower))  # type: ignore[arg-type]
    clips = read_clips(args.corpus, args.assets, run.settings)
    write_clip_list(args.out / CLIPS, clips[0])
    train(run, clips, args.out, args.minutes)


if __name__ == "__main__":
    main()
