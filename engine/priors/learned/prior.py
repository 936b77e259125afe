"""A network trained on many skeletons bends slerp the way such motion usually goes on (docs/learned-prior.md).

The network sees the poses around each gap and answers with an offset (:mod:`engine.priors.offsets`) that is zero at
both keys, an expected error for every frame and joint, and the share of slerp's error it expects to leave.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import ConfigError
from engine.geometry import metrics, rotations, skeleton
from engine.planning.plan import Gap, Plan
from engine.priors import offsets
from engine.priors.learned.bodies import alone, of_all, seen_of, together
from usd_io.errors import shown
from usd_io.model import Character, Motion
from usd_io.shapes import Float, Int

if TYPE_CHECKING:
    from engine.priors.learned.predict import Prediction

DRAFT_VIEWS = 2
"""Of the network's, for passes that only other gaps see, and for trials."""
PASSES = 3
"""Over a row of gaps: from the second on, each sees its neighbours as the last pass filled them."""
LAST_PASS = 3.0
"""What the last pass, with all views, costs beside one for a draft: 1.5 to 4 in shots of hundreds of gaps."""
HALF_TRUSTED = 0.05
"""Expected position error [heights] at which the confidence is one half."""
REACH_SHARE = 0.4
"""An offset may move the joints by this part of what is known around the gap before it is trusted less: where a lively
shot comes to rest the network, which sees the lively part, goes on moving (docs/measurements.md)."""
BEND_SHARE = 2.0
"""A joint may turn so many times as far from straight as in the context near the gap, or as far as what is beside the
gap would lead it away (:func:`_turns`): a body that keys turn steadily, where the context has no such turn, the network
swings to and fro."""
SPEED_SHARE = 0.75
"""What a speed at the end of a context speaks of, as part of the way it would lead over the whole gap."""
SPEED_SPAN = 0.15
"""Part of the gap's length over which that speed is measured."""
LARGEST_TURN = 2.5
"""A joint that an answer turns further than this from straight [rad] is left straight."""
POSES_AT_ONCE = 1 << 16
"""Joints of all poses that are looked up at once, which bounds memory."""
WINDOW_SAMPLES, BENDS = 13, 5
"""Poses looked at in a piece of context near the gap, and so many pieces at most, each further by half its length."""
MOST_JOINTS = 1000
"""Every joint looks at every other: a gap of one so large takes seconds, of 20,000 joints many minutes and all memory.
"""


@dataclass(frozen=True, eq=False)
class LearnedFill:
    """A filled motion and what the network expects of it."""

    motion: Motion
    """At the fill times."""
    rotation_error: Float[np.ndarray, "fill joint"]
    """Expected error of local rotations [rad]."""
    position_error: Float[np.ndarray, "fill joint"]
    """Expected error of joint positions [heights]."""
    gains: tuple[float, ...]
    """Per gap: expected ratio of the position error to slerp's; above 1 slerp is the better guess."""
    gain_bounds: tuple[float, ...]
    """Per gap: ratio exceeded in one of five cases."""
    ideas: Float[np.ndarray, "idea fill joint 9"]
    """Offsets from the motion to other ways it may go, in every gap the likeliest first."""

    @property
    def confidence(self) -> Float[np.ndarray, "fill joint"]:
        """0 to 1 per frame and joint; 1 at the keys."""
        return confidence_in(self.position_error)


def confidence_in(position_error: Float[np.ndarray, "*batch joint"]) -> Float[np.ndarray, "*batch joint"]:
    """0 to 1, by the position error to expect [heights]."""
    return 1 / (1 + position_error / HALF_TRUSTED)


def fits(character: Character) -> bool:
    """Whether the skeleton is small enough for the network."""
    return len(character.joints) <= MOST_JOINTS


def learned(character: Character, known: Motion, plan: Plan) -> Motion:
    """Fill with the trained network.

    Args:
        character: Its tree of joints is what the network goes by; names play no part.
        known: The known frames only.
        plan: Gives context, keys and gaps.

    Returns:
        The motion at ``plan.fill_times``.

    Raises:
        ConfigError: The skeleton is too large (:func:`fits`).
    """
    return fill(character, known, plan, ideas=False).motion


def learned_drafts(character: Character, pieces: Sequence[tuple[Motion, Plan]]) -> list[Motion]:
    """As :func:`learned`, at less than a quarter of the cost (:func:`draft_fills`)."""
    return [piece.motion for piece in draft_fills(character, pieces)]


class Drafts:
    """As :func:`learned_drafts`; keeps what it made last, for the errors that are expected of it."""

    def __init__(self) -> None:
        self.fills: list[LearnedFill] = []

    def __call__(self, character: Character, pieces: Sequence[tuple[Motion, Plan]]) -> list[Motion]:
        self.fills = draft_fills(character, pieces)
        return [piece.motion for piece in self.fills]


def draft_fills(character: Character, pieces: Sequence[tuple[Motion, Plan]]) -> list[LearnedFill]:
    """As :func:`fill` without ideas, by two views in place of eight, and all pieces at once.

    Args:
        character: The skeleton.
        pieces: Known frames and plans of one gap each.
    """
    from engine.priors.learned.predict import predict, shipped_network

    assert all(len(plan.gaps) == 1 for _, plan in pieces)
    if not len(character.joints) or not pieces:
        return [fill(character, known, plan) for known, plan in pieces]
    bodies = seen_of(character, *(known for known, _ in pieces))
    if len(bodies) > 1 or len(bodies[0]) < len(character.joints):
        made = []
        for joints in bodies:
            own = alone(character, pieces[0][0], joints)[0]
            made.append(
                draft_fills(own, [(alone(character, known, joints)[1], plan) for known, plan in pieces])
            )
        return [
            _joined_bodies(character, known, plan, bodies, parts)
            for (known, plan), *parts in zip(pieces, *made, strict=True)
        ]
    views = [_views(character, known, plan, known) for known, plan in pieces]
    poses, translations, states, seconds, frames = (
        np.concatenate(column) for column in zip(*views, strict=True)
    )
    parts = [part for _, plan in pieces for part in parts_of(plan)]
    given = np.asarray(character.parents, int), poses, translations, states, seconds, frames, parts
    predictions = predict(shipped_network(), *given, views=DRAFT_VIEWS, ideas=False)
    return [
        _finished(character, known, plan, [prediction], _reaches(character, known, plan))
        for (known, plan), prediction in zip(pieces, predictions, strict=True)
    ]


def fill(
    character: Character,
    known: Motion,
    plan: Plan,
    on_part: Callable[[float], None] = lambda part: None,
    *,
    ideas: bool = True,
) -> LearnedFill:
    """The motion of :func:`learned` with its expected errors and, if wanted, ideas; ``on_part`` is called with the part
    that is done."""
    if not fits(character):
        raise ConfigError(
            f"{shown(character.skeleton_path)}: {len(character.joints)} joints are more than the {MOST_JOINTS} that "
            "the learned prior can take; choose another prior (auto leaves it out) and one take.",
            settings=("prior", "takes"),
        )
    if not len(character.joints) or not plan.gaps:
        base = offsets.straight(known, plan)
        count, joints = base.translations.shape[:2]
        nothing, alike = np.zeros((count, joints)), (1.0,) * len(plan.gaps)
        return LearnedFill(base, nothing, nothing, alike, alike, np.zeros((0, count, joints, 9)))
    bodies = seen_of(character, known)
    if len(bodies) > 1 or len(bodies[0]) < len(character.joints):
        parts = [
            fill(*alone(character, known, joints), plan, _of_passes(on_part, n, len(bodies)), ideas=ideas)
            for n, joints in enumerate(bodies)
        ]
        return _joined_bodies(character, known, plan, bodies, parts)
    seen, reaches = known, _reaches(character, known, plan)
    before = PASSES - 1 if len(plan.gaps) > 1 else 0
    for number in range(before):
        coarse = _coarse(plan)
        passed = _of_passes(on_part, number, before + LAST_PASS)
        predictions = _answer(character, known, coarse, seen, passed, views=DRAFT_VIEWS, ideas=False)
        straight = offsets.straight(known, coarse)
        filled = offsets.apply(straight, _offset(character, known, coarse, predictions, reaches))
        seen = _joined(known.at(_in_view(known, plan)), filled)
    passed = _of_passes(on_part, before, before + LAST_PASS, LAST_PASS)
    predictions = _answer(character, known, plan, seen, passed, ideas=ideas)
    return _finished(character, known, plan, predictions, reaches)


def quick_errors(character: Character, known: Motion, plan: Plan) -> Float[np.ndarray, "fill joint"]:
    """Position errors to expect [heights], by one pass of two views over the gaps, each of which sees the others
    straight."""
    bodies = seen_of(character, known)
    if len(bodies) > 1 or len(bodies[0]) < len(character.joints):
        own = [alone(character, known, joints) for joints in bodies]
        parts = [quick_errors(*body, plan) for body in own]
        return _errors_of_bodies(character, known, plan, bodies, parts)
    predictions = _answer(character, known, plan, known, lambda part: None, views=DRAFT_VIEWS, ideas=False)
    return _in_heights(character, known, plan, predictions)


def _errors_of_bodies(
    character: Character,
    known: Motion,
    plan: Plan,
    bodies: Sequence[Int[np.ndarray, " own"]],
    errors: Sequence[Float[np.ndarray, "fill own"]],
) -> Float[np.ndarray, "fill joint"]:
    """Position errors of each body in its own heights, as of all."""
    height = metrics.height(character, known, plan.keys[0])
    shares = [metrics.height(*alone(character, known, own), plan.keys[0]) / height for own in bodies]
    scaled = [share * error for share, error in zip(shares, errors, strict=True)]
    return of_all(scaled, bodies, len(character.joints), 1)


def _joined_bodies(
    character: Character,
    known: Motion,
    plan: Plan,
    bodies: Sequence[Int[np.ndarray, " own"]],
    parts: Sequence[LearnedFill],
) -> LearnedFill:
    """What was answered of each body, as of all: joints that were not shown stay as they are."""
    count = len(character.joints)
    errors = [part.position_error for part in parts]
    return LearnedFill(
        motion=together(offsets.straight(known, plan), [part.motion for part in parts], bodies),
        rotation_error=of_all([part.rotation_error for part in parts], bodies, count, 1),
        position_error=_errors_of_bodies(character, known, plan, bodies, errors),
        gains=tuple(float(np.mean(gains)) for gains in zip(*(part.gains for part in parts), strict=True)),
        gain_bounds=tuple(max(bounds) for bounds in zip(*(part.gain_bounds for part in parts), strict=True)),
        ideas=of_all([part.ideas for part in parts], bodies, count, 2),
    )


@dataclass(frozen=True, eq=False)
class _Reaches:
    """How far the offset of each gap is believed: root mean squares over its frames."""

    moves: Float[np.ndarray, " gap"]
    """Of all joints together [stage units]."""
    turns: Float[np.ndarray, "gap joint"]
    """Of each joint's rotation [rad]."""


def _reaches(character: Character, known: Motion, plan: Plan) -> _Reaches:
    """What the keys, the speeds next to them and the nearest context speak of."""
    edges = _edges(plan)
    poses = offsets.sample(known, np.concatenate([edges.first, edges.last]))
    moved, turned = _bends(character, known, plan)
    return _Reaches(
        REACH_SHARE * np.maximum(_ways(character, plan, edges, poses), moved),
        np.maximum(_turns(plan, edges, poses), BEND_SHARE * turned),
    )


def _finished(
    character: Character,
    known: Motion,
    plan: Plan,
    predictions: "list[Prediction]",
    reaches: _Reaches,
) -> LearnedFill:
    """The answers of the last pass as a motion, as far as they are believed."""
    base = offsets.straight(known, plan)
    count, joints = base.translations.shape[:2]
    offset = _offset(character, known, plan, predictions, reaches)
    trust = _trust(character, plan, base, offsets.apply(base, offset), reaches)
    share = np.repeat(trust, [len(gap.times) for gap in plan.gaps])[:, None]
    offset *= share[..., None]
    scales = _scales(character, known, plan)
    ideas = np.zeros((len(predictions[0].idea_rotations), count, joints, 9))
    ideas[..., offsets.ROTATION] = np.concatenate([p.idea_rotations for p in predictions], 1)
    ideas[..., offsets.TRANSLATION] = np.concatenate([p.idea_translations for p in predictions], 1) / scales
    ideas *= share[..., None]
    return LearnedFill(
        motion=offsets.apply(base, offset),
        rotation_error=np.concatenate([p.rotation_error for p in predictions]),
        position_error=_in_heights(character, known, plan, predictions),
        gains=tuple(1 - t * (1 - p.gain) for t, p in zip(trust, predictions, strict=True)),
        gain_bounds=tuple(1 - t * (1 - p.gain_bound) for t, p in zip(trust, predictions, strict=True)),
        ideas=ideas,
    )


def _trust(
    character: Character, plan: Plan, base: Motion, made: Motion, reaches: _Reaches
) -> Float[np.ndarray, " gap"]:
    """How far each gap's offset is believed, 0 to 1: less the more it moves the joints beyond what is in reach."""
    added = skeleton.joint_positions(character, made) - skeleton.joint_positions(character, base)
    return _within(_mean_squares((added**2).sum(-1).mean(-1)[:, None], plan), reaches.moves[:, None])[:, 0]


def _mean_squares(squares: Float[np.ndarray, "fill column"], plan: Plan) -> Float[np.ndarray, "gap column"]:
    """Means over each gap, in which the offset is zero at both keys: the same at every frame rate."""
    counts = np.array([len(gap.times) for gap in plan.gaps])
    sums = np.add.reduceat(np.pad(squares, ((0, 1), (0, 0))), np.cumsum(counts) - counts)
    return np.where(counts[:, None] > 0, sums, 0) / (counts[:, None] + 1)


def _within(
    squares: Float[np.ndarray, "gap column"], reach: Float[np.ndarray, "gap column"]
) -> Float[np.ndarray, "gap column"]:
    """Shares of offsets of these mean squares: 1 of what is in reach, less by the square of what is beyond."""
    return np.where(squares <= reach**2, 1.0, reach**2 / np.where(squares > 0, squares, 1))


@dataclass(frozen=True, eq=False)
class _Edges:
    """Pairs of times around gaps: the keys of each, in their order, and then the ends of what is finished beside."""

    gap: Int[np.ndarray, " edge"]
    first: Float[np.ndarray, " edge"]
    last: Float[np.ndarray, " edge"]
    """Time codes."""
    stretch: Float[np.ndarray, " edge"]
    """Length of the gap over that of the edge."""


def _edges(plan: Plan) -> _Edges:
    """Between which times the motion next to gaps is looked at."""
    ends = {context[1]: context for context in plan.contexts}
    starts = {context[0]: context for context in plan.contexts}
    rows = [(index, gap.start, gap.end, 1.0) for index, gap in enumerate(plan.gaps)]
    for index, gap in enumerate(plan.gaps):
        length = gap.end - gap.start
        for context, at_end in ((ends.get(gap.start), True), (starts.get(gap.end), False)):
            if context is not None:
                start, end = context
                span = min(SPEED_SPAN * length, end - start)
                edge = (end - span, end) if at_end else (start, start + span)
                rows.append((index, *edge, length / span))
    gap_of, first, last, stretch = zip(*rows, strict=True)
    return _Edges(np.array(gap_of), np.array(first, float), np.array(last, float), np.array(stretch, float))


def _ways(character: Character, plan: Plan, edges: _Edges, poses: Motion) -> Float[np.ndarray, " gap"]:
    """Of every gap the larger of the distance between the keys and the way the speed next to the gap leads [stage
    units, root mean square over joints]; ``poses`` are those at the firsts of the edges, then at the lasts."""
    before, after = np.split(skeleton.joint_positions(character, poses), 2)
    way = edges.stretch * np.sqrt(((after - before) ** 2).sum(-1).mean(-1))
    way[len(plan.gaps) :] *= SPEED_SHARE
    result = np.zeros(len(plan.gaps))
    np.maximum.at(result, edges.gap, way)
    return result


def _turns(plan: Plan, edges: _Edges, poses: Motion) -> Float[np.ndarray, "gap joint"]:
    """Of every gap and joint, how far what it does beside the gap would lead away from where the gap's second key has
    it [rad]: the turns of the gaps next to it, and the speed of finished motion. The turn from key to key itself where
    nothing is beside the gap. ``poses`` as for :func:`_ways`."""
    before, after = np.split(poses.rotations.astype(float), 2)
    led = rotations.log(rotations.multiply(rotations.conjugate(before), after)) * edges.stretch[:, None, None]
    own, beside = np.split(led, [len(plan.gaps)])
    result = np.full(own.shape[:2], -1.0)
    away = np.linalg.norm(beside - own[edges.gap[len(own) :]], axis=-1)
    np.maximum.at(result, edges.gap[len(own) :], SPEED_SHARE * away)
    starts, ends = (np.array([getattr(gap, side) for gap in plan.gaps]) for side in ("start", "end"))
    rate = own / (ends - starts)[:, None, None]
    touching = np.flatnonzero(ends[:-1] == starts[1:])
    for gap, other in ((touching, touching + 1), (touching + 1, touching)):
        apart = np.linalg.norm(rate[other] - rate[gap], axis=-1) * (ends - starts)[gap, None]
        result[gap] = np.maximum(result[gap], apart)
    return np.where(result < 0, np.linalg.norm(own, axis=-1), result)


def _bends(
    character: Character, known: Motion, plan: Plan
) -> tuple[Float[np.ndarray, " gap"], Float[np.ndarray, "gap joint"]]:
    """Of every gap, how far the motion strays from straight in the pieces of context that are nearest to it and, at
    most, as long, root mean squares: of all joints in the nearest piece [stage units], and of each joint's rotation at
    most in any [rad], as a limb may rest in the one and swing in the other; 0 without context."""
    if not plan.contexts:
        return np.zeros(len(plan.gaps)), np.zeros((len(plan.gaps), len(character.joints)))
    pieces = []
    for gap in plan.gaps:
        start, end = min(plan.contexts, key=lambda c: min(abs(gap.start - c[1]), abs(gap.end - c[0])))
        length = min(gap.end - gap.start, end - start)
        away = np.arange(0, end - start - length + 1e-9, length / 2)[:BENDS]
        firsts = end - length - away if end <= gap.start else start + away
        pieces.append([(first, length) for first in firsts.tolist()])
    # gaps far from a context share pieces
    found = {piece: _bend(character, known, *piece) for piece in {*chain.from_iterable(pieces)}}
    moved = [found[near[0]][0] for near in pieces]
    turned = [np.max([found[piece][1] for piece in near], axis=0) for near in pieces]
    return np.array(moved), np.stack(turned)


def _bend(
    character: Character, known: Motion, first: float, length: float
) -> tuple[float, Float[np.ndarray, " joint"]]:
    """How far the motion strays from straight in a piece of context."""
    times = np.linspace(first, first + length, WINDOW_SAMPLES)
    poses = offsets.sample(known, times)
    ends = np.zeros(len(times), int), np.full(len(times), len(times) - 1)
    line = offsets.between(poses, *ends, (times - first) / length, times)
    apart = skeleton.joint_positions(character, poses) - skeleton.joint_positions(character, line)
    turned = rotations.angle_between(poses.rotations.astype(float), line.rotations.astype(float))
    return float(np.sqrt((apart**2).sum(-1).mean())), np.sqrt((turned**2).mean(0))


def _coarse(plan: Plan) -> Plan:
    """The plan with the times of the layout in every gap: what the network learnt to see of filled neighbours."""
    from engine.priors.learned import layout

    gaps = (replace(g, times=tuple(g.start + (g.end - g.start) * layout.INSIDE)) for g in plan.gaps)
    return replace(plan, gaps=tuple(gaps))


def _of_passes(
    on_part: Callable[[float], None], before: float, total: float, own: float = 1.0
) -> Callable[[float], None]:
    """What a pass calls with its own part, which costs ``own`` of ``total``, of which ``before`` is done."""
    return lambda part: on_part((before + own * part) / total)


def _answer(
    character: Character,
    known: Motion,
    plan: Plan,
    seen: Motion,
    on_part: Callable[[float], None],
    *,
    views: int | None = None,
    ideas: bool,
) -> "list[Prediction]":
    """One pass over the gaps: each sees what is known and, of the others, what an earlier pass filled them with."""
    from engine.priors.learned.predict import predict, shipped_network

    poses, translations, states, seconds, frames = _views(character, known, plan, seen)
    parents = np.asarray(character.parents, int)
    network, parts = shipped_network(), parts_of(plan)
    given = poses, translations, states, seconds, frames, parts
    return predict(network, parents, *given, views=views, ideas=ideas, on_part=on_part)


def _offset(
    character: Character,
    known: Motion,
    plan: Plan,
    predictions: "list[Prediction]",
    reaches: _Reaches,
) -> offsets.Offsets:
    """The answers as offsets from the straight motion at the fill times, less where a joint turns out of reach."""
    result = np.zeros((len(plan.fill_times), len(character.joints), 9))
    turns = np.concatenate([p.rotations for p in predictions])
    counts = [len(gap.times) for gap in plan.gaps]
    squares = (turns**2).sum(-1)
    shares = _within(_mean_squares(squares, plan), reaches.turns)
    # further round than slerp goes the network is not at home: what it sees of such a joint jumps by whole circles
    furthest = np.stack([part.max(0, initial=0) for part in np.split(squares, np.cumsum(counts)[:-1])])
    shares *= furthest < LARGEST_TURN**2
    result[..., offsets.ROTATION] = turns * np.repeat(shares, counts, axis=0)[..., None]
    moved = np.concatenate([p.translations for p in predictions])
    result[..., offsets.TRANSLATION] = moved / _scales(character, known, plan)
    return result


def _in_heights(
    character: Character, known: Motion, plan: Plan, predictions: "list[Prediction]"
) -> Float[np.ndarray, "fill joint"]:
    """Expected position errors, which the network counts in the size at the start of each gap: that of parts which move
    each by themselves may change a lot."""
    height = metrics.height(character, known, plan.keys[0])
    sizes = (metrics.height(character, known, gap.start) for gap in plan.gaps)
    each = [p.position_error * (size / height) for p, size in zip(predictions, sizes, strict=True)]
    return np.concatenate(each)


def _scales(character: Character, known: Motion, plan: Plan) -> Float[np.ndarray, "fill joint 1"]:
    """Scale of each joint's parent, as it is at the start of its gap."""
    at_start = known.scales[offsets.frames_at(known, np.array([gap.start for gap in plan.gaps]))]
    counts = [len(gap.times) for gap in plan.gaps]
    return np.repeat(_parent_scale(character, at_start), counts, axis=0)[..., None]


def _in_view(known: Motion, plan: Plan) -> Int[np.ndarray, " selected"]:
    """The known frames between which the network looks at a motion, over all gaps."""
    from engine.priors.learned import layout

    starts, ends = (np.array([getattr(gap, side) for gap in plan.gaps]) for side in ("start", "end"))
    length = ends - starts
    first = np.searchsorted(known.times, starts + length * layout.TIMES.min()) - 1
    last = np.searchsorted(known.times, starts + length * layout.TIMES.max())
    changes = np.zeros(len(known.times) + 1, int)
    np.add.at(changes, np.maximum(first, 0), 1)
    np.add.at(changes, np.minimum(last + 1, len(known.times)), -1)
    return np.flatnonzero(np.cumsum(changes[:-1]))


def _joined(known: Motion, filled: Motion) -> Motion:
    """Both in order of time."""
    times = np.concatenate([known.times, filled.times])
    order = np.argsort(times, kind="stable")
    channels = ("translations", "rotations", "scales", "T_world_skel")
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(known, name), getattr(filled, name)])[order] for name in channels
    }
    return replace(known, times=times[order], **joined, blend_weights=None)


def _views(
    character: Character, known: Motion, plan: Plan, seen: Motion
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Poses around every gap as the network takes them: rotations, translations, states, seconds, frames."""
    from engine.priors.learned import layout

    together = max(1, POSES_AT_ONCE // (len(layout.TIMES) * len(character.joints)))
    blocks = (plan.gaps[first : first + together] for first in range(0, len(plan.gaps), together))
    views = [_views_of(character, known, plan, gaps, seen) for gaps in blocks]
    poses, translations, states, seconds, frames = (
        np.concatenate(column) for column in zip(*views, strict=True)
    )
    return poses, translations, states, seconds, frames


def _views_of(
    character: Character, known: Motion, plan: Plan, gaps: Sequence[Gap], seen: Motion
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """:func:`_views` of some of the gaps."""
    from engine.priors.learned import layout
    from engine.priors.learned.gap_features import bring_near

    starts = np.array([gap.start for gap in gaps])
    lengths = np.array([gap.end for gap in gaps]) - starts
    times = starts[:, None] + lengths[:, None] * layout.TIMES
    states = layout.states(times[:, : len(layout.OUTSIDE)], plan.contexts, plan.keys)
    filled = np.zeros(times.shape, bool)
    if seen is not known:
        filled[:, : len(layout.OUTSIDE)] = states == layout.BETWEEN
        states[states == layout.BETWEEN] = layout.FILLED
    sources = [
        (~filled, offsets.sample(known, times[~filled])),
        (filled, offsets.sample(seen, times[filled])),
    ]
    poses, moved, scales = (
        np.empty((*times.shape, *getattr(known, name).shape[1:]))
        for name in ("rotations", "translations", "scales")
    )
    for where, motion in sources:
        poses[where], moved[where], scales[where] = motion.rotations, motion.translations, motion.scales
    translations = moved * _parent_scale(character, scales[:, layout.START])[:, None, :, None]
    roots = np.flatnonzero(np.asarray(character.parents) < 0)
    translations[:, :, roots] -= translations[:, [layout.START], roots[:1]][:, :, None]
    bring_near(np.asarray(character.parents), poses, translations)
    frames = _frames(character, poses[:, layout.START], offsets.sample(known, starts).T_world_skel)
    return poses, translations, states, lengths / known.time_codes_per_second, frames


def _parent_scale(
    character: Character, scales: Float[np.ndarray, "frame joint 3"]
) -> Float[np.ndarray, "frame joint"]:
    """Scale of each joint's parent in skeleton space, as one number: the network knows no scale."""
    own = np.abs(np.prod(scales.astype(float), axis=-1)) ** (1 / 3)
    total = np.ones_like(own)
    for joint, parent in enumerate(character.parents):
        if parent >= 0:
            total[:, joint] = total[:, parent] * own[:, parent]
    return np.where(total > 0, total, 1.0)


def _frames(
    character: Character, starts: Float[np.ndarray, "gap joint 4"], T_world_skel: Float[np.ndarray, "gap 4 4"]
) -> Float[np.ndarray, "gap 3 3"]:
    """Skeleton space to Y up and the heading of the root, so that a turned shot gives turned motion."""
    u, _, vt = np.linalg.svd(T_world_skel[:, :3, :3])
    upright = np.eye(3) if character.up_axis == "Y" else np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    to_world = upright @ u @ vt
    axes = to_world @ rotations.to_matrix(starts[:, 0])
    flat = np.hypot(axes[:, 0], axes[:, 2])
    longest = flat.argmax(1)
    gap, zero = np.arange(len(axes)), np.zeros(len(axes))
    cosine, sine = axes[gap, 0, longest] / flat[gap, longest], axes[gap, 2, longest] / flat[gap, longest]
    rows = [[cosine, zero, sine], [zero, zero + 1, zero], [-sine, zero, cosine]]
    heading = np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
    frames: Float[np.ndarray, "gap 3 3"] = heading @ to_world
    return frames


def parts_of(plan: Plan) -> list[Float[np.ndarray, " _"]]:
    """Where the fill times lie in their gaps, 0 to 1."""
    return [(np.array(gap.times) - gap.start) / (gap.end - gap.start) for gap in plan.gaps]
