"""What may rest, and when: joints of limbs, and runs of frames."""

from collections.abc import Iterator

import numpy as np

from engine.geometry import metrics, skeleton
from usd_io.model import Character
from usd_io.shapes import Bool, Float

LARGEST_PART = 0.4
"""A limb ends below the first joint that carries more than this part of all: hips and spine are left alone."""


def carries_most(character: Character) -> Bool[np.ndarray, " joint"]:
    """Joints that are no part of a limb: roots, hips and spine."""
    weights = metrics.subtree_weights(character.parents)
    # weights have mean 1, and a leaf's, the least, stands for one joint: this is LARGEST_PART of all joints
    return np.asarray(weights > LARGEST_PART * len(weights) * weights.min(initial=1))


def kin_of(character: Character) -> Float[np.ndarray, "joint 2"]:
    """How many joints are above each, and which share of all is below it."""
    above = skeleton.subtrees(character.parents).sum(0) - 1.0
    return np.stack([above, metrics.subtree_weights(character.parents)], -1)


def runs(flags: Bool[np.ndarray, " frame"]) -> Iterator[tuple[int, int]]:
    """First and last index of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    for first, after in zip(edges[::2], edges[1::2], strict=True):
        yield int(first), int(after) - 1
