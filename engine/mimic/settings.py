"""Settings of the fit."""

from dataclasses import dataclass

from engine.errors import ConfigError
from engine.settings.choices import Appearance, SolverName


@dataclass(frozen=True)
class MimicSettings:
    """How a video is fitted."""

    solver: SolverName = "map"
    """``map``: all frames at once, the most probable motion given prior, joints and pictures; ``paper``: frame by
    frame, as the paper has it."""
    appearance: Appearance = "textured"
    """How the characters look in the video."""
    heights: tuple[int, ...] = (48, 96, 160)
    """Picture heights from coarse to fine [pixels]; no level is larger than the video."""
    steps: int = 8
    """Most Gauss-Newton steps with the joints alone, and at each level of the pictures."""
    joint_weight: float = 1.0
    """Of the joint evidence; 0 leaves it out."""
    image_weight: float = 1.0
    """Of the pictures; 0 leaves them out."""
    silhouette_weight: float = 1.0
    """Of the outline against the background, beside the colours; 0 leaves it out."""
    pose_prior: bool = True
    """Take from the context which joints turn about which axes, and which turn together."""
    seed: int = 0
    """Of the samples that the confidence is counted from."""

    def __post_init__(self) -> None:
        weights = (self.joint_weight, self.image_weight, self.silhouette_weight)
        if any(weight < 0 for weight in weights) or not any(weights[:2]):
            raise ConfigError("weights of a fit are 0 or more, and one of joints and pictures has to count.")
        if self.steps < 1 or not self.heights or min(self.heights) < 16:
            raise ConfigError("a fit takes one step or more, at picture heights of 16 pixels or more.")
