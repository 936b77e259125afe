"""Poses around gaps as numbers that do not depend on heading, place, unit, joint frames or frame rate.

All vectors are taken to world axes (turned by the joint's or its parent's orientation at the start of the gap), so
that the same swing looks the same whatever frames the rigger chose; then turned to an up axis of +Y and a chosen
heading by one matrix per gap. Rotations are axial vectors and so change sign with a mirrored frame. Lengths are
counted in the largest side of the box around the joints, and every joint's movement in its own amount of movement:
a calm shot looks like a lively one, and how calm it is, is an input of its own.

This is what a run computes, in numpy and for one skeleton. Training does the same for batches of skeletons, with
gradients (:mod:`engine.training.learned_prior.features`); a test holds the two to each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.geometry import rotations as quaternions
from engine.geometry import skeleton
from engine.geometry.metrics import left_behind
from engine.priors.learned import layout
from usd_io.shapes import Float, Int

SHOT_SHARE = 0.15
"""A joint's unit of movement is at least this part of the mean over the joints."""
SMALL = 1e-4
"""Added to movements before their logarithm."""
STILL = 1e-5
"""Movement [rad, sizes] below this is none: the joint stays as it is."""
IN_GAP = [len(layout.OUTSIDE) + i for i in (3, 7, 11)]
"""Positions are also seen at a quarter, half and three quarters of the straight motion."""
VELOCITY_UNIT = 4.0
"""Velocities are counted in this many units of movement per gap, which brings them to the size of the movement."""
NEAR_FLOOR = 10.0
"""Heights are best distinguished below one over this [sizes]."""
SLOW = 5.0
"""Speeds are best distinguished below one over this [sizes/s]."""


@dataclass(frozen=True, eq=False)
class Features:
    """What the network reads, and the units in which it answers."""

    rotations: Float[np.ndarray, "gap joint track 3"]
    """Rotation vectors since the start of the gap, in ``unit_rotation``, and their velocities."""
    translations: Float[np.ndarray, "gap joint track 3"]
    """Local translations since the start, in ``unit_translation``, and their velocities."""
    positions: Float[np.ndarray, "gap joint position 3"]
    """Movement relative to the middle of the joints since the start, in the shot's mean."""
    offsets: Float[np.ndarray, "gap joint 4 3"]
    """From the middle and from the parent, at start and end [sizes]."""
    travel: Float[np.ndarray, "gap track 3"]
    """Movement of the middle since the start, and its velocities, in the shot's mean."""
    scalars: Float[np.ndarray, "gap joint scalar"]
    """How much each joint moves, and its place in the tree; heights above the floor, climb and speed, squashed."""
    shot: Float[np.ndarray, "gap channel"]
    """What is the same for all joints of a gap, without ``travel``."""
    unit_rotation: Float[np.ndarray, "gap joint"]
    """[rad]; zero where a joint does not turn."""
    unit_translation: Float[np.ndarray, "gap joint"]
    """[units of the poses]; zero where a joint does not move in its parent."""
    unit_position: Float[np.ndarray, " gap"]
    """Mean movement of the joints relative to their middle [units of the poses]."""
    size: Float[np.ndarray, " gap"]
    """Largest side of the box around the joints at the start of the gap [units of the poses]."""
    to_world: Float[np.ndarray, "gap joint 4"]
    """Orientation of each joint at the start."""
    parent_to_world: Float[np.ndarray, "gap joint 4"]
    squashed: Float[np.ndarray, "gap joint vector 3"]
    """Rotations, translations, positions and offsets, squashed as by a logarithm: that keeps the rare huge input (a
    joint that hardly moved in the context) from ruling the first layer."""
    squashed_travel: Float[np.ndarray, "gap track 3"]

    def seen_from(self, view: Float[np.ndarray, "3 3"]) -> "Features":
        """The same features after quarter turns about the up axis, also mirrored: lengths, heights and squashing do not
        change by that."""
        axial = view * np.linalg.det(view)
        track = self.rotations.shape[2]
        squashed = np.empty_like(self.squashed)
        squashed[:, :, :track] = _seen(self.squashed[:, :, :track], axial)
        squashed[:, :, track:] = _seen(self.squashed[:, :, track:], view)
        return replace(
            self,
            rotations=_seen(self.rotations, axial),
            translations=_seen(self.translations, view),
            positions=_seen(self.positions, view),
            offsets=_seen(self.offsets, view),
            travel=_seen(self.travel, view),
            squashed=squashed,
            squashed_travel=_seen(self.squashed_travel, view),
        )


def joined(features: Sequence[Features]) -> Features:
    """Those of several gaps, one after another."""
    if len(features) == 1:
        return features[0]
    return Features(**{name: np.concatenate([vars(f)[name] for f in features]) for name in vars(features[0])})


def _seen(vectors: Float[np.ndarray, "... 3"], view: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "... 3"]:
    """Vectors by quarter turns and mirrors, which change nothing but the order and the signs of coordinates."""
    order = np.abs(view).argmax(1)
    seen: Float[np.ndarray, "... 3"] = vectors[..., order]
    seen *= np.sign(view).sum(1).astype(vectors.dtype)
    return seen


def make_features(
    parents: Int[np.ndarray, " joint"],
    rotations: Float[np.ndarray, "gap time joint 4"],
    translations: Float[np.ndarray, "gap time joint 3"],
    states: Int[np.ndarray, "gap outside"],
    seconds: Float[np.ndarray, " gap"],
    frames: Float[np.ndarray, "gap 3 3"],
) -> Features:
    """Features of several gaps of one skeleton.

    Args:
        parents: Parents come first, -1 for roots.
        rotations: Local, w x y z, at :data:`layout.TIMES` of each gap.
        translations: Local, of the same poses.
        states: Of :data:`layout.OUTSIDE`.
        seconds: Lengths of the gaps [s].
        frames: Orthogonal, take vectors of skeleton space to Y up and the chosen heading; may mirror.
    """
    outside = slice(0, len(layout.OUTSIDE))
    world_q, world_p = _forward(parents, rotations, translations)
    to_world = world_q[:, layout.START]
    roots = parents < 0
    parent_to_world = np.where(roots[:, None], [1.0, 0.0, 0.0, 0.0], to_world[:, parents])
    # in the network's axes: a box along the axes of the world would change with the heading
    at_start = _mapped(frames, world_p[:, layout.START])
    side = np.ptp(at_start, axis=1).max(-1)
    size = np.where(side > 0, side, 1.0)
    per_size = size[:, None, None, None]

    # tracks: since the start of the gap, in world axes
    back = quaternions.conjugate(rotations[:, None, layout.START])
    since = quaternions.log(
        quaternions.multiply(np.broadcast_to(back, rotations[:, outside].shape), rotations[:, outside])
    )
    turned = _rotate(to_world[:, None], since)
    moved = _rotate(parent_to_world[:, None], translations[:, outside] - translations[:, None, layout.START])
    middle = world_p.mean(2, keepdims=True)
    local = (world_p - middle) / per_size
    positions = local - local[:, None, layout.START]
    travel = ((middle - middle[:, None, layout.START])[:, outside] / per_size)[:, :, 0]

    turn, shot_turn = _units(turned)
    move, shot_move = _units(moved / per_size)
    shot_position = _units(positions[:, outside])[1]
    per_position = np.maximum(shot_position, STILL)[:, None, None, None]
    axial = frames * np.linalg.det(frames)[:, None, None]
    in_gap = _mapped(frames, positions[:, IN_GAP]).swapaxes(1, 2)
    ends = np.stack([local[:, layout.START], local[:, layout.END]], 2)
    of_parents = np.where(roots[:, None, None], ends, ends[:, parents])
    bones = np.concatenate([ends, ends - of_parents], 2)
    levels = _levels(states, frames, world_p, size)
    vectors = [
        _track(turned, axial) / np.maximum(turn, STILL)[..., None, None],
        _track(moved, frames) / (size[:, None] * np.maximum(move, STILL))[..., None, None],
        np.concatenate([_track(positions[:, outside], frames), in_gap], 2) / per_position,
        _mapped(frames, bones),
    ]
    went = _track(travel[:, :, None], frames)[:, 0] / per_position[:, 0]
    return Features(
        rotations=vectors[0].astype(np.float32),
        translations=vectors[1].astype(np.float32),
        positions=vectors[2].astype(np.float32),
        offsets=vectors[3].astype(np.float32),
        travel=went,
        squashed=np.arcsinh(np.concatenate(vectors, 2)).astype(np.float32),
        squashed_travel=np.arcsinh(went).astype(np.float32),
        scalars=np.concatenate(
            [_scalars(parents, turn, shot_turn, move), _heights(levels, world_p[:, outside], size, seconds)],
            -1,
        ),
        shot=_shot(states, seconds, len(parents), shot_turn, shot_move, shot_position),
        unit_rotation=turn,
        unit_translation=move * size[:, None],
        unit_position=np.maximum(shot_position, STILL) * size,
        size=size,
        to_world=to_world,
        parent_to_world=parent_to_world,
    )


def bring_near(
    parents: Int[np.ndarray, " joint"],
    rotations: Float[np.ndarray, "gap time joint 4"],
    translations: Float[np.ndarray, "gap time joint 3"],
) -> None:
    """Shift what hangs on joints that stay behind (:func:`engine.geometry.metrics.left_behind`) to them, in place: the
    network is to see how large a character is, not how far it is from the origin.

    Such joints neither turn nor move in what is seen, so that nothing else changes about the motion.

    Args:
        parents: Parents come first, -1 for roots.
        rotations: As of :func:`make_features`.
        translations: Of the same poses.
    """
    start = slice(layout.START, layout.START + 1)
    frames, places = (
        values[:, 0] for values in _forward(parents, rotations[:, start], translations[:, start])
    )
    for gap, at_start in enumerate(places):
        behind = left_behind(parents, at_start)
        if not behind.any() or any(
            np.ptp(values[gap][:, behind], axis=0).any() for values in (rotations, translations)
        ):
            continue
        way = at_start[~behind].mean(0) - at_start[behind].mean(0)
        for joint in np.flatnonzero(~behind & (parents >= 0) & behind[parents]):
            back = quaternions.conjugate(frames[gap, parents[joint]])
            translations[gap, :, joint] -= quaternions.rotate(back, way)


def to_local(
    rotations: Float[np.ndarray, "gap *batch joint 3"],
    translations: Float[np.ndarray, "gap *batch joint 3"],
    features: Features,
    frames: Float[np.ndarray, "gap 3 3"],
) -> tuple[Float[np.ndarray, "gap *batch joint 3"], Float[np.ndarray, "gap *batch joint 3"]]:
    """The network's answers as rotation vectors in joint frames [rad] and translations in parents' frames."""
    # of each gap and joint one matrix from the network's axes: turned back to the world, and into the joint's frame
    axial = frames * np.linalg.det(frames)[:, None, None]
    results = []
    for values, axes, to_world, unit in (
        (rotations, axial, features.to_world, features.unit_rotation),
        (translations, frames, features.parent_to_world, features.unit_translation),
    ):
        into = quaternions.to_matrix(quaternions.conjugate(to_world))
        matrices = (into @ axes.transpose(0, 2, 1)[:, None]) * unit[..., None, None]
        flat = values.reshape(len(values), -1, *values.shape[-2:])
        results.append(np.einsum("gjab,gnjb->gnja", matrices, flat).reshape(values.shape))
    return results[0], results[1]


def _forward(
    parents: Int[np.ndarray, " joint"],
    rotations: Float[np.ndarray, "gap time joint 4"],
    translations: Float[np.ndarray, "gap time joint 3"],
) -> tuple[Float[np.ndarray, "gap time joint 4"], Float[np.ndarray, "gap time joint 3"]]:
    """Rotations and positions of joints in skeleton space, level by level of the tree."""
    q, p = rotations.copy(), translations.copy()
    for level in skeleton.levels(parents):
        above = parents[level]
        if above[0] >= 0:
            p[..., level, :] = p[..., above, :] + _rotate(q[..., above, :], translations[..., level, :])
            q[..., level, :] = quaternions.multiply(q[..., above, :], rotations[..., level, :])
    return q, p


def _track(
    values: Float[np.ndarray, "gap outside joint 3"], frames: Float[np.ndarray, "gap 3 3"]
) -> Float[np.ndarray, "gap joint track 3"]:
    """Values outside the gap, then their velocities away from it, in the network's axes."""
    steps = (VELOCITY_UNIT * layout.STEPS)[:, None, None]
    velocities = (values[:, layout.STEP_TO] - values[:, layout.STEP_FROM]) / steps
    return _mapped(frames, np.concatenate([values, velocities], 1)).swapaxes(1, 2)


def _units(
    moved: Float[np.ndarray, "gap time joint 3"],
) -> tuple[Float[np.ndarray, "gap joint"], Float[np.ndarray, " gap"]]:
    """How much each joint moves (root mean square over time), no less than a share of the mean over joints."""
    squares = (moved**2).sum(-1).mean(1)
    moving = np.sqrt(squares + 1e-20) > STILL
    shot = np.sqrt((squares * moving).sum(1) / np.maximum(moving.sum(1), 1))
    floored = np.sqrt(squares + (SHOT_SHARE * shot[:, None]) ** 2 + 1e-20)
    return np.where(moving, floored, 0.0), shot


def _scalars(
    parents: Int[np.ndarray, " joint"],
    turn: Float[np.ndarray, "gap joint"],
    shot_turn: Float[np.ndarray, " gap"],
    move: Float[np.ndarray, "gap joint"],
) -> Float[np.ndarray, "gap joint 8"]:
    """How much each joint moves, and its place in the tree."""
    depth, subtree = layout.places_in_tree(parents)
    place = np.stack([depth / 8, subtree / len(parents), subtree == 1, parents < 0], -1).astype(float)
    amounts = np.stack(
        [
            np.log(turn + SMALL) - np.log(shot_turn + SMALL)[:, None],
            np.log(move + SMALL) / 3 + 2,
            turn > 0,
            move > 0,
        ],
        -1,
    )
    return np.concatenate([amounts, np.broadcast_to(place, (*turn.shape, 4))], -1)


def _shot(
    states: Int[np.ndarray, "gap outside"],
    seconds: Float[np.ndarray, " gap"],
    joints: int,
    shot_turn: Float[np.ndarray, " gap"],
    shot_move: Float[np.ndarray, " gap"],
    shot_position: Float[np.ndarray, " gap"],
) -> Float[np.ndarray, "gap channel"]:
    """How much moves, joints, seconds, and the states of the times outside."""
    numbers = np.stack(
        [
            np.log(shot_turn + SMALL) / 3 + 1,
            np.log(shot_move + SMALL) / 3 + 2,
            np.log(shot_position + SMALL) / 3 + 1,
            np.full(len(seconds), np.log(joints) / 3),
            np.log(seconds),
        ],
        -1,
    )
    flags = [states == state for state in (layout.GIVEN, layout.BEYOND, layout.FILLED)]
    return np.concatenate([numbers, *flags], 1)


def _levels(
    states: Int[np.ndarray, "gap outside"],
    frames: Float[np.ndarray, "gap 3 3"],
    positions: Float[np.ndarray, "gap time joint 3"],
    size: Float[np.ndarray, " gap"],
) -> Float[np.ndarray, "gap outside joint"]:
    """Heights above the lowest joint of the given poses [sizes]."""
    up = np.einsum("gi,gtni->gtn", frames[:, 1], positions[:, : len(layout.OUTSIDE)]) / size[:, None, None]
    floor = np.where((states == layout.GIVEN)[..., None], up, np.inf).min((1, 2))
    result: Float[np.ndarray, "gap outside joint"] = up - floor[:, None, None]
    return result


def _heights(
    levels: Float[np.ndarray, "gap outside joint"],
    positions: Float[np.ndarray, "gap outside joint 3"],
    size: Float[np.ndarray, " gap"],
    seconds: Float[np.ndarray, " gap"],
) -> Float[np.ndarray, "gap joint height"]:
    """Heights, vertical velocities and speeds, squashed so that what rests on the floor differs from what does not."""
    steps = layout.STEPS[:, None] * seconds[:, None, None]
    climb = (levels[:, layout.STEP_TO] - levels[:, layout.STEP_FROM]) / steps
    moved = np.linalg.norm(positions[:, layout.STEP_TO] - positions[:, layout.STEP_FROM], axis=-1)
    speed = moved / (np.abs(steps) * size[:, None, None])
    squashed = np.concatenate(
        [np.arcsinh(levels * NEAR_FLOOR), np.arcsinh(climb * SLOW), np.arcsinh(speed * SLOW)], 1
    )
    return squashed.transpose(0, 2, 1) / 2


def _mapped(
    frames: Float[np.ndarray, "gap 3 3"], vectors: Float[np.ndarray, "gap *batch 3"]
) -> Float[np.ndarray, "gap *batch 3"]:
    """Vectors by the matrix of their gap."""
    mapped: Float[np.ndarray, "gap *batch 3"] = vectors.reshape(len(frames), -1, 3) @ frames.transpose(
        0, 2, 1
    )
    return mapped.reshape(vectors.shape)


def _rotate(q: Float[np.ndarray, "... 4"], v: Float[np.ndarray, "... 3"]) -> Float[np.ndarray, "... 3"]:
    """Turn vectors by unit quaternions that are the same along some axes."""
    return quaternions.rotate(np.broadcast_to(q, (*v.shape[:-1], 4)), v)
