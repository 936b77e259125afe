"""Samples less than a frame apart: what is authored at them, as UsdSkel alone sees it, is in the result too."""

from pathlib import Path

import pytest

from tests.engine.outcome import SKEL, Outcome
from tests.engine.test_usd_kinds import DENSE, Rig, values

MOVING = ("translations", "rotations")


def stage(
    folder: Path, *, held: float, pop: float, channels: tuple[str, ...] = MOVING, key: float = 26.0
) -> Path:
    """Finished motion up to 12, a time at which some channels have the values of 12 again, a pop behind it, and a key;
    scales have one sample, so that the channels are keyed apart."""
    times = (*DENSE, held, pop, key)
    rig = Rig(folder, times={"translations": times, "rotations": times, "scales": (1.0,)})
    for channel in channels:
        rig.animation.GetPrim().GetAttribute(channel).Set(values(channel, 3, 12.0), held)
    return rig.saved()


@pytest.mark.parametrize(("held", "pop"), [(18.0, 18.25), (18.0, 18.99), (17.99, 18.0), (17.5, 18.0)])
@pytest.mark.parametrize("author", ["rebind", "flat"])
def test_a_value_that_comes_again_before_a_step_is_kept_as_keyed(
    held: float, pop: float, author: str, tmp_path: Path
) -> None:
    """As rotations of a walk do after its period, while the body goes on: that was taken for a held pose."""
    source = stage(tmp_path, held=held, pop=pop, channels=("rotations",))
    done = Outcome(source, tmp_path, author=author)
    assert done.run.plan[0]["keys"] == (12, held, pop, 26)
    assert [done.differs(SKEL, time) for time in (6.5, 12, held, pop, 26)] == [0] * 5
    assert done.points_differ(held) == 0
    for channel in MOVING:
        ours, theirs = (done.samples(at, channel) for at in (done.source, done.result))
        assert [theirs[time] == ours[time] for time in (12, held, pop, 26)] == [True] * 4
