"""A motion in place: between the keys the root's way over the ground is the straight line from key to key.

Keys stay exact. Where they do not travel the character stays in one place, as game engines want their cycles; where
they do it glides from key to key at one speed, and what moves it can be taken off as one straight curve.
"""

from dataclasses import replace

import numpy as np

from engine.geometry import metrics, skeleton
from engine.planning.plan import Plan
from engine.priors import offsets
from usd_io.model import Character, Motion
from usd_io.shapes import Float, Int


def keep_in_place(character: Character, known: Motion, plan: Plan, made: Motion) -> Motion:
    """Take the root's way over the ground out of a filled motion, but for the straight line between the keys.

    Args:
        character: Gives the up axis.
        known: The known frames only.
        plan: Gives the gaps and joints to leave alone.
        made: A filled motion at ``plan.fill_times``.
    """
    anchors = offsets.anchors_of(known, plan)
    ends = skeleton.joint_transforms(character, known)[..., :3, 3]
    translations = made.translations.copy()
    up = np.linalg.pinv(made.T_world_skel[:, :3, :3])[..., "XYZ".index(character.up_axis)]
    up /= np.linalg.norm(up, axis=-1, keepdims=True)
    for joint in carriers(character, known, plan):
        T = skeleton.joint_transforms(character, replace(made, translations=translations))
        a, b = ends[anchors.before, joint], ends[anchors.after, joint]
        deviations = T[:, joint, :3, 3] - (a + (b - a) * anchors.part[:, None])
        deviations -= (deviations * up).sum(-1, keepdims=True) * up
        parent = int(character.parents[joint])
        moves = (
            deviations
            if parent < 0
            else (np.linalg.pinv(T[:, parent, :3, :3]) @ deviations[..., None])[..., 0]
        )
        translations[:, joint] -= moves.astype(translations.dtype)
    return replace(made, translations=translations)


def carriers(character: Character, known: Motion, plan: Plan) -> Int[np.ndarray, " root"]:
    """Of every tree of joints, the one that carries it about: of the uppermost that move in their parent the one with
    most below it."""
    moving: Float[np.ndarray, " joint"] = offsets.moving(known)[:, 1] & ~np.isin(
        character.joints, plan.locked
    )
    sizes, parents = metrics.subtree_weights(character.parents), np.asarray(character.parents, int)
    below, tree = np.zeros(len(parents), bool), np.arange(len(parents))
    for joint, parent in enumerate(parents):  # parents come first
        if parent >= 0:
            below[joint], tree[joint] = below[parent] or moving[parent], tree[parent]
    uppermost = np.flatnonzero(moving & ~below)
    best = [
        max(uppermost[tree[uppermost] == root], key=lambda j: sizes[j]) for root in np.unique(tree[uppermost])
    ]
    return np.array(best, int)
