"""One animation of a run: a skeleton, what is to be filled of it, and what was made of it."""

from dataclasses import dataclass, replace

from engine.joints.evidence import JointEvidence
from engine.mimic.fit_subject import FitSubject
from engine.planning.plan import Plan
from engine.priors.fill import Filled, Parts
from usd_io.model import Character


@dataclass(frozen=True, eq=False)
class Subject:
    """All that belongs to one skeleton on its way through a run."""

    character: Character
    plan: Plan
    start: Filled
    """What the motion prior made."""
    filled: Filled
    """What becomes the result: the same, or what a fit to video made of it."""

    @property
    def path(self) -> str:
        """Of the skeleton; names the animation within a run."""
        return self.plan.skeleton_path

    def of_motion(self) -> "Subject":
        """With the motion alone, and nothing of what is known of it: what is authored."""
        nothing = self.filled.parts.kept.at(slice(0, 0))
        parts = Parts(nothing, nothing, nothing, nothing.times)
        filled = replace(self.filled, parts=parts)
        return replace(self, start=replace(self.start, parts=parts) if self.fitted else filled, filled=filled)

    @property
    def fitted(self) -> bool:
        """Whether the result is another motion than the prior's."""
        return self.filled is not self.start

    def to_fit(self, evidence: JointEvidence | None = None) -> FitSubject:
        """What a fit to a video begins with.

        Args:
            evidence: Joints in every frame of the video, in pixels of its cameras; None where no video was looked at.
        """
        return FitSubject(self.character, self.plan, self.start.motion, evidence)
