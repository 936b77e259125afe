"""Train the tiny model, from skeletons to the shipped weights, in one file to read from top to bottom.

    python -m engine.training.tiny_video.train --corpus DIR --assets DIR --out DIR --minutes N --resume

Features: those of :mod:`engine.training.long_training`; an evaluation on held-out characters.

Limits: CPU only, one process; a checkpoint fits the settings it was begun with.
"""

import argparse
import logging
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from engine.files.tensors import load_meta, load_tensors, save_tensors
from engine.training.long_training import STATE, NamedTraining, TrainingSchedule, train_for
from engine.training.tiny_video.data import Pictures, draw_pictures, load_pictures, save_pictures
from engine.training.tiny_video.samples import ClipBatch, draw_batch
from engine.video.adaptation.trainable import PARTS
from engine.video.network.blend import SPREAD, levels, linear_blend
from engine.video.network.conditioning import join_context
from engine.video.network.model import VideoModel, build_model, encode_frames, encode_images, encode_text
from engine.video.network.schedule import TRAIN_STEPS, add_noise, rescale_clean, velocity
from engine.video.network.shapes import TINY_TRAINED
from engine.video.tiny import WEIGHTS, shipped_tensors, silence_text
from usd_io.shapes import Float

HELD_OUT_CLIPS, HELD_OUT_CASES, HELD_OUT_SEED = 60, 32, 1


@dataclass(frozen=True)
class TinySettings(TrainingSchedule):
    """Everything that decides what is learnt."""

    steps: int = 4000
    batch: int = 8
    learning_rate: float = 1.5e-3
    warm_up: int = 50
    weight_decay: float = 0.01
    average: float = 0.995
    seed: int = 5
    clips: int = 900
    """Drawn once, kept in the folder of the run."""
    crop: int = 32
    """Pixels, squared, that are cut out of each picture."""
    pure_noise: float = 0.9
    """Share of cases at the last timestep, where the whole motion has to be found; the others are spread evenly."""


def latents_of(model: VideoModel, frames: Float[Tensor, "batch 16 3 height width"]) -> Tensor:
    """Scaled latents as the network sees them: batch, channel, frame, height, width."""
    flat = encode_frames(model, frames.flatten(0, 1))
    return flat.reshape(*frames.shape[:2], *flat.shape[1:]).transpose(1, 2)


def known_latents(latents: Tensor, batch: ClipBatch) -> Tensor:
    """Known frames as a plan gives them, guides a little faded; zero where free."""
    place = torch.linspace(0, 1, latents.shape[2]).reshape(1, 1, -1, 1, 1)
    fade = torch.lerp(latents[:, :, :1], latents[:, :, -1:], place)
    given = torch.lerp(latents, fade, batch.soft[:, None, :, None, None])
    return torch.where(batch.known[:, None, :, None, None], given, 0)


class TinyTraining(NamedTraining[tuple[ClipBatch, np.random.Generator]]):
    """The model and its averaged weights, and how they are saved."""

    def __init__(self, settings: TinySettings) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.model = settings, silence_text(build_model(TINY_TRAINED))
        values = {
            f"{part}.{name}": p.requires_grad_(True)
            for part in PARTS
            for name, p in getattr(self.model, part).named_parameters()
        }
        self.text = encode_text(self.model, [""])
        super().__init__(settings, values)

    def predict(self, batch: ClipBatch, latents: Tensor, noisy: Tensor, timestep: Tensor) -> Tensor:
        """The network's velocity."""
        image = encode_images(self.model, batch.frames[:, 0])
        context = join_context(self.model, self.text.expand(len(image), -1, -1), image)
        given = known_latents(latents, batch)
        velocity: Tensor = self.model.unet(torch.cat([noisy, given], 1), timestep, context, batch.fps)
        return velocity

    def loss(self, batch: ClipBatch, rng: np.random.Generator) -> Tensor:
        """Mean squared error over all frames of what the network adds to a linear guess of v."""
        latents = latents_of(self.model, batch.frames)
        last = rng.random(len(latents)) < self.settings.pure_noise
        timestep = torch.from_numpy(
            np.where(last, TRAIN_STEPS - 1, rng.integers(TRAIN_STEPS, size=len(last)))
        )
        noise = torch.from_numpy(rng.standard_normal(latents.shape, np.float32))
        clean = rescale_clean(latents, timestep)
        predicted = self.predict(batch, latents, add_noise(clean, noise, timestep), timestep)
        weight = (levels(timestep)[2] / SPREAD).reshape(-1, 1, 1, 1, 1).float()
        return mse_loss(weight * predicted, weight * velocity(clean, noise, timestep))

    def draw(self, pictures: Pictures, step: int) -> tuple[ClipBatch, np.random.Generator]:
        """The clips of a step, and where its noise comes from; both depend on the seed and the step alone."""
        rng = np.random.default_rng([self.settings.seed, step])
        return draw_batch(pictures, self.settings.batch, self.settings.crop, rng), rng

    def losses(self, batch: tuple[ClipBatch, np.random.Generator]) -> dict[str, Tensor]:
        """Add up the gradients of the loss."""
        loss = self.loss(*batch)
        loss.backward()  # type: ignore[no-untyped-call]
        return {"loss": loss}

    @torch.no_grad()
    def evaluate(self, pictures: Pictures) -> dict[str, float]:
        """Squared error of free frames, found in one step from pure noise by the averaged weights, over that of a
        linear blend of the known frames; always the same cases."""
        rng = np.random.default_rng(HELD_OUT_SEED)
        errors = np.zeros(2)
        with self.averages_in_use():
            for _ in range(HELD_OUT_CASES // self.settings.batch):
                batch = draw_batch(pictures, self.settings.batch, pictures.frames.shape[1], rng)
                latents = latents_of(self.model, batch.frames)
                timestep = torch.full((len(latents),), TRAIN_STEPS - 1)
                noise = torch.from_numpy(rng.standard_normal(latents.shape, np.float32))
                answer = -self.predict(batch, latents, noise, timestep)
                blend = linear_blend(known_latents(latents, batch), batch.known)
                clean, blend = rescale_clean(latents, timestep), rescale_clean(blend, timestep)
                free = ~batch.known[:, None, :, None, None]
                errors += [float(((x - clean).square() * free).sum()) for x in (answer, blend)]
        return {"held_out_ratio": float(errors[0] / errors[1])}

    def save(self, out: Path) -> None:
        """Write the checkpoint, and the averaged weights as they are shipped."""
        tensors = self.weights() | {f"image.{k}": v for k, v in self.model.image.state_dict().items()}
        self.save_state(out, tensors, {})
        half = {name: value.half() for name, value in shipped_tensors(self.model).items()}
        half |= {name: value.half() for name, value in self.averaged.items()}
        save_tensors(out / WEIGHTS, half, {**self.record(), "shape": self.model.shape.to_dict()})

    @classmethod
    def load(cls, out: Path, *, steps: int | None = None, crop: int | None = None) -> "TinyTraining":
        """Go on from the checkpoint in a folder, with its settings; only the length of the schedule and the size of
        the cuts may change."""
        tensors, state = load_tensors(out / STATE), load_meta(out / STATE)
        settings = TinySettings(**state["settings"])
        run = cls(replace(settings, steps=steps or settings.steps, crop=crop or settings.crop))
        run.model.image.load_state_dict({k: tensors[f"image.{k}"] for k in run.model.image.state_dict()})
        run.restore(tensors, state)
        return run


def pictures_of(path: Path, corpus: Path, assets: Path | None, count: int, seed: int) -> Pictures:
    """Pictures as drawn before, or drawn now."""
    if not path.exists():
        save_pictures(path, draw_pictures(corpus, assets, count, seed))
    return load_pictures(path)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", type=Path, required=True, help="folder of the motion corpus (.npz)")
    parser.add_argument("--assets", type=Path, required=True, help="folder of the test assets; few are used")
    parser.add_argument("--out", type=Path, required=True, help="folder for pictures, checkpoint and weights")
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="stop after so long, even if steps are left"
    )
    parser.add_argument("--steps", type=int, help="length of the schedule; may be changed on resuming")
    parser.add_argument("--clips", type=int, default=TinySettings.clips)
    parser.add_argument("--crop", type=int, help="size of the cuts; may be changed on resuming")
    parser.add_argument("--learning-rate", type=float, default=TinySettings.learning_rate)
    parser.add_argument("--seed", type=int, default=TinySettings.seed)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(args.threads)
    if args.resume and (args.out / STATE).exists():
        run = TinyTraining.load(args.out, steps=args.steps, crop=args.crop)
    else:
        chosen = {"steps": args.steps, "crop": args.crop, "clips": args.clips, "seed": args.seed}
        chosen = {name: value for name, value in chosen.items() if value is not None}
        run = TinyTraining(TinySettings(learning_rate=args.learning_rate, **chosen))
    seed = run.settings.seed
    pictures = pictures_of(args.out / "train.npz", args.corpus, args.assets, run.settings.clips, seed)
    held_out = pictures_of(args.out / "held-out.npz", args.corpus, None, HELD_OUT_CLIPS, seed)
    train_for(run, partial(run.draw, pictures), partial(run.evaluate, held_out), args.out, args.minutes)


if __name__ == "__main__":
    main()
