"""Joints moved to where they should rest, by small turns of the limb above them: damped least squares.

Each limb is solved for itself, all frames of a gap at once. Which way its joints turn is learnt from the known frames:
turns are weighed by how much each joint turns there, and about which axes, so that a knee bends as a knee; joints that
are moved and not turned (feet that hang on handles) shift likewise. Buss 2004, "Introduction to inverse kinematics
with Jacobian transpose, pseudoinverse and damped least squares methods", equation 11, with weights.
"""

from dataclasses import dataclass, replace

import numpy as np

from engine.geometry import metrics, rotations, skeleton
from engine.planning.plan import Plan
from engine.priors import offsets
from engine.priors.contacts import contacts, floor
from engine.priors.trials import in_nearby_contexts
from usd_io.model import Character, Motion
from usd_io.shapes import Bool, Float, Int

MOST_IN_LIMB = 40
"""A limb of more joints is left alone: a chain is no leg."""
STEPS = 5
DAMPING = 0.1
"""Of the least squares, as part of the mean square of what the limb reaches."""
STILL = 1e-4
"""A joint that turns by less, up to rounding, does not turn [rad]."""
LEAST_TURN = 0.02
"""A joint that turns at all turns by so much about any axis [rad]."""


def plant(character: Character, known: Motion, plan: Plan, made: Motion) -> Motion:
    """Let the joints that rest stay where they are, and feet above the floor.

    Args:
        character: The skeleton.
        known: The known frames only.
        plan: Gives context, keys, gaps and joints to leave alone; in place feet glide, above the floor.
        made: A filled motion at ``plan.fill_times``.

    Returns:
        The motion with the limbs of resting joints turned; the same object where none has to move.
    """
    size = metrics.height(character, known, plan.keys[0]) if plan.gaps else 0.0
    if not plan.in_place:
        made = _moved(character, known, plan, made, *contacts.corrections(character, known, plan, made, size))
    return _moved(character, known, plan, made, *floor.raises(character, known, plan, made, size))


def _moved(
    character: Character,
    known: Motion,
    plan: Plan,
    made: Motion,
    joints: Int[np.ndarray, " support"],
    ways: Float[np.ndarray, "fill support 3"],
) -> Motion:
    """The motion with joints gone these ways [stage units, world] from where they are, gap after gap."""
    if not ways.any():
        return made
    # which joints may turn and shift, and about which axes; locked joints get zeros
    turning = spreads(known, plan, np.isin(character.joints, plan.locked))
    limbs = find_legs(character, joints)
    turned, shifted = made.rotations.copy(), made.translations.copy()
    first = 0
    for gap in plan.gaps:
        part = slice(first, first + len(gap.times))
        used = [limb for limb in limbs if ways[part][:, np.searchsorted(joints, limb.ends)].any()]
        if used:
            solve(character, made.at(part), used, turning, joints, ways[part], (turned[part], shifted[part]))
        first = part.stop
    return replace(made, rotations=turned, translations=shifted)


@dataclass(frozen=True, eq=False)
class Limb:
    """Joints that turn for some that rest."""

    joints: Int[np.ndarray, " limb"]
    """The resting ones and those above them, up to what carries other limbs too."""
    ends: Int[np.ndarray, " end"]
    carries: Bool[np.ndarray, "end limb"]
    """Whether the end is the joint or below it."""


def find_limbs(character: Character, resting: Int[np.ndarray, " support"]) -> list[Limb]:
    """The limbs of the joints that rest."""
    most = contacts.carries_most(character)
    # from each resting joint upwards, ending below the first joint that carries most of all
    chains: dict[int, list[int]] = {}
    for joint in resting:
        chain, above = [int(joint)], int(character.parents[joint])
        while above >= 0 and not most[above]:
            chain.append(above)
            above = int(character.parents[above])
        chains[int(joint)] = chain
    limbs = []
    # resting joints whose chains end at the same joint (heel and toe) are solved together
    for top in sorted({chain[-1] for chain in chains.values()}):
        ends = [joint for joint, chain in chains.items() if chain[-1] == top]
        joints = sorted({joint for end in ends for joint in chains[end]})
        carries = np.array([np.isin(joints, chains[end]) for end in ends])
        limbs.append(Limb(np.array(joints), np.array(ends), carries))
    return limbs


def find_legs(character: Character, resting: Int[np.ndarray, " support"]) -> list[Limb]:
    """The limbs of the joints that rest, chains left out."""
    return [limb for limb in find_limbs(character, resting) if len(limb.joints) <= MOST_IN_LIMB]


def spreads(known: Motion, plan: Plan, locked: Bool[np.ndarray, " joint"]) -> Float[np.ndarray, "joint 6 6"]:
    """How joints turn [rad] and shift [stage units] near the gaps: mean squares about and along their parents' axes."""
    # the keys and the contexts near the gaps: how a joint turns there is how it may turn in the gap
    near = np.isin(known.times, plan.keys) | in_nearby_contexts(known, plan)
    seen = known.at(near)
    # turns away from the mean rotation as rotation vectors about the parent's axes [rad]; signs are made continuous
    # before quaternions are averaged
    q = seen.rotations.astype(float)
    middle = rotations.normalise(rotations.continuous(q).mean(0))
    turns = rotations.log(rotations.multiply(q, np.broadcast_to(rotations.conjugate(middle), q.shape)))
    shifts = seen.translations - seen.translations.mean(0, dtype=float)
    # mean squares 3 x 3 of turns [rad^2], kept above LEAST_TURN about every axis, and of shifts [stage units^2]
    result = np.zeros((q.shape[1], 6, 6))
    result[:, :3, :3] = np.einsum("fja,fjb->jab", turns, turns) / len(q) + LEAST_TURN**2 * np.eye(3)
    result[:, 3:, 3:] = np.einsum("fja,fjb->jab", shifts, shifts) / len(q)
    # still and locked joints: no turn, no shift
    moves: Bool[np.ndarray, "joint 2"] = offsets.moving(seen)[:, :2] & ~locked[:, None]
    moves[:, 0] &= np.linalg.norm(turns, axis=-1).max(axis=0) > STILL
    return result * np.repeat(moves, 3, axis=1)[:, :, None]


def solve(
    character: Character,
    made: Motion,
    limbs: list[Limb],
    spreads: Float[np.ndarray, "joint 6 6"],
    joints: Int[np.ndarray, " support"],
    ways: Float[np.ndarray, "frame support 3"],
    result: tuple[Float[np.ndarray, "frame joint 4"], Float[np.ndarray, "frame joint 3"]],
) -> None:
    """Write rotations and translations of the limbs in one gap to ``result``; what cannot move stays bit for bit."""
    spreads = _with_handles(spreads, limbs)
    # the ways from world to skeleton space, in which the limbs are solved [skeleton units]
    to_skel = np.linalg.pinv(made.T_world_skel[:, None, :3, :3])
    ways = (to_skel @ ways[..., None])[..., 0]
    # targets are measured from where the joints are before any step
    places = skeleton.joint_transforms(character, made)[..., :3, 3]
    q, translations = made.rotations.astype(float), made.translations.astype(float)
    before = skeleton.global_rotations(character.parents, q)
    # a step takes turns as linear, which large ones are not: steps are repeated, each from the pose of the last
    for _ in range(STEPS):
        frames = skeleton.global_rotations(character.parents, q)
        T = skeleton.chain(character.parents, skeleton.compose(translations, q, made.scales))
        for limb in limbs:
            target = places[:, limb.ends] + ways[:, np.searchsorted(joints, limb.ends)]
            step = _step(limb, character.parents, T[..., :3, 3], frames, target, spreads)
            # turns are about the parent's axes, so that they multiply from the left
            q[:, limb.joints] = rotations.multiply(rotations.exp(step[..., :3]), q[:, limb.joints])
            translations[:, limb.joints] += step[..., 3:]
    frames = skeleton.global_rotations(character.parents, q)
    for limb in limbs:
        # ends of the limb below which no other end hangs: they are the only end that they carry
        last = limb.ends[limb.carries[:, np.searchsorted(limb.joints, limb.ends)].sum(0) == 1]
        last = last[character.parents[last] >= 0]
        # what no end hangs on keeps its direction: a paw stays flat while the leg turns
        q[:, last] = rotations.multiply(
            rotations.conjugate(frames[:, character.parents[last]]), before[:, last]
        )
        # channels that may not move are left as they were, others are written whole
        turning = limb.joints[spreads[limb.joints, 0, 0] > 0]
        shifting = limb.joints[spreads[limb.joints][:, 3:, 3:].any((1, 2))]
        result[0][:, turning] = rotations.normalise(q[:, turning])
        result[1][:, shifting] = translations[:, shifting]


def _with_handles(
    spreads: Float[np.ndarray, "joint 6 6"], limbs: list[Limb]
) -> Float[np.ndarray, "joint 6 6"]:
    """Spreads in which a resting joint shifts in any direction alike where nothing in the limb above it moves: a handle
    that the known frames carry along the ground has to be put down and lifted too."""
    result = spreads.copy()
    for limb in limbs:
        for end, carries in zip(limb.ends, limb.carries, strict=True):
            above = limb.joints[carries & (limb.joints != end)]
            if not spreads[above].any():
                result[end, 3:, 3:] = np.trace(spreads[end, 3:, 3:]) / 3 * np.eye(3)
    return result


def _step(
    limb: Limb,
    parents: Int[np.ndarray, " joint"],
    positions: Float[np.ndarray, "frame joint 3"],
    frames: Float[np.ndarray, "frame joint 4"],
    target: Float[np.ndarray, "frame end 3"],
    spreads: Float[np.ndarray, "joint 6 6"],
) -> Float[np.ndarray, "frame limb 6"]:
    """One step of least squares: turns and shifts of the limb's joints in their parents' axes."""
    # rotations of the parents in skeleton space (of roots: none); their columns are the axes of turns and shifts
    count, above = len(positions), parents[limb.joints]
    axes = np.tile(np.eye(3), (count, len(above), 1, 1))
    axes[:, above >= 0] = rotations.to_matrix(frames[:, above[above >= 0]])
    # arms from each joint of the limb to each end, in skeleton space
    arms = positions[:, limb.ends, None] - positions[:, None, limb.joints]
    # per frame, end, coordinate and joint: what three turns [length/rad] and three shifts [1] move
    jacobian = np.zeros((count, len(limb.ends), 3, len(above), 6))
    # a turn w about its parent's axes moves what is at the end of an arm by (axes w) x arm
    turned = np.cross(axes.swapaxes(-1, -2)[:, None], arms[:, :, :, None])
    jacobian[..., :3] = turned.transpose(0, 1, 4, 2, 3)
    # a shift along its parent's axes moves the end by as much
    jacobian[..., 3:] = axes[:, None].transpose(0, 1, 3, 2, 4)
    # no end moves with a joint that does not carry it
    jacobian *= limb.carries[:, None, :, None]
    # Buss 2004, equation 11, with the spreads S as weights: step = S J^T (J S J^T + damping)^-1 missing. `weighed` is
    # J S (S is symmetric); the damping is a part of the mean of the diagonal, so that it has no unit of its own, and
    # 1 where nothing moves, which keeps the matrix regular
    weighed = np.einsum("femjc,jcd->femjd", jacobian, spreads[limb.joints]).reshape(count, target[0].size, -1)
    normal = weighed @ jacobian.reshape(count, target[0].size, -1).swapaxes(1, 2)
    reach = np.trace(normal, axis1=1, axis2=2)[:, None, None] / normal.shape[-1]
    normal += np.where(reach > 0, DAMPING * reach, 1) * np.eye(normal.shape[-1])
    missing = (target - positions[:, limb.ends]).reshape(count, -1, 1)
    solved = weighed.swapaxes(1, 2) @ np.linalg.solve(normal, missing)
    return solved.reshape(count, len(above), 6)
