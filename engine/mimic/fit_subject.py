"""One character of a fit, with all that is known of it before the fit begins."""

from dataclasses import dataclass

import numpy as np

from engine.joints.evidence import JointEvidence
from engine.planning.plan import Plan
from usd_io.model import Character, Motion
from usd_io.shapes import Float


@dataclass(frozen=True, eq=False)
class FitSubject:
    """A character that a video shows; it needs at least one mesh."""

    character: Character
    plan: Plan | None
    """None for one that has nothing to fill."""
    start: Motion
    """The whole motion: what is known, and between it the first guess of a motion prior
    (:func:`engine.priors.fill.complete`). Its ``T_world_skel`` is kept."""
    evidence: JointEvidence | None = None
    """Its joints in every frame of the video, in pixels of the view's cameras; without, the fit uses pictures alone."""

    @property
    def fill_times(self) -> Float[np.ndarray, " fill"]:
        """Times of the frames to fill [time codes]."""
        return np.zeros(0) if self.plan is None else self.plan.fill_times
