"""Small characters and motions made of numbers alone."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from engine.geometry import rotations
from usd_io.model import Character, Motion


def make_character(parents: Sequence[int] = (-1, 0, 1, 1), up_axis: str = "Y") -> Character:
    """Joints ``a``, ``a/b``, ... one unit apart along x."""
    count = len(parents)
    names: list[str] = []
    for joint, parent in enumerate(parents):
        own = chr(ord("a") + joint)
        names.append(own if parent < 0 else f"{names[parent]}/{own}")
    translations = np.zeros((count, 3), np.float32)
    translations[:, 0] = [0 if parent < 0 else 1 for parent in parents]
    identity = np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1))
    return Character(
        name="Test",
        skeleton_path="/Test/Skel",
        joints=tuple(names),
        parents=np.array(parents),
        T_skel_joint_bind=np.tile(np.eye(4), (count, 1, 1)),
        rest_translations=translations,
        rest_rotations=identity,
        rest_scales=np.ones((count, 3), np.float32),
        up_axis=up_axis,  # type: ignore[arg-type]
    )


def make_motion(character: Character, times: Sequence[float], *, seed: int = 0, rate: float = 24.0) -> Motion:
    """A smooth random motion of all joints, the root travelling."""
    random = np.random.default_rng(seed)
    count = len(character.joints)
    t = np.asarray(times, float)
    phase, speed = random.uniform(0, 6, (count, 3)), random.uniform(0.02, 0.1, (count, 3))
    turns = 0.5 * np.sin(t[:, None, None] * speed + phase)
    translations = np.repeat(character.rest_translations[None], len(t), 0)
    translations[:, 0] += np.stack([0.05 * t, 0.1 * np.sin(0.2 * t), 0 * t], -1)
    return Motion(
        times=t,
        translations=translations,
        rotations=rotations.continuous(rotations.exp(turns)).astype(np.float32),
        scales=np.ones((len(t), count, 3), np.float32),
        T_world_skel=np.tile(np.eye(4), (len(t), 1, 1)),
        time_codes_per_second=rate,
        frame_rate=rate,
        animation_path="/Test/Anim",
    )


@pytest.fixture
def character() -> Character:
    return make_character()


@pytest.fixture
def motion_at(character: Character) -> Callable[..., Motion]:
    return lambda times, **options: make_motion(character, times, **options)
