"""Poses that are keyed twice, to be held from the one key to the other, as in blocking.

Priors do not tell such a hold from a cycle that comes round to the same pose, and leave it with the speed of the move
behind it. So a hold is told by the keys, which are the same, and by the context, which shows no motion that comes back
to this pose in such a time. In a *moving hold* some joints are keyed otherwise, as a hand that waves or a head that
turns: these go from key to key, the others are held.

Between keys that are *nearly* one pose a prior gets the less of a say the nearer they are (:func:`_free`), so that what
is keyed twice with a drift goes nearly straight, and nothing changes at once as the keys come together.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from engine.geometry import metrics, skeleton
from engine.planning.plan import Gap, Plan
from engine.priors import ground, offsets
from engine.priors.context.cycles import PASSES, SHORTEST_S
from engine.priors.shaping.velocity import carry_velocity
from engine.priors.trials import Prior, nearby_contexts
from usd_io.model import CHANNELS, Channel, Character, Motion
from usd_io.shapes import Bool, Float, Int

SAME = 1e-4
"""Difference of two keys, of quaternions or in heights, below which they are one pose."""
HELD_SHARE, FEWEST = 0.5, 3
"""In a moving hold so much of the joints that move anywhere in the known frames, and so many of them, are the same at
both keys. Of 109 such pairs of frames in clips that were animated by hand 101 hold these joints in between."""
CARRIES = 0.2
"""So is what carries at least this part of all joints."""
NEAR = 0.03
"""Difference of a pose from frames of the context that come back to it."""
CYCLE = (0.75, 1.33)
"""Motion comes back in such a time, in parts of the gap."""
ROUNDED = 1e-6
"""Translations in single precision are that part of themselves off."""
SAME_TIME = 1e-6
"""Times are one that are no further apart [time codes], as numbers of cycles are."""
LEAVES = 3.0
"""In between it is so many times as far from the pose as where it is back: who hardly moves is always near."""
SHOWN, LONGEST = 2.0, 4.0
"""A context that moves into the gap and is shorter than the first, in parts of the gap, may be a part of such a cycle,
unless the gap is longer than the second, in parts of the context. It moves into the gap if it is still as fast there as
a cycle is where it passes its ends: what settles in a pose is to be held."""
AWAY, MOMENT_S = 2.5, 0.1
"""A pose is held between keys from and to which the joints go so many times as fast as they mostly are in the context,
measured over such a time [s]."""
MIDDLE = 0.25
"""Where channels have keys of their own, the others are held between the quarters of a gap, at least."""
ORDER: tuple[Channel, ...] = ("rotations", "translations", "scales")
"""Of :func:`engine.priors.offsets.moving`."""
MISSED, MISSED_FREE = 0.2, 2.7
"""What is missed of a joint that moves beside a pose that is held, in parts of its way from key to key; so many times
that where a prior has all the say between keys that are nearly one pose (captured motion, medians)."""
ASTRAY = 0.25
"""A joint that moves beside a pose that is held goes astray from straight by no more than this part of its way."""
NEARLY = 0.1
"""Two keys are nearly one pose where the joints are less apart, in parts of how far they mostly go in such a time.
Captured motion that comes back so near has strayed little from straight, beyond it as far as elsewhere."""
NEARLY_BLOCKED = 0.2
"""So they are up to this part of the move beside the gap for every other such gap in the row, of those that count: to
key every pose twice is blocking, of captured motion with even keys 2 gaps in 1,000 look like it."""
CLEARLY, AT_MOST = (0.5, 0.25), 2.0
"""Another gap counts from 0 to 1 as its keys come from the first to the second part of the move beside it; so many
count at most."""
MOST_BLOCKED = 0.05
"""So is most of a pose, beside joints that move, up to this part of how far it is apart at the keys of the gap beside,
for every other such gap. A single such gap tells nothing: captured and animated bodies often stay nearly as they are
while a limb moves and comes back."""
STARTS, MOST_CONTEXTS = 100, 8
"""Poses of a context, and contexts, at most from which it is seen how far the joints go."""


@dataclass(frozen=True, eq=False)
class HeldPose:
    """A gap in which a pose is held."""

    gap: Gap
    moving: Bool[np.ndarray, " joint"]
    """Joints that differ at the keys."""
    expected: Float[np.ndarray, " joint"]
    """Distance to expect from the truth [heights]: none of what is held."""
    free: float = 0.0
    """How far a prior has a say, 0 to 1; 0 where what is held is the same at both keys."""


def held_poses(
    character: Character, known: Motion, plan: Plan, channels: Collection[Channel] = CHANNELS
) -> tuple[HeldPose, ...]:
    """The gaps in which a pose is held, or nearly, in skeleton space, whatever the Xforms above do.

    Args:
        character: The skeleton.
        known: The known frames only.
        plan: Gives context, keys and gaps.
        channels: What of a pose is looked at.
    """
    if not plan.gaps:
        return ()
    size = metrics.height(character, known, plan.keys[0])
    at = offsets.frames_at_ends(known, plan.gaps)
    starts, ends = known.at(at[::2]), known.at(at[1::2])
    apart = _apart(starts, ends, size, channels)
    same = apart < SAME
    # of rotation, translation and scale of each joint, as offsets have them
    order = [ORDER.index(channel) for channel in channels]
    moves = np.asarray(offsets.moving(known)[:, order].any(1))
    carried = skeleton.subtrees(character.parents)
    carriers = ground.carriers(character, known)
    tops = carriers[carried[carriers].mean(1) >= CARRIES]
    enough = (same & moves).sum(1) >= max(FEWEST, HELD_SHARE * moves.sum())
    keyed_twice = same.all(1) | (enough & same[:, tops].all(1))
    places = [
        skeleton.joint_positions(character, replace(m, T_world_skel=starts.T_world_skel))
        for m in (starts, ends)
    ]
    ways = np.linalg.norm(places[1] - places[0], axis=-1) / size
    lengths = np.array([gap.end - gap.start for gap in plan.gaps])
    second = known.time_codes_per_second
    *of_gaps, in_a_moment = _usual_ways(character, known, plan, np.append(lengths, MOMENT_S * second), size)
    usual = np.array(of_gaps)
    free = _free(plan, np.sqrt((ways**2).mean(1)), usual, _most(apart, moves, tops))
    free[keyed_twice] = 0
    held = free < 1
    # in a moving hold the joints that move may come back or not
    looked_at = np.where(keyed_twice[:, None], same, True)
    # whoever moves far more from key to key beside it than ever in the context is in no cycle of the context's
    meet = _meet(plan)
    speeds = np.sqrt((ways**2).mean(1)) / lengths * second
    slowly = np.full(len(lengths), in_a_moment / MOMENT_S)
    blocked = _least_beside(_parts(speeds, slowly), meet) > AWAY
    back = [
        bool(held[n] and not blocked[n])
        and _comes_back(known, plan, gap, size, looked_at[n], apart[n], channels)
        for n, gap in enumerate(plan.gaps)
    ]
    # a cycle goes on in the gaps beside it whose keys are the same pose again
    for pairs in (pairwise(range(len(back))), pairwise(reversed(range(len(back))))):
        for n, after in pairs:
            back[after] |= back[n] and bool(meet[min(n, after)] and held[after])
    missed = np.where(same.all(1), 0, MISSED * (1 + (MISSED_FREE - 1) * free))
    return tuple(
        HeldPose(gap, ~same[n], missed[n] * ways[n], float(free[n]))
        for n, gap in enumerate(plan.gaps)
        if held[n] and not back[n]
    )


def _meet(plan: Plan) -> Bool[np.ndarray, " pair"]:
    """Whether each gap ends where the next one begins."""
    return np.array([one.end == other.start for one, other in pairwise(plan.gaps)], bool)


def _most(
    apart: Float[np.ndarray, "gap joint"], moves: Bool[np.ndarray, " joint"], tops: Int[np.ndarray, " top"]
) -> Float[np.ndarray, " gap"]:
    """How far apart the values of as many joints are, at most, as are the same in a moving hold, among them those that
    carry the body; infinite where too few move."""
    fewest = int(np.ceil(max(FEWEST, HELD_SHARE * moves.sum())))
    if fewest > moves.sum():
        return np.full(len(apart), np.inf)
    of_most = np.partition(apart[:, moves], fewest - 1, axis=1)[:, fewest - 1]
    return np.maximum(of_most, apart[:, tops].max(1, initial=0))


def _free(
    plan: Plan,
    way: Float[np.ndarray, " gap"],
    usual: Float[np.ndarray, " gap"],
    most: Float[np.ndarray, " gap"],
) -> Float[np.ndarray, " gap"]:
    """How far a prior has a say in each gap, 0 to 1: 0 between keys that are one pose, more by the square of how far
    they are apart, 1 where they are clearly apart.

    Args:
        plan: Gives the gaps.
        way: How far the joints go from key to key [heights, root mean square over the joints].
        usual: How far they mostly go in such a time.
        most: Of :func:`_most`.
    """
    touch = _meet(plan)
    beside, most_beside = _least_beside(way, touch), _least_beside(most, touch)
    near = np.maximum(
        NEARLY * np.maximum(usual, beside), NEARLY_BLOCKED * _others(way, beside, touch) * beside
    )
    of_most = MOST_BLOCKED * _others(most, most_beside, touch) * most_beside
    return np.minimum(1, np.minimum(_parts(way, near), _parts(most, of_most))) ** 2


def _parts(values: Float[np.ndarray, " gap"], of: Float[np.ndarray, " gap"]) -> Float[np.ndarray, " gap"]:
    """Quotients; infinite where nothing is divided by."""
    return np.divide(values, of, out=np.full(len(values), np.inf), where=of > 0)


def _least_beside(
    values: Float[np.ndarray, " gap"], touch: Bool[np.ndarray, " pair"]
) -> Float[np.ndarray, " gap"]:
    """The lesser value of the gaps beside each; 0 where there are none."""
    before = np.append(np.inf, np.where(touch, values[:-1], np.inf))
    after = np.append(np.where(touch, values[1:], np.inf), np.inf)
    least = np.minimum(before, after)
    return np.where(np.isinf(least), 0, least)


def _others(
    way: Float[np.ndarray, " gap"], beside: Float[np.ndarray, " gap"], touch: Bool[np.ndarray, " pair"]
) -> Float[np.ndarray, " gap"]:
    """For each gap, how many others in its row are as in blocking, every second one before and behind it."""
    part = _parts(way, beside)
    counts = np.clip((CLEARLY[0] - part) / (CLEARLY[0] - CLEARLY[1]), 0, 1)
    result = np.zeros(len(way))
    for n in range(len(way)):
        for step in (-1, 1):
            at, count = n, 1.0
            while result[n] < AT_MOST:
                between = touch[at - 2 : at] if step < 0 else touch[at : at + 2]
                at += 2 * step
                if not 0 <= at < len(way) or not between.all() or not counts[at]:
                    break
                count *= counts[at]  # less of those beyond one that hardly counts
                result[n] += count
    return np.minimum(result, AT_MOST)


def _usual_ways(
    character: Character, known: Motion, plan: Plan, lengths: Float[np.ndarray, " gap"], size: float
) -> Float[np.ndarray, " gap"]:
    """How far the joints mostly go in the contexts near the gaps in such times, or in half of a context that is short
    [heights, root mean square over the joints, median]; 0 without context."""
    ways: dict[float, list[float]] = {length: [] for length in {*lengths.tolist()}}
    contexts = nearby_contexts(known, plan)
    for start, end in contexts[:: max(1, -(-len(contexts) // MOST_CONTEXTS))]:
        seen = known.at((known.times >= start) & (known.times <= end))
        seen = replace(seen, T_world_skel=np.repeat(seen.T_world_skel[:1], len(seen.times), axis=0))
        places = skeleton.joint_positions(character, seen) / size
        for length, found in ways.items():
            lag = min(length, (end - start) / 2)
            firsts = np.linspace(0, np.searchsorted(seen.times, end - lag, side="right") - 1, STARTS)
            firsts = np.unique(firsts.astype(int))
            lasts = np.minimum(np.searchsorted(seen.times, seen.times[firsts] + lag), len(seen.times) - 1)
            found += np.sqrt(((places[lasts] - places[firsts]) ** 2).sum(-1).mean(1)).tolist()
    usual = {length: float(np.median(found)) if found else 0.0 for length, found in ways.items()}
    return np.array([usual[length] for length in lengths.tolist()])


def held_alone(
    character: Character, seen: Mapping[Channel, Motion], plan: Plan, channel: Channel
) -> tuple[HeldPose, ...]:
    """The gaps of a channel with keys of its own in which it is held, and so are the others meanwhile.

    Args:
        character: The skeleton.
        seen: What is known of each channel.
        plan: Of all channels.
        channel: With gaps of its own.
    """
    return tuple(
        pose
        for pose in held_poses(character, seen[channel], plan.of_channel(channel), (channel,))
        if all(
            _stays(character, seen[other], plan, other, pose.gap) for other in CHANNELS if other != channel
        )
    )


def _stays(character: Character, known: Motion, plan: Plan, channel: Channel, gap: Gap) -> bool:
    """Whether a channel is held around the middle of a gap of another: from key to key, as both may be keyed some
    frames apart."""
    middle = MIDDLE * (gap.end - gap.start)
    first = np.searchsorted(known.times, gap.start + middle, side="right") - 1
    last = np.searchsorted(known.times, gap.end - middle, side="left")
    if first < 0 or last >= len(known.times):
        return False
    times = known.times[first : last + 1].tolist()
    pairs = tuple(Gap(start, end, ()) for start, end in pairwise(times))
    around = replace(plan.of_channel(channel), keys=tuple(times), gaps=pairs)
    return len(held_poses(character, known, around, (channel,))) == len(pairs)


def held_frames(
    character: Character, known: Motion, plan: Plan, held: Sequence[HeldPose], prior: Prior
) -> Motion:
    """What is held, at the times to fill of its gaps: bit for bit what both keys are. Joints that are keyed otherwise
    go from key to key as a prior has it, astray from straight by no more than :data:`ASTRAY` of their own way, or as
    far as it has a say.

    Args:
        character: The skeleton.
        known: The known frames only.
        plan: Of all gaps.
        held: Those that are held.
        prior: What fills gaps.
    """
    made = offsets.straight(known, replace(plan, gaps=tuple(pose.gap for pose in held)))
    some = [pose for pose in held if pose.moving.any()]
    if not some:
        return made
    part = replace(plan, gaps=tuple(pose.gap for pose in some), channels={})
    base = offsets.straight(known, part)
    added = offsets.offsets_from(base, prior(character, known, part))
    carried = _carried(known, plan, part, added) if any(pose.free for pose in some) else added
    at = offsets.frames_at_ends(known, part.gaps)
    ways = _sizes(offsets.offsets_from(known.at(at[::2]), known.at(at[1::2])))
    ends = np.cumsum([0, *(len(pose.gap.times) for pose in some)])
    for pose, way, a, b in zip(some, ways, ends[:-1], ends[1:], strict=True):
        if pose.free:
            added[a:b] = carried[a:b]
        largest = _sizes(added[a:b]).max(0)
        share = np.minimum(1, ASTRAY * way / np.where(largest > 0, largest, 1))
        share = np.maximum(share, pose.free) * pose.moving[:, None]
        added[a:b] *= np.repeat(share, 3, axis=-1)
    total = np.zeros((len(made.times), *added.shape[1:]))
    total[np.isin(made.times, base.times)] = added
    return offsets.apply(made, total)


def _carried(known: Motion, plan: Plan, part: Plan, added: offsets.Offsets) -> offsets.Offsets:
    """Offsets in some of the gaps, with the velocity of straight motion in the others carried on into them."""
    row = replace(plan, channels={})
    line = offsets.straight(known, row)
    there = np.isin(line.times, part.fill_times)
    total = np.zeros((len(line.times), *added.shape[1:]))
    total[there] = added
    return offsets.offsets_from(line, carry_velocity(known, row, offsets.apply(line, total)))[there]


def _sizes(values: offsets.Offsets) -> Float[np.ndarray, "fill joint 3"]:
    """Lengths of turn, shift and scale."""
    result: Float[np.ndarray, "fill joint 3"] = np.linalg.norm(
        values.reshape(*values.shape[:-1], 3, 3), axis=-1
    )
    return result


def _comes_back(
    known: Motion,
    plan: Plan,
    gap: Gap,
    size: float,
    held: Bool[np.ndarray, " joint"],
    apart: Float[np.ndarray, " joint"],
    channels: Collection[Channel],
) -> bool:
    """Whether a context shows motion of joints that comes back to their pose of a gap in about its time, or goes round
    so that it is in this pose at both keys, or moves into the gap and is too short to tell. Poses may be less near by
    what the keys are ``apart`` (up to :data:`NEAR`)."""
    pose = known.at(offsets.frames_at(known, np.array([gap.start])))
    length = gap.end - gap.start

    def off(motion: Motion, other: Motion) -> Float[np.ndarray, " frame"]:
        """How far the joints are from another pose at most."""
        far = _apart(motion, other, size, channels) - np.minimum(apart, NEAR)
        return far[:, held].max(1, initial=0).astype(float)

    for start, end in nearby_contexts(known, plan):
        seen = known.at((known.times >= start) & (known.times <= end))
        if len(seen.times) < 2:
            continue
        for touches, edge in ((end == gap.start, -1), (start == gap.end, 0)):
            if touches and length / LONGEST < end - start < SHOWN * length:
                steps = _apart(seen.at(slice(1, None)), seen.at(slice(None, -1)), size, channels)
                moves = steps[:, held].max(1, initial=0)
                if moves[edge] > max(SAME, PASSES * np.median(moves)):
                    return True
        away = off(seen, pose)
        if away.max() <= NEAR:
            continue
        if _returns(seen.times, away, length):
            return True
        for count in range(1, int(length / known.time_codes_per_second / SHORTEST_S) + 1):
            if _goes_round(seen, pose, gap, length / count, away, off):
                return True
    return False


def _returns(times: Float[np.ndarray, " frame"], away: Float[np.ndarray, " frame"], length: float) -> bool:
    """Whether what is so far ``away`` from a pose comes back to it in about such a time [time codes]."""
    near = np.flatnonzero(away <= NEAR)
    for first in near.tolist():
        lags = times[near] - times[first]
        lasts = near[(lags >= CYCLE[0] * length) & (lags <= CYCLE[1] * length)]
        if len(lasts):
            farthest = np.maximum.accumulate(away[first : lasts[-1] + 1])[lasts - first]
            back = np.maximum(away[first], away[lasts])
            if (farthest > np.maximum(NEAR, LEAVES * back)).any():
                return True
    return False


def _goes_round(
    seen: Motion,
    pose: Motion,
    gap: Gap,
    period: float,
    away: Float[np.ndarray, " frame"],
    off: Callable[[Motion, Motion], Float[np.ndarray, " frame"]],
) -> bool:
    """Whether a context that goes round in a ``period`` [time codes] was in the pose whole periods before the gap, or
    is so behind it.

    Args:
        seen: The context.
        pose: That of the gap.
        gap: As long as some periods.
        period: The length of a cycle.
        away: How far the context is from the pose.
        off: How far one motion is from another, frame by frame.
    """
    start, end = seen.times[[0, -1]].tolist()
    if end - start < period - SAME_TIME:
        return False
    # whole periods from the gap into the context, and the part of it that is a period long beside the gap
    if end <= gap.start:
        key, step, beside = gap.start, -period, seen.times >= end - period
        nearest, farthest = gap.start - end, gap.start - start
    else:
        key, step, beside = gap.end, period, seen.times <= start + period
        nearest, farthest = start - gap.end, end - gap.end
    counts = np.arange(max(1, np.ceil(nearest / period)), np.floor(farthest / period + SAME_TIME) + 1)
    if not len(counts):
        return False
    far = off(offsets.sample(seen, np.clip(key + counts * step, start, end)), pose).max()
    if far > NEAR or away[beside].max() <= max(NEAR, LEAVES * far):
        return False
    later = seen.at(np.flatnonzero(seen.times >= start + period - SAME_TIME))
    return bool(off(later, offsets.sample(seen, later.times - period)).mean() <= NEAR)


def _apart(
    one: Motion, other: Motion, size: float, channels: Collection[Channel]
) -> Float[np.ndarray, "frame joint"]:
    """Largest difference of any value of joints in two poses, frame by frame: of quaternions, scales, and translations
    in parts of a size, but for what rounding does to those far from the origin."""
    # q and -q are one rotation
    signs = np.where((one.rotations * other.rotations).sum(-1, keepdims=True) < 0, -1, 1)
    moved = np.abs(one.translations.astype(float) - other.translations)
    moved -= ROUNDED * np.maximum(np.abs(one.translations), np.abs(other.translations))
    parts: dict[Channel, np.ndarray] = {
        "rotations": np.abs(one.rotations - signs * other.rotations),
        "translations": moved / size,
        "scales": np.abs(one.scales - other.scales),
    }
    result: Float[np.ndarray, "frame joint"] = np.max([parts[c].max(-1) for c in channels], axis=0)
    return result
