"""How far and in which ways a start is expected to be off: the prior covariance of a fit's unknowns.

Sizes come from the learned prior's expected errors and from how far each joint turns in the context; ways from the
context alone: about which axes a joint turns there, and which joints turn together.
"""

from dataclasses import dataclass

import numpy as np

from engine.geometry import rotations
from engine.geometry.metrics import height
from engine.planning.plan import Plan
from engine.priors import offsets
from engine.priors.learned.prior import fill
from usd_io.model import Character, Motion
from usd_io.shapes import Float, Int

INFLATION = 1.2
"""Errors have heavier tails than a Gaussian of their mean size; evidence shall not be fought on them."""
USUAL_SHARE, LEAST_SHARE = 0.7, 0.5
"""A joint's rotations are taken to be off by the geometric mean of what the learned prior expects and this share of
how far it turns in :data:`LAG`, and by the second share of that at least: what is expected is right on the whole and
can be far too small for single joints of rigs made by hand."""
LEAST_TURN = 0.005
"""Least standard deviation of a rotation [rad]."""
LEAST_MOVE = 0.002
"""Least standard deviation of a translation [heights]."""
ISOTROPIC = 0.35
"""Share of a joint's variance that goes to all axes alike: what the context does not show may still come."""
COUPLING = 0.5
"""Share of the context's correlations between joints that is believed."""
LAG = 0.25
"""Ways to move are read off differences of poses this part of a gap apart."""


@dataclass(frozen=True, eq=False)
class OffsetSpread:
    """A Gaussian around the start."""

    mixing: Float[np.ndarray, "parameter parameter"]
    """A root of the covariance: three rows for each turning joint [rad], then for each moving one [stage units]."""


def spread_of(
    character: Character,
    start: Motion,
    plan: Plan,
    turning: Int[np.ndarray, " turning"],
    moving: Int[np.ndarray, " moving"],
    *,
    pose_prior: bool,
) -> OffsetSpread:
    """The Gaussian of one character.

    Args:
        character: The skeleton.
        start: The whole motion; only its known frames are looked at.
        plan: Gives context and gaps.
        turning: Joints with unknown rotation.
        moving: Joints with unknown translation.
        pose_prior: False leaves all axes and joints alike.
    """
    known = start.at(plan.known(start.times))
    expected = fill(character, known, plan)
    size = height(character, start, plan.keys[0])
    # the learned prior's errors are lengths of 3-vectors, root mean square over the fill times: per axis a third of
    # the square, of rotations [rad], of positions from heights to stage units
    expected_turn = np.sqrt((expected.rotation_error**2).mean(0) / 3)[turning]
    move = size * np.sqrt((expected.position_error**2).mean(0) / 3)[moving]
    roots = np.asarray(character.parents)[moving] < 0
    # standard deviations of the context's changes of pose, per axis: rotations in the joints' own frames [rad],
    # translations in their parents' [stage units]
    ways = _ways(known, plan, turning, moving)
    seen = ways.std(0).reshape(-1, 3)
    # turning joints: the geometric mean of both sizes, kept above a share of what the context shows [rad]
    usual = np.sqrt((seen[: len(turning)] ** 2).mean(-1))
    turn = np.maximum(np.sqrt(expected_turn * USUAL_SHARE * usual), LEAST_SHARE * usual)
    # moving joints below a root are expected to translate no further than the context shows; roots are not held so
    if len(moving):
        limit = np.sqrt((seen[len(turning) :] ** 2).mean(-1))
        move = np.where(roots, move, np.minimum(move, limit))
    # one size for each joint, never zero, so that evidence can still move it
    scale = INFLATION * np.concatenate(
        [np.maximum(turn, LEAST_TURN), np.maximum(move, np.where(roots, LEAST_MOVE, 0.1 * LEAST_MOVE) * size)]
    )
    if not pose_prior:
        return OffsetSpread(np.diag(np.repeat(scale, 3)))
    # shares of the joint's variance by axis, of mean 1; alike where the context shows none
    shares = seen**2 / np.maximum((seen**2).sum(-1, keepdims=True), 1e-12) * 3
    shares = np.where((seen > 0).any(-1, keepdims=True), shares, 1.0)
    # L = D C with the standard deviations D and C C^T the correlations: L L^T is the covariance, L lower triangular
    deviation = (scale[:, None] * np.sqrt(ISOTROPIC + (1 - ISOTROPIC) * shares)).ravel()
    return OffsetSpread(deviation[:, None] * np.linalg.cholesky(_correlation(ways)))


def _correlation(ways: Float[np.ndarray, "pose parameter"]) -> Float[np.ndarray, "parameter parameter"]:
    """Correlations between parameters, drawn towards none."""
    count = ways.shape[1]
    if len(ways) < 3:
        return np.eye(count)
    # changes in standard deviations; divided by infinity those of a still parameter are 0, correlated with none
    deviation = ways.std(0)
    scaled = (ways - ways.mean(0)) / np.where(deviation > 1e-9, deviation, np.inf)
    # COUPLING times the correlations R, and the diagonal filled up to 1: positive definite, as R is semidefinite
    return COUPLING * (scaled.T @ scaled) / len(ways) + np.diag(1 - COUPLING * (scaled**2).mean(0))


def _ways(
    known: Motion, plan: Plan, turning: Int[np.ndarray, " turning"], moving: Int[np.ndarray, " moving"]
) -> Float[np.ndarray, "pose parameter"]:
    """Changes of the pose over some time, all through the context, and between neighbouring keys."""
    # pairs of times [time codes]: part of the median gap apart, from every frame of the contexts, and gaps' ends
    lag = LAG * float(np.median([gap.end - gap.start for gap in plan.gaps]))
    pairs = [
        (time, time + lag)
        for begin, end in plan.contexts
        for time in np.arange(begin, end - lag + 1e-9, known.frame_step)
    ]
    pairs += [(gap.start, gap.end) for gap in plan.gaps]
    first, second = (offsets.sample(known, np.array(side, float)) for side in zip(*pairs, strict=True))
    # from the first pose to the second, as rotation vectors in the joint's own frame, as offsets are
    turned = rotations.log(
        rotations.multiply(
            rotations.conjugate(first.rotations[:, turning].astype(float)),
            second.rotations[:, turning].astype(float),
        )
    )
    moved = (second.translations - first.translations)[:, moving].astype(float)
    # there and back are as likely: the mean is 0 and the standard deviation the root mean square
    both = np.concatenate([turned, moved], axis=1).reshape(len(pairs), -1)
    return np.concatenate([both, -both])
