"""Low-rank adaptation of flow-matching video transformers to a context: the look from frames, injection from clips.

Features: the same trained pairs after a stop as without one, for every random number follows from the seed and the
step; the loss on held-out frames is measured on the way; checkpoints are safetensors and JSON.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.errors import DataError
from engine.files.hashing import content_hash
from engine.files.json_values import as_json
from engine.files.training_loop import TrainingLoop
from engine.progress import Progress
from engine.video.adaptation.adapter import Adapter
from engine.video.adaptation.lora import DOWN, UP, Lora
from engine.video.network.sample import combine_seeds
from usd_io.shapes import Float

STATE = "flow_adapt.safetensors"
HELD_OUT = 12
"""One of so many frames is measured on and never trained on alone."""
MEASURED = 4
"""Frames measured on at most."""
MEASURE_SEED = -1

Loss = Callable[[Tensor, int], Tensor]
"""Of frames [frame 3 height width] with the random numbers of a seed."""


@dataclass(frozen=True)
class FlowSettings:
    """How low-rank pairs are trained."""

    steps: int
    stride: int
    """Frames of the context from one frame of a clip to the next."""
    clip: int
    """Frames of a clip; one more than a multiple of the frames that share a latent."""
    frames: int = 4
    """Single frames of a step."""
    rank: int = 16
    learning_rate: float = 1e-4
    clip_norm: float = 0.5
    evaluate_every: int = 50
    save_every: int = 50
    seed: int = 0
    recompute: bool = True
    """Compute activations again in the backward pass instead of keeping them."""


def chosen_layers(transformer: nn.Module, patterns: Sequence[str]) -> dict[str, nn.Linear]:
    """Linear layers whose whole name one of the patterns fits."""
    return {
        name: module
        for name, module in transformer.named_modules()
        if isinstance(module, nn.Linear) and any(re.fullmatch(p, name) for p in patterns)
    }


def check_pairs(layers: Mapping[str, nn.Linear], adapter: Adapter, path: Path) -> None:
    """Compare an adapter with the layers it is for.

    Raises:
        DataError: It was made for another network.
    """
    rank = next((len(v) for name, v in adapter.tensors.items() if name.endswith(DOWN)), 0)
    expected = {f"{name}.{DOWN}": (rank, layer.in_features) for name, layer in layers.items()}
    expected |= {f"{name}.{UP}": (layer.out_features, rank) for name, layer in layers.items()}
    found = {name: tuple(value.shape) for name, value in adapter.tensors.items()}
    if wrong := sorted(set(expected.items()) ^ set(found.items())):
        raise DataError(f"{path} was made for another network; they differ in {wrong[0][0]}.")


def train(
    transformer: Any,
    patterns: tuple[str, str],
    loss: Loss,
    frames: Float[Tensor, "view frame 3 height width"],
    settings: FlowSettings,
    work: Mapping[str, Any],
    *,
    progress: Progress,
    checkpoint_dir: Path | None = None,
) -> Adapter:
    """Train both sets of pairs, in turns.

    Args:
        transformer: The denoising network; left as it was.
        patterns: Names of the layers that learn from single frames, and from clips.
        loss: Of one clip or of one frame.
        frames: The context.
        settings: How.
        work: Plain values that decide the result beside settings and frames.
        progress: Reports each step with its loss.
        checkpoint_dir: Where the state is kept.

    Raises:
        DataError: The context is shorter than a clip.
        RunCancelled: The user stopped the run; its state is kept.
    """
    reach = (settings.clip - 1) * settings.stride
    if frames.shape[1] <= reach:
        raise DataError(f"the context has {frames.shape[1]} frames; adaptation needs {reach + 1} or more.")
    work = as_json({**work, "settings": asdict(settings), "frames": content_hash(frames)})
    sets = [
        Lora(chosen_layers(transformer, [p]), settings.rank, settings.seed + i)
        for i, p in enumerate(patterns)
    ]
    training = _FlowTraining(sets, loss, frames, settings, work)
    if settings.recompute:
        transformer.enable_gradient_checkpointing()
    transformer.train()
    try:
        return training.run(progress, checkpoint_dir)
    finally:
        for pairs in sets:
            pairs.detach()
        transformer.eval()
        transformer.disable_gradient_checkpointing()


class _FlowTraining:
    """One step and one measurement, in turns of single frames and clips."""

    def __init__(
        self, sets: Sequence[Lora], loss: Loss, frames: Tensor, settings: FlowSettings, work: dict[str, Any]
    ) -> None:
        self.loss, self.frames, self.settings = loss, frames, settings
        self.sets = [list(pairs.tensors.values()) for pairs in sets]
        self.values = {name: value for pairs in sets for name, value in pairs.tensors.items()}
        self.optimiser = torch.optim.AdamW(self.values.values(), lr=settings.learning_rate, foreach=False)
        self.loop = TrainingLoop(
            self.values,
            self.optimiser,
            work,
            steps=settings.steps,
            evaluate_every=settings.evaluate_every,
            save_every=settings.save_every,
            measure_first=True,
        )
        count = frames.shape[1]
        self.held_out = list(range(HELD_OUT // 2, count, HELD_OUT))
        self.trained = [i for i in range(count) if i not in self.held_out]

    def run(self, progress: Progress, folder: Path | None) -> Adapter:
        self.loop.run(self._advance, self._measure, None if folder is None else folder / STATE, progress)
        learnt = {name: value.detach().cpu().clone() for name, value in self.values.items()}
        return Adapter("lora", learnt, as_json(self.loop.record()))

    def _advance(self) -> float:
        """Even steps: the look from single frames; odd steps: injection from a clip."""
        seed = combine_seeds(self.settings.seed, self.loop.step)
        clips = self.loop.step % 2
        for i, values in enumerate(self.sets):
            for value in values:
                value.requires_grad_(i == clips)
        parts = [self._clip(seed)] if clips else self._singles(seed)
        total = 0.0
        for i, part in enumerate(parts):
            loss = self.loss(part, combine_seeds(seed, i)) / len(parts)
            torch.autograd.backward(loss)
            total += loss.item()
        nn.utils.clip_grad_norm_(self.sets[clips], self.settings.clip_norm)
        self.optimiser.step()
        self.optimiser.zero_grad()
        return total

    def _clip(self, seed: int) -> Float[Tensor, "frame 3 height width"]:
        generator = torch.Generator().manual_seed(seed)
        reach = (self.settings.clip - 1) * self.settings.stride
        view = int(torch.randint(len(self.frames), (), generator=generator))
        start = int(torch.randint(self.frames.shape[1] - reach, (), generator=generator))
        return self.frames[view, start : start + reach + 1 : self.settings.stride]

    def _singles(self, seed: int) -> list[Float[Tensor, "1 3 height width"]]:
        generator = torch.Generator().manual_seed(seed)
        views = torch.randint(len(self.frames), (self.settings.frames,), generator=generator)
        places = torch.randint(len(self.trained), (self.settings.frames,), generator=generator)
        return [self.frames[int(v), self.trained[int(p)]][None] for v, p in zip(views, places, strict=True)]

    @torch.no_grad()
    def _measure(self) -> float:
        """Mean loss on held-out frames, always with the same noise."""
        chosen = self.held_out[:: max(1, len(self.held_out) // MEASURED)][:MEASURED]
        losses = [self.loss(self.frames[0, i][None], combine_seeds(MEASURE_SEED, i)).item() for i in chosen]
        return sum(losses) / len(losses)
