"""Several bodies in one skeleton, each asked about by itself, and without the still joints far above: the network was
trained on single characters, some below one joint that stays.

It counts in the box around all joints and in their movement beside their middle, which for two who walk side by side
are those of neither, and with every joint that stays less those of the body.
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


def seen_of(character: Character, *known: Motion) -> tuple[Int[np.ndarray, " own"], ...]:
    """Joints that the network is shown together, increasing: those of each body; of a single one, what hangs on the
    last joint above all that moves. Further still joints above that one, as game rigs have them, count as part of the
    skeleton's place: the network learnt of one at most, and each more would lead it further astray.

    Args:
        character: The skeleton.
        known: Known frames, of the same shot or of several pieces of it.
    """
    bodies = bodies_of(character, known[0])
    if len(bodies) > 1:
        return bodies
    shown = [_shown(character, each) for each in known]
    most = max(shown, key=len)
    return (most if all(np.isin(own, most).all() for own in shown) else bodies[0],)


@once
def _shown(character: Character, known: Motion) -> Int[np.ndarray, " own"]:
    """What :func:`seen_of` gives for one body and piece."""
    carried, tops = skeleton.subtrees(character.parents), ground.carriers(character, known)
    # nothing moves above carriers, and parents come first
    above = np.flatnonzero(carried[:, tops].all(1) & ~np.isin(np.arange(len(carried)), tops))
    return np.flatnonzero(carried[above[-1]]) if len(tops) and len(above) else np.arange(len(carried))


@once
def alone(character: Character, known: Motion, joints: Int[np.ndarray, " own"]) -> tuple[Character, Motion]:
    """A character and motion with some joints alone: those above each of them included, or what hangs on one joint.
    Those above that one have to be still and become part of the skeleton's place; bind poses count from where they
    did."""
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
    motion = with_joints(known, joints)
    above = int(character.parents[joints[0]])
    if above >= 0:
        T_skel_above = skeleton.joint_transforms(character, known.at(slice(0, 1)))[0, above]
        motion = replace(motion, T_world_skel=known.T_world_skel @ T_skel_above)
    return own, motion


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
