"""Joints that bend to one side only, as knees do, kept from bending to the other.

Which they are is learnt from known poses. Beside a straight limb there are two ways to bend, and least squares take
the one to which the limb leans, which may be the wrong one where a prior has straightened it too far.
"""

from dataclasses import dataclass

import numpy as np

from engine.geometry import metrics, rotations
from usd_io.model import Character, Motion
from usd_io.shapes import Bool, Float

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
    opposite: float
    """Bent by less than this is bent by a turn more, beyond the most: the angle farthest from known poses [rad]."""

    def bent(
        self, q: Float[np.ndarray, "frame joint 4"], translations: Float[np.ndarray, "frame joint 3"]
    ) -> Float[np.ndarray, " frame"]:
        """How far it is bent to its side [rad]."""
        bone = rotations.rotate(q[:, self.joint].astype(float), translations[:, self.below].astype(float))
        angle = np.arctan2(rotations.cross(self.straight, bone) @ self.axis, bone @ self.straight)
        return np.where(angle < self.opposite, angle + 2 * np.pi, angle)


def find_hinges(
    character: Character,
    seen: Motion,
    limbs: Bool[np.ndarray, " joint"],
    turns: Bool[np.ndarray, " joint"],
) -> list[Hinge]:
    """The hinges of limbs among the joints that turn; at the ends and forks of limbs are none, nor where one begins.

    Args:
        character: The skeleton.
        seen: Known poses.
        limbs: The joints of limbs; the joint above a hinge is one too.
        turns: The joints that may turn.
    """
    parents = np.asarray(character.parents)
    # a shin carries the foot, and what twists it too: the limb goes on where most hangs, and forks where equals do
    weights = metrics.subtree_weights(character.parents)
    pairs = []
    for joint in np.flatnonzero(limbs & turns & (parents >= 0) & limbs[parents]).tolist():
        hanging = np.flatnonzero(parents == joint)
        heaviest = hanging[weights[hanging] == weights[hanging].max(initial=0)]
        if len(heaviest) == 1:
            pairs.append((joint, int(heaviest[0])))
    if not pairs:
        return []
    joints, below = np.array(pairs).T
    # per pose and joint: the bones above and below, in the axes of the joint's parent
    translations = seen.translations.astype(float)
    above, bone = (
        translations[:, joints],
        rotations.rotate(seen.rotations[:, joints].astype(float), translations[:, below]),
    )
    lengths = [np.linalg.norm(vectors, axis=-1, keepdims=True) for vectors in (above, bone)]
    # the axis times the sine of the angle, in each pose; together they give the axis
    with np.errstate(divide="ignore", invalid="ignore"):
        above, bone = above / lengths[0], bone / lengths[1]
        straight = above.mean(0)
        straight /= np.linalg.norm(straight, axis=-1, keepdims=True)
        bends = rotations.cross(straight, bone)
        axis = bends.sum(0)
        axis /= np.linalg.norm(axis, axis=-1, keepdims=True)
        about = (bends * axis).sum(-1)
        aside = np.linalg.norm(bends - about[..., None] * axis, axis=(0, -1))
        bent = np.arctan2(about, (bone * straight).sum(-1))
    # bones without a length, and what never bends, are no numbers here, and no hinges
    found = (aside < ASIDE * np.linalg.norm(about, axis=0)) & (bent.min(0) > -OTHER_SIDE * bent.max(0))
    least, middle = np.minimum(bent.min(0), STRAIGHT), (bent.min(0) + bent.max(0)) / 2
    return [
        Hinge(int(joints[i]), int(below[i]), straight[i], axis[i], float(least[i]), float(middle[i] - np.pi))
        for i in np.flatnonzero(found)
    ]


def unbend(
    hinges: list[Hinge],
    q: Float[np.ndarray, "frame joint 4"],
    translations: Float[np.ndarray, "frame joint 3"],
    before: Motion | None = None,
) -> None:
    """Turn back in ``q`` what is bent to the other side, as far as hinges may be straightened; or as they were before.

    Args:
        hinges: Of :func:`find_hinges`.
        q: Local rotations, changed in place.
        translations: Of the same joints [stage units].
        before: What was less bent there may stay so.
    """
    for hinge in hinges:
        least: float | Float[np.ndarray, " frame"] = hinge.least
        if before is not None:
            least = np.minimum(least, hinge.bent(before.rotations, before.translations))
        back = np.maximum(least - hinge.bent(q, translations), 0)
        turned = rotations.multiply(rotations.exp(back[:, None] * hinge.axis), q[:, hinge.joint])
        q[:, hinge.joint] = np.where(back[:, None] > 0, turned, q[:, hinge.joint])
