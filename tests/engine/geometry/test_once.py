"""What is kept of a motion goes with it."""

import gc
import weakref

import numpy as np

from engine.geometry.once import once
from tests.engine.conftest import make_character, make_motion
from usd_io.model import Character, Motion


def test_a_result_is_found_once_and_goes_with_what_it_is_of() -> None:
    asked = []

    @once
    def of(character: Character, motion: Motion) -> np.ndarray:
        asked.append(len(motion.times))
        return np.zeros(len(motion.times))

    character = make_character()
    motion, other = make_motion(character, [0, 1, 2]), make_motion(character, [0, 1])
    first = of(character, motion)
    assert of(character, motion) is first
    assert of(character, other).shape == (2,)
    assert asked == [3, 2]
    kept = weakref.ref(first)
    del first, motion
    gc.collect()
    assert kept() is None
    assert of(character, other).shape == (2,)
    assert asked == [3, 2]
