"""Train the correction of drawn guesses (:mod:`engine.video.tiny.correction`), from skeletons to weights.

    python -m engine.training.tiny_video.correct --corpus DIR --out DIR --minutes N [--device cuda] [--resume]

Every clip is drawn as it is and as the motion prior fills its gaps; the network learns what lies between. Its loss is
the squared error over the guess's own, frame by frame, so that good guesses are not spoilt for the sake of bad ones.
The log tells, on held-out characters, the peak signal-to-noise ratio of the guess and of what became of it.

Features: those of :mod:`engine.training.long_training`. Limits: one process.
"""

import argparse
import logging
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.files.tensors import load_meta, load_tensors, save_tensors
from engine.training.long_training import STATE, NamedTraining, TrainingSchedule, train_for
from engine.training.tiny_video.guesses import (
    GuessBatch,
    GuessPictures,
    batch_of,
    draw_guesses,
    frames_in_gaps,
    load_guesses,
    save_guesses,
)
from engine.video.tiny.correction import GuessCorrection
from usd_io.shapes import Float

WEIGHTS = "correction.safetensors"
HELD_OUT_CLIPS, HELD_OUT_FRAMES, HELD_OUT_SEED = 80, 1024, 1
FLOOR = 3e-4
"""Added to the guess's squared error before the loss is divided by it: pictures that differ less hardly count."""
BEST_DB = 60.0
"""Of pictures that are the same."""


@dataclass(frozen=True)
class CorrectionSettings(TrainingSchedule):
    """Everything that decides what is learnt."""

    steps: int = 6000
    batch: int = 24
    learning_rate: float = 1e-3
    warm_up: int = 50
    weight_decay: float = 0.01
    average: float = 0.995
    seed: int = 5
    clips: int = 700
    """Drawn once, kept in the folder of the run."""
    prior: str = "learned"
    """Which guesses."""


class CorrectionTraining(NamedTraining[GuessBatch]):
    """The network and its averaged weights, and how they are saved."""

    def __init__(self, settings: CorrectionSettings, device: str = "cpu") -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.device = settings, torch.device(device)
        self.network = GuessCorrection().to(self.device)
        super().__init__(settings, dict(self.network.named_parameters()))

    def draw(self, pictures: GuessPictures, step: int) -> GuessBatch:
        """The frames of a step, which depend on the seed and the step alone."""
        rng = np.random.default_rng([self.settings.seed, step])
        frames = frames_in_gaps(pictures.starts)
        chosen = [frames[i] for i in rng.integers(len(frames), size=self.settings.batch)]
        return batch_of(pictures, chosen, rng.random(len(chosen)) < 0.5)

    def losses(self, batch: GuessBatch) -> dict[str, Tensor]:
        """Add up the gradients of the loss."""
        inputs, truth = batch.inputs.to(self.device), batch.truth.to(self.device)
        own = squared_error(inputs.guess[:, 1], truth)
        loss = (squared_error(self.network(inputs), truth) / (own + FLOOR)).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return {"loss": loss}

    @torch.no_grad()
    def evaluate(self, pictures: GuessPictures) -> dict[str, float]:
        """Mean peak signal-to-noise ratio [dB] of the guess and of its correction by the averaged weights, and the
        share of frames that it makes worse; always the same frames."""
        frames = frames_in_gaps(pictures.starts)
        rng = np.random.default_rng(HELD_OUT_SEED)
        chosen = [frames[i] for i in rng.permutation(len(frames))[:HELD_OUT_FRAMES]]
        rows = []
        with self.averages_in_use():
            for i in range(0, len(chosen), self.settings.batch):
                part = chosen[i : i + self.settings.batch]
                batch = batch_of(pictures, part, np.zeros(len(part), bool))
                inputs, truth = batch.inputs.to(self.device), batch.truth.to(self.device)
                both = inputs.guess[:, 1], self.network(inputs)
                rows.append(torch.stack([decibels(squared_error(made, truth)) for made in both]).cpu())
        guess, made = torch.cat(rows, 1)
        return {
            "guess_db": float(guess.mean()),
            "corrected_db": float(made.mean()),
            "worse": float((made < guess - 0.01).float().mean()),
        }

    def save(self, out: Path) -> None:
        """Write the checkpoint, and the averaged weights by themselves."""
        self.save_state(out, self.weights(), {})
        save_tensors(out / WEIGHTS, {k: v.half() for k, v in self.averaged.items()}, self.record())

    @classmethod
    def load(cls, out: Path, device: str = "cpu", *, steps: int | None = None) -> "CorrectionTraining":
        """Go on from the checkpoint in a folder, with its settings; only the length of the schedule may change."""
        tensors, state = load_tensors(out / STATE), load_meta(out / STATE)
        settings = CorrectionSettings(**state["settings"])
        run = cls(replace(settings, steps=steps or settings.steps), device)
        run.restore(tensors, state)
        return run


def squared_error(
    made: Float[Tensor, "frame 3 height width"], truth: Float[Tensor, "frame 3 height width"]
) -> Float[Tensor, " frame"]:
    """Mean over pixels and colours."""
    return (made - truth).square().mean((1, 2, 3))


def decibels(error: Float[Tensor, " frame"]) -> Float[Tensor, " frame"]:
    """Peak signal-to-noise ratio of a mean squared error [dB]."""
    return (-10 * torch.log10(error.clamp_min(1e-12))).clamp_max(BEST_DB)


def guesses_of(
    path: Path, corpus: Path, count: int, seed: int, *, held_out: bool, prior: str
) -> GuessPictures:
    """Pictures as drawn before, or drawn now."""
    if not path.exists():
        save_guesses(path, draw_guesses(corpus, count, seed, held_out=held_out, prior=prior))
    return load_guesses(path)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", type=Path, required=True, help="folder of the motion corpus (.npz)")
    parser.add_argument("--out", type=Path, required=True, help="folder for pictures, checkpoint and weights")
    parser.add_argument("--minutes", type=float, default=30.0, help="of training, at most")
    parser.add_argument("--steps", type=int, help="length of the schedule; may be changed on resuming")
    parser.add_argument("--batch", type=int, help="frames of a step")
    parser.add_argument("--learning-rate", type=float, default=CorrectionSettings.learning_rate)
    parser.add_argument("--clips", type=int, help="clips that are drawn")
    parser.add_argument("--held-out-clips", type=int, default=HELD_OUT_CLIPS)
    parser.add_argument("--prior", help="which guesses")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--by-time", action="store_true", help="let the rate fall with the minutes")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(args.threads)
    if args.resume and (args.out / STATE).exists():
        run = CorrectionTraining.load(args.out, args.device, steps=args.steps)
    else:
        names = ("steps", "batch", "clips", "prior", "seed")
        chosen = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
        run = CorrectionTraining(CorrectionSettings(learning_rate=args.learning_rate, **chosen), args.device)
    s = run.settings
    draw = partial(guesses_of, corpus=args.corpus, prior=s.prior)
    held_out = draw(args.out / "held-out.npz", count=args.held_out_clips, seed=s.seed + 1, held_out=True)
    pictures = draw(args.out / "train.npz", count=s.clips, seed=s.seed, held_out=False)
    train_for(
        run,
        partial(run.draw, pictures),
        partial(run.evaluate, held_out),
        args.out,
        args.minutes,
        by_time=args.by_time,
        ahead=args.device != "cpu",
    )


if __name__ == "__main__":
    main()
