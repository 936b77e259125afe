"""Which characters can be drawn; a skeleton that no mesh is bound to is a spindle from each joint to its child."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from usd_io.model import Character, Mesh
from usd_io.shapes import Float, Int

THICKNESS = 0.16
"""Width of a bone, in its length."""
WAIST = 0.2
"""Where it is thickest, from its parent joint."""
_SPINDLE = np.array([[0, 2, 1], [0, 3, 2], [0, 4, 3], [0, 1, 4], [5, 1, 2], [5, 2, 3], [5, 3, 4], [5, 4, 1]])


def drawable(characters: Sequence[Character]) -> tuple[tuple[Character, ...], tuple[int, ...]]:
    """The characters that can be drawn and their places among all; with bones where none of them has a face."""
    seen = visible_characters(characters)
    if not seen:
        characters = [with_bones(character) for character in characters]
        seen = visible_characters(characters)
    return tuple(characters[i] for i in seen), seen


def visible_characters(characters: Sequence[Character]) -> tuple[int, ...]:
    """Places of the characters that have a face to draw."""
    return tuple(i for i, c in enumerate(characters) if any((m.face_counts > 2).any() for m in c.meshes))


def with_bones(character: Character) -> Character:
    """The character with a mesh of its bones, if it has no mesh and at least one joint; else as it is."""
    if character.meshes or not character.joints:
        return character
    heads = character.T_skel_joint_bind[:, :3, 3]
    children = np.flatnonzero(character.parents >= 0)
    owners = character.parents[children]
    lengths = np.linalg.norm(heads[children] - heads[owners], axis=-1)
    typical = float(np.median(lengths[lengths > 0])) if (lengths > 0).any() else 1.0
    ends = np.setdiff1d(np.arange(len(heads)), owners)
    knob = np.zeros(3)
    knob[1] = 0.3 * typical
    starts = np.concatenate([heads[owners], heads[ends] - knob / 2])
    tips = np.concatenate([heads[children], heads[ends] + knob / 2])
    return replace(character, meshes=(_spindles(character, starts, tips, np.concatenate([owners, ends])),))


def _spindles(
    character: Character,
    starts: Float[np.ndarray, "bone 3"],
    tips: Float[np.ndarray, "bone 3"],
    joints: Int[np.ndarray, " bone"],
) -> Mesh:
    along = tips - starts
    length = np.linalg.norm(along, axis=-1, keepdims=True)
    keep = length[:, 0] > 0
    starts, along, length, joints = starts[keep], along[keep], length[keep], joints[keep]
    least = np.abs(along).argmin(-1)
    side = np.cross(along, np.eye(3)[least])
    side *= THICKNESS / 2 * length / np.linalg.norm(side, axis=-1, keepdims=True)
    other = np.cross(along / length, side)
    waist = starts + WAIST * along
    corners = [starts, waist + side, waist + other, waist - side, waist - other, starts + along]
    points = np.stack(corners, axis=1).reshape(-1, 3)
    faces = (_SPINDLE + 6 * np.arange(len(joints))[:, None, None]).reshape(-1, 3)
    return Mesh(
        path=f"{character.skeleton_path}/bones",
        points=points.astype(np.float32),
        face_counts=np.full(len(faces), 3),
        face_vertices=faces.ravel(),
        joint_indices=np.repeat(joints, 6)[:, None],
        joint_weights=np.ones((len(points), 1), np.float32),
        T_skel_mesh=np.eye(4),
    )
