"""Joints moved to where they should rest, by small turns of the limb above them: damped least squares.

Each limb is solved for itself, all frames of a gap at once. Which way its joints turn is learnt from the known frames:
turns are weighed by how much each joint turns there, and about which axes, so that a knee bends as a knee, and to its
own side (:mod:`engine.priors.contacts.hinges`); joints that are moved and not turned (feet that hang on handles) shift
likewise. Buss 2004, "Introduction to inverse kinematics with Jacobian transpose, pseudoinverse and damped least squares
methods", equation 11, with weights.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.geometry import metrics, rotations, skeleton
from engine.geometry.once import once
from engine.planning.plan import Plan
from engine.priors import offsets
from engine.priors.contacts import contacts, floor
from engine.priors.contacts.hinges import Hinge, find_hinges, unbend
from engine.priors.contacts.rests import carries_most
from engine.priors.learned.bodies import alone, bodies_of, together, with_joints
from engine.priors.trials import in_nearby_contexts
from usd_io.model import Character, Motion
from usd_io.shapes import Bool, Float, Int

MOST_IN_LIMB = 40
"""A limb of more joints is left alone: a chain is no leg."""
STEPS = 5
DEEP, MOST_PASSES = 0.01, 4
"""Feet that are so far under the floor still [heights] are raised again: a straight leg begins to bend but slowly."""
DAMPING = 0.1
"""Of the least squares, as part of the mean square of what the limb reaches."""
STILL = 1e-4
"""A joint that turns by less, up to rounding, does not turn [rad]."""
LEAST_TURN = 0.02
"""A joint that turns at all turns by so much about any axis [rad]."""
SLOWER = (0.0, 1.0, 4.0)
"""What is added to the damping (:func:`solve`): each of these where a limb turns too quickly with the one before."""
QUICK, QUICKER = 10.0, 1.5
"""It does where one of its joints turns faster than this [rad/s], and so many times faster than in the filled motion
and in the known frames: beside a straight limb a frame may find another way to bend than its neighbours."""
WRONG = 0.05
"""A hinge that nothing rests on is bent back in gaps that bend it this much too far [rad]."""


def plant(character: Character, known: Motion, plan: Plan, made: Motion) -> Motion:
    """Let the joints that rest stay where they are, feet above the floor, and knees bent to their side; of several
    bodies each by its own height, on its own floor.

    Args:
        character: The skeleton.
        known: The known frames only.
        plan: Gives context, keys, gaps and joints to leave alone; in place feet glide, above the floor.
        made: A filled motion at ``plan.fill_times``.

    Returns:
        The motion with limbs turned; of one body the same object where none has to move.
    """
    return by_body(_plant, character, known, plan, made) if plan.gaps else made


def by_body(
    turned: Callable[..., Motion], character: Character, known: Motion, plan: Plan, *motions: Motion
) -> Motion:
    """What turns limbs, of every body by itself: the box around two who are apart says nothing of their height.

    Args:
        turned: Gets character, known frames, plan and motions, of one body; gives the last of these, turned.
        character: The skeleton.
        known: The known frames only.
        plan: Gives the gaps.
        motions: Filled motions at ``plan.fill_times``.
    """
    bodies = bodies_of(character, known)
    if len(bodies) < 2:
        return turned(character, known, plan, *motions)
    parts = [
        turned(*alone(character, known, own), plan, *(with_joints(motion, own) for motion in motions))
        for own in bodies
    ]
    return together(motions[-1], parts, bodies)


def _plant(character: Character, known: Motion, plan: Plan, made: Motion) -> Motion:
    """:func:`plant` of one body."""
    size = metrics.height(character, known, plan.keys[0])
    if not plan.in_place:
        made = _moved(character, known, plan, made, *contacts.corrections(character, known, plan, made, size))
    for index in range(MOST_PASSES):
        joints, ways = floor.raises(character, known, plan, made, size)
        if index:
            ways[:, np.abs(ways).max((0, 2), initial=0) < DEEP * size] = 0
            if not ways.any():
                break
        made = _moved(character, known, plan, made, joints, ways)
    return _unbent(character, known, plan, made)


def _moved(
    character: Character,
    known: Motion,
    plan: Plan,
    made: Motion,
    joints: Int[np.ndarray, " support"],
    ways: Float[np.ndarray, "fill support 3"],
) -> Motion:
    """The motion with joints gone these ways [stage units, world] from where they are, gap after gap."""
    if not len(joints):
        return made
    # which joints may turn and shift, and about which axes; locked joints get zeros
    turning = spreads(character, known, plan)
    limbs = find_legs(character, joints)
    hinges = hinges_of(character, known, plan)
    # what a limb has to do: to bring its ends elsewhere, or not to be bent to the wrong side
    moving = np.zeros((len(made.times), len(limbs)), bool)
    for limb, moves in zip(limbs, moving.T, strict=True):
        moves |= ways[:, np.searchsorted(joints, limb.ends)].any((1, 2))
        for hinge in hinges:
            if hinge.below in limb.joints:
                moves |= hinge.bent(made.rotations, made.translations) < hinge.least
    if not moving.any():
        return made
    turned, shifted = made.rotations.copy(), made.translations.copy()
    usual = _usual_turns(character, known, plan)
    first = 0
    for gap in plan.gaps:
        part = slice(first, first + len(gap.times))
        used = [limb for limb, moves in zip(limbs, moving[part].T, strict=True) if moves.any()]
        for slower in SLOWER:
            if used:
                its, result = made.at(part), (turned[part], shifted[part])
                solve(character, its, used, turning, joints, ways[part], result, slower, hinges)
                used = [limb for limb in used if _jerks(limb, its, turned[part], usual)]
        first = part.stop
    return replace(made, rotations=turned, translations=shifted)


def _unbent(character: Character, known: Motion, plan: Plan, made: Motion) -> Motion:
    """The motion with hinges bent back that gaps bend to the other side, whether or not anything rests.

    What hangs on a hinge stays where it is, by turns of the joint above, and as it is turned in skeleton space.
    """
    spans = [np.searchsorted(made.times, (gap.start, gap.end)) for gap in plan.gaps]
    hinges = hinges_of(character, known, plan)
    # from the body outwards: what turns a joint turns the one above it as well
    for hinge in hinges:
        missing = hinge.least - hinge.bent(made.rotations, made.translations)
        if missing.max(initial=0) <= WRONG:
            continue
        # a gap with a little alone is left as it is, others are without a step from what is wrong to what is right
        frames = np.zeros(len(missing), bool)
        for first, last in spans:
            frames[first:last] = missing[first:last].max(initial=0) > WRONG
        frames &= missing > 0
        few = np.array([character.parents[hinge.joint], hinge.joint, hinge.below])
        end, carries = few[2:], np.ones((1, 3), bool)
        near = [other for other in hinges if other.joint in few and other.below in few]
        wrong, ways = made.at(frames), np.zeros((int(frames.sum()), 1, 3))
        result = wrong.rotations.copy(), wrong.translations.copy()
        limbs = [Limb(few, end, carries)]
        solve(character, wrong, limbs, spreads(character, known, plan), end, ways, result, hinges=near)
        turned, shifted = made.rotations.copy(), made.translations.copy()
        turned[frames], shifted[frames] = result
        made = replace(made, rotations=turned, translations=shifted)
    return made


@once
def hinges_of(character: Character, known: Motion, plan: Plan) -> list[Hinge]:
    """Those of all limbs, by what is known near the gaps."""
    turns = spreads(character, known, plan)[:, 0, 0] > 0
    return find_hinges(character, _near_gaps(known, plan), ~carries_most(character), turns)


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
    most = carries_most(character)
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


def _jerks(
    limb: Limb, made: Motion, turned: Float[np.ndarray, "frame joint 4"], usual: Float[np.ndarray, " joint"]
) -> bool:
    """Whether joints of a limb turn faster than in the filled motion and in the known frames."""
    seconds = made.times / made.time_codes_per_second
    before, after = (
        _turning(q[:, limb.joints], seconds).max(0, initial=0.0) for q in (made.rotations, turned)
    )
    return bool((after > np.maximum(QUICKER * np.maximum(before, usual[limb.joints]), QUICK)).any())


@once
def _usual_turns(character: Character, known: Motion, plan: Plan) -> Float[np.ndarray, " joint"]:
    """How fast joints turn at most in what is known near the gaps [rad/s]."""
    seen = _near_gaps(known, plan)
    return np.asarray(_turning(seen.rotations, seen.times / seen.time_codes_per_second).max(0, initial=0.0))


def _turning(
    q: Float[np.ndarray, "frame joint 4"], seconds: Float[np.ndarray, " frame"]
) -> Float[np.ndarray, "interval joint"]:
    """How fast joints turn from frame to frame [rad/s]."""
    cosines = np.abs(np.einsum("fjc,fjc->fj", q[1:], q[:-1], dtype=float))
    return np.asarray(2 * np.arccos(np.minimum(cosines, 1)) / np.diff(seconds)[:, None])


@once
def spreads(character: Character, known: Motion, plan: Plan) -> Float[np.ndarray, "joint 6 6"]:
    """How joints turn [rad] and shift [stage units] near the gaps: mean squares about and along their parents' axes."""
    seen = _near_gaps(known, plan)
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
    moves: Bool[np.ndarray, "joint 2"] = (
        offsets.moving(seen)[:, :2] & ~np.isin(character.joints, plan.locked)[:, None]
    )
    moves[:, 0] &= np.linalg.norm(turns, axis=-1).max(axis=0) > STILL
    return result * np.repeat(moves, 3, axis=1)[:, :, None]


def _near_gaps(known: Motion, plan: Plan) -> Motion:
    """The keys and the contexts near the gaps: how a joint turns there is how it may turn in the gap."""
    return known.at(np.isin(known.times, plan.keys) | in_nearby_contexts(known, plan))


def solve(
    character: Character,
    made: Motion,
    limbs: list[Limb],
    spreads: Float[np.ndarray, "joint 6 6"],
    joints: Int[np.ndarray, " support"],
    ways: Float[np.ndarray, "frame support 3"],
    result: tuple[Float[np.ndarray, "frame joint 4"], Float[np.ndarray, "frame joint 3"]],
    slower: float = 0.0,
    hinges: Sequence[Hinge] = (),
) -> None:
    """Write rotations and translations of the limbs in one gap to ``result``; what cannot move stays bit for bit.

    ``slower`` is added to the damping, for each length of the limb that its ends are away: without it the steps towards
    what is beyond reach go through the straight limb, to one side and the other, ever further. Sugihara 2011,
    "Solvability-unconcerned inverse kinematics by the Levenberg-Marquardt method", adds the square of what is missing;
    here it is the length, with which the term grows that linear turns leave out.

    ``hinges`` begin bent to their side and stay so; the ends' targets are from where they were before.
    """
    spreads = _with_handles(spreads, limbs)
    # the ways from world to skeleton space, in which the limbs are solved [skeleton units]
    to_skel = np.linalg.pinv(made.T_world_skel[:, None, :3, :3])
    ways = (to_skel @ ways[..., None])[..., 0]
    # targets are measured from where the joints are before any step
    T = skeleton.joint_transforms(character, made)
    places = T[..., :3, 3]
    # the joints of the limbs alone move, on those above them, which are roots of their own here
    joints_of = np.unique(np.concatenate([limb.joints for limb in limbs]))
    above = np.setdiff1d(character.parents[joints_of], [*joints_of, -1])
    few = np.union1d(joints_of, above)
    roots = np.isin(few, above)
    parents = np.where(roots, -1, np.searchsorted(few, character.parents[few]))
    parents[character.parents[few] < 0] = -1
    T_roots = T[:, above]
    q, translations, scales = (
        made.rotations[:, few].astype(float),
        made.translations[:, few].astype(float),
        made.scales[:, few],
    )
    q[:, roots] = skeleton.global_rotations(character.parents, made.rotations.astype(float))[:, above]
    its = [
        replace(limb, joints=np.searchsorted(few, limb.joints), ends=np.searchsorted(few, limb.ends))
        for limb in limbs
    ]
    before = skeleton.global_rotations(parents, q)
    its_hinges = [
        replace(h, joint=int(np.searchsorted(few, h.joint)), below=int(np.searchsorted(few, h.below)))
        for h in hinges
        if h.below in joints_of
    ]
    unbend(its_hinges, q, translations)
    # a step takes turns as linear, which large ones are not: steps are repeated, each from the pose of the last
    for _ in range(STEPS):
        frames = skeleton.global_rotations(parents, q)
        T_parent_joint = skeleton.compose(translations, q, scales)
        T_parent_joint[:, roots] = T_roots
        positions = skeleton.chain(parents, T_parent_joint)[..., :3, 3]
        for limb, one in zip(limbs, its, strict=True):
            target = places[:, limb.ends] + ways[:, np.searchsorted(joints, limb.ends)]
            step = _step(one, parents, positions, frames, target, spreads[few], slower)
            # turns are about the parent's axes, so that they multiply from the left
            q[:, one.joints] = rotations.multiply(rotations.exp(step[..., :3]), q[:, one.joints])
            translations[:, one.joints] += step[..., 3:]
        unbend(its_hinges, q, translations)
    keep_directions(parents, its, q, before)
    for limb, one in zip(limbs, its, strict=True):
        # channels that may not move are left as they were, others are written whole
        turns = spreads[limb.joints, 0, 0] > 0
        shifts = spreads[limb.joints][:, 3:, 3:].any((1, 2))
        result[0][:, limb.joints[turns]] = rotations.normalise(q[:, one.joints[turns]])
        result[1][:, limb.joints[shifts]] = translations[:, one.joints[shifts]]


def keep_directions(
    parents: Int[np.ndarray, " joint"],
    limbs: list[Limb],
    q: Float[np.ndarray, "frame joint 4"],
    directions: Float[np.ndarray, "frame joint 4"],
) -> None:
    """Turn in ``q`` what no end hangs on to its rotation in skeleton space: a paw stays flat while the leg turns."""
    frames = skeleton.global_rotations(parents, q)
    for limb in limbs:
        # ends of the limb below which no other end hangs: they are the only end that they carry
        last = limb.ends[limb.carries[:, np.searchsorted(limb.joints, limb.ends)].sum(0) == 1]
        last = last[parents[last] >= 0]
        q[:, last] = rotations.multiply(rotations.conjugate(frames[:, parents[last]]), directions[:, last])


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
    slower: float,
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
    turned = rotations.cross(axes.swapaxes(-1, -2)[:, None], arms[:, :, :, None])
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
    missing = (target - positions[:, limb.ends]).reshape(count, -1, 1)
    damping: float | Float[np.ndarray, "frame 1 1"] = DAMPING
    if slower:
        longest = np.linalg.norm(arms, axis=-1).max((1, 2))
        lengths = np.linalg.norm(missing[..., 0], axis=-1) / np.where(longest > 0, longest, 1)
        damping = DAMPING + slower * lengths[:, None, None]
    normal += np.where(reach > 0, damping * reach, 1) * np.eye(normal.shape[-1])
    solved = weighed.swapaxes(1, 2) @ np.linalg.solve(normal, missing)
    return solved.reshape(count, len(above), 6)
