"""Joints that stay where they are for a while: a hand on a rail, a foot in a stirrup.

The limb above a pinned joint turns so that it is there (:mod:`engine.priors.contacts.planting`); what the limb cannot
reach the body gives: its first joint that moves in known frames, as hips under still control joints. Where that does
not hold all of them, what carries them is brought nearer to one pose over the range, as little as is needed. Where a
limb changes sides from a frame to the next, as an arm that is almost straight may, it is followed frame by frame
instead, forwards or backwards. Before and after, joint and body leave their trajectories and come back to them within
:data:`BLEND_S`, or longer where they would have to be quicker than they are anyway.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from engine.geometry import metrics, rotations, skeleton
from engine.planning.pins import PIN_TOLERANCE, Pin, place_of
from engine.planning.plan import Plan
from engine.priors import offsets
from engine.priors.contacts import planting
from engine.priors.contacts.hinges import Hinge
from engine.priors.contacts.rests import carries_most
from engine.priors.contacts.trajectory import BLEND_S, blended
from usd_io.errors import shown, timecode
from usd_io.model import Character, Motion
from usd_io.shapes import Bool, Float, Int

JUMP, JUMPY = 0.03, 2.0
"""A pinned joint jumps where a step from a frame to the next is longer than this [heights], and than so many times the
longest of its others."""
ROUNDS, REACHES = 4, 20
"""Of the limbs' least squares, and of the body's help between them, since limbs that are almost straight are slow."""
TURN, TURNED = 45.0, 3.0
"""A joint above a pinned one flips where it turns by more from a frame to the next [degrees], and by more than so many
times the most in the known poses: beside a straight limb there are two ways to bend."""
SLOWER = 1.0
"""Added to the damping of the least squares for each length of the limb that is missing, as limbs beyond their reach
would flip from side to side."""
QUICK, FOLLOWED = 30.0, 2
"""Where what a joint is turned by changes by more from a frame to the next [degrees], the limb is followed frame by
frame, in so many rounds of the least squares each."""
NEAR = 1e-6
"""The least squares end where all joints are so near to their targets [heights]."""
PARTS = (0.0, 0.5, 1.0)
"""Of the way to the one pose that holds all pins, from which the least squares begin: as little as is needed."""


def hold_pins(character: Character, known: Motion, plan: Plan, made: Motion) -> Motion:
    """Hold the pinned joints in their places.

    Args:
        character: The skeleton.
        known: The known frames only.
        plan: Gives the pins.
        made: A filled motion at ``plan.fill_times``.

    Raises:
        ConfigError: Known poses hold a pinned joint in places that differ.
    """
    if not plan.pins:
        return made
    size = metrics.height(character, known, plan.keys[0])
    joints = np.array(sorted({character.joints.index(pin.joint) for pin in plan.pins}))
    paths = skeleton.joint_positions(character, made)[:, joints]
    ways, held = np.zeros_like(paths), np.zeros(paths.shape[:2], bool)
    for pin in plan.pins:
        column = int(np.searchsorted(joints, character.joints.index(pin.joint)))
        inside = (made.times >= pin.start) & (made.times <= pin.end)
        held[inside, column] = True
        ways[inside, column] = _place(character, known, made, pin, size) - paths[inside, column]
    if not ways.any():
        return made
    leaving = _leaving(plan, made, paths, ways)
    targets = paths + _led_out(plan, made, ways, held, leaving)
    best, least = made, np.inf
    for part in PARTS:
        begun = _towards_one_pose(character, known, plan, made, part, leaving)
        got, off = _met(character, known, plan, begun, joints, targets, held, leaving)
        if off < least:
            best, least = got, off
        if least < PIN_TOLERANCE * size:
            break
    quick = _quick(character, plan, made, best, joints)
    for backwards in (False, True):
        if not quick:
            break
        begun = _followed(character, known, plan, made, best, joints, targets, backwards=backwards)
        got, off = _met(character, known, plan, begun, joints, targets, held, leaving)
        calmer = _quick(character, plan, made, got, joints)
        if calmer < quick and off < max(least, PIN_TOLERANCE / 2 * size):
            best, quick = got, calmer
    return best


def _followed(
    character: Character,
    known: Motion,
    plan: Plan,
    free: Motion,
    made: Motion,
    joints: Int[np.ndarray, " pinned"],
    targets: Float[np.ndarray, "fill pinned 3"],
    *,
    backwards: bool,
) -> Motion:
    """Limbs that change sides from a frame to the next brought to one: from there on each frame begins from what the
    one before it (``backwards``: after it) is turned by, until both sides meet."""
    size = metrics.height(character, known, plan.keys[0])
    spreads, hinges = planting.spreads(character, known, plan), planting.hinges_of(character, known, plan)
    ways = targets - skeleton.joint_positions(character, free)[:, joints]
    q = made.rotations.copy()
    for here, limb in _gaps_and_limbs(character, plan, made, joints):
        its, turning = np.isin(joints, limb.ends), limb.joints[spreads[limb.joints, 0, 0] > 0]
        far = np.linalg.norm(ways[here][:, its], axis=-1).max(1)
        turned = _turned(free.at(here), made.at(here), turning)
        if backwards:
            here, far, turned = here[::-1], far[::-1], turned[::-1]
        most = QUICK
        for n, at in enumerate(here):
            if _most_degrees(turned[n : n + 2]).max() <= most:
                most = QUICK
                continue
            most = QUICK / 4  # until it is where it was solved without
            # less where the joint has less far to go, none at the key
            part = min(1.0, far[n] / far[n - 1]) if n and far[n - 1] > 0 else 1.0
            one = made.at(frame := np.array([at]))
            begun = one.rotations.astype(float)
            directions = skeleton.global_rotations(character.parents, begun)
            start = rotations.exp(rotations.log(turned[n]) * part)
            begun[0, turning] = rotations.multiply(free.rotations[at, turning].astype(float), start)
            planting.keep_directions(character.parents, [limb], begun, directions)
            q[at, turning] = begun[0, turning]
            one = replace(one, rotations=q[frame])
            target = targets[frame][:, its]
            one = _solved(character, one, [limb], spreads, joints[its], target, size, hinges, FOLLOWED)
            q[at, turning] = one.rotations[0, turning]
            turned[n + 1] = _turned(free.at(frame), one, turning)[1]
    return replace(made, rotations=q)


def _quick(
    character: Character, plan: Plan, free: Motion, made: Motion, joints: Int[np.ndarray, " pinned"]
) -> float:
    """By how much limbs turn from a frame to the next beyond what is called quick, and beyond the free motion; their
    sum [degrees]."""
    return sum(
        max(0.0, _most_degrees(_turned(free.at(here), made.at(here), limb.joints)).max() - QUICK)
        for here, limb in _gaps_and_limbs(character, plan, made, joints)
    )


def _gaps_and_limbs(
    character: Character, plan: Plan, made: Motion, joints: Int[np.ndarray, " pinned"]
) -> Iterator[tuple[Int[np.ndarray, " frame"], planting.Limb]]:
    limbs = planting.find_limbs(character, joints)
    for gap in plan.gaps:
        here = np.flatnonzero((made.times > gap.start) & (made.times < gap.end))
        yield from ((here, limb) for limb in limbs)


def _turned(free: Motion, made: Motion, joints: Int[np.ndarray, " limb"]) -> Float[np.ndarray, "all limb 4"]:
    """What joints of a gap are turned by, in their own frames; nothing at its keys, which come first and last."""
    by = rotations.multiply(
        rotations.conjugate(free.rotations[:, joints].astype(float)), made.rotations[:, joints].astype(float)
    )
    still = np.zeros((1, len(joints), 4))
    still[..., 0] = 1
    return np.concatenate([still, by, still])


def _most_degrees(turned: Float[np.ndarray, "all limb 4"]) -> Float[np.ndarray, " step"]:
    return np.asarray(np.degrees(rotations.angle_between(turned[:-1], turned[1:])).max(1, initial=0))


def _met(
    character: Character,
    known: Motion,
    plan: Plan,
    made: Motion,
    joints: Int[np.ndarray, " pinned"],
    targets: Float[np.ndarray, "fill pinned 3"],
    held: Bool[np.ndarray, "fill pinned"],
    leaving: Float[np.ndarray, " fill"],
) -> tuple[Motion, float]:
    """The motion with its joints at their targets, by limbs and body, and how far off what is held still is [stage
    units]."""
    size = metrics.height(character, known, plan.keys[0])
    moves = offsets.moving(known).any(-1) & carries_most(character)
    carriers = np.array([_carrier_of(character, moves, int(joint)) for joint in joints])
    for left in reversed(range(REACHES)):
        got = _reach(character, known, plan, made, joints, targets)
        missing = np.where(held[..., None], targets - skeleton.joint_positions(character, got)[:, joints], 0)
        off = float(np.linalg.norm(missing, axis=-1).max())
        if off < PIN_TOLERANCE / 2 * size or not left:
            break
        # limbs begin again from how they were, as stretched ones may bend to either side
        for carrier in np.setdiff1d(carriers, np.flatnonzero(np.isin(character.joints, plan.locked))):
            its = carriers == carrier  # handles that are roots of their own stay where they are
            shift = missing[:, its].sum(1, keepdims=True) / np.maximum(held[:, its].sum(1), 1)[:, None, None]
            anything = held[:, its].max(1, keepdims=True)
            made = _shifted(
                character, made, int(carrier), _led_out(plan, made, shift, anything, leaving)[:, 0]
            )
    return got, off


def _towards_one_pose(
    character: Character,
    known: Motion,
    plan: Plan,
    made: Motion,
    part: float,
    leaving: Float[np.ndarray, " fill"],
) -> Motion:
    """Pinned joints and those above them brought nearer to the first pose of the range, in which all of them are where
    they shall be."""
    if not part:
        return made
    change = np.zeros((*made.rotations.shape[:2], 9))
    for start, end in sorted({(pin.start, pin.end) for pin in plan.pins}):
        known_here = (known.times >= start) & (known.times <= end)
        here = (made.times >= start) & (made.times <= end)
        pose = known.at(known_here) if known_here.any() else made.at(here)
        pinned = [f"{pin.joint}/" for pin in plan.pins if (pin.start, pin.end) == (start, end)]
        above = np.array([any(one.startswith(f"{joint}/") for one in pinned) for joint in character.joints])
        above &= ~np.isin(character.joints, plan.locked)
        weight = part * _led_out(plan, made, np.ones((len(here), 1, 3)), here[:, None], leaving)[..., :1]
        way = weight * offsets.offsets_from(made, pose.at(np.zeros(len(made.times), int)))
        # what the pose shares with the motion stays bit for bit
        way[(made.rotations == pose.rotations[0]).all(-1), offsets.ROTATION] = 0
        way[..., offsets.SCALE] = 0
        change[:, above] += way[:, above]
    return offsets.apply(made, change)


def missed_pins(character: Character, motion: Motion, plan: Plan) -> list[str]:
    """What to say of pinned joints that a filled motion does not hold, or that jump where a pin ends; a sentence each.

    Pins of ranges that overlap may want what no pose of the skeleton gives; then they are held as nearly as the least
    squares come.

    Args:
        character: The skeleton.
        motion: As it becomes the result, known poses among it.
        plan: Gives the pins.
    """
    if not plan.pins:
        return []
    size = metrics.height(character, motion, plan.keys[0])
    known, paths = motion.at(plan.known(motion.times)), skeleton.joint_positions(character, motion)
    missed = []
    for pin in plan.pins:
        path = paths[:, character.joints.index(pin.joint)]
        inside = (motion.times >= pin.start) & (motion.times <= pin.end)
        held = motion.at(inside)
        apart = np.linalg.norm(path[inside] - _place(character, known, held, pin, size), axis=-1)
        if apart.max(initial=0) > PIN_TOLERANCE * size:
            missed.append(
                f"{shown(pin.joint)}, pinned from {timecode(pin.start)} to {timecode(pin.end)}, is {apart.max():.3g} "
                f"stage units ({100 * apart.max() / size:.2g} % of the height) off its place at "
                f"{timecode(held.times[np.argmax(apart)])}: {_why_missed(plan, pin)}, or pin a shorter range."
            )
        jumps = _jumps(path / size, motion.times, inside, pin)
        missed += jumps + _flips(character, motion, plan, pin, at_ends=not jumps)
    return missed


def _why_missed(plan: Plan, pin: Pin) -> str:
    """What keeps a joint from its place, and what to do."""
    locked = [joint for joint in plan.locked if pin.joint.startswith(f"{joint}/")]
    if locked:
        return f"the limb alone does not reach it, and {shown(locked[0])} above it is locked; unlock that"
    if any(pin != other and pin.start <= other.end and other.start <= pin.end for other in plan.pins):
        return "what is pinned was not all held together; pin fewer joints"
    return "no pose near the motion reaches it; pin another joint of the limb"


def _flips(character: Character, motion: Motion, plan: Plan, pin: Pin, *, at_ends: bool) -> list[str]:
    """What to say of a joint above a pinned one that bends the other way from a frame to the next, between which the
    pinned one is not held; also where the pin begins and ends, unless ``at_ends`` is off."""
    above = [n for n, joint in enumerate(character.joints) if f"{pin.joint}/".startswith(f"{joint}/")]
    q = motion.rotations[:, above].astype(float)
    turns = np.degrees(rotations.angle_between(q[:-1], q[1:]))
    known = plan.known(motion.times)
    usual = turns[known[1:] & known[:-1]].max(initial=0)
    held = (motion.times >= pin.start) & (motion.times <= pin.end)
    near = held[1:] | held[:-1] if at_ends else held[1:] & held[:-1]
    turns = np.where(near[:, None] & ~(known[1:] & known[:-1])[:, None], turns, 0)
    frame, column = np.unravel_index(np.argmax(turns), turns.shape)
    if turns[frame, column] <= max(TURN, TURNED * usual):
        return []
    return [
        f"{shown(character.joints[above[column]])}, above {shown(pin.joint)} pinned from {timecode(pin.start)} to "
        f"{timecode(pin.end)}, turns by {turns[frame, column]:.0f} degrees from {timecode(motion.times[frame])} to "
        f"{timecode(motion.times[frame + 1])}: the limb is almost straight there and bends the other way, or a key is "
        "near; pin a shorter range."
    ]


def _jumps(
    path: Float[np.ndarray, "frame 3"], times: Float[np.ndarray, " frame"], inside: np.ndarray, pin: Pin
) -> list[str]:
    """What to say of a pin that begins or ends so near to a key that its joint, on its path [heights], jumps to where
    the key has it."""
    steps = np.linalg.norm(np.diff(path, axis=0), axis=-1)
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    usual = np.delete(steps, edges).max(initial=0)
    return [
        f"{shown(pin.joint)}, pinned from {timecode(pin.start)} to {timecode(pin.end)}, moves by "
        f"{100 * steps[edge]:.2g} % of the height from {timecode(times[edge])} to {timecode(times[edge + 1])}, much "
        f"quicker than elsewhere: a key is too near; {'begin' if inside[edge + 1] else 'end'} the pin further from "
        "it, or at it."
        for edge in edges
        if steps[edge] > max(JUMP, JUMPY * usual)
    ]


def _place(
    character: Character, known: Motion, made: Motion, pin: Pin, size: float
) -> Float[np.ndarray, "3"]:
    """Where the joint is in the first known pose of the range, or else in the first filled one."""
    place = place_of(character, known, pin, size)
    if place is not None:
        return place
    at = made.at((made.times >= pin.start) & (made.times <= pin.end))
    return np.asarray(skeleton.joint_positions(character, at)[0, character.joints.index(pin.joint)])


def _leaving(
    plan: Plan,
    made: Motion,
    paths: Float[np.ndarray, "fill pinned 3"],
    ways: Float[np.ndarray, "fill pinned 3"],
) -> Float[np.ndarray, " fill"]:
    """How long joints of each frame's gap are off their way before and after a pin [s]: no quicker than they move in it
    anyway."""
    result = np.full(len(made.times), BLEND_S)
    for gap in plan.gaps:
        here = (made.times > gap.start) & (made.times < gap.end)
        steps = np.diff(made.times[here]) / made.time_codes_per_second
        if len(steps):
            quickest = (np.linalg.norm(np.diff(paths[here], axis=0), axis=-1) / steps[:, None]).max(0)
            far = np.linalg.norm(ways[here], axis=-1).max(0)
            needed = 1.5 * far[quickest > 0] / quickest[quickest > 0]
            result[here] = max(BLEND_S, needed.max(initial=0))
    return result


def _led_out(
    plan: Plan,
    made: Motion,
    values: Float[np.ndarray, "fill pinned 3"],
    held: Bool[np.ndarray, "fill pinned"],
    leaving: Float[np.ndarray, " fill"],
) -> Float[np.ndarray, "fill pinned 3"]:
    """The values where joints are held, and what is left of them before and after: none at the keys."""
    result = np.zeros_like(values)
    for gap in plan.gaps:
        here = np.flatnonzero((made.times > gap.start) & (made.times < gap.end))
        seconds = np.array([gap.start, *made.times[here], gap.end]) / made.time_codes_per_second
        for column in np.flatnonzero(held[here].any(0)):
            knots = np.zeros((len(seconds), 3))
            knots[1:-1] = values[here, column]
            at = [0, *(np.flatnonzero(held[here, column]) + 1), len(seconds) - 1]
            result[here, column] = blended(seconds, {i: knots[i] for i in at}, float(leaving[here[0]]))[1:-1]
    return result


def _reach(
    character: Character,
    known: Motion,
    plan: Plan,
    made: Motion,
    joints: np.ndarray,
    targets: Float[np.ndarray, "fill pinned 3"],
) -> Motion:
    """Turn the limbs above the joints towards their targets in the frames in which they are elsewhere."""
    moves = np.abs(targets - skeleton.joint_positions(character, made)[:, joints]).max((1, 2)) > 0
    if not moves.any():
        return made
    spreads = planting.spreads(character, known, plan)
    limbs = planting.find_limbs(character, joints)
    frames = np.flatnonzero(moves)
    q, translations = made.rotations.copy(), made.translations.copy()
    size = metrics.height(character, known, plan.keys[0])
    hinges = planting.hinges_of(character, known, plan)
    part = _solved(character, made.at(frames), limbs, spreads, joints, targets[frames], size, hinges)
    q[frames], translations[frames] = part.rotations, part.translations
    return replace(made, rotations=q, translations=translations)


def _solved(
    character: Character,
    part: Motion,
    limbs: list[planting.Limb],
    spreads: Float[np.ndarray, "joint 6 6"],
    joints: np.ndarray,
    targets: Float[np.ndarray, "fill pinned 3"],
    size: float,
    hinges: list[Hinge],
    rounds: int = ROUNDS,
) -> Motion:
    """Rounds of the limbs' least squares, until all joints are there."""
    for _ in range(rounds):
        ways = targets - skeleton.joint_positions(character, part)[:, joints]
        if np.abs(ways).max() < NEAR * size:
            break
        turned, shifted = part.rotations.copy(), part.translations.copy()
        planting.solve(character, part, limbs, spreads, joints, ways, (turned, shifted), SLOWER, hinges)
        part = replace(part, rotations=turned, translations=shifted)
    return part


def _carrier_of(character: Character, moves: Bool[np.ndarray, " all"], joint: int) -> int:
    """What carries a joint: the first from its root on that moves; the root where none does."""
    way = [joint]
    while (above := int(character.parents[way[-1]])) >= 0:
        way.append(above)
    return next((j for j in reversed(way) if moves[j]), way[-1])


def _shifted(character: Character, made: Motion, joint: int, by: Float[np.ndarray, "fill 3"]) -> Motion:
    """A joint, and with it all that hangs on it, moved in world space."""
    axes = made.T_world_skel[:, :3, :3]
    if (above := int(character.parents[joint])) >= 0:
        axes = axes @ skeleton.joint_transforms(character, made)[:, above, :3, :3]
    local = (np.linalg.pinv(axes) @ by[..., None])[..., 0]
    translations = made.translations.copy()
    translations[:, joint] += local.astype(translations.dtype)
    return replace(made, translations=translations)
