"""Settings of the joint estimator."""

from dataclasses import dataclass
from typing import Literal

from engine.errors import ConfigError

Features = Literal["scratch", "dinov2+fit3d"]


@dataclass(frozen=True)
class EstimatorSettings:
    """What is trained and how. The defaults are measured (docs/measurements.md, Mimicking)."""

    features: Features = "scratch"
    """``scratch``: a small network trained on the renders alone; ``dinov2+fit3d``: the paper's frozen features,
    which ``anymole models pull dinov2`` and ``fit3d`` bring."""
    area: int = 96 * 160
    """Of the pictures that the network sees [pixels]; their aspect is that of the video."""
    steps: int = 250
    """Steps of the optimiser."""
    batch: int = 8
    learning_rate: float = 3e-3
    """The highest one, at the end of the warm-up; it falls to zero as a cosine."""
    clip_norm: float = 4.0
    """Largest norm of all gradients together (the paper's code)."""
    key_weight: float = 3.0
    """How much more often a key is seen than a context frame."""
    other_views: float = 0.2
    """Share of the pictures of the known frames that come from other views than the video's; 0: its view alone."""
    random_poses: int = 600
    """Pictures of poses around those of context and keys, seen as the video sees; 0: none."""
    random_share: float = 0.6
    """Their share in the training."""
    augmentation: bool = True
    """Change pictures at every step, and take the character out of some."""
    held_out: float = 0.12
    """Share of the context to measure on and to set the spread by, not to train on."""
    evaluate_every: int = 100
    """Steps between measurements of the held-out error."""
    patience: int = 0
    """Stop when the held-out error has not fallen for so many measurements; 0: never."""
    save_every: int = 50
    """Steps between checkpoints."""
    seed: int = 0

    def __post_init__(self) -> None:
        least = {
            "area": 1024,
            "steps": 1,
            "batch": 2,
            "evaluate_every": 1,
            "save_every": 1,
            "random_poses": 0,
        }
        problems = [
            f"{name} must be {low} or more" for name, low in least.items() if getattr(self, name) < low
        ]
        if not self.key_weight > 0 or not self.learning_rate > 0:
            problems.append("key_weight and learning_rate must be above 0")
        if not 0 <= self.other_views < 1 or not 0 <= self.random_share < 1 or not 0 < self.held_out < 1:
            problems.append("other_views and random_share must be in [0, 1), held_out in (0, 1)")
        if problems:
            raise ConfigError("; ".join(problems) + ".")
