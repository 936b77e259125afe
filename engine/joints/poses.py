"""Poses around known ones: a rig can be drawn in any pose, so labelled pictures of poses like those to be estimated
cost nothing but the drawing."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.geometry import rotations
from engine.geometry.skeleton import joint_positions
from usd_io.model import Character, Motion
from usd_io.shapes import Float, Int

WILDEST = 1.3
"""The largest of the factors of all spreads below; they are squares of evenly drawn numbers, so that half of the poses
stay near known ones, where depth follows from the pose, and some reach far."""
NEIGHBOURS = 0.6
"""Share of poses between two keys that follow each other: where the gaps are."""
DIFFERENCE = 0.6
"""Spread of the multiples of differences between known poses that are added: a move of the whole body that is known."""
NOISE = 0.4
"""Spread of each joint's own turn, in its turn over the known poses."""
LEAST_NOISE = 0.03
"""The least of it for joints that hardly move in what is known [rad]."""
MOVE = 0.04
"""Spread of the place [heights]."""
TURN = 0.15
"""Spread of the direction about the up axis [rad]."""


def random_motions(
    characters: Sequence[Character],
    motions: Sequence[Motion],
    known: Int[np.ndarray, " known"],
    pairs: Int[np.ndarray, "gap 2"],
    height: float,
    count: int,
    seed: int,
    wildest: float = WILDEST,
) -> tuple[Motion, ...]:
    """Unrelated frames: between known poses, moved on by what is known to move, and turned a little.

    Args:
        characters: They move together: all are taken from the same known frames.
        motions: One each, of one length.
        known: Frames to take poses from.
        pairs: Frames on both sides of the gaps; may be empty.
        height: Of the characters [stage units].
        count: How many.
        seed: Of all that is drawn.
        wildest: See :data:`WILDEST`.
    """
    random = np.random.default_rng(seed)
    ends = random.choice(known, (count, 2))
    if len(pairs):
        chosen = random.random(count) < NEIGHBOURS
        ends[chosen] = pairs[random.integers(0, len(pairs), int(chosen.sum()))]
    phase = random.random(count)
    others = random.choice(known, (count, 2))
    wildness = wildest * random.random(count) ** 2
    turn = random.normal(0, TURN, count) * wildness
    return tuple(
        _mix(character, motion, known, ends, phase, others, wildness, turn, height, random)
        for character, motion in zip(characters, motions, strict=True)
    )


def _mix(
    character: Character,
    motion: Motion,
    known: Int[np.ndarray, " known"],
    ends: Int[np.ndarray, "frame 2"],
    phase: Float[np.ndarray, " frame"],
    others: Int[np.ndarray, "frame 2"],
    wildness: Float[np.ndarray, " frame"],
    turn: Float[np.ndarray, " frame"],
    height: float,
    random: np.random.Generator,
) -> Motion:
    count, joints = len(phase), len(character.joints)
    q = rotations.normalise(motion.rotations.astype(float))
    t = motion.translations.astype(float)
    first, last, here, there = ends[:, 0], ends[:, 1], others[:, 0], others[:, 1]
    phases = np.repeat(phase[:, None], joints, 1)
    local = rotations.slerp(q[first], q[last], phases)
    share = random.normal(0, DIFFERENCE, count) * wildness
    move = rotations.log(rotations.multiply(rotations.conjugate(q[here]), q[there]))
    noise = random.normal(0, 1, (count, joints, 3)) * (_own_turns(q[known]) + LEAST_NOISE)
    noise *= NOISE * wildness[:, None, None]
    local = rotations.multiply(local, rotations.exp(share[:, None, None] * move + noise))
    translations = t[first] + (t[last] - t[first]) * phase[:, None, None]
    translations += share[:, None, None] * (t[there] - t[here])
    nearest = np.where(phase < 0.5, first, last)
    place = motion.T_world_skel[nearest].copy()
    ways = motion.T_world_skel[..., :3, 3]
    place[:, :3, 3] = ways[first] + (ways[last] - ways[first]) * phase[:, None]
    place = _placed(character, motion, nearest, place, turn)
    place[:, :3, 3] += random.normal(0, MOVE * height, (count, 3)) * wildness[:, None]
    return replace(
        motion.at(nearest),
        times=np.arange(count, dtype=float),
        translations=translations.astype(np.float32),
        rotations=local.astype(np.float32),
        T_world_skel=place,
    )


def _own_turns(q: Float[np.ndarray, "frame joint 4"]) -> Float[np.ndarray, "joint 1"]:
    """How far each joint turns over the known poses: root mean square angle from the middle one [rad]."""
    middle = np.broadcast_to(q[len(q) // 2], q.shape)
    turns = rotations.log(rotations.multiply(rotations.conjugate(middle), q))
    return np.sqrt((turns**2).sum(-1).mean(0) / 3)[:, None]


def _placed(
    character: Character,
    motion: Motion,
    nearest: Int[np.ndarray, " frame"],
    place: Float[np.ndarray, "frame 4 4"],
    turn: Float[np.ndarray, " frame"],
) -> Float[np.ndarray, "frame 4 4"]:
    """Turn characters about the up axis through their own middle."""
    up = np.zeros(3)
    up["XYZ".index(character.up_axis)] = 1
    turned = rotations.to_matrix(rotations.about_axis(up, turn))
    middle = joint_positions(character, motion).mean(1)[nearest]
    result = place.copy()
    result[:, :3, :3] = turned @ place[:, :3, :3]
    result[:, :3, 3] = np.einsum("fab,fb->fa", turned, place[:, :3, 3] - middle) + middle
    return result
