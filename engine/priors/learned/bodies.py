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
from usd_io.shapes import Bool, Int

FEWEST, SHARE = 8, 0.2
"""A body has at least so many joints, and this part of all: the tail and the tongue of one snake are none."""


@once
def bodies_of(character: Character, known: Motion) -> tuple[Int[np.ndarray, " own"], ...]:
    """Joints of each body, increasing, those above that carry it included; one body where the skeleton has no several.

    A body is what hangs on a joint that moves and that nothing moves above (:func:`engine.priors.ground.carriers`).
    What else moves, as handles do, goes with the body that is nearest in the first known pose.
    """
    parents, count = np.asarray(character.parents), len(character.joints)
    carriers = ground.carriers(character, known)
    below = {int(carrier): _below(parents, int(carrier)) for carrier in carriers}
    bodies = [c for c, own in below.items() if own.sum() >= max(FEWEST, SHARE * count)]
    if len(bodies) < 2:
        return (np.arange(count),)
    places = skeleton.joint_positions(character, known.at(slice(0, 1)))[0]
    groups = [below[body].copy() for body in bodies]
    for joint in np.flatnonzero(~np.any(groups, axis=0)):
        nearest = int(np.linalg.norm(places[bodies] - places[joint], axis=-1).argmin())
        groups[nearest][joint] = True
    return tuple(np.flatnonzero(_with_above(parents, group)) for group in groups)


def _below(parents: Int[np.ndarray, " joint"], top: int) -> Bool[np.ndarray, " joint"]:
    """A joint and all below it; parents come first."""
    found = np.zeros(len(parents), bool)
    found[top] = True
    for joint in range(top + 1, len(parents)):
        found[joint] = parents[joint] >= 0 and found[parents[joint]]
    return found


def _with_above(
    parents: Int[np.ndarray, " joint"], group: Bool[np.ndarray, " joint"]
) -> Bool[np.ndarray, " joint"]:
    """Some joints and all above them."""
    found = group.copy()
    for joint in range(len(parents) - 1, -1, -1):
        if found[joint] and parents[joint] >= 0:
            found[parents[joint]] = True
    return found


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
