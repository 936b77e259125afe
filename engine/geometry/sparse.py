"""As few samples as keep a motion: breakdowns between keys, where UsdSkel's interpolation shows the rest."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.geometry import skeleton
from engine.geometry.resample import resample
from usd_io.model import Character, Motion
from usd_io.shapes import Bool, Float


def breakdowns(
    character: Character,
    motions: Sequence[Motion],
    gaps: Sequence[tuple[float, float]],
    tolerances: Float[np.ndarray, "frame joint"],
) -> Bool[np.ndarray, " frame"]:
    """Which frames of filled motions have to be kept, beside those outside the gaps, so that between samples all joints
    are within their tolerances of where they were.

    Greedy: the frame that is furthest off is kept, until none is (as curves are simplified: Douglas and Peucker 1973).

    Args:
        character: The skeleton.
        motions: Takes, at the same times.
        gaps: Open intervals of time in which frames may go; the ends stay.
        tolerances: Of joint positions, above 0 [stage units].
    """
    times = motions[0].times
    keep: Bool[np.ndarray, " frame"] = np.ones(len(times), bool)
    for start, end in gaps:
        keep &= ~((times > start) & (times < end))
    places = [skeleton.joint_positions(character, motion) for motion in motions]
    while not keep.all():
        errors = np.zeros(len(times))
        for motion, true in zip(motions, places, strict=True):
            shown = replace(
                resample(motion.at(np.flatnonzero(keep)), times), T_world_skel=motion.T_world_skel
            )
            apart = np.linalg.norm(skeleton.joint_positions(character, shown) - true, axis=-1)
            errors = np.maximum(errors, (apart / tolerances).max(-1, initial=0))
        worst = _worst(errors, keep)
        if not len(worst):
            break
        keep[worst] = True
    return keep


def _worst(errors: Float[np.ndarray, " frame"], keep: Bool[np.ndarray, " frame"]) -> list[int]:
    """The worst frame of every stretch between two kept ones that has an error [tolerances] beyond 1."""
    found = []
    stretch = np.cumsum(keep)
    for number in np.unique(stretch[~keep & (errors > 1)]):
        inside = np.flatnonzero((stretch == number) & ~keep)
        found.append(int(inside[np.argmax(errors[inside])]))
    return found
