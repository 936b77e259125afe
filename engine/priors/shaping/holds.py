"""Poses that are keyed twice, to be held from the one key to the other, as in blocking.

Priors do not tell such a hold from a cycle that comes round to the same pose, and leave it with the speed of the move
behind it. So a hold is told by the keys, which are the same, and by the context, which shows no motion that comes back
to this pose in such a time. In a *moving hold* some joints are keyed otherwise, as a hand that waves or a head that
turns: these go from key to key, the others are held.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from engine.geometry import metrics, skeleton
from engine.planning.plan import Gap, Plan
from engine.priors import ground, offsets
from engine.priors.trials import Prior
from usd_io.model import CHANNELS, Channel, Character, Motion
from usd_io.shapes import Bool, Float

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
SHOWN = 2.0
"""A context that moves into the gap and is shorter than this, in parts of the gap, may be a part of such a cycle."""
MIDDLE = 0.25
"""Where channels have keys of their own, the others are held between the quarters of a gap, at least."""
ORDER: tuple[Channel, ...] = ("rotations", "translations", "scales")
"""Of :func:`engine.priors.offsets.moving`."""
MISSED = 0.2
"""What is missed of a joint that moves beside a pose that is held, in parts of its way from key to key."""
ASTRAY = 0.25
"""A joint that moves beside a pose that is held goes astray from straight by no more than this part of its way."""


@dataclass(frozen=True, eq=False)
class HeldPose:
    """A gap in which a pose is held."""

    gap: Gap
    moving: Bool[np.ndarray, " joint"]
    """Joints that differ at the keys."""
    expected: Float[np.ndarray, " joint"]
    """Distance to expect from the truth [heights]: none of what is held."""


def held_poses(
    character: Character, known: Motion, plan: Plan, channels: Collection[Channel] = CHANNELS
) -> tuple[HeldPose, ...]:
    """The gaps in which a pose is held, in skeleton space, whatever the Xforms above do.

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
    same = _apart(starts, ends, size, channels) < SAME
    # of rotation, translation and scale of each joint, as offsets have them
    moves = offsets.moving(known)[:, [ORDER.index(channel) for channel in channels]].any(1)
    carried = skeleton.subtrees(character.parents)
    tops = [top for top in ground.carriers(character, known) if carried[top].mean() >= CARRIES]
    enough = (same & moves).sum(1) >= max(FEWEST, HELD_SHARE * moves.sum())
    held = same.all(1) | (enough & same[:, tops].all(1))
    places = [
        skeleton.joint_positions(character, replace(m, T_world_skel=starts.T_world_skel))
        for m in (starts, ends)
    ]
    ways = np.linalg.norm(places[1] - places[0], axis=-1) / size
    back = [
        bool(held[n]) and _comes_back(known, plan, gap, size, same[n], channels)
        for n, gap in enumerate(plan.gaps)
    ]
    # a cycle goes on in the gaps beside it whose keys are the same pose again
    for pairs in (pairwise(range(len(back))), pairwise(reversed(range(len(back))))):
        for n, after in pairs:
            first, second = sorted((n, after))
            touch = plan.gaps[first].end == plan.gaps[second].start
            back[after] |= back[n] and touch and bool(held[after])
    return tuple(
        HeldPose(gap, ~same[n], np.where(same[n].all(), 0, MISSED * ways[n]))
        for n, gap in enumerate(plan.gaps)
        if held[n] and not back[n]
    )


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
    go from key to key as a prior has it, astray from straight by no more than :data:`ASTRAY` of their own way.

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
    at = offsets.frames_at_ends(known, part.gaps)
    ways = _sizes(offsets.offsets_from(known.at(at[::2]), known.at(at[1::2])))
    ends = np.cumsum([0, *(len(pose.gap.times) for pose in some)])
    for pose, way, a, b in zip(some, ways, ends[:-1], ends[1:], strict=True):
        largest = _sizes(added[a:b]).max(0)
        share = np.minimum(1, ASTRAY * way / np.where(largest > 0, largest, 1)) * pose.moving[:, None]
        added[a:b] *= np.repeat(share, 3, axis=-1)
    total = np.zeros((len(made.times), *added.shape[1:]))
    total[np.isin(made.times, base.times)] = added
    return offsets.apply(made, total)


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
    channels: Collection[Channel],
) -> bool:
    """Whether the context shows motion of joints that comes back to their pose of a gap in about its time, or moves
    into it and is too short to tell."""
    pose = known.at(offsets.frames_at(known, np.array([gap.start])))
    for start, end in plan.contexts:
        seen = known.at((known.times >= start) & (known.times <= end))
        if len(seen.times) < 2:
            continue
        length = gap.end - gap.start
        for touches, a, b in ((end == gap.start, -2, -1), (start == gap.end, 0, 1)):
            if touches and end - start < SHOWN * length:
                step = _apart(seen.at(np.array([a])), seen.at(np.array([b])), size, channels)
                if step[0, held].max(initial=0) > SAME:
                    return True
        away = _apart(seen, pose, size, channels)[:, held].max(1, initial=0) > NEAR
        near = seen.times[~away]
        lags = near[None, :] - near[:, None]
        first, last = np.nonzero((lags >= CYCLE[0] * length) & (lags <= CYCLE[1] * length))
        gone = np.searchsorted(seen.times[away], near)
        if (gone[last] > gone[first]).any():
            return True
    return False


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
