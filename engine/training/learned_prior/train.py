"""Train the learned prior, from the corpus to the shipped weights, in one file to read from top to bottom.

    python -m engine.training.learned_prior.train --corpus DIR --assets DIR --out DIR --minutes N --resume

Features: a fixed seed gives the same weights on the same machine and number of threads; the run can be stopped at any
time and resumed from its last checkpoint, and is then the same run; a log as JSON lines; an evaluation on held-out
characters at fixed intervals. Checkpoints are safetensors and JSON, nothing is pickled.

Limits: one process, one device; a checkpoint fits the settings it was begun with.
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
from torch import Tensor

from engine.files.training_state import optimiser_tensors, restore_optimiser
from engine.training.learned_prior import checkpoint, data
from engine.training.learned_prior.augment import retargeted
from engine.training.learned_prior.data import Clip
from engine.training.learned_prior.features import make_features
from engine.training.learned_prior.losses import Measures, measure, see_filled
from engine.training.learned_prior.network import AnswerTensors, Shape, TorchNetwork, relations
from engine.training.learned_prior.poses import Poses
from engine.training.learned_prior.procedural import procedural_clips
from engine.training.learned_prior.sampling import ALONE, MOST_JOINTS, Batch, Pool, Truth, fitted, make_batch
from engine.training.learned_prior.warm_start import put_weights

log = logging.getLogger(__name__)

CPU = torch.device("cpu")
HELD_OUT_BATCHES = 10
"""Batches of the evaluation on held-out characters, drawn with a seed of their own."""
HELD_OUT_SEED = 1
FEWER = 0.4
"""Copies without some of their leaf joints."""
CROWDED = 0.5
"""Power of the total of a character's clips by which each counts less."""
BUCKETS = (24, MOST_JOINTS)
"""Joint counts up to which clips share batches, so that little is padded."""
DEPTH_BITS = 4
"""Strides of the kinematics: chains of up to 15 ancestors (:data:`sampling.MOST_DEPTH`)."""
SAVE_SECONDS = 180
EVALUATED = 4
"""Of so many saves one is evaluated."""
STATE, WEIGHTS, LOG, CLIPS = "state.safetensors", "learned.safetensors", "log.jsonl", "clips.txt"


@dataclass(frozen=True)
class Settings:
    """Everything that decides what is learnt."""

    steps: int = 40_000
    batch: int = 64
    learning_rate: float = 8e-4
    warm_up: int = 200
    weight_decay: float = 0.02
    average: float = 0.999
    """Decay per step of the averaged weights, which are the result."""
    seed: int = 8
    mocap: float = 0.6
    """Share of cases from motion capture, from rigs animated by hand, and made up."""
    by_hand: float = 0.34
    procedural: float = 0.06
    procedural_clips: int = 400
    retargeted: int = 3
    """Copies of every clip on changed proportions and joints."""
    context: bool = True
    """Whether finished motion around the gap is seen, or keys alone."""
    begun_at: int = 0
    """Step from which the schedule counts: a later round begins anew."""


WITHOUT: dict[str, tuple[dict[str, float | bool], dict[str, bool]]] = {
    "procedural": ({"procedural": 0.0}, {}),
    "real": ({"mocap": 0.0, "by_hand": 0.0}, {}),
    "context": ({"context": False}, {}),
    "attention": ({}, {"attention": False}),
}
"""Ablations: what each changes in the settings and in the shape of the network."""


class Sampler:
    """Draws clips: by kind, then by character, then the longer ones more often; one batch holds rigs of about one
    size."""

    def __init__(self, clips: Sequence[Clip], settings: Settings, device: torch.device = CPU) -> None:
        shares = {"cmu": settings.mocap, "procedural": settings.procedural}
        groups = np.array([clip.source.split("/")[0] for clip in clips])
        groups = np.where(np.isin(groups, list(shares)), groups, "by_hand")
        sources = np.array([clip.source for clip in clips])
        weights = np.array([clip.frames**0.8 for clip in clips])
        for source in np.unique(sources):
            # a rig with many clips counts more than one with few, but not as many times more
            weights[sources == source] /= weights[sources == source].sum() ** CROWDED
        for group in np.unique(groups):
            chosen = groups == group
            weights[chosen] *= shares.get(group, settings.by_hand) / weights[chosen].sum()
        bucket = np.searchsorted(BUCKETS, [len(clip.rig.parents) for clip in clips])
        self.batch, self.context = settings.batch, settings.context
        self.pools = [
            Pool.of(
                [clips[int(i)] for i in np.flatnonzero(bucket == b)], weights[bucket == b], BUCKETS[b], device
            )
            for b in np.unique(bucket)
        ]
        self.shares = np.array([pool.odds.sum() for pool in self.pools])

    def draw(self, rng: np.random.Generator, *, plain: bool = False) -> Batch:
        """One batch."""
        pool = self.pools[rng.choice(len(self.pools), p=self.shares / self.shares.sum())]
        return make_batch(pool, self.batch, rng, plain=plain, context=self.context)


def run_network(network: TorchNetwork, batch: Batch, *, backward: bool = False) -> tuple[Measures, Measures]:
    """Answer a batch in two passes, of which the second sees the neighbours that the first filled, and measure both.

    The gaps that stand alone are left out of the second. With ``backward`` the gradients of both are added up.
    """
    poses, truth = batch.poses()
    depth = 2**DEPTH_BITS - 1
    relation = relations(poses.parents, poses.depth, depth)
    first = run_pass(network, poses, truth, batch.frame, relation, depth)
    if backward:
        first.total.backward()  # type: ignore[no-untyped-call]
    rows = slice(round(ALONE * len(batch.seconds)), None)
    seen = see_filled(poses.at(rows), first.filled, batch.neighbour[rows], batch.neighbour_part[rows])
    second = run_pass(network, seen, truth.at(rows), batch.frame[rows], relation[rows], depth)
    if backward:
        second.total.backward()  # type: ignore[no-untyped-call]
    return first, second


def run_pass(
    network: TorchNetwork, poses: Poses, truth: Truth, frame: Tensor, relation: Tensor, depth: int
) -> Measures:
    """AnswerTensors gaps and measure the answers."""
    features = make_features(poses, frame, depth)
    with torch.autocast(frame.device.type, torch.bfloat16):
        answer = network(features, poses.parents, poses.present, relation)
    answer = AnswerTensors(*(value.float() for value in answer))
    return measure(answer, features, frame, poses, truth, depth)


class Training:
    """The state of a run: network, averaged weights, optimiser, random numbers, step."""

    def __init__(self, settings: Settings, shape: Shape, device: torch.device = CPU) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.shape, self.device = settings, shape, device
        self.network, self.averaged = TorchNetwork(shape).to(device), TorchNetwork(shape).to(device)
        self.averaged.load_state_dict(self.network.state_dict())
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(),
            lr=0.0,
            betas=(0.9, 0.98),
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.step, self.seconds = 0, 0.0
        self.gone = 0.0
        """Part of the time of a run whose rate falls with the time and not with the steps."""

    def learning_rate(self) -> float:
        """Linear warm-up, then half a cosine down to a hundredth."""
        s = self.settings
        gone = self.step - s.begun_at
        part = max(self.gone, gone / max(s.steps - s.begun_at, 1))
        cosine = 0.5 * (1 + np.cos(np.pi * min(part, 1.0)))
        return s.learning_rate * min(1.0, (gone + 1) / s.warm_up) * float(0.01 + 0.99 * cosine)

    def draw(self, sampler: Sampler, step: int) -> Batch:
        """The batch of a step, which depends on the seed and the step alone: resuming needs no other state."""
        return sampler.draw(np.random.default_rng([self.settings.seed, step]))

    def advance(self, batch: Batch) -> tuple[Measures, Measures]:
        """One step of the optimiser."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate()
        self.optimiser.zero_grad()
        first, second = run_network(self.network, batch, backward=True)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        decay = min(self.settings.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.averaged.parameters()), list(self.network.parameters()), 1 - decay)
        self.step += 1
        return first, second

    def warm_start(self, path: Path) -> None:
        """Begin from weights, of this or of the first format."""
        tensors, _ = checkpoint.load(path)
        for module in (self.network, self.averaged):
            put_weights(module, tensors)

    def save(self, out: Path) -> None:
        """Write the checkpoint and the averaged weights."""
        tensors = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"averaged.{k}": v for k, v in self.averaged.state_dict().items()}
        tensors |= optimiser_tensors(self.optimiser)
        meta = {"step": self.step, "seconds": self.seconds, "settings": asdict(self.settings)}
        checkpoint.save(out / STATE, tensors, {**meta, "shape": asdict(self.shape)})
        checkpoint.save_weights(out / WEIGHTS, self.averaged, self.shape, meta)

    @classmethod
    def load(
        cls,
        out: Path,
        *,
        steps: int | None = None,
        rate: float | None = None,
        anew: bool = False,
        device: torch.device = CPU,
    ) -> "Training":
        """Go on from the checkpoint in a folder, with its settings; only the schedule of the rate may change.

        Args:
            out: The folder.
            steps: At which the rate has fallen.
            rate: The highest.
            anew: Let the schedule begin again here, with a new seed of its copies of clips.
            device: Where to train.
        """
        tensors, state = checkpoint.load(out / STATE)
        settings = Settings(**state["settings"])
        settings = replace(
            settings, steps=steps or settings.steps, learning_rate=rate or settings.learning_rate
        )
        if anew:
            settings = replace(settings, begun_at=state["step"], seed=settings.seed + 1)
        run = cls(settings, Shape(**state["shape"]), device)
        for name, module in (("network.", run.network), ("averaged.", run.averaged)):
            module.load_state_dict({k[len(name) :]: v for k, v in tensors.items() if k.startswith(name)})
        restore_optimiser(run.optimiser, tensors)
        run.step, run.seconds = state["step"], state["seconds"]
        return run


def evaluate(network: TorchNetwork, sampler: Sampler, batches: int = HELD_OUT_BATCHES) -> dict[str, float]:
    """Mean ratio to slerp, and other measures of the second pass, on held-out characters; always the same cases."""
    rng = np.random.default_rng(HELD_OUT_SEED)
    passes: list[tuple[Measures, Measures]] = []
    network.eval()
    with torch.no_grad():
        for _ in range(batches):
            passes.append(run_network(network, sampler.draw(rng, plain=True)))
    firsts, seconds = zip(*passes, strict=True)
    alone = round(ALONE * sampler.batch)

    def joined(measures: Sequence[Measures], name: str, start: int = 0) -> Tensor:
        return torch.cat([getattr(m, name)[start:] for m in measures])

    error, line = joined(seconds, "error"), joined(seconds, "straight")
    moving = line > 0.05
    first = joined(firsts, "error", alone) / joined(firsts, "straight", alone)
    return {
        "held_out_loss": float(np.mean([float(m.total) for m in firsts])),
        "held_out_ratio": float(joined(firsts, "ratio").mean()),
        "held_out_second": float(joined(seconds, "ratio").mean()),
        "held_out_moving": float((error / line)[moving].mean()),
        "held_out_first_moving": float(first[moving].mean()),
        "held_out_worse": float((error > line * 1.05 + 0.005).float().mean()),
        "held_out_spectrum": float(np.mean([float(m.losses["spectrum"]) for m in seconds])),
        "held_out_speed": float(np.mean([float(m.losses["speed"]) for m in seconds])),
        "held_out_contact": float(np.mean([float(m.losses["contact"]) for m in seconds])),
        "held_out_ideas": float(np.mean([float(m.losses["ideas"]) for m in firsts])),
    }


def read_clips(corpus: Path, assets: Path | None, settings: Settings) -> tuple[list[Clip], list[Clip]]:
    """Clips to train on and clips held out."""
    training = list(data.read_corpus(corpus, held_out=False))
    training += list(data.read_assets(assets)) if assets else []
    rng = np.random.default_rng(settings.seed)
    copies = [retargeted(clip, rng) for _ in range(settings.retargeted) for clip in training]
    copies = [fitted(clip, rng, fewer=bool(rng.random() < FEWER)) for clip in copies]
    made_up = procedural_clips(settings.procedural_clips, settings.seed)
    plain = [fitted(clip, rng) for clip in (*training, *made_up)]
    return [*plain, *copies], [fitted(clip, rng) for clip in data.read_corpus(corpus, held_out=True)]


def train(
    run: Training,
    clips: tuple[Sequence[Clip], Sequence[Clip]],
    out: Path,
    minutes: float,
    *,
    by_time: bool = False,
) -> None:
    """Go on until the steps or the minutes are over; log and save every three minutes and at the end.

    Args:
        run: What is trained.
        clips: To train on, and held out.
        out: Folder of checkpoint, weights and log.
        minutes: At most.
        by_time: Let the rate fall with the minutes where that is faster than with the steps.
    """
    held_out_settings = Settings(batch=run.settings.batch, context=run.settings.context)
    sampler = Sampler(clips[0], run.settings, run.device)
    held_out = Sampler(clips[1], held_out_settings, run.device)
    began, saved, before = time.monotonic(), time.monotonic(), run.seconds
    recent: list[Tensor] = []
    saves = 0
    run.network.train()
    # a second thread draws the next batch while an accelerator is busy; on a processor it would take from the first
    ahead = ThreadPoolExecutor(max_workers=1) if run.device.type != "cpu" else None
    drawn = ahead.submit(run.draw, sampler, run.step) if ahead else None
    while run.step < run.settings.steps:
        batch = drawn.result() if drawn else run.draw(sampler, run.step)
        drawn = ahead.submit(run.draw, sampler, run.step + 1) if ahead else None
        first, second = run.advance(batch)
        recent.append(torch.stack([*first.losses.values(), second.ratio.mean()]).detach())
        now = time.monotonic()
        run.gone = (now - began) / (60 * minutes) if by_time else 0.0
        over = now - began > 60 * minutes or run.step == run.settings.steps
        if over or now - saved > SAVE_SECONDS:
            run.seconds = before + now - began
            means = torch.stack(recent).mean(0).tolist()
            row = dict(zip([*first.losses, "second"], means, strict=True))
            row |= {"cpu_seconds": time.process_time(), "steps": len(recent), "rate": run.learning_rate()}
            if over or saves % EVALUATED == 0:
                row |= evaluate(run.averaged, held_out)
            write_row(out / LOG, {"step": run.step, "seconds": run.seconds, **row})
            run.save(out)
            saved, recent, saves = time.monotonic(), [], saves + 1
        if over:
            break
    if ahead:
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
    parser.add_argument(
        "--anew", action="store_true", help="with --resume: begin the schedule of the rate anew"
    )
    parser.add_argument("--from", dest="start", type=Path, help="weights to begin from")
    parser.add_argument("--rate", type=float, help="highest learning rate")
    parser.add_argument(
        "--by-time", action="store_true", help="the rate has fallen when the minutes are over"
    )
    parser.add_argument(
        "--copies", type=int, default=Settings.retargeted, help="of every clip on changed bodies"
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(args.threads)
    if args.resume and (args.out / STATE).exists():
        run = Training.load(
            args.out, steps=args.steps, rate=args.rate, anew=args.anew, device=torch.device(args.device)
        )
    else:
        settings = Settings(
            steps=args.steps or Settings.steps,
            batch=args.batch,
            seed=args.seed,
            learning_rate=args.rate or Settings.learning_rate,
            retargeted=args.copies,
        )
        less, narrower = WITHOUT.get(args.without, ({}, {}))
        shape = Shape(width=args.width, blocks=args.blocks)
        run = Training(
            replace(settings, **less),  # type: ignore[arg-type]
            replace(shape, **narrower),
            torch.device(args.device),
        )
        if args.start:
            run.warm_start(args.start)
    clips = read_clips(args.corpus, args.assets, run.settings)
    write_clip_list(args.out / CLIPS, clips[0])
    train(run, clips, args.out, args.minutes, by_time=args.by_time)


if __name__ == "__main__":
    main()
