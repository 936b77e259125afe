"""The training loop: stopped anywhere it goes on to the same end, and it ends when nothing gets better."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.errors import RunCancelled
from engine.files.training_loop import TrainingLoop
from engine.progress import Progress


class Line:
    """Fits a slope to a few points, whose noise depends on the step alone."""

    def __init__(self, steps: int = 20, patience: int = 0, kind: str = "line") -> None:
        self.slope = torch.zeros(1, requires_grad=True)
        optimiser = torch.optim.AdamW([self.slope], lr=0.1)
        self.loop = TrainingLoop(
            {"slope": self.slope}, optimiser, {"kind": kind}, steps, evaluate_every=5, save_every=3, patience=patience,
            measure_first=True,
        )  # fmt: skip

    def _loss(self) -> Tensor:
        return (self.slope - 2).square().sum()

    def advance(self) -> float:
        noise = torch.randn(1, generator=torch.Generator().manual_seed(self.loop.step))
        loss = self._loss() + 0.1 * (noise * self.slope).sum()
        self.loop.optimiser.zero_grad()
        torch.autograd.backward(loss)
        self.loop.optimiser.step()
        return loss.item()

    def run(self, path: Path | None, stop_after: int = 1000) -> dict[str, object]:
        def stop() -> bool:
            return self.loop.step >= stop_after

        self.loop.run(self.advance, lambda: self._loss().item(), path, Progress(cancel=stop))
        return self.loop.record()


@pytest.mark.parametrize("stop_after", [1, 7, 19])
def test_stopped_it_goes_on_to_the_same_end(tmp_path: Path, stop_after: int) -> None:
    whole = Line().run(None)
    path = tmp_path / "state.safetensors"
    with pytest.raises(RunCancelled):
        Line().run(path, stop_after)
    again = Line()
    assert [list(each) for each in again.run(path)["held_out"]] == [list(each) for each in whole["held_out"]]  # type: ignore[attr-defined]
    assert again.loop.losses == whole["losses"]
    assert (again.loop.step, len(again.loop.losses)) == (20, 20)


def test_the_state_of_other_work_is_not_taken_up(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    Line(steps=6).run(path)
    same, other = Line(steps=6), Line(steps=6, kind="circle")
    steps: list[int] = []
    for line in (same, other):
        line.loop.run(
            lambda line=line: steps.append(line.loop.step) or line.advance(), None, path, Progress()
        )  # type: ignore[misc, func-returns-value]
    assert steps == list(range(6))  # of the other alone


def test_it_ends_when_nothing_gets_better() -> None:
    line = Line(steps=100, patience=2)
    line.loop.run(line.advance, lambda: 1.0, None, Progress())
    assert line.loop.step == 10
    assert [step for step, _ in line.loop.measured] == [0, 5, 10]
