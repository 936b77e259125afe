"""Train the learned prior, from the corpus to the shipped weights, in one file to read from top to bottom.

    python -m engine.training.learned_prior.train --corpus DIR --assets DIR --out DIR --minutes N --resume

Features: those of :mod:`engine.training.long_training`; an evaluation on held-out characters.

Limits: one process, one device; a checkpoint fits the settings it was begun with.
"""

import argparse
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.training.learned_prior import checkpoint, data
from engine.training.learned_prior.augment import mixed, retargeted
from engine.training.learned_prior.data import Clip
from engine.training.learned_prior.features import make_features
from engine.training.learned_prior.losses import Measures, measure, see_filled
from engine.training.learned_prior.network import AnswerTensors, Shape, TorchNetwork, relations
from engine.training.learned_prior.poses import Poses
from engine.training.learned_prior.procedural import procedural_clips
from engine.training.learned_prior.sampling import ALONE, MOST_JOINTS, Batch, Pool, Truth, fitted, make_batch
from engine.training.long_training import STATE, LongTraining, TrainingSchedule, train_for

CPU = torch.device("cpu")
HELD_OUT_BATCHES = 10
"""Batches of the evaluation on held-out characters, drawn with a seed of their own."""
HELD_OUT_SEED = 1
FEWER = 0.4
"""Copies without some of their leaf joints."""
MOCAP = "cmu/"
"""Where sources of motion capture lie."""
CROWDED = 0.5
"""Power of the total of a character's clips by which each counts less."""
BUCKETS = (24, MOST_JOINTS)
"""Joint counts up to which clips share batches, so that little is padded."""
DEPTH_BITS = 4
"""Strides of the kinematics: chains of up to 15 ancestors (:data:`sampling.MOST_DEPTH`)."""
WEIGHTS, CLIPS = "learned.safetensors", "clips.txt"


@dataclass(frozen=True)
class Settings(TrainingSchedule):
    """Everything that decides what is learnt."""

    steps: int = 40_000
    batch: int = 64
    learning_rate: float = 8e-4
    warm_up: int = 200
    weight_decay: float = 0.02
    average: float = 0.999
    seed: int = 8
    mocap: float = 0.6
    """Share of cases from motion capture, from rigs animated by hand, and made up."""
    by_hand: float = 0.34
    procedural: float = 0.06
    procedural_clips: int = 400
    retargeted: int = 3
    """Copies of every clip on changed proportions and joints."""
    mixed: float = 0.5
    """Part of the copies of motion capture whose upper bodies are another clip's."""
    context: bool = True
    """Whether finished motion around the gap is seen, or keys alone."""


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


class Training(LongTraining[Batch]):
    """The network and its average, and how they are saved."""

    def __init__(self, settings: Settings, shape: Shape, device: torch.device = CPU) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.shape, self.device = settings, shape, device
        self.network, self.averaged = TorchNetwork(shape).to(device), TorchNetwork(shape).to(device)
        self.averaged.load_state_dict(self.network.state_dict())
        super().__init__(settings, self.network.parameters(), self.averaged.parameters(), fused=True)

    def draw(self, sampler: Sampler, step: int) -> Batch:
        """The batch of a step, which depends on the seed and the step alone: resuming needs no other state."""
        return sampler.draw(np.random.default_rng([self.settings.seed, step]))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Add up the gradients of both passes: the losses of the first, and the ratio to slerp of the second."""
        first, second = run_network(self.network, batch, backward=True)
        return {**first.losses, "second": second.ratio.mean()}

    def warm_start(self, path: Path) -> None:
        """Begin from weights, of this or of the first format."""
        tensors, _ = checkpoint.load(path)
        for module in (self.network, self.averaged):
            checkpoint.put_weights(module, tensors)

    def save(self, out: Path) -> None:
        """Write the checkpoint and the averaged weights."""
        tensors = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"averaged.{k}": v for k, v in self.averaged.state_dict().items()}
        self.save_state(out, tensors, {"shape": asdict(self.shape)})
        checkpoint.save_weights(out / WEIGHTS, self.averaged, self.shape, self.record())

    @classmethod
    def load(
        cls,
        out: Path,
        *,
        steps: int | None = None,
        rate: float | None = None,
        restart: bool = False,
        device: torch.device = CPU,
    ) -> "Training":
        """Go on from the checkpoint in a folder, with its settings; only the schedule of the rate may change.

        Args:
            out: The folder.
            steps: At which the rate has fallen.
            rate: The highest.
            restart: Let the schedule begin again here, with a new seed of its copies of clips.
            device: Where to train.
        """
        tensors, state = checkpoint.load(out / STATE)
        settings = Settings(**state["settings"])
        settings = replace(
            settings, steps=steps or settings.steps, learning_rate=rate or settings.learning_rate
        )
        if restart:
            settings = replace(settings, begun_at=state["step"], seed=settings.seed + 1)
        run = cls(settings, Shape(**state["shape"]), device)
        for name, module in (("network.", run.network), ("averaged.", run.averaged)):
            module.load_state_dict({k[len(name) :]: v for k, v in tensors.items() if k.startswith(name)})
        run.restore_state(tensors, state)
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
    people = [clip for clip in training if clip.source.startswith(MOCAP)]
    copies = [
        retargeted(
            mixed(clip, people, rng)
            if clip.source.startswith(MOCAP) and rng.random() < settings.mixed
            else clip,
            rng,
        )
        for _ in range(settings.retargeted)
        for clip in training
    ]
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
    """Go on until the steps or the minutes are over.

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
    run.network.train()
    train_for(
        run,
        partial(run.draw, sampler),
        lambda: evaluate(run.averaged, held_out),
        out,
        minutes,
        by_time=by_time,
        ahead=run.device.type != "cpu",
    )


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
        "--restart", action="store_true", help="with --resume: begin the schedule of the learning rate again"
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
            args.out, steps=args.steps, rate=args.rate, restart=args.restart, device=torch.device(args.device)
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
