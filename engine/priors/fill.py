"""Run stage *fill*: known frames -> all frames, by a motion prior."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any

import numpy as np

from engine.errors import DataError
from engine.geometry import metrics, skeleton
from engine.geometry.once import once
from engine.geometry.resample import resample
from engine.geometry.threads import one_thread
from engine.planning.plan import Gap, Plan, make_plan
from engine.priors import auto, offsets
from engine.priors.catalogue import BARE, SURE, prior_of
from engine.priors.contacts.planting import plant
from engine.priors.context.prior import context
from engine.priors.learned import prior as learned
from engine.priors.learned.takes import RECALLED, livelier, vary
from engine.priors.self_test import (
    LEAST_OF_WAY,
    Prior,
    SelfTest,
    at_least,
    corrections,
    expected_errors,
    joint_norm,
    joint_ways,
    of_gaps,
    self_test,
    times_as_fast,
    unseen,
    with_held,
)
from engine.priors.shaping.holding_bodies import HoldingBody, errors_beside, holding_bodies, with_holding
from engine.priors.shaping.holds import HeldPose, held_alone, held_frames, held_poses
from engine.priors.shaping.in_place import keep_in_place
from engine.priors.shaping.loop import Cycles, cycles_of, middle
from engine.priors.shaping.pins import hold_pins
from engine.priors.shaping.texture import put_texture
from engine.priors.shaping.velocity import carry_velocity
from engine.priors.spline import spline
from engine.settings.choices import StyleName
from usd_io.errors import shown
from usd_io.model import CHANNELS, Channel, Character, Motion
from usd_io.shapes import Float

ANSWER_S, SHAPE_S = 1.3e-3, 2e-5
"""What the network takes for each joint in each gap, and velocity, contacts and texture for each joint in each frame of
a take [s]: on one core, in shots of 196, 597 and 1000 gaps with 43, 43 and 20 joints."""
NETWORK_SHARE = 0.95
"""Of the time before contacts are held, what has passed once the network has answered."""
PLANTED_SHARE = 0.7
"""Of the time to shape a take, what has passed once contacts are held."""
LIKE_IDEAS = 0.3
"""A take of the context alone is as far from the best estimate as this part of what an idea is, or it is none."""
Sample = Callable[[Float[np.ndarray, " frame"]], Motion]
"""The motion as the stage evaluates it at any times."""


@dataclass(frozen=True, eq=False)
class Parts:
    """What a plan makes of an authored motion."""

    kept: Motion
    """Samples that stay: all outside the gaps, and the keys."""
    known: Motion
    """What a prior may see: context and keys."""
    hidden: Motion
    """The stage's own motion at the fill times: locked joints, root motion on Xforms, or the truth."""
    authored_times: Float[np.ndarray, " sample"]
    """Times of all samples of the stage, those inside the gaps included."""


def split(motion: Motion, plan: Plan, sample: Sample) -> Parts:
    """Take the gaps out of a motion; keys between samples are evaluated as USD does."""
    inside = np.zeros(len(motion.times), bool)
    for gap in plan.gaps:
        inside |= (motion.times > gap.start) & (motion.times < gap.end)
    kept = motion.at(~inside)
    missing = np.setdiff1d(plan.keys, kept.times)
    if len(missing):
        kept = merge(kept, sample(missing))
    given = plan.known(kept.times)
    known = kept if given.all() else kept.at(given)
    missing = np.setdiff1d(plan.own_times, [*kept.times, *plan.fill_times])
    if len(missing):  # where others have no samples; they show there what they do anyway
        kept = merge(kept, sample(missing))
    authored = motion.times
    for channel, gaps in plan.channel_gaps.items():
        own = motion.channel_times.get(channel, ())
        if gaps and len(own) > 1:  # what a filled channel lacks is no truth; without samples it never changes
            authored = np.intersect1d(authored, own)
    return Parts(kept=kept, known=known, hidden=sample(plan.fill_times), authored_times=authored)


@dataclass(frozen=True, eq=False)
class Filled:
    """The outcome of the stage for one skeleton."""

    motion: Motion
    """The whole motion, take 1; kept samples are equal bit for bit."""
    parts: Parts
    prior: str
    self_test: SelfTest
    others: tuple[Motion, ...] = ()
    """Takes 2, 3, ...: other plausible motions at the same times."""
    confidence: Float[np.ndarray, "frame joint"] | None = None
    """0 to 1 at every frame of the motion, 1 where it is kept; None of a prior that does not say."""

    @property
    def takes(self) -> tuple[Motion, ...]:
        """All takes, the best estimate first."""
        return (self.motion, *self.others)


def seconds(character: Character, plan: Plan, prior: str, takes: int = 1) -> tuple[float, float]:
    """About what :func:`fill` takes on one core [s] to find the motion, and then to shape all takes of it."""
    asked = takes > 1 or prior in SURE
    joints = len(character.joints)
    found = ANSWER_S * len(plan.gaps) * joints if asked and learned.fits(character) else 0.0
    return found, 0.0 if prior in BARE else SHAPE_S * len(plan.fill_times) * joints * takes


@one_thread()
def fill(
    character: Character,
    parts: Parts,
    plan: Plan,
    prior: str,
    *,
    takes: int = 1,
    seed: int = 0,
    contacts: bool = True,
    style: StyleName = "natural",
    on_part: Callable[[float], None] = lambda part: None,
) -> Filled:
    """Fill the gaps of one skeleton and say what error to expect.

    Args:
        character: The skeleton.
        parts: What is known of its motion.
        plan: Gives context and gaps.
        prior: Name of the prior that gives the best estimate.
        takes: How many motions are wanted. Those after the best estimate, of whatever prior, follow other ideas of the
            learned prior, and one the context alone (:func:`engine.priors.learned.takes.vary`).
        seed: Of these.
        contacts: Hold the joints that rest (:func:`complete`). The self-test judges priors without it.
        style: ``calm`` has no texture (:func:`complete`); with ``lively`` the first take follows an idea
            (:func:`engine.priors.learned.takes.livelier`), of the priors auto and learned.
        on_part: Called now and then with the part of the work that is done, 0 to 1; what it raises ends the work.

    Raises:
        ConfigError: The skeleton is too large for the learned prior, which was chosen.
        DataError: The prior gave a value that is not finite.
    """
    if plan.loop:
        return _fill_cycle(
            character,
            parts,
            plan,
            prior,
            takes=takes,
            seed=seed,
            contacts=contacts,
            style=style,
            on_part=on_part,
        )
    if prior not in BARE and (left := _beside_holds(character, parts, plan, prior_of(prior))):
        around, moving, held = left
        if moving.gaps:
            filled = fill(
                character,
                around,
                moving,
                prior,
                takes=takes,
                seed=seed,
                contacts=contacts,
                style=style,
                on_part=on_part,
            )
        else:
            nothing = SelfTest(0, 0.0, (), (), None, None)
            filled = Filled(around.kept, around, prior, nothing, (around.kept,) * (takes - 1))
        test, sure = filled.self_test, filled.confidence
        if sure is not None:
            sure = _with_held(sure, filled.motion, held)
            if moving.gaps:
                errors = _as_if_moving_on(character, parts.known, plan, held)
                counts = np.cumsum([len(gap.times) for gap in moving.gaps])[:-1]
                test = at_least(test, moving, [joint_norm(part) for part in np.split(errors, counts)])
                moves = np.isin(filled.motion.times, moving.fill_times)
                sure[moves] = np.minimum(sure[moves], learned.confidence_in(errors))
        return replace(filled, parts=parts, self_test=with_held(test, plan, held), confidence=sure)
    finding, shaping = seconds(character, plan, prior, takes)
    share = finding / (finding + shaping) if finding else 0.0
    needed = takes > 1 or prior == "learned" or (prior == "auto" and learned.fits(character))
    guess = (
        learned.fill(
            character,
            parts.known,
            plan,
            lambda part: on_part(share * NETWORK_SHARE * part),
            ideas=takes > 1 or style == "lively",
        )
        if needed
        else None
    )
    chosen, drafts = prior_of(prior), learned.Drafts()
    if prior == "auto":
        answered = None if guess is None else guess.motion
        made, test = auto.fill(
            character,
            parts.known,
            plan,
            auto.CANDIDATES,
            answered,
            lambda part: on_part(share * (NETWORK_SHARE + part * (1 - NETWORK_SHARE))),
            drafts=drafts,
        )
    else:
        made = (
            guess.motion if guess is not None and prior == "learned" else chosen(character, parts.known, plan)
        )
        priors, together = {"spline": spline, prior: chosen}, {"learned": drafts}
        test = self_test(character, parts.known, plan, priors, only=prior, together=together)
    shaped = prior not in BARE
    holding = holding_bodies(character, parts.known, plan, _filled_together(plan), chosen) if shaped else ()
    if guess is not None and prior in SURE:
        guess = as_tested(test, character, drafts.fills, parts.known, plan, guess)
        guess = _as_recalled(test, character, parts.known, plan, made, guess)
        guess = replace(guess, position_error=errors_beside(holding, plan, guess.position_error))
        test = expecting(test, character, parts.known, plan, guess, made)
    elif test.pieces:
        test = at_least(test, plan, _unforetold(character, parts.known, plan, made))
    others = []
    if guess is not None:
        recalled = _recalled(character, parts.known, plan, made, guess) if takes >= RECALLED else None
        others = [vary(character, plan, guess, seed, n, recalled) for n in range(2, takes + 1)]
    if style == "lively" and guess is not None and prior in SURE:
        made = livelier(parts.known, plan, made, guess)
    for motion in (made, *others):
        _check_finite(motion, character, prior)
    if shaped:
        made, *others = (carry_velocity(parts.known, plan, motion) for motion in (made, *others))
    on_part(share)
    own = fill_own_channels(character, parts, plan, chosen, holds=shaped)
    best, *rest = (
        complete(
            character,
            parts,
            plan,
            motion,
            contacts=contacts and shaped,
            texture=style != "calm" and shaped,
            own=own,
            holding=holding,
            on_part=lambda part, n=n: on_part(share + (1 - share) * (n + part) / takes),  # type: ignore[misc]
        )
        for n, motion in enumerate((made, *others))
    )
    confidence = _confidence(character, best, plan, guess) if guess is not None and prior in SURE else None
    return Filled(best, parts, prior, test, tuple(rest), confidence)


def _recalled(
    character: Character, known: Motion, plan: Plan, made: Motion, guess: learned.LearnedFill
) -> Motion | None:
    """What the context alone makes of the gaps, for a take; None where there is no context, or where that is nearer to
    the best estimate than ideas are."""
    if not plan.contexts:
        return None
    recalled = context(character, known, plan)
    if not len(guess.ideas):
        return recalled
    idea = offsets.apply(guess.motion, guess.ideas[0])
    best, *ways = (skeleton.joint_positions(character, motion) for motion in (made, recalled, idea))
    own, usual = (metrics.l2p(best, way) for way in ways)
    return recalled if own > LIKE_IDEAS * usual else None


def fill_motion(
    character: Character,
    motion: Motion,
    *,
    context: Sequence[tuple[float, float]] = (),
    keys: Sequence[float] = (),
    lock: Sequence[str] = (),
    prior: str = "auto",
    takes: int = 1,
    seed: int = 0,
    contacts: bool = True,
    style: StyleName = "natural",
    pin: Sequence[str] = (),
    in_place: bool = False,
    loop: bool = False,
) -> Filled:
    """Arrays in, arrays out: fill a motion without a stage or a folder.

    Args:
        character: The skeleton.
        motion: Finished motion and keys; what lies inside gaps that ``keys`` open is not looked at.
        context: Ranges of finished motion [time codes]; empty: the dense samples.
        keys: Times of the keys [time codes]; empty: the lone samples.
        lock: Joints (name, path or shell pattern) that keep what the motion has, also between the keys.
        prior: Name of the motion prior.
        takes: How many motions are wanted.
        seed: Of takes 2, 3, ...
        contacts: Hold the joints that rest.
        style: How alive the motion is.
        pin: ``JOINT@A:B``: joints that stay where they are from one time code to another.
        in_place: Let the root go straight from key to key over the ground.
        loop: Let the motion go on from the last pose to the first one, which it has to be again.

    Returns:
        The whole motion (``.motion``), equal to the given one bit for bit at all kept samples, with other takes,
        confidence and what error to expect.

    Raises:
        ConfigError: Times outside the motion, unknown joints or an unknown prior.
        NothingToFill: Every frame is there already.
    """
    prior_of(prior)  # before any work
    plan = make_plan(
        character, motion, contexts=context, keys=keys, lock=lock, pin=pin, in_place=in_place, loop=loop
    )
    parts = split(motion, plan, partial(resample, motion))
    return fill(character, parts, plan, prior, takes=takes, seed=seed, contacts=contacts, style=style)


@once
def _beside_holds(
    character: Character, parts: Parts, plan: Plan, prior: Prior
) -> tuple[Parts, Plan, tuple[HeldPose, ...]] | None:
    """What is left to do once poses are held in some gaps, whose frames are known then, and these; None without."""
    held = held_poses(character, parts.known, plan, _filled_together(plan))
    if not held:
        return None
    made = held_frames(character, parts.known, plan, held, prior)
    theirs = np.isin(parts.hidden.times, made.times)
    authored = parts.hidden.at(theirs)  # with keys that channels have of their own there
    frames = replace(
        _with_authored(made, authored, character, plan),
        **{channel: getattr(authored, channel) for channel in plan.channels},
    )
    return (
        Parts(
            kept=merge(parts.kept, frames),
            known=merge(parts.known, frames),
            hidden=parts.hidden.at(~theirs),
            authored_times=parts.authored_times,
        ),
        _without(plan, held),
        held,
    )


def _without(plan: Plan, held: Sequence[HeldPose]) -> Plan:
    """The plan with frames of held poses as keys."""
    starts = {pose.gap.start for pose in held}
    times = {time for pose in held for time in pose.gap.times}
    gaps = tuple(gap for gap in plan.gaps if gap.start not in starts)
    # a move comes to rest in the pose that is held behind it, and begins from rest
    ends = {getattr(pose.gap, side) for pose in held if not pose.moving.any() for side in ("start", "end")}
    seams = (*plan.seams, *sorted(ends))
    return replace(plan, gaps=gaps, keys=tuple(sorted({*plan.keys, *times})), seams=seams)


def _filled_together(plan: Plan) -> list[Channel]:
    """The channels that are not filled by themselves."""
    by_themselves = {channel for channel, own in plan.channels.items() if own.contexts is not None}
    return [channel for channel in CHANNELS if channel not in by_themselves]


def _as_if_moving_on(
    character: Character, known: Motion, plan: Plan, held: Sequence[HeldPose]
) -> Float[np.ndarray, "fill joint"]:
    """Position errors that the network expects in the other gaps where what is held is left out, so that one move goes
    on into the next [heights]. Beside holds it takes the shot for a calm one and expects a half to a fifth of it."""
    starts, ends = (np.array([getattr(pose.gap, side) for pose in held]) for side in ("start", "end"))

    def moved_up(time: float) -> float:
        return float(time - (ends - starts)[ends <= time].sum())

    left_out = (known.times[:, None] > starts) & (known.times[:, None] <= ends)
    seen = known.at(np.flatnonzero(~left_out.any(1)))
    seen = replace(seen, times=np.array([moved_up(time) for time in seen.times.tolist()]))
    gaps = tuple(
        Gap(moved_up(gap.start), moved_up(gap.end), tuple(moved_up(time) for time in gap.times))
        for gap in _without(plan, held).gaps
    )
    shorter = replace(
        plan,
        contexts=tuple((moved_up(start), moved_up(end)) for start, end in plan.contexts),
        keys=tuple(sorted({moved_up(key) for key in plan.keys})),
        gaps=gaps,
        channels={},
    )
    return learned.quick_errors(character, seen, shorter)


def _with_held(
    sure: Float[np.ndarray, "frame joint"], motion: Motion, held: Sequence[HeldPose]
) -> Float[np.ndarray, "frame joint"]:
    """The confidence with that of what moves beside held joints."""
    result = sure.copy()
    for pose in held:
        result[np.isin(motion.times, pose.gap.times)] = learned.confidence_in(pose.expected)
    return result


def _fill_cycle(
    character: Character, parts: Parts, plan: Plan, prior: str, *, contacts: bool, **settings: Any
) -> Filled:
    """:func:`fill` of a shot that cycles: three cycles in a row are filled, and the middle one is taken."""
    cycles = cycles_of(character, parts.known, plan)
    row, longer = cycles.plan(plan), _in_a_row(cycles, parts)
    filled = fill(character, longer, row, prior, contacts=contacts, **settings)
    best, *others = (middle(cycles, motion, parts.kept, merge) for motion in filled.takes)
    confidence = None
    if filled.confidence is not None:
        confidence = np.ones(best.translations.shape[:2], np.float32)
        inside = (filled.motion.times >= cycles.start) & (filled.motion.times <= cycles.end)
        confidence[(best.times >= cycles.start) & (best.times <= cycles.end)] = filled.confidence[inside]
    return Filled(best, parts, prior, of_gaps(filled.self_test, plan), tuple(others), confidence)


def _in_a_row(cycles: Cycles, parts: Parts) -> Parts:
    """What is known of three cycles."""
    return Parts(
        kept=cycles.motion(parts.kept, merge),
        known=cycles.motion(parts.known, merge),
        hidden=cycles.motion(parts.hidden, merge),
        authored_times=parts.authored_times,
    )


def as_tested(
    test: SelfTest,
    character: Character,
    drafted: Sequence[learned.LearnedFill],
    known: Motion,
    plan: Plan,
    guess: learned.LearnedFill,
) -> learned.LearnedFill:
    """The learned prior's answer with the errors that it expects, corrected by how right it is on the hidden pieces of
    the test, which it drafted (:func:`engine.priors.self_test.corrections`)."""
    if not drafted or not guess.position_error.shape[1]:
        return guess
    told = [joint_norm(fill.position_error) for fill in drafted]
    own = np.array(_own_errors(plan, guess))
    faster = times_as_fast(character, known, plan)
    factors = corrections(test, plan, own.tolist(), float(np.mean(told)), known.time_codes_per_second, faster)
    # what lay still wherever it was seen the network does not expect to go astray
    least = unseen(character, known, plan) * _least_of_ways(character, known, plan)
    factors = np.maximum(factors, np.divide(least, own, out=np.zeros(len(own)), where=own > 0))
    return _times(plan, guess, factors.tolist())


def _as_recalled(
    test: SelfTest, character: Character, known: Motion, plan: Plan, made: Motion, guess: learned.LearnedFill
) -> learned.LearnedFill:
    """The learned prior's fill with errors to expect that are no larger than the context's where that knows a gap.

    What its windows leave unexplained of an answer's variance is expected of the square of its error.
    """
    if not any(choice.fit for choice in test.choices) or not guess.position_error.shape[1]:
        return guess
    factors = []
    for choice, own, away in zip(
        test.choices, _own_errors(plan, guess), _moved_in_gaps(character, known, plan, made), strict=True
    ):
        its, part = np.sqrt(max(1 - choice.fit, 0.0)) * away, auto.known_part(choice.fit)
        factors.append(min(1.0, 1 + part * (its / own - 1)) if own > 0 else 1.0)
    return _times(plan, guess, factors)


def _own_errors(plan: Plan, guess: learned.LearnedFill) -> list[float]:
    """L2P that the learned prior expects in each gap [heights]."""
    return [joint_norm(errors) for errors in _by_gap(plan, guess.position_error)]


def _times(plan: Plan, guess: learned.LearnedFill, factors: Sequence[float]) -> learned.LearnedFill:
    """The learned prior's fill with the errors that it expects multiplied, gap by gap."""
    counts = [len(gap.times) for gap in plan.gaps]
    return replace(guess, position_error=guess.position_error * np.repeat(factors, counts)[:, None])


def _by_gap(plan: Plan, values: Float[np.ndarray, "fill *rest"]) -> list[Float[np.ndarray, "_ *rest"]]:
    """What is known at the fill times, gap by gap."""
    return np.split(values, np.cumsum([len(gap.times) for gap in plan.gaps])[:-1])


def _least_of_ways(character: Character, known: Motion, plan: Plan) -> Float[np.ndarray, " gap"]:
    """The least L2P of each gap that is not foretold by the pieces [heights]."""
    ways = joint_ways(character, known, plan.gaps) / metrics.height(character, known, plan.keys[0])
    return LEAST_OF_WAY * ways


def _unforetold(character: Character, known: Motion, plan: Plan, made: Motion) -> list[float]:
    """The least L2P to expect of what a prior made that cannot say itself how sure it is [heights]: something in gaps
    that the pieces do not foretell; and, as it is known of straight motion, of what is further from that the rest."""
    least = _least_of_ways(character, known, plan)
    apart = np.array(_moved_in_gaps(character, known, plan, made))
    result: list[float] = (unseen(character, known, plan) * np.maximum(least, apart - least)).tolist()
    return result


def _moved_in_gaps(character: Character, known: Motion, plan: Plan, made: Motion) -> list[float]:
    """How far what was made is from straight motion in each gap, as L2P [heights]."""
    moved = np.sqrt((_moved(character, known, plan, made) ** 2).sum(1))
    return [float(part.mean()) for part in _by_gap(plan, moved)]


@once
def _moved(character: Character, known: Motion, plan: Plan, made: Motion) -> Float[np.ndarray, "fill joint"]:
    """How far what was made is from straight motion [heights]."""
    places = [skeleton.joint_positions(character, motion) for motion in (made, offsets.straight(known, plan))]
    size = metrics.height(character, known, plan.keys[0])
    return np.asarray(np.linalg.norm(places[0] - places[1], axis=-1) / size)


def expecting(
    test: SelfTest,
    character: Character,
    known: Motion,
    plan: Plan,
    guess: learned.LearnedFill,
    made: Motion | None = None,
) -> SelfTest:
    """The self-test with the errors that the learned prior expects of what was made, or else of its own answer
    (:func:`engine.priors.self_test.expected_errors`)."""
    if not test.pieces or not len(character.joints):
        return test
    size = metrics.height(character, known, plan.keys[0])
    moved = _moved(character, known, plan, made or guess.motion)
    return expected_errors(test, plan, guess.position_error, moved, size)


def _confidence(
    character: Character, motion: Motion, plan: Plan, guess: learned.LearnedFill
) -> Float[np.ndarray, "frame joint"]:
    """The confidence in all frames: 1 where the motion or the joint is kept."""
    result = np.ones(motion.translations.shape[:2], np.float32)
    result[np.isin(motion.times, plan.fill_times)] = guess.confidence
    result[:, np.isin(character.joints, plan.locked)] = 1
    return result


@one_thread()
def fill_plainly(
    prior: str,
    character: Character,
    parts: Parts,
    plan: Plan,
    *,
    contacts: bool = True,
    texture: bool = False,
) -> Motion:
    """The whole motion that :func:`fill` makes with a prior, and no more: no self-test, takes or confidence."""
    if plan.loop:
        cycles = cycles_of(character, parts.known, plan)
        longer, longest = _in_a_row(cycles, parts), cycles.plan(plan)
        row = fill_plainly(prior, character, longer, longest, contacts=contacts, texture=texture)
        return middle(cycles, row, parts.kept, merge)
    if prior not in BARE and (left := _beside_holds(character, parts, plan, prior_of(prior))):
        around, moving, _ = left
        if not moving.gaps:
            return around.kept
        return fill_plainly(prior, character, around, moving, contacts=contacts, texture=texture)
    made, shaped = prior_of(prior)(character, parts.known, plan), prior not in BARE
    if shaped:
        made = carry_velocity(parts.known, plan, made)
    own = fill_own_channels(character, parts, plan, prior_of(prior), holds=shaped)
    return complete(
        character,
        parts,
        plan,
        made,
        contacts=contacts and shaped,
        texture=texture and shaped,
        own=own,
        holding=holding_bodies(character, parts.known, plan, _filled_together(plan), prior_of(prior))
        if shaped
        else (),
    )


def fill_own_channels(
    character: Character, parts: Parts, plan: Plan, prior: Prior, *, holds: bool
) -> dict[Channel, Motion]:
    """What a prior makes of the channels that have keys of their own, at their fill times: from those keys alone, but
    that they are held where the others are (``holds``)."""
    result: dict[Channel, Motion] = {}
    seen = {channel: _as_known(parts, plan, channel) for channel in CHANNELS} if plan.channels else {}
    for channel, own in plan.channels.items():
        if own.gaps:
            sub, known = plan.of_channel(channel), seen[channel]
            held = held_alone(character, seen, plan, channel) if holds else ()
            made = []
            if held:
                made.append(held_frames(character, known, sub, held, prior))
                sub, known = _without(sub, held), merge(known, made[0])
            if sub.gaps:
                made.append(prior(character, known, sub))
            result[channel] = reduce(merge, made)
            _check_finite(result[channel], character, channel)
    return result


def _as_known(parts: Parts, plan: Plan, channel: Channel) -> Motion:
    """What is known of one channel: what lies at its own keys and in its finished motion."""
    sub = plan.of_channel(channel)
    if channel in plan.channels and not sub.gaps:  # as authored all along
        return merge(parts.kept, parts.hidden)
    inside = np.isin(parts.hidden.times, sub.keys)  # a key of its own, in a gap of the others
    shown_at = merge(parts.kept, parts.hidden.at(inside)) if inside.any() else parts.kept
    return shown_at.at(sub.known(shown_at.times))


def complete(
    character: Character,
    parts: Parts,
    plan: Plan,
    made: Motion,
    *,
    contacts: bool = False,
    texture: bool = False,
    own: Mapping[Channel, Motion] | None = None,
    holding: Sequence[HoldingBody] = (),
    on_part: Callable[[float], None] = lambda part: None,
) -> Motion:
    """Put what a prior made between the kept samples.

    Args:
        character: The skeleton.
        parts: What is known of its motion.
        plan: Gives the gaps and the locked joints.
        made: At ``plan.fill_times``.
        contacts: Let joints that rest stay where they are (:func:`engine.priors.contacts.planting.plant`), once it is
            known how the Xforms above the skeleton move.
        texture: Add the context's quick movement (:func:`engine.priors.shaping.texture.put_texture`).
        own: Of :func:`fill_own_channels`.
        holding: Bodies that hold a pose while others move.
        on_part: Called now and then with the part of the work that is done, 0 to 1.
    """
    own = own or {}
    whole = _with_own(_with_authored(made, parts.hidden, character, plan), parts.hidden, plan, own)
    if contacts:
        whole = _with_own(plant(character, parts.known, plan, whole), parts.hidden, plan, own)
    on_part(PLANTED_SHARE)
    if texture:
        # what stays in place has feet that glide
        standing = contacts and not plan.in_place
        textured = put_texture(character, parts.known, plan, whole, standing=standing)
        whole = _with_own(textured, parts.hidden, plan, own)
    if holding:
        whole = _with_own(with_holding(whole, holding, character, plan), parts.hidden, plan, own)
    if plan.in_place:
        whole = _with_own(keep_in_place(character, parts.known, plan, whole), parts.hidden, plan, own)
    if plan.pins:
        whole = _with_own(hold_pins(character, parts.known, plan, whole), parts.hidden, plan, own)
    merged = merge(parts.kept, whole)
    on_part(1.0)
    return _with_own(merged, merged, plan, own) if own else merged


def _with_own(motion: Motion, authored: Motion, plan: Plan, own: Mapping[Channel, Motion]) -> Motion:
    """Channels that are not filled where the others are: as authored, but where they have been filled themselves."""
    changed: dict[str, Any] = {}
    for channel, its in plan.channels.items():
        values = getattr(authored, channel).copy()
        if its.gaps and channel in own:
            filled = own[channel]
            there = np.isin(motion.times, filled.times)
            values[there] = getattr(filled, channel)[np.isin(filled.times, motion.times)]
        elif its.gaps:
            values = getattr(motion, channel)
        changed[channel] = values
    return replace(motion, **changed)


def _check_finite(made: Motion, character: Character, prior: str) -> None:
    for name in ("translations", "rotations", "scales"):
        if not np.isfinite(getattr(made, name)).all():
            raise DataError(
                f"{shown(character.skeleton_path)}: the prior {prior} gave {name} that are not finite; "
                "choose another prior.",
                settings=("prior",),
            )


def _with_authored(made: Motion, hidden: Motion, character: Character, plan: Plan) -> Motion:
    """Take from the stage what a prior does not make: locked joints, the Xforms above, blend shapes."""
    locked = np.isin(character.joints, plan.locked)[None, :, None]
    return replace(
        made,
        translations=np.where(locked, hidden.translations, made.translations),
        rotations=np.where(locked, hidden.rotations, made.rotations),
        scales=np.where(locked, hidden.scales, made.scales),
        T_world_skel=hidden.T_world_skel,
        blend_shapes=hidden.blend_shapes,
        blend_weights=hidden.blend_weights,
    )


def ends_of(kept: Motion, plan: Plan) -> Motion:
    """The keys and the ends of gaps among the kept samples."""
    times = np.array([*plan.keys, *(time for gap in plan.gaps for time in (gap.start, gap.end))])
    return kept.at(np.unique(offsets.frames_at(kept, times)))


def merge(a: Motion, b: Motion) -> Motion:
    """Two motions of one skeleton at different times as one."""
    places = np.empty(len(a.times) + len(b.times), int)
    places[np.argsort(np.concatenate([a.times, b.times]), kind="stable")] = np.arange(len(places))

    def join(name: str) -> np.ndarray:
        first, second = getattr(a, name), getattr(b, name)
        result = np.empty((len(places), *first.shape[1:]), np.result_type(first, second))
        result[places[: len(first)]], result[places[len(first) :]] = first, second
        return result

    names = ("times", "translations", "rotations", "scales", "T_world_skel")
    weights = None if a.blend_weights is None or b.blend_weights is None else join("blend_weights")
    joined: dict[str, Any] = {name: join(name) for name in names}
    return replace(a, **joined, blend_weights=weights)
