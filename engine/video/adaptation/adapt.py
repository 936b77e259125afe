"""ICAdapt: fine-tune the video model on the context at inference time (paper section 3.1), from top to bottom.

Features: trained parameters exactly as in the paper, or low-rank pairs for small devices; the context is encoded once;
single or half precision with scaled losses; gradient accumulation, clipping and checkpointing; the loss on held-out
clips is measured on the way and may stop the training; a stopped run goes on as if it had not been stopped, because
every random number follows from the seed and the step. Checkpoints are safetensors and JSON, nothing is pickled.

Limits: one device. The held-out clips share frames with trained ones
(:func:`engine.video.adaptation.clips.split_clips`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.files.hashing import content_hash
from engine.files.training_loop import TrainingLoop
from engine.progress import Progress
from engine.video.adaptation.adapter import Adapter
from engine.video.adaptation.clips import ContextClip, all_clips, split_clips
from engine.video.adaptation.context_cache import ContextCache, encode_context
from engine.video.adaptation.loss import Draws, clip_loss, draw
from engine.video.adaptation.settings import AdaptSettings
from engine.video.adaptation.trainable_state import DTYPES, Trained
from engine.video.memory import explain_memory
from engine.video.network.model import VideoModel
from engine.video.network.sample import combine_seeds
from usd_io.shapes import Float

CHECKPOINT = "adapt.safetensors"
"""In the checkpoint folder."""
EPOCH_SEED, STEP_SEED, DROPOUT_SEED, HELD_OUT_SEED = range(4)
"""First parts of seeds, so that no two draws share one."""


def adapt(
    model: VideoModel,
    frames: Float[Tensor, "view frame 3 height width"],
    frame_rate: float,
    prompt: str,
    settings: AdaptSettings,
    *,
    progress: Progress,
    checkpoint_dir: Path | None = None,
) -> Adapter:
    """Adapt a model to the context; afterwards the model has the adapter in it, and its encoders are off the device.

    Args:
        model: Unadapted; changed in place.
        frames: The context from all views, display-referred RGB in [0, 1].
        frame_rate: Of the context [frames/s].
        prompt: What is seen, or nothing.
        settings: What is trained and how.
        progress: Reports each step with its ``loss`` and, where measured, ``held_out``.
        checkpoint_dir: Where the state is kept; a state of the same work there is taken up.

    Returns:
        What was learnt, with its provenance and the losses.

    Raises:
        DataError: The context is shorter than a clip.
        OutOfMemory: The device's memory ran out; the last checkpoint is kept.
        RunCancelled: The user stopped the run; its state is kept.
    """
    views, count = frames.shape[:2]
    clips, held_out = split_clips(all_clips(views, count, settings.strides), settings.held_out)
    work = {"model": model.source, "frames": content_hash(frames), "frame_rate": frame_rate}
    work |= {"prompt": prompt, "settings": asdict(settings)}
    with explain_memory(
        "adapting the video model", "memory low, adapt lora or a larger GPU", "memory", "adapt"
    ):
        cache = encode_context(model, frames, frame_rate, prompt, (*clips, *held_out), progress=progress)
        for encoder in model.encoders:
            encoder.cpu()
        trained = Trained(model, settings)
        try:
            return _AdapterTraining(trained, cache, clips, held_out, work).run(progress, checkpoint_dir)
        finally:
            trained.close()


class _AdapterTraining:
    """One step and one measurement of an adaptation."""

    def __init__(
        self,
        trained: Trained,
        cache: ContextCache,
        clips: Sequence[ContextClip],
        held_out: Sequence[ContextClip],
        work: dict[str, Any],
    ) -> None:
        self.trained, self.cache, self.clips, self.held_out = trained, cache, clips, held_out
        self.model, self.settings = trained.model, trained.settings
        settings = trained.settings
        self.loop = TrainingLoop(
            trained.values,
            trained.optimiser,
            work,
            steps=settings.steps,
            evaluate_every=settings.evaluate_every,
            save_every=settings.save_every,
            patience=settings.patience,
            measure_first=True,
            scaler=trained.scaler,
        )

    def run(self, progress: Progress, folder: Path | None) -> Adapter:
        """Train to the end, saving on the way and when stopped."""
        measure = self._measure if self.held_out else None
        self.loop.run(self._advance, measure, None if folder is None else folder / CHECKPOINT, progress)
        return self.trained.finish(self.loop.record())

    def _advance(self) -> float:
        """One step of the optimiser."""
        settings = self.settings
        chosen = self._next_clips(settings.batch * settings.accumulate)
        draws = draw(
            self._latent_shape(len(chosen)),
            combine_seeds(STEP_SEED, settings.seed, self.loop.step),
            timesteps=settings.timesteps,
        )
        total = 0.0
        for i, part in enumerate(_parts(len(chosen), settings.micro_batch)):
            with _seeded(self.model.device, combine_seeds(DROPOUT_SEED, settings.seed, self.loop.step, i)):
                loss = self._loss(chosen[part], draws[part]) * (len(chosen[part]) / len(chosen))
                torch.autograd.backward(self.trained.scaler.scale(loss))
            total += loss.item()
        self.trained.update()
        return total

    def _next_clips(self, count: int) -> list[ContextClip]:
        """The next clips of an endless shuffled order, every clip once before any comes again."""
        chosen = []
        for place in range(self.loop.step * count, (self.loop.step + 1) * count):
            epoch, index = divmod(place, len(self.clips))
            seed = combine_seeds(EPOCH_SEED, self.settings.seed, epoch)
            order = torch.randperm(len(self.clips), generator=torch.Generator().manual_seed(seed))
            chosen.append(self.clips[int(order[index])])
        return chosen

    def _latent_shape(self, count: int) -> tuple[int, ...]:
        channels = self.model.shape.vae.latent_channels
        return (count, channels, len(self.clips[0].frames), *self.cache.moments.shape[-2:])

    def _loss(self, clips: Sequence[ContextClip], draws: Draws) -> Float[Tensor, ""]:
        dtype = DTYPES[self.settings.precision]
        with torch.autocast(self.model.device.type, dtype, enabled=dtype != torch.float32):
            return clip_loss(self.model, self.cache, clips, draws, self.settings.drop)

    @torch.no_grad()
    def _measure(self) -> float:
        """Mean loss on the held-out clips, always with the same noise, all conditions given and no dropout."""
        draws = draw(
            self._latent_shape(len(self.held_out)),
            HELD_OUT_SEED,
            spread=True,
            timesteps=self.settings.timesteps,
        )
        self.model.unet.eval()
        parts = _parts(len(self.held_out), 1)
        losses = [self._loss(self.held_out[part], draws[part]).item() for part in parts]
        self.model.unet.train()
        return sum(losses) / len(losses)


def _parts(count: int, size: int) -> list[slice]:
    return [slice(i, min(i + size, count)) for i in range(0, count, size)]


@contextmanager
def _seeded(device: torch.device, seed: int) -> Iterator[None]:
    """Dropout that depends on the seed alone, with the caller's random state left alone."""
    with torch.random.fork_rng([device] if device.type == "cuda" else [], device_type=device.type):
        torch.manual_seed(seed)
        yield
