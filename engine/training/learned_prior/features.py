"""Poses around a gap as numbers that do not depend on heading, place, unit, joint frames or frame rate.

All vectors are taken to world axes (turned by the joint's or its parent's orientation at the start of the gap), so
that the same swing looks the same whatever frames the rigger chose; then turned to an up axis of +Y and a chosen
heading by one matrix per sample. Rotations are axial vectors and so change sign with a mirrored frame. Lengths are
counted in the largest side of the box around the joints, and every joint's movement in its own amount of movement:
a calm shot looks like a lively one, and how calm it is, is an input of its own.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.geometry import rotations_torch, skeleton_torch
from engine.priors.learned import layout
from engine.priors.learned.gap_features import (
    IN_GAP,
    NEAR_FLOOR,
    SHOT_SHARE,
    SLOW,
    SMALL,
    STILL,
    VELOCITY_UNIT,
)
from engine.training.learned_prior.poses import Poses
from usd_io.shapes import Bool, Float

TRACK = len(layout.OUTSIDE) + len(layout.STEPS)
"""Vectors of a track: values outside the gap, then velocities between them. The velocities say nothing new, but what
matters for the motion to come is the slope at the keys, and a network is slow to learn small differences."""
VECTORS = 3 * TRACK + len(IN_GAP) + 4
"""Vectors per joint: tracks of rotation, translation and position, positions in the gap, two offsets from the middle,
two bones."""
SCALARS = 8
"""Numbers per joint: how much it moves, and its place in the tree."""
HEIGHTS = TRACK + len(layout.STEPS)
"""Numbers per joint: height above the floor, and at each step the vertical velocity and the speed."""
SHOT = 3 * TRACK + 5 + 3 * len(layout.OUTSIDE)
"""Numbers per gap: the track of the joints' middle, how much moves, joints, seconds, states."""


@dataclass(frozen=True, eq=False)
class FeatureTensors:
    """What the network reads, and the units in which it answers."""

    rotations: Float[Tensor, "batch joint track 3"]
    """Rotation vectors since the start of the gap, in ``unit_rotation``, and their velocities."""
    translations: Float[Tensor, "batch joint track 3"]
    """Local translations since the start, in ``unit_translation``, and their velocities."""
    positions: Float[Tensor, "batch joint position 3"]
    """Movement relative to the middle of the joints since the start, in the shot's mean."""
    offsets: Float[Tensor, "batch joint 4 3"]
    """From the middle and from the parent, at start and end [sizes]."""
    scalars: Float[Tensor, "batch joint scalar"]
    heights: Float[Tensor, "batch joint height"]
    """Above the lowest joint of the known poses, and how fast that changes; squashed."""
    shot: Float[Tensor, "batch shot"]
    """What is the same for all joints of a gap."""
    unit_rotation: Float[Tensor, "batch joint"]
    """[rad]; zero where a joint does not turn."""
    unit_translation: Float[Tensor, "batch joint"]
    """[units of the poses]; zero where a joint does not move in its parent."""
    unit_position: Float[Tensor, " batch"]
    """Mean movement of the joints relative to their middle [units of the poses]."""
    size: Float[Tensor, " batch"]
    """Largest side of the box around the joints at the start of the gap [units of the poses]."""
    to_world: Float[Tensor, "batch joint 4"]
    """Orientation of each joint at the start."""
    parent_to_world: Float[Tensor, "batch joint 4"]
    positions_at: Float[Tensor, "batch time joint 3"]
    """Positions at all times of the layout, in skeleton space [units of the poses]."""
    levels: Float[Tensor, "batch time joint"]
    """Heights above the floor at all times [sizes]."""

    @property
    def straight(self) -> Float[Tensor, "batch inside joint 3"]:
        """Positions of the straight motion in the gap [units of the poses]."""
        return self.positions_at[:, len(layout.OUTSIDE) :]


def make_features(poses: Poses, frame: Float[Tensor, "batch 3 3"], depth: int) -> FeatureTensors:
    """FeatureTensors of a batch.

    Args:
        poses: At the times of :mod:`engine.priors.learned.layout`.
        frame: Orthogonal, takes vectors of skeleton space to the network's axes (Y up); may mirror.
        depth: Most ancestors that any joint has.
    """
    world_q, world_p = skeleton_torch.forward(poses.parents, poses.rotations, poses.translations, depth)
    to_world = world_q[:, layout.START]
    parent_to_world = _of_parents(to_world, poses)
    count = poses.present.sum(1).clamp_min(1)
    here = poses.present[:, None, :, None]
    # in the network's axes: a box along the axes of the world would change with the heading
    size = _box(torch.einsum("bij,bnj->bni", frame, world_p[:, layout.START]), poses.present)
    outside = slice(0, len(layout.OUTSIDE))
    since = rotations_torch.log(
        rotations_torch.multiply(
            rotations_torch.conjugate(poses.rotations[:, None, layout.START]), poses.rotations[:, outside]
        )
    )
    rotations = rotations_torch.rotate(to_world[:, None], since) * here
    moved = (poses.translations[:, outside] - poses.translations[:, None, layout.START]) * here
    translations = rotations_torch.rotate(parent_to_world[:, None], moved)
    middle = (world_p * here).sum(2, keepdim=True) / count[:, None, None, None]
    local = (world_p - middle) * here / size[:, None, None, None]
    positions = local - local[:, None, layout.START]
    travel = (middle - middle[:, None, layout.START])[:, outside] / size[:, None, None, None]
    levels = _levels(poses, frame, world_p, size)
    turn, shot_turn = _units(rotations, poses.present)
    move, shot_move = _units(translations / size[:, None, None, None], poses.present)
    shot_position = _units(positions[:, outside], poses.present)[1]
    ends = torch.stack([local[:, layout.START], local[:, layout.END]], 2)
    above = _of_parents(local[:, layout.START], poses), _of_parents(local[:, layout.END], poses)
    offsets = torch.cat([ends, ends - torch.stack(above, 2)], 2)
    axial = frame * torch.linalg.det(frame)[:, None, None]
    return FeatureTensors(
        rotations=_track(rotations, axial) / turn.clamp_min(STILL)[..., None, None],
        translations=_track(translations, frame) / (size[:, None] * move.clamp_min(STILL))[..., None, None],
        positions=torch.cat([_track(positions[:, outside], frame), _turned(positions[:, IN_GAP], frame)], 2)
        / shot_position.clamp_min(STILL)[:, None, None, None],
        offsets=torch.einsum("bij,bnkj->bnki", frame, offsets),
        scalars=_scalars(poses, turn, shot_turn, move),
        heights=_heights(poses, levels, world_p[:, outside], size),
        shot=torch.cat(
            [
                _track(travel / shot_position.clamp_min(STILL)[:, None, None, None], frame)
                .flatten(1)
                .asinh(),
                _shot(poses, shot_turn, shot_move, shot_position),
            ],
            1,
        ),
        unit_rotation=turn,
        unit_translation=move * size[:, None],
        unit_position=shot_position.clamp_min(STILL) * size,
        size=size,
        to_world=to_world,
        parent_to_world=parent_to_world,
        positions_at=world_p,
        levels=levels,
    )


def to_local(
    rotations: Float[Tensor, "batch time joint 3"],
    translations: Float[Tensor, "batch time joint 3"],
    features: FeatureTensors,
    frame: Float[Tensor, "batch 3 3"],
) -> tuple[Float[Tensor, "batch time joint 3"], Float[Tensor, "batch time joint 3"]]:
    """The network's answers as rotation vectors in joint frames [rad] and translations in parents' frames."""
    axial = frame * torch.linalg.det(frame)[:, None, None]
    r = torch.einsum("bji,btnj->btni", axial, rotations) * features.unit_rotation[:, None, :, None]
    t = torch.einsum("bji,btnj->btni", frame, translations) * features.unit_translation[:, None, :, None]
    back, parent_back = (
        rotations_torch.conjugate(features.to_world),
        rotations_torch.conjugate(features.parent_to_world),
    )
    return rotations_torch.rotate(back[:, None], r), rotations_torch.rotate(parent_back[:, None], t)


def from_local(
    rotations: Float[Tensor, "batch time joint 3"],
    features: FeatureTensors,
    frame: Float[Tensor, "batch 3 3"],
) -> Float[Tensor, "batch time joint 3"]:
    """Rotation vectors in joint frames [rad] in the network's axes [rad]."""
    axial = frame * torch.linalg.det(frame)[:, None, None]
    return torch.einsum(
        "bij,btnj->btni", axial, rotations_torch.rotate(features.to_world[:, None], rotations)
    )


def _track(
    values: Float[Tensor, "batch outside joint 3"], frame: Float[Tensor, "batch 3 3"]
) -> Float[Tensor, "batch joint track 3"]:
    steps = values.new_tensor(VELOCITY_UNIT * layout.STEPS)
    velocities = (values[:, layout.STEP_TO] - values[:, layout.STEP_FROM]) / steps[:, None, None]
    return _turned(torch.cat([values, velocities], 1), frame)


def _turned(
    vectors: Float[Tensor, "batch time joint 3"], frame: Float[Tensor, "batch 3 3"]
) -> Float[Tensor, "batch joint time 3"]:
    return torch.einsum("bij,btnj->bnti", frame, vectors)


def _of_parents(
    values: Float[Tensor, "batch joint channel"], poses: Poses
) -> Float[Tensor, "batch joint channel"]:
    """Values of each joint's parent; roots get the identity quaternion or, for points, their own."""
    index = poses.parents.clamp_min(0)[..., None].expand(-1, -1, values.shape[-1])
    roots = torch.zeros_like(values) if values.shape[-1] == 4 else values
    if values.shape[-1] == 4:
        roots[..., 0] = 1
    return torch.where((poses.parents >= 0)[..., None], values.gather(1, index), roots)


def _box(
    positions: Float[Tensor, "batch joint 3"], present: Bool[Tensor, "batch joint"]
) -> Float[Tensor, " batch"]:
    low = positions.masked_fill(~present[..., None], torch.inf).amin(1)
    high = positions.masked_fill(~present[..., None], -torch.inf).amax(1)
    side = (high - low).amax(-1)
    return torch.where(side > 0, side, torch.ones_like(side))


def _units(
    moved: Float[Tensor, "batch time joint 3"], present: Bool[Tensor, "batch joint"]
) -> tuple[Float[Tensor, "batch joint"], Float[Tensor, " batch"]]:
    """How much each joint moves (root mean square over time), no less than a share of the mean over joints."""
    squares = (moved**2).sum(-1).mean(1)
    own = (squares + 1e-20).sqrt()
    moving = (own > STILL) & present
    shot = ((squares * moving).sum(1) / moving.sum(1).clamp_min(1)).sqrt()
    floored = (squares + (SHOT_SHARE * shot[:, None]) ** 2 + 1e-20).sqrt()
    return torch.where(moving, floored, torch.zeros_like(own)), shot


def _scalars(
    poses: Poses,
    turn: Float[Tensor, "batch joint"],
    shot_turn: Float[Tensor, " batch"],
    move: Float[Tensor, "batch joint"],
) -> Float[Tensor, "batch joint scalar"]:
    count = poses.present.sum(1, keepdim=True).float().clamp_min(1)
    return torch.stack(
        [
            (turn + SMALL).log() - (shot_turn + SMALL).log()[:, None],
            (move + SMALL).log() / 3 + 2,
            (turn > 0).float(),
            (move > 0).float(),
            poses.depth / 8,
            poses.subtree / count,
            (poses.subtree == 1).float(),
            (poses.parents < 0).float(),
        ],
        -1,
    )


def _shot(
    poses: Poses,
    shot_turn: Float[Tensor, " batch"],
    shot_move: Float[Tensor, " batch"],
    shot_position: Float[Tensor, " batch"],
) -> Float[Tensor, "batch channel"]:
    numbers = [
        (shot_turn + SMALL).log() / 3 + 1,
        (shot_move + SMALL).log() / 3 + 2,
        (shot_position + SMALL).log() / 3 + 1,
        poses.present.sum(1).float().clamp_min(1).log() / 3,
        poses.seconds.log(),
    ]
    flags = [(poses.states == state).float() for state in (layout.GIVEN, layout.BEYOND, layout.FILLED)]
    return torch.cat([torch.stack(numbers, -1), *flags], 1)


def _levels(
    poses: Poses,
    frame: Float[Tensor, "batch 3 3"],
    positions: Float[Tensor, "batch time joint 3"],
    size: Float[Tensor, " batch"],
) -> Float[Tensor, "batch time joint"]:
    """Heights above the lowest joint of the given poses [sizes]."""
    up = torch.einsum("bi,btni->btn", frame[:, 1], positions) / size[:, None, None]
    seen = (poses.states == layout.GIVEN)[:, :, None] & poses.present[:, None]
    floor = up[:, : len(layout.OUTSIDE)].masked_fill(~seen, torch.inf).amin((1, 2))
    return (up - floor[:, None, None]) * poses.present[:, None]


def _heights(
    poses: Poses,
    levels: Float[Tensor, "batch time joint"],
    positions: Float[Tensor, "batch outside joint 3"],
    size: Float[Tensor, " batch"],
) -> Float[Tensor, "batch joint height"]:
    """Heights, vertical velocities and speeds, squashed so that what rests on the floor differs from what does not."""
    steps = (positions.new_tensor(layout.STEPS)[:, None] * poses.seconds[:, None, None]).expand(
        -1, -1, positions.shape[2]
    )
    level = levels[:, : len(layout.OUTSIDE)]
    climb = (level[:, layout.STEP_TO] - level[:, layout.STEP_FROM]) / steps
    moved = (positions[:, layout.STEP_TO] - positions[:, layout.STEP_FROM]).pow(2).sum(-1)
    speed = moved.sqrt() / (steps.abs() * size[:, None, None]) * poses.present[:, None]
    return torch.cat(
        [(level * NEAR_FLOOR).asinh() / 2, (climb * SLOW).asinh() / 2, (speed * SLOW).asinh() / 2], 1
    ).transpose(1, 2)
