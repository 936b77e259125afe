"""A two-bone arm as a scene to train an estimator on: small pictures, few steps, one thread."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.joints.estimator import Estimator
from engine.joints.settings import EstimatorSettings
from engine.progress import Progress
from engine.rendering.actors import Actors
from engine.rendering.mesh.surface import build_surface
from engine.rendering.renderers import TorchRenderer
from engine.rendering.views import View, orbit_views
from engine.stages.estimate_joints import train_estimator
from usd_io.model import Character, Motion
from usd_io.read.material import read_texture_bytes
from usd_io.read.stage import read_motion_at, read_shot

QUICK = EstimatorSettings(area=64 * 64, steps=3, batch=4, random_poses=12, evaluate_every=2, save_every=2)
TIMES = np.arange(1.0, 9.01, 0.5)


@dataclass(frozen=True, eq=False)
class ArmScene:
    """All that a training takes."""

    actors: Actors
    renderer: TorchRenderer
    views: tuple[View, ...]

    def train(self, settings: EstimatorSettings = QUICK, **options: object) -> Estimator:
        given: dict[str, object] = {"keys": [1.0, 9.0], "gaps": [(1.0, 9.0)], "progress": Progress()}
        return train_estimator(
            self.actors,
            self.renderer,
            self.views,
            settings=settings,
            **{**given, **options},  # type: ignore[arg-type]
        )


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def build_scene(characters: list[Character], motions: list[Motion], *, height: int, width: int) -> ArmScene:
    actors = Actors(characters, motions)
    views = orbit_views(actors, {"front": 0.0, "left": 90.0}, height=height, width=width)
    return ArmScene(actors, TorchRenderer(build_surface(characters, read_texture_bytes)), views)


@pytest.fixture
def arm(two_bone_arm: Path) -> tuple[Character, Motion]:
    """The arm and its motion in half frames."""
    character = read_shot(two_bone_arm).characters[0]
    return character, read_motion_at(two_bone_arm, character.skeleton_path, TIMES)


@pytest.fixture
def scene(arm: tuple[Character, Motion]) -> ArmScene:
    return build_scene([arm[0]], [arm[1]], height=96, width=96)


@pytest.fixture
def build() -> Callable[..., ArmScene]:
    return build_scene
