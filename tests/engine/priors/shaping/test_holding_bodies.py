"""One of two bodies in a skeleton holds its pose while the other moves on."""

from dataclasses import replace

import numpy as np
import pytest

from engine.planning.plan import make_plan
from engine.priors.fill import fill_motion, fill_plainly, split
from tests.engine.conftest import make_character, make_motion
from usd_io.model import Motion

ONE = (-1, 0, 1, 2, 1, 4, 0, 6)
CHARACTER = make_character((*ONE, *(p + 8 if p >= 0 else -1 for p in ONE)))
SECOND = slice(8, 16)
HELD = (48, 60, 72)


def shot() -> Motion:
    """Context up to frame 48, from where on the second body is keyed in one pose."""
    one, two = (make_motion(make_character(ONE), range(73), seed=seed) for seed in (1, 2))
    two.translations[:, 0, 2] += 3
    turned = np.concatenate([one.rotations, two.rotations], axis=1)
    moved = np.concatenate([one.translations, two.translations], axis=1)
    for values in (turned, moved):
        values[48:, SECOND] = values[48, SECOND]
    return replace(make_motion(CHARACTER, range(73)), rotations=turned, translations=moved)


@pytest.mark.parametrize("prior", ["auto", "spline"])
def test_a_body_is_held_while_another_moves(prior: str) -> None:
    filled = fill_motion(CHARACTER, shot(), context=[(0, 48)], keys=HELD, prior=prior, takes=2)
    for motion in filled.takes:
        inside = motion.at(motion.times >= 48)
        assert len(inside.times) == 25
        for values in (inside.rotations, inside.translations):
            assert np.ptp(values[:, SECOND], axis=0).max() == 0
        assert np.ptp(inside.rotations[:, :8], axis=0).max() > 0.01
    if filled.confidence is not None:
        between = (filled.motion.times > 48) & (filled.motion.times < 60)
        assert (filled.confidence[between][:, SECOND] == 1).all()
        assert (filled.confidence[between][:, :8] < 1).any()


def test_it_is_held_in_what_is_filled_plainly() -> None:
    motion = shot()
    plan = make_plan(CHARACTER, motion, contexts=[(0, 48)], keys=HELD, fill_at_samples=True)
    made = fill_plainly(
        "spline", CHARACTER, split(motion, plan, lambda times: motion.at(times.astype(int))), plan
    )
    assert np.ptp(made.rotations[48:, SECOND], axis=0).max() == 0


def test_locked_joints_of_a_body_that_holds_keep_what_is_authored() -> None:
    motion = shot()
    motion.rotations[54, 9] = motion.rotations[20, 9]
    locked = fill_motion(
        CHARACTER, motion, context=[(0, 48)], keys=HELD, prior="spline", lock=[CHARACTER.joints[9]]
    ).motion
    np.testing.assert_allclose(locked.rotations[54, 9], motion.rotations[54, 9], atol=1e-6)
    assert np.ptp(locked.rotations[48:, 10:], axis=0).max() == 0
