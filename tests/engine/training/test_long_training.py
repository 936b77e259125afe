"""The loop of trainings of shipped weights: by steps or minutes, stopped and gone on with, drawn ahead or not."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.files.tensors import load_meta, load_tensors
from engine.training.long_training import LOG, STATE, LongTraining, TrainingSchedule, train_for


@dataclass(frozen=True)
class PointSettings(TrainingSchedule):
    """A point that is drawn to another one."""

    steps: int = 6
    batch: int = 1
    learning_rate: float = 0.1
    warm_up: int = 2
    weight_decay: float = 0.0
    average: float = 0.5
    seed: int = 1


class PointTraining(LongTraining[Tensor]):
    """Loss: squared distance."""

    def __init__(self, settings: PointSettings | None = None) -> None:
        self.point, self.mean = torch.zeros(2, requires_grad=True), torch.zeros(2)
        super().__init__(settings or PointSettings(), [self.point], [self.mean])

    def losses(self, batch: Tensor) -> dict[str, Tensor]:
        loss = (self.point - batch).square().sum()
        torch.autograd.backward(loss)
        return {"loss": loss}

    def save(self, out: Path) -> None:
        self.save_state(out, {"point": self.point.detach(), "mean": self.mean}, {})

    @classmethod
    def load(cls, out: Path) -> "PointTraining":
        run = cls()
        tensors = load_tensors(out / STATE)
        run.point.data.copy_(tensors["point"])
        run.mean.copy_(tensors["mean"])
        run.restore_state(tensors, load_meta(out / STATE))
        return run


def draw(step: int) -> Tensor:
    """Depends on the step alone."""
    return torch.randn(2, generator=torch.Generator().manual_seed(step))


def rows(out: Path) -> list[dict[str, float]]:
    """Of the log."""
    return [json.loads(line) for line in (out / LOG).read_text().splitlines()]


def test_it_ends_after_its_steps_with_a_state_and_a_measured_row(tmp_path: Path) -> None:
    run = PointTraining()
    train_for(run, draw, lambda: {"held_out": 3.0}, tmp_path, minutes=60)
    assert run.step == load_meta(tmp_path / STATE)["step"] == 6
    (row,) = rows(tmp_path)
    assert (row["step"], row["steps"], row["held_out"]) == (6, 6, 3.0)
    assert {"loss", "rate", "seconds"} <= set(row)


@pytest.mark.parametrize("ahead", [False, True])
def test_stopped_after_each_step_it_is_the_same_training(tmp_path: Path, ahead: bool) -> None:
    whole, part = PointTraining(), PointTraining()
    train_for(whole, draw, dict, tmp_path / "whole", minutes=60)
    while part.step < 6:
        train_for(part, draw, dict, tmp_path / "part", minutes=0, ahead=ahead)
        part = PointTraining.load(tmp_path / "part")
    assert [row["step"] for row in rows(tmp_path / "part")] == [1, 2, 3, 4, 5, 6]
    assert torch.equal(part.point, whole.point)
    assert torch.equal(part.mean, whole.mean)
    assert not torch.equal(part.mean, part.point)


def test_the_rate_rises_and_falls_with_the_steps_or_the_time() -> None:
    run = PointTraining(PointSettings(steps=100, warm_up=10))
    rates = []
    for run.step in range(101):
        rates.append(run.learning_rate())
    assert rates[0] == pytest.approx(0.01, rel=1e-2)
    assert max(rates) == rates[9]
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[-1] == pytest.approx(1e-3)
    run.step, run.gone = 20, 1.0
    assert run.learning_rate() == pytest.approx(1e-3)


def test_a_later_round_begins_its_schedule_where_it_begins() -> None:
    first, later = (
        PointTraining(PointSettings(steps=100)),
        PointTraining(PointSettings(steps=150, begun_at=50)),
    )
    first.step, later.step = 20, 70
    assert first.learning_rate() == later.learning_rate()
