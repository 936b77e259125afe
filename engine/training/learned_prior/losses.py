"""What training minimises, each term under its own name, and the same measures for evaluation."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.geometry import rotations_torch, skeleton_torch
from engine.priors.learned import layout
from engine.priors.learned.forward import IDEAS, SINES
from engine.training.learned_prior.features import FeatureTensors, from_local, to_local
from engine.training.learned_prior.network import AnswerTensors, sines, spread_at
from engine.training.learned_prior.poses import Poses
from engine.training.learned_prior.sampling import Truth
from usd_io.shapes import Bool, Float, Int

WEIGHTS = {
    "position": 1.0,
    "rotation": 0.5,
    "velocity": 0.25,
    "speed": 0.15,
    "contact": 0.15,
    "spectrum": 0.3,
    "spread": 0.05,
    "gain": 0.05,
    "ideas": 0.15,
    "odds": 0.02,
}
CALM_POSITION = 0.01
"""Position error [sizes per joint] that counts as none: keeps ratios of near-still gaps from ruling."""
CALM_ROTATION = 0.01
"""The same for rotations [rad per joint]."""
LARGEST_ERROR = 10.0
"""Errors [units of movement] above this count as this: a joint that lay still wherever it was seen and then moved."""
GAIN_BOUND = 0.8
"""Share of cases in which the second gain is not exceeded."""
REST_LEVEL, REST_SPEED = 0.06, 0.2
"""A joint rests that is lower [sizes above the floor] and slower [sizes/s] than this in the truth."""
LEVER = 0.25
"""What a joint carries lies about so far from it [sizes], where ideas are compared without posing the skeleton."""
LEAST_POWER = 1e-4
"""Power [rad^2] of a channel's spectrum below which its shape does not count."""
SHARED = 0.05
"""Part of the loss of ideas that all of them share, so that none is forgotten."""

_TO_SINES = np.linalg.pinv(sines(torch.tensor(layout.INSIDE)).numpy())
"""From values inside the gap to the sines' coefficients."""


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
    filled: Float[Tensor, "batch grid joint 7"]
    """The poses answered, those at both keys included: what a second pass sees."""

    @property
    def total(self) -> Float[Tensor, ""]:
        """Weighted sum of the losses."""
        return torch.stack([WEIGHTS[name] * value for name, value in self.losses.items()]).sum()


def measure(
    answer: AnswerTensors,
    features: FeatureTensors,
    frame: Float[Tensor, "batch 3 3"],
    poses: Poses,
    truth: Truth,
    depth: int,
) -> Measures:
    """Compare an answer with what was in the gap."""
    part = frame.new_tensor(layout.INSIDE)
    basis = sines(part)
    turn = torch.einsum("tk,bkjc->btjc", basis, answer.rotations)
    move = torch.einsum("tk,bkjc->btjc", basis, answer.translations)
    inside = slice(len(layout.OUTSIDE), None)
    base_q, base_t = poses.rotations[:, inside], poses.translations[:, inside]
    r, t = to_local(turn, move, features, frame)
    got_q, got_t = rotations_torch.multiply(base_q, rotations_torch.exp(r)), base_t + t
    got = skeleton_torch.forward(poses.parents, got_q, got_t, depth)[1]
    with torch.no_grad():
        true = skeleton_torch.forward(poses.parents, truth.rotations, truth.translations, depth)[1]
        goal = rotations_torch.log(
            rotations_torch.multiply(rotations_torch.conjugate(base_q), truth.rotations)
        )
        wanted = from_local(goal, features, frame)
    position_errors = _norms(got - true, poses.present)
    joints = poses.present.sum(1).clamp_min(1).sqrt()
    error = _l2p(position_errors) / features.size
    straight = _l2p(_norms(features.straight - true, poses.present)) / features.size
    floor = CALM_POSITION * joints
    ratio = (error + floor) / (straight + floor)
    unit = features.unit_rotation[:, None, :, None]
    rotation_errors = _norms(turn * unit - wanted, poses.present)
    relative = position_errors / features.unit_position[:, None, None]
    expected = spread_at(answer.spread, part)
    turn_error = rotation_errors / features.unit_rotation.clamp_min(1e-4)[:, None]
    ideas, odds = _ideas(answer, features, poses, truth, frame, wanted)
    losses = {
        "position": ratio.mean(),
        "rotation": _ratio(rotation_errors, _norms(wanted, poses.present), poses.present, CALM_ROTATION),
        **_speeds(got, true, features, frame, poses),
        "spectrum": _spectrum(poses.rotations[:, layout.START], got_q, truth.rotations, poses.present),
        "spread": _exponential(
            turn_error.detach(), expected[:, 0], poses.present & (features.unit_rotation > 0)
        )
        + _exponential(relative.detach(), expected[:, 1], poses.present),
        "gain": _gain(answer.gain, ratio.detach().log()),
        "ideas": ideas,
        "odds": odds,
    }
    known = torch.cat([poses.rotations, poses.translations], -1)
    start, end = known[:, layout.START, None], known[:, layout.END, None]
    filled = torch.cat([start, torch.cat([got_q, got_t], -1), end], 1)
    return Measures(losses, ratio.detach(), error.detach(), straight, filled.detach())


def _norms(
    vectors: Float[Tensor, "batch time joint 3"], present: Bool[Tensor, "batch joint"]
) -> Float[Tensor, "batch time joint"]:
    # the square root has no gradient at zero
    return ((vectors**2).sum(-1) * present[:, None] + 1e-12).sqrt()


def _l2p(errors: Float[Tensor, "batch time joint"]) -> Float[Tensor, " batch"]:
    return (errors**2).sum(-1).sqrt().mean(-1)


def _speeds(
    got: Float[Tensor, "batch inside joint 3"],
    true: Float[Tensor, "batch inside joint 3"],
    features: FeatureTensors,
    frame: Float[Tensor, "batch 3 3"],
    poses: Poses,
) -> dict[str, Float[Tensor, ""]]:
    """How far velocities of joints are off, how far their speeds are, and how fast joints move that should rest."""
    ends = features.positions_at[:, layout.START, None], features.positions_at[:, layout.END, None]
    size, present = features.size[:, None, None], poses.present
    straight, moved, wanted = (
        torch.diff(torch.cat([ends[0], p, ends[1]], 1), dim=1) for p in (features.straight, got, true)
    )
    missed, far, way, true_way = (
        _norms(v, present) / size for v in (moved - wanted, straight - wanted, moved, wanted)
    )
    seconds = poses.seconds[:, None, None] / (len(layout.INSIDE) + 1)
    up = torch.einsum("bi,btni->btn", frame[:, 1], true - ends[0]) / size
    level = up + features.levels[:, layout.START, None]
    level = torch.cat(
        [features.levels[:, layout.START, None], level, features.levels[:, layout.END, None]], 1
    )
    low = torch.maximum(level[:, 1:], level[:, :-1]) < REST_LEVEL
    resting = low & (true_way < REST_SPEED * seconds) & present[:, None]
    calm = CALM_POSITION / 2
    return {
        "velocity": _ratio(missed, far, present, calm),
        "speed": _ratio((way - true_way).abs(), true_way, present, calm),
        # a joint that rests half of the time counts half of one that rests all of it
        "contact": (resting * way / seconds).sum() / resting.sum().clamp_min(1),
    }


def _spectrum(
    start: Float[Tensor, "batch joint 4"],
    got: Float[Tensor, "batch inside joint 4"],
    true: Float[Tensor, "batch inside joint 4"],
    present: Bool[Tensor, "batch joint"],
) -> Float[Tensor, ""]:
    """Earth mover's distance between the normalised power spectra of each channel's turn since the start of the gap,
    weighted by the truth's power, as NPSS has it (engine/geometry/metrics.py)."""
    back = rotations_torch.conjugate(start)[:, None]
    count = len(layout.INSIDE)
    k, n = np.arange(count // 2 + 1)[:, None], np.arange(count)
    waves = start.new_tensor(np.concatenate([f(2 * np.pi * k * n / count) for f in (np.cos, np.sin)]))

    def power(q: Float[Tensor, "batch inside joint 4"]) -> Float[Tensor, "batch frequency channel"]:
        turned = rotations_torch.multiply(back, q)
        # twice the imaginary part is the rotation vector but for the third order
        vector = 2 * turned[..., 1:] * torch.where(turned[..., :1] < 0, -1.0, 1.0) * present[:, None, :, None]
        parts = torch.einsum("fn,bnjc->bfjc", waves, vector).flatten(2)
        half = count // 2 + 1
        both = parts[:, :half] ** 2 + parts[:, half:] ** 2
        return torch.cat([both[:, :1], 2 * both[:, 1:]], 1)

    with torch.no_grad():
        wanted = power(true)
    made = power(got)
    shares = [p / (p.sum(1, keepdim=True) + LEAST_POWER * count) for p in (made, wanted)]
    apart = (shares[0] - shares[1]).cumsum(1).abs().sum(1)
    weight = wanted.sum(1).sqrt()
    return ((apart * weight).sum(1) / (weight.sum(1) + CALM_ROTATION * count)).mean()


def _ideas(
    answer: AnswerTensors,
    features: FeatureTensors,
    poses: Poses,
    truth: Truth,
    frame: Float[Tensor, "batch 3 3"],
    wanted: Float[Tensor, "batch inside joint 3"],
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """The error that the nearest of the ideas leaves, over the straight motion's, and how badly it was foreseen.

    Errors are those of the sines' coefficients, weighed by what a joint carries: one number per idea without posing the
    skeleton for each.
    """
    to_sines = frame.new_tensor(_TO_SINES)
    inside = slice(len(layout.OUTSIDE), None)
    with torch.no_grad():
        moved = rotations_torch.rotate(
            features.parent_to_world[:, None], truth.translations - poses.translations[:, inside]
        )
        shift = torch.einsum("bij,btnj->btni", frame, moved)
        goals = (
            torch.einsum("kt,btjc->bkjc", to_sines, wanted),
            torch.einsum("kt,btjc->bkjc", to_sines, shift),
        )
    share = poses.subtree * poses.present / poses.present.sum(1, keepdim=True).clamp_min(1)
    amplitude = 1 / (2 * torch.arange(1, SINES + 1, device=frame.device))
    units = features.unit_rotation[:, None, :, None], features.unit_translation[:, None, :, None]
    lever = torch.full_like(features.size, LEVER)
    scales = (unit[..., None, None, None] for unit in (lever, 1 / features.size))
    total, line = [], []
    for best, ideas, goal, unit, scale in zip(
        (answer.rotations, answer.translations),
        (answer.idea_rotations, answer.idea_translations),
        goals,
        units,
        scales,
        strict=True,
    ):
        aim = goal * scale
        missed = (best.detach()[:, None] + ideas) * (unit * scale)[:, None] - aim[:, None]
        total.append((missed.pow(2).sum(-1) * share[:, None, None]).sum(-1) @ amplitude)
        line.append((aim.pow(2).sum(-1) * share[:, None]).sum(-1) @ amplitude)
    error = (total[0] + total[1] + 1e-10).sqrt()
    ratio = (error + CALM_POSITION) / ((line[0] + line[1]).sqrt()[:, None] + CALM_POSITION)
    nearest = ratio.min(1)
    loss = (1 - SHARED) * nearest.values.mean() + SHARED * ratio.clamp_max(3).mean()
    chosen = torch.nn.functional.one_hot(nearest.indices, IDEAS)
    odds = -(chosen * answer.odds.log_softmax(1)).sum(1).mean()
    return loss, odds


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


def see_filled(
    poses: Poses,
    filled: Float[Tensor, "gap grid joint 7"],
    neighbour: Int[Tensor, "batch outside"],
    part: Float[Tensor, "batch outside"],
) -> Poses:
    """The poses with what an earlier pass made of the neighbours, and the states that say so."""
    outside = len(layout.OUTSIDE)
    steps = filled.shape[1] - 1
    low = (part * steps).long().clamp(0, steps - 1)
    index = neighbour.clamp_min(0)
    a, b = filled[index, low], filled[index, low + 1]
    b = torch.cat(
        [b[..., :4] * torch.where((a * b)[..., :4].sum(-1, keepdim=True) < 0, -1.0, 1.0), b[..., 4:]], -1
    )
    mixed = torch.lerp(a, b, (part * steps - low)[..., None, None])
    there = (neighbour >= 0)[..., None, None]
    rotations = torch.where(
        there, torch.nn.functional.normalize(mixed[..., :4], dim=-1), poses.rotations[:, :outside]
    )
    translations = torch.where(there, mixed[..., 4:], poses.translations[:, :outside])
    return Poses(
        rotations=torch.cat([rotations, poses.rotations[:, outside:]], 1),
        translations=torch.cat([translations, poses.translations[:, outside:]], 1),
        parents=poses.parents,
        present=poses.present,
        depth=poses.depth,
        subtree=poses.subtree,
        states=torch.where(neighbour >= 0, layout.FILLED, poses.states),
        seconds=poses.seconds,
    )
