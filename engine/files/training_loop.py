"""The loop of every training within a run: steps, measurements, checkpoints, and the way back after a stop."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from engine.errors import RunCancelled
from engine.files.json_values import as_json
from engine.files.tensors import load_meta, load_tensors, save_tensors
from engine.progress import Progress

TRAINED = "trained."
"""Begins the names of what is trained in the file of a state; others are the optimiser's."""


@runtime_checkable
class Optimiser(Protocol):
    """An optimiser, of torch or our own."""

    def zero_grad(self) -> None: ...

    def step(self) -> Any: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None: ...


@dataclass(eq=False)
class TrainingLoop:
    """Goes on from the last checkpoint of the same work, as if it had not been stopped, if each step takes its random
    numbers from :attr:`step` and a seed alone."""

    values: Mapping[str, Tensor]
    """What is trained; restored in place."""
    optimiser: Optimiser
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


def save_training(
    path: Path, values: Mapping[str, Tensor], optimiser: Optimiser, meta: Mapping[str, Any]
) -> None:
    """Write a state, replacing what was there in one step."""
    tensors = {TRAINED + name: value for name, value in values.items()}
    save_tensors(path, tensors | optimiser_tensors(optimiser), meta)


@torch.no_grad()
def restore_training(
    path: Path, values: Mapping[str, Tensor], optimiser: Optimiser, work: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Take up the state of the same work, if there is one.

    Args:
        path: Of the state; need not exist.
        values: What is trained; filled in place.
        optimiser: Of these values; filled as well.
        work: Plain values that decide the result, part of what was saved beside.

    Returns:
        What was saved beside; None, and nothing is changed, where there is no state of this work.

    Raises:
        DataError: The file is damaged.
    """
    if not path.is_file():
        return None
    meta = load_meta(path)
    if {name: meta.get(name) for name in work} != as_json(work):
        return None
    tensors = load_tensors(path)
    for name, value in values.items():
        value.copy_(tensors[TRAINED + name])
    restore_optimiser(optimiser, tensors)
    return meta


def optimiser_tensors(optimiser: Optimiser) -> dict[str, Tensor]:
    """State of an optimiser as a flat mapping."""
    state = optimiser.state_dict()["state"]
    return {f"optimiser.{i}.{name}": value for i, entry in state.items() for name, value in entry.items()}


def restore_optimiser(optimiser: Optimiser, tensors: Mapping[str, Tensor]) -> None:
    """Put back what :func:`optimiser_tensors` took."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, index, name = key.split(".", 2)
            state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
