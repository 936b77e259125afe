"""What pictures say of joints: where each was seen, how deep, and how sure that is."""

from dataclasses import dataclass

import numpy as np

from usd_io.shapes import Bool, Float


@dataclass(frozen=True, eq=False)
class JointEvidence:
    """The joints of one character in one view over the frames of a video.

    Errors are given as standard deviations, so that a fit can weigh the evidence: a joint behind the body, or a depth
    that one view cannot show, comes with a large one.
    """

    xy: Float[np.ndarray, "frame joint 2"]
    """Place in the picture [pixels of the video; x right, y down, as :func:`engine.rendering.projection.project`]."""
    depth: Float[np.ndarray, "frame joint"]
    """Distance along the view axis [stage units]."""
    xy_sigma: Float[np.ndarray, "frame joint"]
    """Expected error of the place, per axis [pixels]."""
    depth_sigma: Float[np.ndarray, "frame joint"]
    """Expected error of the depth [stage units], the part common to a frame included."""
    seen: Bool[np.ndarray, " joint"]
    """Joints that pictures can show (:attr:`usd_io.model.Character.observable`); the others hold zeros."""
    depth_common_sigma: Float[np.ndarray, " frame"] | None = None
    """Expected error of the depth that all joints of a frame share [stage units]: the distance of the whole character.

    It is part of ``depth_sigma``: the errors of joints i and j of a frame have the covariance common², and those of one
    joint the variance depth_sigma². Counting joints as independent would count the distance once per joint. None: not
    given.
    """
