"""Motion on changed bodies: proportions, fewer joints, roots as other rigs have them, and upper bodies of other clips.

People's motion capture comes on a handful of skeletons; users' characters have longer arms, fewer spine joints, a root
on the floor. A copy keeps the angles and changes what they turn. An hour of capture also holds few pairs of what legs
and arms do at once; a mixed copy walks with one clip's legs and waves with another's arms.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.geometry import rotations, skeleton
from engine.training.learned_prior.data import Clip, below, make_clip
from engine.training.learned_prior.poses import make_rig
from usd_io.shapes import Bool, Float, Int

LIMB, BONE = 0.25, 0.08
"""Spread of the logarithm of lengths: of whole limbs, and of bones in them."""
STIFF = 0.25
"""Joints that turn less than this [rad, root mean square] may be merged with the one that hangs on them."""
MERGED = 0.5
"""How likely each of them is."""
FLOOR_ROOT = 0.35
"""How likely a root that stays at the origin is put above."""
ALIKE = float(np.cos(np.radians(20)))
"""Cosine of the angle between a bone's directions in two clips up to which their joint frames count as the same."""
LEAST_MIXED = 60
"""Frames that two clips must share to be mixed."""


def retargeted(clip: Clip, rng: np.random.Generator) -> Clip:
    """The clip on a body of other proportions, with stiff joints merged and, now and then, another root above.

    Args:
        clip: The clip; its joints keep their order.
        rng: Random numbers.
    """
    parents, q, t = clip.rig.parents, clip.rotations.copy(), clip.translations * _lengths(clip, rng)[:, None]
    parents, q, t = _merge(parents, q, t, rng)
    if rng.random() < FLOOR_ROOT:
        parents = np.where(parents < 0, 0, parents + 1)
        parents = np.concatenate([[-1], parents])
        still = np.zeros((len(q), 1, 4), np.float32)
        still[..., 0] = 1
        q, t = np.concatenate([still, q], 1), np.concatenate([np.zeros((len(t), 1, 3), np.float32), t], 1)
    return make_clip(clip.source, clip.name, make_rig(parents), q, t)


def mixed(clip: Clip, others: Sequence[Clip], rng: np.random.Generator) -> Clip:
    """The clip with what its legs do not carry (spine, arms, head) as another clip has it.

    Args:
        clip: Gives the tree, the travel, the legs, and all lengths of bones.
        others: One is drawn of those on the same tree whose bones point the same way in their parents.
        rng: Random numbers.

    Returns:
        A piece as long as the shorter of the two, from random places; the clip itself where no other fits, or where its
        first pose does not tell legs from the rest.
    """
    upper = _above_legs(clip)
    fitting = [other for other in others if other is not clip and _same_frames(clip, other)]
    if not fitting or not upper.any():
        return clip
    other = fitting[rng.integers(len(fitting))]
    length = min(clip.frames, other.frames)
    here, there = (int(rng.integers(c.frames - length + 1)) for c in (clip, other))
    poses = clip.poses[here : here + length].copy()
    poses[:, upper, :4] = other.poses[there : there + length, upper, :4]
    return replace(clip, poses=poses)


def _above_legs(clip: Clip) -> Bool[np.ndarray, " joint"]:
    """Joints that hang on the joint where the legs meet, or on one above it, and are in no leg; none where the lowest
    joints are not ends of at least two limbs."""
    parents, lowest = clip.rig.parents, _lowest(clip)
    chains = skeleton.subtrees(parents)[:, lowest].T
    shared, legs = np.logical_and.reduce(chains), np.logical_or.reduce(chains)
    if shared[lowest].any():
        return np.zeros(len(parents), bool)
    carried = np.array([parent >= 0 and shared[parent] for parent in parents]) & ~legs
    return below(clip.rig, carried)


def _same_frames(clip: Clip, other: Clip) -> bool:
    """Whether rotations of the one mean the same in the other, and both last long enough."""
    if min(clip.frames, other.frames) < LEAST_MIXED or not np.array_equal(
        clip.rig.parents, other.rig.parents
    ):
        return False
    inner = clip.rig.parents >= 0
    a, b = (c.translations[0, inner] for c in (clip, other))
    lengths = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return bool(((a * b).sum(-1) >= ALIKE * lengths - 1e-9).all())


def _lengths(clip: Clip, rng: np.random.Generator) -> Float[np.ndarray, " joint"]:
    """Factors of local translations: alike along a limb; one for the travel and all that carries the lowest joints."""
    parents = clip.rig.parents
    children = np.bincount(parents[parents >= 0], minlength=len(parents))
    factors = np.ones(len(parents))
    limb = np.zeros(len(parents))
    legs = rng.normal(0, LIMB)
    lowest = np.logical_or.reduce(skeleton.subtrees(parents)[:, _lowest(clip)].T)
    for joint, parent in enumerate(parents):
        if parent < 0 or lowest[joint]:
            limb[joint] = legs
            factors[joint] = np.exp(legs)
            continue
        limb[joint] = rng.normal(0, LIMB) if children[parent] > 1 else limb[parent]
        factors[joint] = np.exp(limb[joint] + rng.normal(0, BONE))
    return factors.astype(np.float32)


def _lowest(clip: Clip) -> Int[np.ndarray, " low"]:
    """Joints that are near the lowest of all in the first pose."""
    at = slice(0, 1)
    q, t = clip.rotations[at].astype(float), clip.translations[at].astype(float)
    world = skeleton.global_rotations(clip.rig.parents, q / np.linalg.norm(q, axis=-1, keepdims=True))
    p = np.zeros_like(t)
    for joint, parent in enumerate(clip.rig.parents):
        p[:, joint] = t[:, joint]
        if parent >= 0:
            p[:, joint] = p[:, parent] + rotations.rotate(world[:, parent], t[:, joint])
    level = p[0, :, 1]
    return np.flatnonzero(level < level.min() + 0.1 * max(np.ptp(level), 1e-9))


def _merge(
    parents: Int[np.ndarray, " joint"],
    q: Float[np.ndarray, "frame joint 4"],
    t: Float[np.ndarray, "frame joint 3"],
    rng: np.random.Generator,
) -> tuple[Int[np.ndarray, " kept"], Float[np.ndarray, "frame kept 4"], Float[np.ndarray, "frame kept 3"]]:
    """Take out joints that hardly turn and carry one joint alone; that one turns for both."""
    children = np.bincount(parents[parents >= 0], minlength=len(parents))
    keep = np.ones(len(parents), bool)
    parents = parents.copy()
    for joint in range(len(parents)):
        parent = parents[joint]
        if parent < 0 or parents[parent] < 0 or children[parent] != 1 or not keep[parent]:
            continue
        mean = q[:, parent].mean(0)
        mean = mean / max(np.linalg.norm(mean), 1e-9)
        apart = 2 * np.arccos(np.clip(np.abs(q[:, parent] @ mean), 0, 1))
        if np.sqrt((apart**2).mean()) > STIFF or rng.random() > MERGED:
            continue
        above = q[:, parent].astype(float)
        t[:, joint] = t[:, parent] + rotations.rotate(
            np.tile(mean.astype(float), (len(q), 1)), t[:, joint].astype(float)
        )
        q[:, joint] = rotations.multiply(above / np.linalg.norm(above, axis=-1, keepdims=True), q[:, joint])
        parents[joint] = parents[parent]
        keep[parent] = False
    place = np.cumsum(keep) - 1
    kept = parents[keep]
    return np.where(kept >= 0, place[np.maximum(kept, 0)], -1), q[:, keep], t[:, keep]
