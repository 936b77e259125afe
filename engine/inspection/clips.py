"""A stage's motion to be looked at: per skeleton its dense ranges, keys and gaps, and its joints' rotation curves.

Like :mod:`engine.run` this module calls :mod:`usd_io`, with imports inside its functions.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.errors import ConfigError
from engine.geometry import rotations
from engine.planning.plan import dense_ranges, make_plan, sparse_keys
from usd_io.errors import StageReadError, shown
from usd_io.model import Character, Motion
from usd_io.shapes import Float


@dataclass(frozen=True, eq=False)
class StageClip:
    """The motion of one skeleton at its authored samples."""

    character: Character
    """Without meshes."""
    motion: Motion
    dense: tuple[tuple[float, float], ...]
    """Ranges of finished motion [time codes]."""
    keys: tuple[float, ...]
    """Poses that a run would keep: lone samples, and ends of finished motion beside a gap [time codes]."""
    gaps: tuple[tuple[float, float], ...]
    """What a run would fill without further settings [time codes]."""
    note: str
    """Why there is nothing to fill; empty where there is."""

    @property
    def start(self) -> float:
        """First sample [time code]."""
        return float(self.motion.times[0])

    @property
    def end(self) -> float:
        """Last sample [time code]."""
        return float(self.motion.times[-1])


def read_clips(opened: Any) -> tuple[tuple[StageClip, ...], tuple[str, ...]]:
    """Every skeleton of a stage that moves, and why the others are left out.

    Args:
        opened: As ``usd_io.read.stage.open_stage`` gives it.

    Raises:
        StageReadError: No skeleton moves.
    """
    from usd_io.read.character import read_bound_character
    from usd_io.read.motion import read_motion
    from usd_io.read.skeleton import why_no_skeleton
    from usd_io.read.stage import stage_info

    info = stage_info(opened)
    clips: list[StageClip] = []
    left_out: list[str] = []
    for skeleton in info.skeletons:
        try:
            motion = read_motion(opened, skeleton.path)
            clips.append(_clip(read_bound_character(opened, skeleton.path, None), motion))
        except StageReadError as error:
            left_out.append(str(error))
    if not clips:
        why = left_out[0] if left_out else why_no_skeleton(opened)
        raise StageReadError(f"{shown(info.path)} holds no skeleton that moves. {why}")
    return tuple(clips), tuple(left_out)


def _clip(character: Character, motion: Motion) -> StageClip:
    gaps: tuple[tuple[float, float], ...] = ()
    keys, note = sparse_keys(motion), ""
    try:
        plan = make_plan(character, motion)
        keys, gaps = plan.keys, tuple((gap.start, gap.end) for gap in plan.gaps)
    except ConfigError as error:
        note = str(error)
    return StageClip(character, motion, dense_ranges(motion), keys, gaps, note)


def rotation_curve(clip: StageClip, joint: int) -> Float[np.ndarray, "frame 3"]:
    """The local rotation of a joint away from its mean over the clip, as a rotation vector [degrees], in time."""
    turns = clip.motion.rotations[:, joint].astype(np.float64)
    mean = rotations.normalise(turns.mean(0))
    back = np.broadcast_to(rotations.conjugate(mean), turns.shape)
    return np.rad2deg(rotations.log(rotations.multiply(back, turns)))
