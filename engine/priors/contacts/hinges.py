"""Joints that bend to one side only, as knees do, kept from bending to the other.

Which they are is learnt from known poses. Beside a straight limb there are two ways to bend, and least squares take
the one to which the limb leans, which may be the wrong one where a prior has straightened it too far.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from engine.geometry import rotations
from usd_io.model import Character, Motion
from usd_io.shapes import Bool, Float, Int

ASIDE = 0.3
"""A hinge bends so little about other axes, as part of what it bends about its own (root mean squares of sines)."""
OTHER_SIDE = 0.1
"""To the other side it bends by less than this part of what it bends to its own at most."""
STRAIGHT = 0.05
"""It may be straightened up to here [rad], or as far as the known poses do: less would be to either side."""


@dataclass(frozen=True, eq=False)
class Hinge:
    """A joint that bends to one side."""

    joint: int
    below: int
    """The joint of the limb that hangs on it."""
    straight: Float[np.ndarray, "3"]
    """Where the bone to that one points in a straight limb, in the axes of the hinge's parent."""
    axis: Float[np.ndarray, "3"]
    """About which it bends, in the same axes."""
    least: float
    """To which it may be straightened [rad]."""

    def bent(
        self, q: Float[np.ndarray, "frame joint 4"], translations: Float[np.ndarray, "frame joint 3"]
    ) -> Float[np.ndarray, " frame"]:
        """How far it is bent to its side [rad]."""
        bone = rotations.rotate(q[:, self.joint].astype(float), translations[:, self.below].astype(float))
        return np.asarray(np.arctan2(np.cross(self.straight, bone) @ self.axis, bone @ self.straight))


def find_hinges(
    character: Character,
    seen: Motion,
    limbs: Iterable[Int[np.ndarray, " limb"]],
    turns: Bool[np.ndarray, " joint"],
) -> list[Hinge]:
    """The hinges of limbs, given by their joints, among the joints that turn; at the ends and forks of limbs are none.

    Args:
        character: The skeleton.
        seen: Known poses.
        limbs: Joints of each.
        turns: The joints that may turn.
    """
    q, translations = seen.rotations.astype(float), seen.translations.astype(float)
    found = []
    for limb in limbs:
        for joint in limb[turns[limb] & np.isin(character.parents[limb], limb)].tolist():
            below = limb[character.parents[limb] == joint]
            if len(below) != 1:
                continue
            bones = translations[:, joint], rotations.rotate(q[:, joint], translations[:, below[0]])
            lengths = [np.linalg.norm(bone, axis=-1, keepdims=True) for bone in bones]
            if min(length.min() for length in lengths) <= 0:
                continue
            above, bone = (bone / length for bone, length in zip(bones, lengths, strict=True))
            straight = above.mean(0) / np.linalg.norm(above.mean(0))
            # the axis times the sine of the angle, in each pose; together they give the axis
            bends = np.cross(straight, bone)
            way = bends.sum(0)
            if not way.any():
                continue
            axis = way / np.linalg.norm(way)
            about = bends @ axis
            aside = np.linalg.norm(bends - about[:, None] * axis)
            hinge = Hinge(joint, int(below[0]), straight, axis, STRAIGHT)
            bent = hinge.bent(q, translations)
            if aside < ASIDE * np.linalg.norm(about) and bent.min() > -OTHER_SIDE * bent.max():
                found.append(Hinge(joint, int(below[0]), straight, axis, min(float(bent.min()), STRAIGHT)))
    return found


def unbend(
    hinges: list[Hinge],
    q: Float[np.ndarray, "frame joint 4"],
    translations: Float[np.ndarray, "frame joint 3"],
) -> None:
    """Turn back in ``q`` what is bent to the other side, as far as hinges may be straightened."""
    for hinge in hinges:
        back = np.maximum(hinge.least - hinge.bent(q, translations), 0)
        turned = rotations.multiply(rotations.exp(back[:, None] * hinge.axis), q[:, hinge.joint])
        q[:, hinge.joint] = np.where(back[:, None] > 0, turned, q[:, hinge.joint])
