"""The loop of every training within a run: steps, measurements, checkpoints, and the way back after a stop."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.errors import RunCancelled
from engine.files.training_state import restore_training, save_training
from engine.progress import Progress


@dataclass(eq=False)
class TrainingLoop:
    """Goes on from the last checkpoint of the same work, as if it had not been stopped, if each step takes its random
    numbers from :attr:`step` and a seed alone."""

    values: Mapping[str, Tensor]
    """What is trained; restored in place."""
    optimiser: torch.optim.Optimizer
    work: Mapping[str, Any]
    """Plain values that decide the result: a checkpoint of other work is not taken up."""
    steps: int
    evaluate_every: int
    save_every: int
    patience: int = 0
    """Measurements without a better one after which the training ends; 0: none."""
    measure_first: bool = False
    """Measure before the first step too."""
    scaler: torch.amp.GradScaler | None = None
    """Of losses in half precision; part of the checkpoint."""
    step: int = 0
    """Steps done."""
    losses: list[float] = field(default_factory=list)
    """Of every step."""
    measured: list[tuple[int, float]] = field(default_factory=list)
    """Steps done and the loss on held-out data then."""

    def run(
        self,
        advance: Callable[[], float],
        measure: Callable[[], float] | None,
        checkpoint: Path | None,
        progress: Progress,
    ) -> None:
        """Train to the end, saving on the way and when stopped.

        Args:
            advance: Does one step of the optimiser and returns its loss.
            measure: The loss on held-out data; None where there is none.
            checkpoint: The file of the state; None keeps none.
            progress: Reports each step with its ``loss`` and, where measured, ``held_out``.

        Raises:
            DataError: The checkpoint is damaged.
            RunCancelled: The user stopped the run; the state is kept.
        """
        self._restore(checkpoint)
        try:
            if measure is not None and self.measure_first and not self.measured:
                self.measured.append((0, measure()))
            while self.step < self.steps and not self._stalled():
                self.losses.append(advance())
                self.step += 1
                values = {"loss": self.losses[-1]}
                if measure is not None and (self.step % self.evaluate_every == 0 or self.step == self.steps):
                    self.measured.append((self.step, measure()))
                    values["held_out"] = self.measured[-1][1]
                if self.step % self.save_every == 0:
                    self._save(checkpoint)
                progress.step(self.step, self.steps, **values)
        except RunCancelled:
            self._save(checkpoint)
            raise

    def record(self) -> dict[str, Any]:
        """What was done, as plain values."""
        return {**self.work, "step": self.step, "losses": self.losses, "held_out": self.measured}

    def _stalled(self) -> bool:
        """Whether the held-out loss has not fallen for ``patience`` measurements."""
        losses = [loss for _, loss in self.measured]
        return 0 < self.patience < len(losses) and min(losses[-self.patience :]) >= min(
            losses[: -self.patience]
        )

    def _save(self, path: Path | None) -> None:
        if path is not None:
            scale = {} if self.scaler is None else {"scaler": self.scaler.state_dict()}
            save_training(path, self.values, self.optimiser, {**self.record(), **scale})

    def _restore(self, path: Path | None) -> None:
        """Take up the state of the same work, if there is one."""
        meta = None if path is None else restore_training(path, self.values, self.optimiser, self.work)
        if meta is None:
            return
        self.step, self.losses = meta["step"], meta["losses"]
        self.measured = [(step, loss) for step, loss in meta["held_out"]]
        if self.scaler is not None and meta.get("scaler"):
            self.scaler.load_state_dict(meta["scaler"])
