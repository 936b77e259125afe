"""A shot that cycles: whether its last pose is its first one again, and how far it has come by then.

Its cycle goes from the first to the last known pose. All joints have to be turned, scaled and placed in their parents
as at the beginning; what carries the character may have moved over the ground, as in a walk, and so may the Xforms
above it.
"""

from dataclasses import dataclass

import numpy as np

from engine.errors import ConfigError
from engine.geometry import metrics, rotations, skeleton
from usd_io.errors import shown, timecode
from usd_io.model import Character, Motion
from usd_io.shapes import Float, Int

TURNED = 0.01
"""How far a joint may be turned from where it was [rad]."""
MOVED = 1e-3
"""How far a joint may be from where it was in its parent [heights]; scales may differ by this part."""
CARRIES = 0.5
"""What moves a character about carries at least this part of its tree of joints."""


@dataclass(frozen=True, eq=False)
class Travel:
    """The way of one cycle over the ground."""

    joints: Int[np.ndarray, " carrier"]
    """Those that carry their tree of joints."""
    moved: Float[np.ndarray, "carrier 3"]
    """Their ways [skeleton units, in skeleton space]."""
    world: Float[np.ndarray, "3"]
    """That of the Xforms above the skeleton [stage units]."""


def travel_of(character: Character, ends: Motion) -> Travel:
    """How far a cycle travels.

    Args:
        character: The skeleton.
        ends: Its first and its last pose.

    Raises:
        ConfigError: The last pose is not the first one.
    """
    size = metrics.height(character, ends, ends.times[0])
    up = np.eye(3)["XYZ".index(character.up_axis)]
    turned = rotations.angle_between(*ends.rotations.astype(float))
    _check(character, ends, turned, TURNED, "turned by {:.3g} rad")
    scales = np.abs(np.diff(ends.scales.astype(float), axis=0)[0]).max(-1)
    _check(character, ends, scales, MOVED, "scaled otherwise by {:.3g}")
    if (
        np.abs(np.diff(ends.T_world_skel[:, :3, :3], axis=0)).max()
        > MOVED * np.abs(ends.T_world_skel[0, :3, :3]).max()
    ):
        raise _refused(character, ends, "the skeleton's own transform is turned or scaled otherwise")
    world = np.diff(ends.T_world_skel[:, :3, 3], axis=0)[0]
    if abs(world @ up) > MOVED * size:
        raise _refused(character, ends, f"the skeleton is {abs(world @ up):.3g} stage units higher or lower")
    # ways in the parents' axes, in skeleton space and in world space: parents are turned as at the beginning
    local = np.diff(ends.translations.astype(float), axis=0)[0]
    T = skeleton.joint_transforms(character, ends.at(slice(0, 1)))[0]
    above = np.where(
        (np.asarray(character.parents) < 0)[:, None, None], np.eye(3), T[character.parents, :3, :3]
    )
    moved = np.einsum("jab,jb->ja", above, local)
    in_world = moved @ ends.T_world_skel[0, :3, :3].T
    far = np.linalg.norm(in_world, axis=-1) > MOVED * size
    carriers = _carriers(character, far)
    _check(
        character,
        ends,
        np.where(np.isin(np.arange(len(far)), carriers), 0, np.linalg.norm(in_world, axis=-1)),
        MOVED * size,
        "moved in its parent by {:.3g} stage units",
    )
    _check(
        character,
        ends,
        np.where(np.isin(np.arange(len(far)), carriers), np.abs(in_world @ up), 0),
        MOVED * size,
        "{:.3g} stage units higher or lower",
    )
    return Travel(carriers, moved[carriers], world)


def _carriers(character: Character, moved: np.ndarray) -> Int[np.ndarray, " carrier"]:
    """Of the joints that have moved in their parents those that carry at least half of their tree, one to a tree."""
    parents = np.asarray(character.parents, int)
    below, tree, inside = (
        metrics.subtree_weights(parents),
        np.arange(len(parents)),
        np.zeros(len(parents), bool),
    )
    for joint, parent in enumerate(parents):  # parents come first
        if parent >= 0:
            tree[joint], inside[joint] = tree[parent], inside[parent] or moved[parent]
    return np.flatnonzero(moved & ~inside & (below >= CARRIES * below[tree]))


def _check(
    character: Character, ends: Motion, off: Float[np.ndarray, " joint"], most: float, how: str
) -> None:
    worst = int(np.argmax(off))
    if off[worst] > most:
        raise _refused(character, ends, f"{shown(character.joints[worst])} is {how.format(off[worst])}")


def _refused(character: Character, ends: Motion, what: str) -> ConfigError:
    first, last = ends.times
    return ConfigError(
        f"{shown(character.skeleton_path)}: the pose at {timecode(last)} is not the one at {timecode(first)}, so the "
        f"shot does not loop: {what}; key the first pose again at the end (it may travel over the ground), or do not "
        "loop.",
        settings=("loop",),
    )
