"""AdamW (Loshchilov and Hutter 2019, "Decoupled weight decay regularization") as torch has it, by its function alone:
the class :class:`torch.optim.AdamW` imports torch's compiler, which takes a second of CPU."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw

BETAS, EPSILON = (0.9, 0.999), 1e-8
"""Decay of the means of gradients and of their squares, and what is added to the root of the latter."""
MEANS = "exp_avg", "exp_avg_sq"


class AdamW:
    """Steps of some parameters, in its fused form: of the time of a step of the estimator a tenth is AdamW's when it
    goes through sixty tensors one by one."""

    def __init__(self, parameters: Iterable[Tensor], *, weight_decay: float) -> None:
        """All that require a gradient get one before each step."""
        self.rate = 0.0
        self._parameters = [p for p in parameters if p.requires_grad]
        self._weight_decay = weight_decay
        self._state = [
            {"step": torch.zeros((), device=p.device)} | {name: torch.zeros_like(p) for name in MEANS}
            for p in self._parameters
        ]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Take a step, at the rate that is set."""
        means, squares, steps = ([state[name] for state in self._state] for name in (*MEANS, "step"))
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        adamw(
            self._parameters,
            gradients,
            means,
            squares,
            [],
            steps,
            fused=True,
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=self.rate,
            weight_decay=self._weight_decay,
            eps=EPSILON,
            maximize=False,
        )

    def state_dict(self) -> dict[str, Any]:
        """As optimisers of torch give it: numbered by parameter."""
        return {"state": dict(enumerate(self._state))}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what :meth:`state_dict` gave."""
        for number, own in enumerate(self._state):
            for name, value in own.items():
                value.copy_(state["state"][number][name])
