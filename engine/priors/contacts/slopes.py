"""Ground that rises or falls under a whole context: its slope, by what is still in space for as long as a stance.

Which joints rest is judged by heights (:mod:`engine.priors.contacts.contacts`), and on a slope no height comes again.
So all that looks at heights sees motion that is levelled: sheared along the up axis until the slope is flat. Straight
lines, and what lies still, stay so.
"""

import numpy as np

from engine.geometry import metrics, skeleton
from engine.geometry.once import once
from engine.planning.plan import Plan
from engine.priors import offsets
from engine.priors.contacts.rests import carries_most, kin_of, runs
from engine.priors.trials import nearby_contexts
from usd_io.model import Character, Motion
from usd_io.shapes import Float

STANCE_S = 0.15
LOWEST_SHARE = 0.5
"""What is still for so long stands [s], if it is the lowest of all, or as low, in this part of the time."""
FEWEST = 3
"""Rests of joints that are alike that show a slope."""
UNEVEN = 0.4
"""Heights of rests on a slope or on stairs are off its straight line by less than this part of what they differ by."""
RISEN, GONE, EVEN = 0.01, 0.5, 0.2
"""What differs by no more than rests may on level ground is a gentle slope if it differs by the first [heights], over a
way of the second [heights], and is off its line by less than the third in place of ``UNEVEN``."""
ACROSS = 0.3
"""What the slope is across the way is not seen where the rests spread by a smaller part of how they do along it."""
STEEPEST = 1.0
"""Rise over way: what is steeper is climbed otherwise than on feet."""


@once
def rise_of(character: Character, known: Motion, plan: Plan) -> Float[np.ndarray, "3"]:
    """Rise of the ground for each unit of way along the world's axes, 0 along the up axis; zeros on level ground.

    Args:
        character: Gives the up axis.
        known: The known frames only.
        plan: Gives the contexts; what is near a gap is looked at.
    """
    up, size = "XYZ".index(character.up_axis), metrics.height(character, known, plan.keys[0])
    most, kin, places, weights = carries_most(character), kin_of(character), [], []
    for start, end in nearby_contexts(known, plan):
        seen = known.at((known.times >= start) & (known.times <= end))
        if len(seen.times) < 2 or most.all():
            continue
        positions = skeleton.joint_positions(character, seen)
        lowest = positions[:, ~most, up].min(1, keepdims=True)
        # on level ground the lowest joint is about as low at all times
        if np.ptp(lowest) < RISEN * size:
            continue
        seconds = seen.times / known.time_codes_per_second
        speeds = np.linalg.norm(np.diff(positions, axis=0), axis=-1) / np.diff(seconds)[:, None]
        still = (speeds < metrics.CONTACT_SPEED * size) & ~most
        low = positions[..., up] < lowest + metrics.CONTACT_HEIGHT * size
        rests = [
            (joint, positions[first : last + 2, joint].mean(0), seconds[last + 1] - seconds[first])
            for joint in np.flatnonzero((still & low[1:]).any(0))
            for first, last in runs(still[:, joint])
            if seconds[last + 1] - seconds[first] >= STANCE_S
            and low[first : last + 2, joint].mean() >= LOWEST_SHARE
        ]
        owners, lasted = np.array([joint for joint, _, _ in rests], int), np.array([s for *_, s in rests])
        own = np.array([place for _, place, _ in rests]).reshape(-1, 3)
        # toes rest lower than ankles: places are compared of what is alike
        alike = (kin[owners][:, None] == kin[owners]).all(-1)
        for group in np.unique(alike, axis=0):
            # joints that each rest once do not show that the ground rises, but how high they are
            if group.sum() >= FEWEST and len(set(owners[group].tolist())) < group.sum():
                places.append(own[group] - np.average(own[group], axis=0, weights=lasted[group]))
                weights.append(lasted[group])
    result = np.zeros(3)
    if not places:
        return result
    # least squares of the heights by the places on the ground
    root = np.sqrt(np.concatenate(weights))[:, None]
    place = np.concatenate(places)
    ground = np.delete(np.arange(3), up)
    found = np.linalg.pinv(root * place[:, ground], rcond=ACROSS) @ (root[:, 0] * place[:, up])
    fitted = place[:, ground] @ found
    off = root[:, 0] * (place[:, up] - fitted)
    risen, steepness = np.ptp(fitted) / size, np.linalg.norm(found)
    gentle = risen <= metrics.CONTACT_HEIGHT
    climbs = steepness < STEEPEST and (not gentle or (risen > RISEN and risen > GONE * steepness))
    if not climbs or np.linalg.norm(off) > (EVEN if gentle else UNEVEN) * np.linalg.norm(
        root[:, 0] * place[:, up]
    ):
        return result
    result[ground] = found
    return result


@once
def rises_of(character: Character, known: Motion, plan: Plan) -> Float[np.ndarray, "gap 3"]:
    """:func:`rise_of` of the ground in each gap: none where from key to key the body rather stays on its level."""
    up, rise = "XYZ".index(character.up_axis), rise_of(character, known, plan)
    result = np.tile(rise, (len(plan.gaps), 1))
    if rise.any():
        ends = skeleton.joint_positions(character, known.at(offsets.frames_at_ends(known, plan.gaps))).mean(1)
        ways = ends[1::2] - ends[::2]
        result[np.abs(ways[:, up] - ways @ rise) > np.abs(ways[:, up])] = 0
    return result


def at_times(plan: Plan, of_gaps: Float[np.ndarray, "gap 3"]) -> Float[np.ndarray, "fill 1 3"]:
    """What is known of gaps, for all joints at every fill time."""
    return np.repeat(of_gaps, [len(gap.times) for gap in plan.gaps], axis=0)[:, None]
