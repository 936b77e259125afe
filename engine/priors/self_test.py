"""What error to expect on this very shot, and which priors to trust: measured on its own finished context."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product

import numpy as np

from engine.geometry import skeleton
from engine.geometry.once import once
from engine.planning.plan import Gap, Plan
from engine.priors import offsets
from engine.priors.shaping.holds import HeldPose
from engine.priors.trials import NO_DRAFTS, Drafts, Prior, Trial, hidden_pieces, mean_error, run_trials
from usd_io.errors import counted
from usd_io.model import Character, Motion
from usd_io.shapes import Float

__all__ = ["GapChoice", "Prior", "PriorError", "SelfTest", "choose_shares", "prior_errors", "self_test"]

CORPUS_WEIGHTS: Mapping[str, float] = {"spline": 0.0, "context": 0.3, "learned": 0.7}
"""Shares that do nearly best over characters that the learned prior was not trained on (within 0.01 of the mean
ratio; with more of it the worst cases are worse). A prior that is not listed starts at 0 and has to earn its share."""
STIFFNESS = 0.4
"""Weight of the corpus against the trials: squared changes of shares count as this many times the mean loss in
ratio per trial. Means are flat between 0.2 and 3; the worst cases are better where the trials count more."""
EXPECTED_SHARE = 0.88
"""L2P of a gap over the norm of its joints' expected errors, on characters that were not trained on (median)."""
HALF_SHARE = 0.63
"""Median distance of joints from the truth over the median of those expected, likewise: errors are mostly small and
now and then large, what is expected lies in between."""
EXPECTED_RANGE = (0.5, 2.1)
"""Between these times the expected error the true one lies in two of three gaps, of such characters and of the suites
(docs/measurements.md, *How wide the range is*)."""
FAR_OFF = (1.5, 2.5)
"""As what the network expects of the hidden pieces is off by a factor from the one to the other, the pieces take its
place. Of characters that it was not trained on it is off by less than 1.4 in half of the cases and 2.2 in nine of ten,
of a single joint on a path by a thousand (docs/learned-prior.md, *Expected error*)."""
CALM = 1e-3
"""Pieces in which less is missed than this [heights] do not lower what is expected of a gap that moves."""
STILL = 1e-3
"""Where slerp misses less than this of hidden pieces [heights, root mean square over the joints] the context stands
still."""
STILL_BESIDE = 16.0
"""So it does beside gaps in all of which the joints go so many times as fast."""
UNSEEN = (4.0, 8.0)
"""As the joints go from the first to the second of these times as fast in a gap as in the context, the pieces do not
foretell it."""
LEAST_OF_WAY = 0.15
"""There an error is expected of no less than this part of the way from key to key: it is 0.15 to 0.2 of it, in the
median, of characters that were not trained on, where keys are four times as fast as the context, or more."""
HELD = "the pose is held: both keys are the same"
NEARLY_HELD = "the pose is nearly held: most of it is nearly the same at both keys"
AS_FAST = 2.0
"""A gap is as fast as the pieces whose keys are up to so many times as fast."""
SHARE_STEP, COARSE_STEP = 0.1, 0.2
"""Shares are tried in steps of this size, coarser for more than three priors; the error is flat there."""
GROWTH = 1.0
"""An error grows with this power of the length of the gap: pieces may be shorter than the gaps."""


@dataclass(frozen=True)
class PriorError:
    """What one prior did on the hidden pieces."""

    prior: str
    l2p: float
    """Mean over the pieces [heights]."""
    ratio: float
    """The same over slerp's; 1 where slerp makes no error."""


@dataclass(frozen=True)
class GapChoice:
    """What fills one gap, and why."""

    start: float
    end: float
    """Time codes."""
    weights: tuple[tuple[str, float], ...]
    """Share of every prior in the offset from slerp, each 0 to 1; what is missing to 1 is slerp's."""
    expected_l2p: float | None
    """Error to expect in this gap [heights], None where nothing tells."""
    reason: str
    expected_distance: float | None = None
    """How far off half of the joints are at most, over the frames [stage units]; None of priors that cannot say."""
    expected_height_share: float | None = None
    """The same [heights]."""
    expected_range: tuple[float, float] | None = None
    """Between which L2P the true one lies in two of three gaps [heights]; None of priors that cannot say."""
    expected_ratio: float | None = None
    """Error to expect over slerp's; None of priors that cannot say."""
    fit: float = 0.0
    """How far the context knows it (:class:`engine.priors.context.prior.ContextFill`), where that has a say."""

    @property
    def prior(self) -> str:
        """The prior with the largest share."""
        name, weight = max(self.weights, key=lambda item: item[1], default=("slerp", 0.0))
        return name if weight > 1 - self.trust else "slerp"

    @property
    def trust(self) -> float:
        """How far the result goes away from slerp, 0 to 1."""
        return min(1.0, sum(weight for _, weight in self.weights))


@dataclass(frozen=True)
class SelfTest:
    """Measured on the context alone: nothing in it has seen the truth in the gaps."""

    pieces: int
    piece_seconds: float
    """Mean length of the pieces [s], 0 without pieces."""
    errors: tuple[PriorError, ...]
    """One per prior, in the order given; empty without pieces."""
    choices: tuple[GapChoice, ...]
    """One per gap."""
    expected_l2p: float | None
    """Error to expect over all gaps [heights], None without pieces."""
    expected_ratio: float | None
    """Error of the choice over slerp's on the pieces, None without pieces."""
    still: bool = False
    """Whether the context stands still where pieces were hidden, so that they say little."""


def self_test(
    character: Character,
    known: Motion,
    plan: Plan,
    priors: Mapping[str, Prior],
    *,
    only: str | None = None,
    together: Mapping[str, Drafts] = NO_DRAFTS,
) -> SelfTest:
    """Hide pieces of the context, fill them with every prior, and choose shares for the gaps.

    Args:
        character: The skeleton.
        known: The known frames only.
        plan: Gives context and gaps.
        priors: Name to function.
        only: The one of them that fills the gaps; None lets the trials choose a blend.
        together: What fills all pieces at once, in place of the prior of its name.

    Returns:
        Errors per prior and one choice per gap. Without context the corpus alone decides, and no error is expected.
    """
    names = tuple(priors)
    trials = run_trials(character, known, plan, priors, together)
    lengths = [(gap.end - gap.start) / known.time_codes_per_second for gap in plan.gaps]
    # gaps of one length are judged alike, and once
    alike: dict[float, tuple[Float[np.ndarray, " prior"], float | None]] = {}
    for length in {*lengths}:
        row = (np.array(names) == only).astype(float) if only else choose_shares(trials, names, length)
        alike[length] = row, mean_error(trials, row) if trials else None
    shares, errors = [alike[length][0] for length in lengths], [alike[length][1] for length in lengths]
    slerp = mean_error(trials, np.zeros(len(names))) if trials else None
    seconds = float(np.mean([trial.seconds for trial in trials])) if trials else 0.0
    ratios = [
        None if slerp is None or error is None else (error / slerp if slerp > 0 else 1.0) for error in errors
    ]
    still = slerp is not None and slerp < STILL * np.sqrt(len(character.joints))
    if trials and plan.gaps:
        still |= bool((times_as_fast(character, known, plan) >= STILL_BESIDE).all())
    known_ratios = [ratio for ratio in ratios if ratio is not None]
    choices = tuple(
        GapChoice(
            start=gap.start,
            end=gap.end,
            weights=tuple((name, float(share)) for name, share in zip(names, row, strict=True)),
            expected_l2p=None if error is None else _expected(error, seconds, gap, known),
            reason=_reason(len(trials), seconds, None if still else ratio),
        )
        for gap, row, error, ratio in zip(plan.gaps, shares, errors, ratios, strict=True)
    )
    return SelfTest(
        pieces=len(trials),
        piece_seconds=seconds,
        errors=prior_errors(trials, names),
        choices=choices,
        expected_l2p=_mean_over_frames(choices, plan),
        expected_ratio=float(np.mean(known_ratios)) if known_ratios else None,
        still=bool(still),
    )


def expected_errors(
    test: SelfTest,
    plan: Plan,
    position_error: Float[np.ndarray, "fill joint"],
    moved: Float[np.ndarray, "fill joint"],
    height: float,
) -> SelfTest:
    """The self-test with the errors that the learned prior expects of its own answer, which are nearer to the truth
    than those of the hidden pieces: it sees how fast the keys of the gap itself move.

    Args:
        test: What the pieces say.
        plan: Gives the gaps.
        position_error: Expected distance of every joint from the truth at the fill times [heights].
        moved: Distance of every joint of the answer from slerp's [heights]: what slerp misses beyond the answer, as far
            as errors have nothing to do with it.
        height: Of the character [stage units].
    """
    ends = np.cumsum([0, *(len(gap.times) for gap in plan.gaps)])
    choices = tuple(
        _expected_in_gap(choice, position_error[a:b], moved[a:b], height) if b > a else choice
        for choice, (a, b) in zip(test.choices, pairwise(ends), strict=True)
    )
    return replace(test, choices=choices, expected_l2p=_mean_over_frames(choices, plan))


def corrections(
    test: SelfTest,
    plan: Plan,
    own: Sequence[float],
    told: float,
    time_codes_per_second: float,
    faster: Float[np.ndarray, " gap"] | None = None,
) -> Float[np.ndarray, " gap"]:
    """What the errors that the learned prior expects in each gap are to be multiplied by.

    Its network was trained on characters. It counts errors in the movement of the joints relative to each other, of
    which a single joint has none. Where it is found far off on the hidden pieces, the error to expect goes towards that
    of the self-test, no further than by the factor that was found.

    Args:
        test: What the pieces say.
        plan: Gives the gaps.
        own: L2P that the network expects in each gap [heights].
        told: L2P that it expected of the pieces, their mean [heights].
        time_codes_per_second: Of the stage.
        faster: How many times as fast the joints go from key to key in each gap as from end to end of the pieces; None:
            as fast. Pieces that hardly move do not lower what is expected of a gap that does.
    """
    result = np.ones(len(plan.gaps))
    wider = np.ones(len(plan.gaps)) if faster is None else np.maximum(faster / AS_FAST, 1)
    for index, (choice, gap, expected) in enumerate(zip(test.choices, plan.gaps, own, strict=True)):
        tested = choice.expected_l2p
        if not tested or min(told, expected) <= 0:
            continue
        length = (gap.end - gap.start) / time_codes_per_second
        came = tested * (test.piece_seconds / length) ** GROWTH
        off = float(np.log(came / told))
        if off < 0 and came < CALM:
            continue
        first, last = np.log(FAR_OFF)
        share = np.clip((abs(off) - first) / (last - first), 0, 1)
        # raised where the network told too little of the pieces, lowered where it told too much
        aim = float(np.log(tested / expected))
        way = np.clip(aim, 0, off) if off > 0 else np.clip(aim + np.log(wider[index]), off, 0)
        result[index] = np.exp(share * way)
    return result


def joint_ways(character: Character, known: Motion, gaps: Sequence[Gap]) -> Float[np.ndarray, " gap"]:
    """How far all joints together go from the start of each gap to its end [stage units, norm over the joints]."""
    places = skeleton.joint_positions(character, known.at(offsets.frames_at_ends(known, gaps)))
    result: Float[np.ndarray, " gap"] = np.sqrt(((places[1::2] - places[::2]) ** 2).sum((1, 2)))
    return result


@once
def times_as_fast(character: Character, known: Motion, plan: Plan) -> Float[np.ndarray, " gap"]:
    """How many times as fast as in the hidden pieces of the context, in their mean, the joints go from key to key of
    each gap; infinite beside a context that does not move at all."""
    pieces = [piece.gaps[0] for piece in hidden_pieces(known, plan)]
    # a piece may end where it began, as a cycle does, and is half-way elsewhere
    halves = [half for piece in pieces for half in _halves(known, piece)]
    whole, half, own = (
        joint_ways(character, known, gaps) / np.array([gap.end - gap.start for gap in gaps])
        for gaps in (pieces, halves, plan.gaps)
    )
    usual = np.maximum(whole, half.reshape(-1, 2).mean(1)).mean()
    return np.divide(own, usual, out=np.where(own > 0, np.inf, 0.0), where=usual > 0)


def _halves(known: Motion, piece: Gap) -> tuple[Gap, Gap]:
    """A piece of the context from its start to the sample nearest to its middle, and from there."""
    times = known.times[(known.times > piece.start) & (known.times < piece.end)]
    middle = float(times[np.argmin(np.abs(times - (piece.start + piece.end) / 2))])
    return Gap(piece.start, middle, ()), Gap(middle, piece.end, ())


def unseen(
    character: Character, known: Motion, plan: Plan, times: tuple[float, float] = UNSEEN
) -> Float[np.ndarray, " gap"]:
    """How far the pieces do not foretell each gap, as it is so many ``times`` as fast as the context: 0 up to the first
    of them, 1 from the second on."""
    first, last = times
    return np.clip((times_as_fast(character, known, plan) - first) / (last - first), 0, 1)


def at_least(test: SelfTest, plan: Plan, errors: Sequence[float]) -> SelfTest:
    """The self-test with an error to expect of no less than this in each gap [L2P in heights], where one is."""
    choices = tuple(_raised(choice, error) for choice, error in zip(test.choices, errors, strict=True))
    return replace(test, choices=choices, expected_l2p=_mean_over_frames(choices, plan))


def _raised(choice: GapChoice, error: float) -> GapChoice:
    """The choice with another error to expect, if that is larger, and what goes with it."""
    expected = choice.expected_l2p
    if expected is None or expected >= error:
        return choice
    if not expected:
        return replace(choice, expected_l2p=error)
    times, ratio = error / expected, choice.expected_ratio
    distance, share, bounds = (
        choice.expected_distance,
        choice.expected_height_share,
        choice.expected_range,
    )
    return replace(
        choice,
        expected_l2p=error,
        expected_distance=None if distance is None else times * distance,
        expected_height_share=None if share is None else times * share,
        expected_range=None if bounds is None else (times * bounds[0], times * bounds[1]),
        # what slerp misses beyond the answer stays
        expected_ratio=None if ratio is None else times / float(np.sqrt(times**2 + ratio**-2 - 1)),
    )


def joint_norm(position_error: Float[np.ndarray, "fill joint"]) -> float:
    """L2P to expect of frames with such errors of their joints, of characters that were not trained on."""
    return EXPECTED_SHARE * float(np.sqrt((position_error**2).sum(1)).mean())


def _expected_in_gap(
    choice: GapChoice,
    position_error: Float[np.ndarray, "fill joint"],
    moved: Float[np.ndarray, "fill joint"],
    height: float,
) -> GapChoice:
    """What to expect in one gap."""
    expected = joint_norm(position_error)
    slerp = float(np.hypot(expected, np.sqrt((moved**2).sum(1)).mean()))
    low, high = EXPECTED_RANGE
    share = HALF_SHARE * float(np.median(position_error))
    return replace(
        choice,
        expected_l2p=expected,
        expected_distance=share * height,
        expected_height_share=share,
        expected_range=(low * expected, high * expected),
        expected_ratio=expected / slerp if slerp > 0 else 1.0,
    )


def of_gaps(test: SelfTest, plan: Plan) -> SelfTest:
    """The self-test of a longer plan, of the gaps of this one alone."""
    own = {(gap.start, gap.end) for gap in plan.gaps}
    choices = tuple(choice for choice in test.choices if (choice.start, choice.end) in own)
    return replace(test, choices=choices, expected_l2p=_mean_over_frames(choices, plan))


def with_held(test: SelfTest, plan: Plan, held: Sequence[HeldPose]) -> SelfTest:
    """The self-test of the gaps that move, with the others of a plan, in which a pose is held: no error is expected but
    of joints that move beside it."""
    names = [name for choice in test.choices[:1] for name, _ in choice.weights]
    others, poses = iter(test.choices), {pose.gap.start: pose for pose in held}
    choices = tuple(
        _of_held(poses[gap.start], names) if gap.start in poses else next(others) for gap in plan.gaps
    )
    return replace(test, choices=choices, expected_l2p=_mean_over_frames(choices, plan))


def _of_held(pose: HeldPose, names: Sequence[str]) -> GapChoice:
    """What is said of a gap in which a pose is held."""
    moving = int(pose.moving.sum())
    reason = (
        NEARLY_HELD
        if pose.free > 0
        else f"the pose is held but for {counted(moving, 'joint')}: all others are the same at both keys"
    )
    weights = tuple((name, 0.0) for name in names)
    return GapChoice(
        pose.gap.start,
        pose.gap.end,
        weights,
        expected_l2p=float(np.linalg.norm(pose.expected)),
        reason=reason if moving else HELD,
        expected_ratio=1.0 if moving else None,
    )


def prior_errors(trials: Sequence[Trial], names: Sequence[str]) -> tuple[PriorError, ...]:
    """Mean error of every prior over the trials."""
    if not trials:
        return ()
    slerp = mean_error(trials, np.zeros(len(names)))
    errors = [mean_error(trials, row) for row in np.eye(len(names))]
    return tuple(
        PriorError(name, error, error / slerp if slerp > 0 else 1.0)
        for name, error in zip(names, errors, strict=True)
    )


def choose_shares(
    trials: Sequence[Trial], names: Sequence[str], seconds: float | None = None
) -> Float[np.ndarray, " prior"]:
    """Shares of the priors: least error on the trials plus a penalty on leaving the corpus's shares.

    Args:
        trials: Pieces of the context.
        names: Of the priors.
        seconds: Length of the gap, None if that of the pieces: those that are shorter say less of it, as the square.
    """
    corpus = np.array([CORPUS_WEIGHTS.get(name, 0.0) for name in names])
    slerp = mean_error(trials, np.zeros(len(names))) if trials else 0.0
    if slerp == 0:
        return corpus
    shares = simplex(len(names))
    ratios = np.mean([trial.errors(shares) for trial in trials], axis=0) / slerp
    weights = [1.0 if seconds is None else min(1.0, trial.seconds / seconds) ** 2 for trial in trials]
    penalty = STIFFNESS / sum(weights) * ((shares - corpus) ** 2).sum(1)
    return shares[np.argmin(ratios + penalty)]


def simplex(count: int) -> Float[np.ndarray, "blend prior"]:
    """All shares on a grid that sum to at most one."""
    steps = round(1 / (SHARE_STEP if count <= 3 else COARSE_STEP))
    grid = np.array(list(product(range(steps + 1), repeat=count)), float).reshape(-1, count)
    return grid[grid.sum(1) <= steps] / steps


def _expected(error: float, seconds: float, gap: Gap, known: Motion) -> float:
    length = (gap.end - gap.start) / known.time_codes_per_second
    return float(error * (length / seconds) ** GROWTH)


def _mean_over_frames(choices: Sequence[GapChoice], plan: Plan) -> float | None:
    expected = [choice.expected_l2p for choice in choices]
    known = [value for value in expected if value is not None]
    counts = [len(gap.times) for gap in plan.gaps]
    return float(np.average(known, weights=counts)) if known and len(known) == len(counts) else None


def _reason(pieces: int, seconds: float, ratio: float | None) -> str:
    if not pieces:
        return "no context to test on: the shares that serve most clips"
    if ratio is None:
        return "the context stands still and tells little"
    return (
        f"{ratio:.2f} of slerp's error on {counted(pieces, 'hidden piece')} of {seconds:.2g} s of the context"
    )
