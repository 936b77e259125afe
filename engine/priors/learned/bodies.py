"""Several bodies in one skeleton, each asked about by itself: the network was trained on single characters.

It counts in the box around all joints and in their movement beside their middle, which for two who walk side by side
are those of neither.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.geometry import skeleton
from engine.geometry.once import once
from engine.priors import ground
from usd_io.model import Character, Motion
from usd_io.shapes import Int

FEWEST, SHARE = 8, 0.2
"""A body has at least so many joints, and this part of all: the tail and the tongue of one snake are none."""


@once
def bodies_of(character: Character, known: Motion) -> tuple[Int[np.ndarray, " own"], ...]:
    """Joints of each body, increasing, those above that carry it included; one body where the skeleton has no several.

    A body is what hangs on a joint that moves and that nothing moves above (:func:`engine.priors.ground.carriers`).
    What else moves, as handles do, goes with the body that is nearest in the first known pose.
    """
    count, carried = len(character.joints), skeleton.subtrees(character.parents)
    tops = ground.carriers(character, known)
    tops = tops[carried[tops].sum(1) >= max(FEWEST, SHARE * count)]
    if len(tops) < 2:
        return (np.arange(count),)
    places = skeleton.joint_positions(character, known.at(slice(0, 1)))[0]
    groups = carried[tops]
    for joint in np.flatnonzero(~groups.any(0)):
        groups[np.linalg.norm(places[tops] - places[joint], axis=-1).argmin(), joint] = True
    return tuple(np.flatnonzero(carried[:, group].any(1)) for group in groups)


def alone(character: Character, known: Motion, joints: Int[np.ndarray, " own"]) -> tuple[Character, Motion]:
    """A character and motion with some joints alone, those above each of them included."""
    place = np.full(len(character.joints), -1)
    place[joints] = np.arange(len(joints))
    parents = np.asarray(character.parents)[joints]
    own = replace(
        character,
        joints=tuple(character.joints[joint] for joint in joints),
        parents=np.where(parents >= 0, place[parents], -1),
        T_skel_joint_bind=character.T_skel_joint_bind[joints],
        rest_translations=character.rest_translations[joints],
        rest_rotations=character.rest_rotations[joints],
        rest_scales=character.rest_scales[joints],
        meshes=(),
    )
    return own, with_joints(known, joints)


def with_joints(motion: Motion, joints: Int[np.ndarray, " own"]) -> Motion:
    """A motion of some joints alone."""
    return replace(
        motion,
        translations=motion.translations[:, joints],
        rotations=motion.rotations[:, joints],
        scales=motion.scales[:, joints],
        animated=None if motion.animated is None else motion.animated[joints],
        blend_weights=None,
    )


def together(whole: Motion, parts: Sequence[Motion], bodies: Sequence[Int[np.ndarray, " own"]]) -> Motion:
    """A motion with the joints of its bodies as they were made alone."""
    made = {name: getattr(whole, name).copy() for name in ("translations", "rotations", "scales")}
    for part, joints in zip(parts, bodies, strict=True):
        for name, values in made.items():
            values[:, joints] = getattr(part, name)
    return replace(whole, **made)


def of_all(
    values: Sequence[np.ndarray], bodies: Sequence[Int[np.ndarray, " own"]], joints: int, axis: int
) -> np.ndarray:
    """What was found of the joints of each body, of all joints; those above several as of the last."""
    shape = list(values[0].shape)
    shape[axis] = joints
    result = np.zeros(shape, values[0].dtype)
    for part, own in zip(values, bodies, strict=True):
        np.moveaxis(result, axis, 0)[own] = np.moveaxis(part, axis, 0)
    return result
