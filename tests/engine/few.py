"""An estimator's settings with which nothing is learnt, quickly."""

from dataclasses import dataclass

from engine.joints.settings import EstimatorSettings


@dataclass(frozen=True)
class Few(EstimatorSettings):
    """Little work, kept after every step."""

    area: int = 1024
    steps: int = 3
    batch: int = 2
    random_poses: int = 4
    save_every: int = 1
