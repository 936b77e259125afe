"""What an evaluation of one clip says, and how the clip is taken apart for it."""

from dataclasses import dataclass

import numpy as np

from engine.errors import ConfigError
from engine.geometry.metrics import Scores
from engine.geometry.time_grid import frames_at
from engine.planning.plan import Plan
from engine.priors.fill import Parts, split
from usd_io.errors import shown, timecode
from usd_io.model import Motion
from usd_io.shapes import Float, Int


@dataclass(frozen=True)
class Row:
    """One prior on one clip."""

    prior: str
    scores: Scores
    l2p_ratio: float
    """L2P over slerp's."""
    seconds: float
    plane: float | None = None
    """L2P in the plane of the video's picture alone; None where no video is looked at."""
    view: float | None = None
    """L2P along the view axis alone."""


@dataclass(frozen=True)
class Evaluation:
    """All priors on one skeleton of one clip."""

    stage: str
    skeleton: str
    frames: int
    gaps: int
    rows: tuple[Row, ...]


def split_dense(motion: Motion, plan: Plan) -> Parts:
    """:func:`engine.priors.fill.split` of a dense clip."""
    return split(motion, plan, lambda times: motion.at(_frames(motion, times)))


def _frames(motion: Motion, times: Float[np.ndarray, " time"]) -> Int[np.ndarray, " time"]:
    """Frames of authored times; a dense clip is compared only where it has samples."""
    frames, missing = frames_at(motion.times, times, 1e-5 * motion.frame_step)
    if len(missing):
        raise ConfigError(
            f"{shown(motion.animation_path)}: no sample is authored at {timecode(missing[0])}; an evaluation takes "
            "keys at samples only."
        )
    return frames
