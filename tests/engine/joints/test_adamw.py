"""AdamW of the estimator beside the class of torch."""

import subprocess
import sys

import torch
from torch import Tensor

from engine.files.training_loop import optimiser_tensors, restore_optimiser
from engine.joints.adamw import AdamW

RATES = (0.01, 0.1, 0.03, 0.02)


def gradients(step: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(step)
    return [torch.randn(5, 3, generator=generator), torch.randn(7, generator=generator)]


def start() -> list[Tensor]:
    return [p.requires_grad_() for p in gradients(99)]


def test_steps_are_those_of_torch() -> None:
    ours, theirs = start(), start()
    mine = AdamW(ours, weight_decay=1e-3)
    expected = torch.optim.AdamW(theirs, weight_decay=1e-3, fused=True)
    for step, rate in enumerate(RATES):
        mine.rate = expected.param_groups[0]["lr"] = rate
        for optimiser, parameters in ((mine, ours), (expected, theirs)):
            optimiser.zero_grad()
            for parameter, gradient in zip(parameters, gradients(step), strict=True):
                parameter.grad = gradient
            optimiser.step()
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    kept, wanted = optimiser_tensors(mine), optimiser_tensors(expected)
    assert kept.keys() == wanted.keys()
    assert all(torch.equal(kept[name], wanted[name]) for name in kept)


def test_a_state_taken_up_goes_on_as_before() -> None:
    whole, half, rest = start(), start(), start()
    one, first, second = (AdamW(parameters, weight_decay=1e-3) for parameters in (whole, half, rest))

    def advance(optimiser: AdamW, parameters: list[Tensor], steps: range) -> None:
        for step in steps:
            optimiser.rate = RATES[step]
            for parameter, gradient in zip(parameters, gradients(step), strict=True):
                parameter.grad = gradient
            optimiser.step()

    advance(one, whole, range(4))
    advance(first, half, range(2))
    with torch.no_grad():
        for mine, theirs in zip(rest, half, strict=True):
            mine.copy_(theirs)
    # files give their tensors in any order
    restore_optimiser(second, dict(reversed(optimiser_tensors(first).items())))
    advance(second, rest, range(2, 4))
    assert all(torch.equal(a, b) for a, b in zip(whole, rest, strict=True))


def test_the_compiler_of_torch_is_not_imported() -> None:
    code = (
        "import sys, torch; from engine.joints.adamw import AdamW; p = torch.ones(2, requires_grad=True); "
        "o = AdamW([p], weight_decay=0.1); p.sum().backward(); o.step(); o.zero_grad(); o.state_dict(); "
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
