"""What trainings of shipped weights share: schedule of the rate, averaged weights, state, log, and a loop by the clock.

Unlike :mod:`engine.files.training_loop`, which trains a part of a run to the end, this goes on for given minutes, again
and again over days, and ships the average of the weights. A fixed seed gives the same weights on the same machine and
number of threads; a training that was stopped goes on from its last save as the same one, if each batch depends on seed
and step alone. Nothing is pickled.
"""

import json
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from engine.files.tensors import save_tensors
from engine.files.training_loop import optimiser_tensors, restore_optimiser

log = logging.getLogger(__name__)

Batch = TypeVar("Batch")

STATE, LOG = "state.safetensors", "log.jsonl"
SAVE_SECONDS = 180
EVALUATED = 4
"""Of so many saves one is evaluated, and the last."""


@dataclass(frozen=True)
class TrainingSchedule:
    """Of the optimiser; what a training learns from is added by those that inherit."""

    steps: int
    batch: int
    learning_rate: float
    """The highest."""
    warm_up: int
    """Steps in which the rate rises."""
    weight_decay: float
    average: float
    """Decay per step of the averaged weights, which are the result."""
    seed: int
    begun_at: int = 0
    """Step from which the schedule counts: a later round begins again."""


class LongTraining(ABC, Generic[Batch]):
    """The state of a training: optimiser, averaged weights, step; how it is learnt stands in those that inherit."""

    def __init__(
        self,
        settings: TrainingSchedule,
        parameters: Iterable[Tensor],
        averages: Iterable[Tensor],
        *,
        fused: bool = False,
    ) -> None:
        self.parameters, self.averages = list(parameters), list(averages)
        self.optimiser = torch.optim.AdamW(
            self.parameters, lr=0.0, betas=(0.9, 0.98), weight_decay=settings.weight_decay, fused=fused
        )
        self.schedule = settings
        self.step, self.seconds = 0, 0.0
        self.gone = 0.0
        """Part of the time of a run whose rate falls with the time and not with the steps."""

    @abstractmethod
    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Add up the gradients of a batch, and return what is to be logged of it."""

    @abstractmethod
    def save(self, out: Path) -> None:
        """Write the state and the averaged weights."""

    def learning_rate(self) -> float:
        """Linear warm-up, then half a cosine down to a hundredth."""
        s = self.schedule
        gone = self.step - s.begun_at
        part = max(self.gone, gone / max(s.steps - s.begun_at, 1))
        cosine = 0.5 * (1 + np.cos(np.pi * min(part, 1.0)))
        return s.learning_rate * min(1.0, (gone + 1) / s.warm_up) * float(0.01 + 0.99 * cosine)

    def advance(self, batch: Batch) -> dict[str, Tensor]:
        """One step of the optimiser and of the average."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate()
        self.optimiser.zero_grad()
        losses = self.losses(batch)
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()
        # the average follows quickly at first, while the weights are still far from where they end
        decay = min(self.schedule.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(self.averages, self.parameters, 1 - decay)
        self.step += 1
        return {name: value.detach() for name, value in losses.items()}

    def record(self) -> dict[str, Any]:
        """Step, time and settings as plain values."""
        return {"step": self.step, "seconds": self.seconds, "settings": asdict(self.schedule)}

    def save_state(self, out: Path, tensors: Mapping[str, Tensor], more: Mapping[str, Any]) -> None:
        """Write the weights beside the state of the optimiser, replacing what was there in one step."""
        meta = {**self.record(), **more}
        save_tensors(out / STATE, {**tensors, **optimiser_tensors(self.optimiser)}, meta)

    def restore_state(self, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        """Take up optimiser, step and time; the weights are for the caller."""
        restore_optimiser(self.optimiser, tensors)
        self.step, self.seconds = meta["step"], meta["seconds"]


class NamedTraining(LongTraining[Batch]):
    """A training whose weights have names, as they are saved."""

    def __init__(self, settings: TrainingSchedule, values: Mapping[str, Tensor]) -> None:
        self.values = values
        self.averaged = {name: p.detach().clone() for name, p in values.items()}
        super().__init__(settings, values.values(), self.averaged.values())

    @contextmanager
    def averages_in_use(self) -> Iterator[None]:
        """Let the network work with its averaged weights."""
        now = {name: p.clone() for name, p in self.values.items()}
        self._use(self.averaged)
        yield
        self._use(now)

    def _use(self, values: Mapping[str, Tensor]) -> None:
        for name, value in values.items():
            self.values[name].data.copy_(value)

    def weights(self) -> dict[str, Tensor]:
        """Both sets of weights, for :meth:`save_state`."""
        tensors = {f"network.{k}": v.detach() for k, v in self.values.items()}
        return tensors | {f"averaged.{k}": v for k, v in self.averaged.items()}

    def restore(self, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        """Take up the weights and all of :meth:`restore_state`."""
        self._use({k: tensors[f"network.{k}"] for k in self.values})
        for name, mean in self.averaged.items():
            mean.copy_(tensors[f"averaged.{name}"])
        self.restore_state(tensors, meta)


def train_for(
    run: LongTraining[Batch],
    draw: Callable[[int], Batch],
    evaluate: Callable[[], dict[str, float]],
    out: Path,
    minutes: float,
    *,
    by_time: bool = False,
    ahead: bool = False,
) -> None:
    """Go on until the steps or the minutes are over; log and save every three minutes and at the end.

    Args:
        run: What is trained.
        draw: The batch of a step, which depends on the step alone.
        evaluate: Measures of the averaged weights on held-out data.
        out: Folder of state, weights and log.
        minutes: At most.
        by_time: Let the rate fall with the minutes where that is faster than with the steps.
        ahead: Draw the next batch in a thread while an accelerator is busy; a processor would lose time by it.
    """
    began, saved, before = time.monotonic(), time.monotonic(), run.seconds
    recent: list[Tensor] = []
    saves = 0
    for batch in _batches(draw, range(run.step, run.schedule.steps), ahead):
        losses = run.advance(batch)
        recent.append(torch.stack(list(losses.values())))
        now = time.monotonic()
        run.gone = (now - began) / (60 * minutes) if by_time else 0.0
        over = now - began > 60 * minutes or run.step == run.schedule.steps
        if over or now - saved > SAVE_SECONDS:
            run.seconds = before + now - began
            row = dict(zip(losses, torch.stack(recent).mean(0).tolist(), strict=True))
            row |= {"cpu_seconds": time.process_time(), "steps": len(recent), "rate": run.learning_rate()}
            if over or saves % EVALUATED == 0:
                row |= evaluate()
            write_row(out / LOG, {"step": run.step, "seconds": run.seconds, **row})
            run.save(out)
            saved, recent, saves = time.monotonic(), [], saves + 1
        if over:
            break


def _batches(draw: Callable[[int], Batch], steps: range, ahead: bool) -> Iterator[Batch]:
    """Batches in order, each drawn when it is needed or while the one before it is in use."""
    if not ahead:
        yield from map(draw, steps)
        return
    with ThreadPoolExecutor(max_workers=1) as thread:
        drawn = thread.submit(draw, steps.start)
        for step in steps:
            batch = drawn.result()
            drawn = thread.submit(draw, step + 1)
            yield batch


def write_row(path: Path, row: Mapping[str, float]) -> None:
    """Append a line of the log."""
    log.info(" ".join(f"{k} {v:.4g}" for k, v in row.items()))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({k: round(v, 5) for k, v in row.items()}) + "\n")
