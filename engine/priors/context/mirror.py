"""The context with left and right exchanged: half a stride of one side teaches the other.

A pose is mirrored as its deviation from the bind pose, in skeleton space, so that the axes which a rig gives its
joints do not matter; only the bind pose has to be symmetric, which is checked.
"""

import re
from dataclasses import dataclass, replace

import numpy as np

from engine.geometry import rotations, skeleton
from engine.geometry.once import once
from usd_io.model import Character, Motion
from usd_io.shapes import Bool, Float, Int

SYMMETRY_TOLERANCE = 0.08
"""Nine of ten joints must lie this near to their mirror image in the bind pose [heights]; modelled rigs are below
0.02, rigs bound in a captured pose above 0.2."""

_WORDS = (("left", "right"), ("Left", "Right"), ("LEFT", "RIGHT"))
# a single letter counts where it stands apart (`l_arm`, `Arm.L`, `LArm`, `ArmL`), never inside a word
_LETTERS = (r"(?<![A-Za-z]){}(?![A-Za-z])", r"(?<![A-Za-z]){}(?=[A-Z])")
_TRAILING = r"(?<=[a-z0-9]){}(?![a-z])"


@dataclass(frozen=True, eq=False)
class Symmetry:
    """A left-right symmetry of a skeleton."""

    twin: Int[np.ndarray, " joint"]
    """The joint on the other side; joints of the middle are their own."""
    lateral: Float[np.ndarray, "3"]
    """Unit normal of the mirror plane in skeleton space."""


@once
def find_symmetry(character: Character) -> Symmetry | None:
    """Pairs of joints by name, accepted where the bind pose is symmetric in them; None for any other rig."""
    twin = _twins(character.joints)
    left = np.flatnonzero(twin > np.arange(len(twin)))
    positions = character.T_skel_joint_bind[:, :3, 3].astype(float)
    size = np.ptp(positions, axis=0).max()
    across = positions[left] - positions[twin[left]]
    if len(left) == 0 or np.abs(across).max() <= 1e-3 * size:
        return None
    lateral = np.linalg.svd(across)[2][0]
    middle = (positions[left] + positions[twin[left]]).mean(0) / 2
    image = middle + _reflect(positions - middle, lateral)
    distance = np.linalg.norm(image - positions[twin], axis=-1) / size
    return Symmetry(twin, lateral) if np.quantile(distance, 0.9) < SYMMETRY_TOLERANCE else None


def mirrored(character: Character, motion: Motion, symmetry: Symmetry) -> Motion:
    """The motion seen in the mirror plane, in the skeleton's own joints."""
    twin, lateral, parents = symmetry.twin, symmetry.lateral, character.parents
    turned = skeleton.global_rotations(parents, motion.rotations.astype(float))
    bind = np.broadcast_to(_bind_rotations(character), turned.shape)
    rest = _bind_translations(character)
    deviation = _reflect_rotation(rotations.multiply(turned, rotations.conjugate(bind)), lateral)[:, twin]
    image = rotations.multiply(deviation, bind)
    local = rotations.multiply(rotations.conjugate(_of_parents(parents, image)), image)
    bind_parent = _of_parents(parents, bind)
    shift = _reflect(rotations.rotate(bind_parent, motion.translations - rest), lateral)[:, twin]
    return replace(
        motion,
        rotations=rotations.continuous(local).astype(motion.rotations.dtype),
        translations=(rest + rotations.rotate(rotations.conjugate(bind_parent), shift)).astype(
            motion.translations.dtype
        ),
        scales=motion.scales[:, twin],
    )


def _twins(joints: tuple[str, ...]) -> Int[np.ndarray, " joint"]:
    index = {joint.rsplit("/", 1)[-1]: i for i, joint in reversed(list(enumerate(joints)))}
    twin = np.arange(len(joints))
    for i, joint in enumerate(joints):
        for other in _other_side(joint.rsplit("/", 1)[-1]):
            twin[i] = index.get(other, twin[i])
    mutual: Bool[np.ndarray, " joint"] = twin[twin] == np.arange(len(joints))
    return np.where(mutual, twin, np.arange(len(joints)))


def _other_side(name: str) -> set[str]:
    """Names that the joint's twin could have."""
    found = {name.replace(*pair) for a, b in _WORDS for pair in ((a, b), (b, a))}
    for letter, other in (("L", "R"), ("R", "L"), ("l", "r"), ("r", "l")):
        patterns = (*_LETTERS, _TRAILING) if letter.isupper() else _LETTERS
        found |= {re.sub(pattern.format(letter), other, name) for pattern in patterns}
    return found - {name}


def _reflect(
    vectors: Float[np.ndarray, "*batch 3"], normal: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "*batch 3"]:
    return vectors - 2 * (vectors @ normal)[..., None] * normal


def _reflect_rotation(
    q: Float[np.ndarray, "*batch 4"], normal: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "*batch 4"]:
    """``S R S`` for the reflection ``S``: the same angle about the reflected axis, turned the other way."""
    return np.concatenate([q[..., :1], -_reflect(q[..., 1:], normal)], axis=-1)


def _bind_rotations(character: Character) -> Float[np.ndarray, "joint 4"]:
    axes = character.T_skel_joint_bind[:, :3, :3].astype(float)
    return rotations.from_matrix(axes / np.linalg.norm(axes, axis=1, keepdims=True))


def _bind_translations(character: Character) -> Float[np.ndarray, "joint 3"]:
    """Local translations of the bind pose."""
    T_skel_joint = character.T_skel_joint_bind.astype(float)
    parents = character.parents
    local = np.linalg.inv(T_skel_joint[np.maximum(parents, 0)]) @ T_skel_joint
    return np.where((parents >= 0)[:, None], local[:, :3, 3], T_skel_joint[:, :3, 3])


def _of_parents(
    parents: Int[np.ndarray, " joint"], q: Float[np.ndarray, "*batch joint 4"]
) -> Float[np.ndarray, "*batch joint 4"]:
    """Each joint's parent's rotation, the identity for roots."""
    return np.where((parents >= 0)[:, None], q[..., np.maximum(parents, 0), :], np.array([1.0, 0, 0, 0]))
