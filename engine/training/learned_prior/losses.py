"""What training minimises, each term under its own name, and the same measures for evaluation."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from engine.priors.learned import kinematics, layout
from engine.priors.learned.features import Features, from_local, to_local
from engine.priors.learned.network import Answer, sines, spread_at
from engine.priors.learned.poses import Poses
from engine.training.learned_prior.sampling import Truth

WEIGHTS = {"position": 1.0, "rotation": 0.5, "velocity": 0.3, "spread": 0.05, "gain": 0.05}
CALM_POSITION = 0.01
"""Position error [sizes per joint] that counts as none: keeps ratios of near-still gaps from ruling."""
CALM_ROTATION = 0.01
"""The same for rotations [rad per joint]."""
LARGEST_ERROR = 10.0
"""Errors [units of movement] above this count as this: a joint that lay still wherever it was seen and then moved."""
GAIN_BOUND = 0.8
"""Share of cases in which the second gain is not exceeded."""


@dataclass(frozen=True, eq=False)
class Measures:
    """Losses and errors of a batch."""

    losses: dict[str, Float[Tensor, ""]]
    ratio: Float[Tensor, " batch"]
    """L2P of the answer over the straight motion's, both raised by the calm floor."""
    error: Float[Tensor, " batch"]
    """L2P of the answer [sizes]."""
    straight: Float[Tensor, " batch"]
    """L2P of the straight motion [sizes]."""
    position_errors: Float[Tensor, "batch inside joint"]
    """[``unit_position``]."""
    expected: Float[Tensor, "batch inside joint"]
    """What the network expected of them."""

    @property
    def total(self) -> Float[Tensor, ""]:
        """Weighted sum of the losses."""
        return torch.stack([WEIGHTS[name] * value for name, value in self.losses.items()]).sum()


def measure(
    answer: Answer,
    features: Features,
    frame: Float[Tensor, "batch 3 3"],
    poses: Poses,
    truth: Truth,
    depth: int,
) -> Measures:
    """Compare an answer with what was in the gap."""
    part = torch.tensor(layout.INSIDE, dtype=torch.float32)
    basis = sines(part)
    turn = torch.einsum("tk,bkjc->btjc", basis, answer.rotations)
    move = torch.einsum("tk,bkjc->btjc", basis, answer.translations)
    inside = slice(len(layout.OUTSIDE), None)
    base_q, base_t = poses.rotations[:, inside], poses.translations[:, inside]
    r, t = to_local(turn, move, features, frame)
    got = kinematics.forward(
        poses.parents, kinematics.multiply(base_q, kinematics.exp(r)), base_t + t, depth
    )[1]
    with torch.no_grad():
        true = kinematics.forward(poses.parents, truth.rotations, truth.translations, depth)[1]
        goal = kinematics.log(kinematics.multiply(kinematics.conjugate(base_q), truth.rotations))
    position_errors = _norms(got - true, poses.present)
    joints = poses.present.sum(1).clamp_min(1).sqrt()
    error = _l2p(position_errors) / features.size
    straight = _l2p(_norms(features.straight - true, poses.present)) / features.size
    floor = CALM_POSITION * joints
    ratio = (error + floor) / (straight + floor)
    wanted = from_local(goal, features, frame)
    unit = features.unit_rotation[:, None, :, None]
    rotation_errors = _norms(turn * unit - wanted, poses.present)
    relative = position_errors / features.unit_position[:, None, None]
    expected = spread_at(answer.spread, part)
    turn_error = rotation_errors / features.unit_rotation.clamp_min(1e-4)[:, None]
    losses = {
        "position": ratio.mean(),
        "rotation": _ratio(rotation_errors, _norms(wanted, poses.present), poses.present, CALM_ROTATION),
        "velocity": _ratio(
            _norms(_steps(turn * unit - wanted), poses.present),
            _norms(_steps(wanted), poses.present),
            poses.present,
            CALM_ROTATION / 4,
        ),
        "spread": _exponential(
            turn_error.detach(), expected[:, 0], poses.present & (features.unit_rotation > 0)
        )
        + _exponential(relative.detach(), expected[:, 1], poses.present),
        "gain": _gain(answer.gain, ratio.detach().log()),
    }
    return Measures(
        losses, ratio.detach(), error.detach(), straight, relative.detach(), expected[:, 1].detach()
    )


def _norms(
    vectors: Float[Tensor, "batch time joint 3"], present: Bool[Tensor, "batch joint"]
) -> Float[Tensor, "batch time joint"]:
    # the square root has no gradient at zero
    return ((vectors**2).sum(-1) * present[:, None] + 1e-12).sqrt()


def _l2p(errors: Float[Tensor, "batch time joint"]) -> Float[Tensor, " batch"]:
    return (errors**2).sum(-1).sqrt().mean(-1)


def _steps(values: Float[Tensor, "batch time joint 3"]) -> Float[Tensor, "batch step joint 3"]:
    """Differences in time, the zeros at both keys included."""
    zero = torch.zeros_like(values[:, :1])
    return torch.diff(torch.cat([zero, values, zero], 1), dim=1)


def _ratio(
    errors: Float[Tensor, "batch time joint"],
    size: Float[Tensor, "batch time joint"],
    present: Bool[Tensor, "batch joint"],
    floor: float,
) -> Float[Tensor, ""]:
    count = present.sum(1)
    return ((errors.mean(1).sum(1) + floor * count) / (size.mean(1).sum(1) + floor * count)).mean()


def _exponential(
    errors: Float[Tensor, "batch time joint"],
    expected: Float[Tensor, "batch time joint"],
    counted: Bool[Tensor, "batch joint"],
) -> Float[Tensor, ""]:
    """Negative log likelihood of errors whose mean is as expected."""
    weight = counted[:, None].float().expand_as(errors)
    floored = expected + 1e-4
    return (
        (errors.clamp_max(LARGEST_ERROR) / floored + floored.log()) * weight
    ).sum() / weight.sum().clamp_min(1)


def _gain(gain: Float[Tensor, "batch 2"], ratio: Float[Tensor, " batch"]) -> Float[Tensor, ""]:
    """Squared error of the expected log ratio, pinball loss of its bound."""
    missed = ratio - gain[:, 1]
    return ((ratio - gain[:, 0]) ** 2).mean() + torch.maximum(
        GAIN_BOUND * missed, (GAIN_BOUND - 1) * missed
    ).mean()
