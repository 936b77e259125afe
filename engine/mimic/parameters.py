"""What a fit may change: offsets from a start motion, as sums of sines that vanish at the keys.

In a gap of length *g* the offset at part *s* of it is ``sum_k sqrt(l_k) sin(k pi s) L z_k``: rotation vectors in the
joints' own frames and translations in their parents'. A priori the numbers ``z`` are independent and standard normal,
so ``l_k`` says how much slower offsets are than the video's rate and ``L L^T`` which of them are large and go together.
Keys stay exact whatever ``z`` is, any stage rate can be used, and what the start holds of finer detail stays.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from engine.mimic.prior_covariance import OffsetSpread, spread_of
from engine.planning.plan import Gap, Plan
from engine.priors import offsets
from usd_io.model import Character, Motion
from usd_io.shapes import Bool, Float, Int

SPECTRUM = 3.0
"""The variance of the k-th sine falls as k to the power of this: offsets are about as smooth as motion is (chosen on
the oracle test, docs/measurements.md)."""

SAME_TIME_S = 2e-4
"""Frames of two videos nearer than this [s] show one moment."""


def moments(times: Float[np.ndarray, " frame"], time_codes_per_second: float) -> Int[np.ndarray, " frame"]:
    """Which moment each frame of one video or of two shows, counted from 0; times [time codes] increase."""
    later = np.diff(times) >= SAME_TIME_S * time_codes_per_second
    return np.concatenate([np.zeros(min(len(times), 1), int), np.cumsum(later)])


def spacing(times: Float[np.ndarray, " frame"], time_codes_per_second: float) -> float:
    """The usual time from one moment to the next [time codes]; 0 of fewer than two."""
    steps = np.diff(times)
    steps = steps[steps >= SAME_TIME_S * time_codes_per_second]
    return float(np.median(steps)) if len(steps) else 0.0


@dataclass(frozen=True, eq=False)
class Unknowns:
    """The unknowns of one character; all tensors are float64 on the CPU."""

    character: Character
    gaps: tuple[Gap, ...]
    start: Motion
    """The whole motion, the start of the fit in its gaps."""
    base: Motion
    """The start at the frames of the video."""
    turning: Int[Tensor, " turning"]
    """Joints whose rotation is unknown."""
    moving: Int[Tensor, " moving"]
    """Joints whose translation is unknown."""
    basis: Float[Tensor, "frame mode"]
    """Sines at the frames of the video; zero in frames that are known."""
    fill_basis: Float[Tensor, "fill mode"]
    """Sines at the times to fill."""
    mixing: Float[Tensor, "parameter parameter"]
    """L: standard deviations and what goes together. Parameters are three for each turning, then each moving joint."""

    @property
    def free(self) -> Bool[np.ndarray, " frame"]:
        """Frames of the video in which something is unknown."""
        return self.basis.abs().sum(1).numpy() > 0

    @property
    def depth(self) -> Int[np.ndarray, " frame"]:
        """How many moments of the video each frame is from the nearest key of its gap; 0 where all is known."""
        result = np.zeros(len(self.base.times), int)
        for gap in self.gaps:
            inside = np.flatnonzero((self.base.times > gap.start) & (self.base.times < gap.end))
            if len(inside):
                each = moments(self.base.times[inside], self.start.time_codes_per_second)
                result[inside] = 1 + np.minimum(each, each[-1] - each)
        return result

    def scaled(self, factors: Float[Tensor, " free"]) -> "Unknowns":
        """With other sizes expected of the offsets of each turning, then each moving joint."""
        # scales the rows of L, three for each joint: its rotation vector [rad] or its translation [stage units]
        return replace(self, mixing=factors.repeat_interleave(3)[:, None] * self.mixing)

    def taken_over(
        self, z: Float[Tensor, "mode parameter"], other: "Unknowns"
    ) -> Float[Tensor, "mode parameter"]:
        """The unknowns under these sizes of what ``z`` is under those of another."""
        # the same offsets under both: L z^T = L' z'^T for every mode; L is lower triangular
        return torch.linalg.solve_triangular(self.mixing, other.mixing @ z.T, upper=False).T

    def zeros(self) -> Float[Tensor, "mode parameter"]:
        """The start."""
        return torch.zeros(self.basis.shape[1], len(self.mixing), dtype=torch.float64)

    def offsets(
        self, z: Float[Tensor, "*batch mode parameter"], basis: Float[Tensor, "time mode"]
    ) -> tuple[Float[Tensor, "*batch time turning 3"], Float[Tensor, "*batch time moving 3"]]:
        """Rotation vectors [rad] and translations [stage units]."""
        # B z L^T: modes to times by the sines, whitened parameters to rotation vectors and translations by L
        values = basis @ z @ self.mixing.T
        values = values.reshape(*values.shape[:-1], len(self.turning) + len(self.moving), 3)
        return values[..., : len(self.turning), :], values[..., len(self.turning) :, :]

    def filled(self, z: Float[Tensor, "mode parameter"], fill_times: Float[np.ndarray, " fill"]) -> Motion:
        """The motion at the times to fill."""
        # put on the start in the form that all priors share: q exp(r) in the joint's own frame, t + d in its parent's
        base = offsets.sample(self.start, fill_times)
        turned, moved = self.offsets(z, self.fill_basis)
        change = np.zeros((len(fill_times), len(self.character.joints), 9))
        change[:, self.turning.numpy(), offsets.ROTATION] = turned.numpy()
        change[:, self.moving.numpy(), offsets.TRANSLATION] = moved.numpy()
        return offsets.apply(base, change)


def make_unknowns(
    character: Character,
    plan: Plan | None,
    start: Motion,
    times: Float[np.ndarray, " frame"],
    *,
    pose_prior: bool,
) -> Unknowns:
    """Unknowns of a character.

    Args:
        character: Its joints that pictures can show are free to turn.
        plan: None for a character that is in the picture and has nothing to fill.
        start: The whole motion: known frames and the prior's between them.
        times: Of the video's frames [time codes].
        pose_prior: Use what the context says of the joints' ways to move.
    """
    turning, moving = _free_joints(character, plan, start)
    spread = (
        spread_of(character, start, plan, turning, moving, pose_prior=pose_prior)
        if plan is not None
        else OffsetSpread(np.zeros((0, 0)))
    )
    gaps = [] if plan is None else list(plan.gaps)
    # as many sines as the video shows moments inside the gap: no more could be distinguished
    rate = start.time_codes_per_second
    inside = [times[(times > gap.start) & (times < gap.end)] for gap in gaps]
    counts = [int(moments(part, rate)[-1]) + 1 if len(part) else 0 for part in inside]
    fill_times = np.zeros(0) if plan is None else plan.fill_times
    spans = [(gap.start, gap.end) for gap in gaps]
    return Unknowns(
        character=character,
        gaps=tuple(gaps),
        start=start,
        base=offsets.sample(start, times),
        turning=torch.from_numpy(turning),
        moving=torch.from_numpy(moving),
        # both bases hold the same sines, at the video's frames for the fit and at the stage's for the result
        basis=torch.from_numpy(sines(spans, counts, times)),
        fill_basis=torch.from_numpy(sines(spans, counts, fill_times)),
        mixing=torch.from_numpy(spread.mixing),
    )


def sines(
    gaps: list[tuple[float, float]], counts: list[int], times: Float[np.ndarray, " time"]
) -> Float[np.ndarray, "time mode"]:
    """The sines of every gap, as many as the video has frames in it, scaled to a mean variance of 1 in each."""
    columns = []
    for (start, end), count in zip(gaps, counts, strict=True):
        # part of the gap gone by, 0 to 1; outside of it the gap's sines are zero
        part = (times - start) / (end - start)
        inside = (part > 0) & (part < 1)
        # variances fall as k^-SPECTRUM; sin^2 is 1/2 in the mean over a gap, hence the 2
        k = np.arange(1, count + 1)
        share = k**-SPECTRUM
        waves = np.sqrt(2 * share / share.sum()) * np.sin(np.pi * k * part[:, None]) if count else None
        columns.append(np.zeros((len(times), 0)) if waves is None else np.where(inside[:, None], waves, 0))
    return np.concatenate([np.zeros((len(times), 0)), *columns], axis=1)


def _free_joints(
    character: Character, plan: Plan | None, start: Motion
) -> tuple[Int[np.ndarray, " turning"], Int[np.ndarray, " moving"]]:
    """Indices of joints whose rotation, and of those whose translation, is free: what moves in the known frames, of
    joints that skin hangs on (their own or a descendant's) and that are not locked; none without a plan."""
    if plan is None:
        return np.zeros(0, int), np.zeros(0, int)
    known = start.at(plan.known(start.times))
    animated = offsets.moving(known)
    open_to_change = character.observable & ~np.isin(character.joints, plan.locked)
    return np.flatnonzero(open_to_change & animated[:, 0]), np.flatnonzero(open_to_change & animated[:, 1])
