"""How large offsets and the errors of joint evidence really are (MacKay 1992, "Bayesian interpolation").

A prior that expects too little of a joint holds it back; one that expects too much, as in a calm shot, lets it follow
every error of the evidence. Both sizes are those under which the evidence is most probable: squares are compared with
how many numbers the data determine, which the spread around the outcome tells.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.mimic.gauss_newton import Quadratic, draw
from engine.mimic.joint_term import JointForm
from engine.mimic.parameters import Unknowns
from usd_io.shapes import Float

SAMPLES = 16
"""Motions drawn to count what the data determine."""
OWN = 6.0
"""So many numbers of a joint weigh as much as what all joints tell of the sizes of offsets."""
OVERALL = 4.0
"""So many numbers of all joints weigh as much as the sizes that were expected."""
LEAST, MOST = 0.02, 50.0
"""Bounds of the factors on the prior."""
EVIDENCE = 10.0
"""So many numbers of the evidence weigh as much as the errors it tells of itself."""
EXPECTED_ERRORS, LEAST_ERRORS, MOST_ERROR = (1.0, 3.0), (0.5, 3.0), 10.0
"""Factors on those, of places and of depths, to begin with, and their bounds. An estimator's errors of depth hardly
change within a gap, so that a fit can follow them as if they were motion and residuals would not tell: depths never
count for more than this (measured, docs/measurements.md)."""
UNDETERMINED = 0.2
"""At least this part of the numbers of the evidence is taken not to have been used up by the fit."""


@dataclass(frozen=True, eq=False)
class Scales:
    """Factors on what was expected, of one character."""

    prior: Float[Tensor, " free"]
    """On the standard deviations of the offsets of each turning, then each moving joint."""
    errors: Float[Tensor, " 2"]
    """On the errors that joint evidence tells, in the picture and of depth."""


def expected_scales(unknowns: Unknowns) -> Scales:
    """What is taken to be so before anything was seen."""
    free = len(unknowns.turning) + len(unknowns.moving)
    return Scales(torch.ones(free, dtype=torch.float64), torch.tensor(EXPECTED_ERRORS, dtype=torch.float64))


def rescaled(
    unknowns: Unknowns,
    z: Float[Tensor, "mode parameter"],
    form: Quadratic,
    joints: JointForm | None,
    seed: int,
    now: Scales,
) -> Scales:
    """The scales that the data around a state make more probable than those ``now`` in use.

    Args:
        unknowns: Under the scales in use.
        z: The state.
        form: The cost around it.
        joints: That of the joint evidence alone.
        seed: Of the samples.
        now: The scales in use.
    """
    if not z.numel():
        return now
    # samples of the Gaussian around the outcome, less the outcome: their squares are the variances that are left
    apart = draw(form, z, SAMPLES, seed) - z
    return Scales(
        _of_offsets(unknowns, z, apart, now),
        now.errors if joints is None else _of_errors(unknowns, form, joints, apart, now),
    )


def _of_offsets(
    unknowns: Unknowns,
    z: Float[Tensor, "mode parameter"],
    apart: Float[Tensor, "sample mode parameter"],
    now: Scales,
) -> Float[Tensor, " free"]:
    """Per joint: squares of offsets over how many of them the data determine."""
    # L z in prior standard deviations, the norms of L's rows: under the prior the mean of these squares is 1
    deviation = (unknowns.mixing**2).sum(1).sqrt()
    offset, unsure = ((x @ unknowns.mixing.T / deviation) ** 2 for x in (z, apart))
    # 1 - (variance left / variance before) of each number, summed: MacKay's count gamma of what the data determine
    known = (1 - unsure.mean(0)).clamp(0, 1)
    # per joint, over modes and axes; squares are in units of the sizes in use, times `before` in those first expected
    square, count = (x.reshape(len(z), -1, 3).sum((0, 2)) for x in (offset, known))
    before = now.prior**2
    # MacKay's fixed point, variance = sum of squares / gamma, drawn towards the expected one by OVERALL numbers
    alone = (OVERALL + before * square) / (OVERALL + count)
    # the factor of the character as a whole: the geometric mean of the joints' factors, weighed by what the data
    # determine of each, and of OVERALL numbers at 1
    overall = torch.exp((count * alone.log()).sum() / (OVERALL + count.sum()))
    # each joint, drawn towards the whole by OWN numbers; from variances to standard deviations
    return ((OWN * overall + before * square) / (OWN + count)).sqrt().clamp(LEAST, MOST)


def _of_errors(
    unknowns: Unknowns,
    form: Quadratic,
    joints: JointForm,
    apart: Float[Tensor, "sample mode parameter"],
    now: Scales,
) -> Float[Tensor, " 2"]:
    """Squares of residuals over how many of them the fit left free."""
    # whitened offsets of the samples at the frames of the video
    moved = form.basis @ apart
    result = []
    for term, count, before in zip(
        (joints.plane, joints.depth), joints.numbers, now.errors.tolist(), strict=True
    ):
        # the evidence's own matrix in whitened parameters; its mean quadratic form over the samples is the trace of
        # it times the variance left: how many of the evidence's numbers the fit has used up
        hessian = unknowns.mixing.T @ term.hessian @ unknowns.mixing
        used = float(torch.einsum("sfp,fpq,sfq->s", moved, hessian, moved).mean())
        # MacKay's fixed point for the noise, variance = sum of squared residuals / (numbers - used); the cost is half
        # that sum in the errors now in use, hence `before`
        left = max(count - used, UNDETERMINED * count)
        result.append(((EVIDENCE + before**2 * 2 * term.cost) / (EVIDENCE + left)) ** 0.5)
    least = torch.tensor(LEAST_ERRORS, dtype=torch.float64)
    return torch.tensor(result, dtype=torch.float64).clamp_max(MOST_ERROR).maximum(least)
