"""Samples on and between the frames of a shot, as UsdSkel alone sees them in source and result."""

from pathlib import Path

import pytest
from pxr import Usd

from engine.errors import NothingToFill
from tests.engine.outcome import SKEL, Outcome
from tests.engine.test_usd_kinds import DENSE, Rig, values

MOVING = ("translations", "rotations")


def stage(
    folder: Path,
    *,
    held: float,
    pop: float,
    channels: tuple[str, ...] = MOVING,
    key: float = 26.0,
    alike: bool = False,
) -> Path:
    """Finished motion up to 12, a time at which some channels have the values of 12 again, a pop behind it, and a key.

    Unless all are sampled alike, scales have one sample, so that the channels are keyed apart."""
    times = (*DENSE, held, pop, key)
    scales = times if alike else (1.0,)
    rig = Rig(folder, times={"translations": times, "rotations": times, "scales": scales})
    channels = (*channels, "scales") if alike else channels
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


@pytest.mark.parametrize(("held", "pop"), [(18.0, 18.25), (18.0, 18.01), (17.5, 18.0)])
@pytest.mark.parametrize("alike", [True, False])
def test_a_hold_stays_a_hold_and_its_pop_a_pop(held: float, pop: float, alike: bool, tmp_path: Path) -> None:
    """The sample that ends the hold was no key, and the motion went smoothly from the one before it to the pop."""
    done = Outcome(stage(tmp_path, held=held, pop=pop, alike=alike), tmp_path)
    plan = done.run.plan[0]
    assert [(gap["start"], gap["end"]) for gap in plan["gaps"]] == [(pop, 26)]
    for time in (6.5, 12, 13, 15.25, held - 0.1, held, (held + pop) / 2, pop, 26):
        assert done.differs(SKEL, time) == 0, time
        assert done.points_differ(time) == 0, time
    (said,) = [each for each in plan["warnings"] if "is held" in each]
    assert f"a pose is held up to {held:g}, less than a frame before another one" in said


@pytest.mark.parametrize("alike", [True, False])
def test_a_hold_that_is_keyed_on_its_way_is_one_hold(alike: bool, tmp_path: Path) -> None:
    source = stage(tmp_path, held=18.0, pop=18.25, alike=alike)
    at = Usd.Stage.Open(str(source))
    for channel in (*MOVING, "scales") if alike else MOVING:
        at.GetAttributeAtPath(f"/Char/Anim.{channel}").Set(values(channel, 3, 12.0), 15.0)
    at.Save()
    done = Outcome(source, tmp_path)
    assert [(gap["start"], gap["end"]) for gap in done.run.plan[0]["gaps"]] == [(18.25, 26)]
    assert [done.differs(SKEL, time) for time in (12, 13, 14.5, 15, 16, 18, 18.1, 18.25, 26)] == [0] * 9


def test_rotations_that_come_again_before_a_hold_are_filled_up_to_it(tmp_path: Path) -> None:
    source = stage(tmp_path, held=18.0, pop=18.25)
    at = Usd.Stage.Open(str(source))
    at.GetAttributeAtPath("/Char/Anim.translations").Set(values("translations", 3, 15.0), 15.0)
    at.GetAttributeAtPath("/Char/Anim.translations").Set(values("translations", 3, 15.0), 18.0)
    at.GetAttributeAtPath("/Char/Anim.rotations").Set(values("rotations", 3, 12.0), 15.0)
    at.Save()
    plan = Outcome(source, tmp_path).run.plan[0]
    assert [(gap["start"], gap["end"]) for gap in plan["gaps"]] == [(12, 15), (18.25, 26)]
    assert plan["channels"].keys() == {"scales"}  # rotations are filled with the rest, up to 15


def test_a_hold_is_filled_where_its_keys_are_named(tmp_path: Path) -> None:
    source = stage(tmp_path, held=18.0, pop=18.25)
    done = Outcome(source, tmp_path, keys=(12.0, 18.0, 18.25, 26.0))
    plan = done.run.plan[0]
    assert [(gap["start"], gap["end"]) for gap in plan["gaps"]] == [(12, 18), (18.25, 26)]
    assert not any("is held" in each for each in plan["warnings"])
    assert [done.differs(SKEL, time) for time in (12, 18, 18.25, 26)] == [0] * 4


@pytest.mark.parametrize("alike", [True, False])
def test_a_shot_of_one_hold_has_nothing_to_fill(alike: bool, tmp_path: Path) -> None:
    source = stage(tmp_path, held=18.0, pop=18.25, key=18.5, alike=alike)
    with pytest.raises(NothingToFill, match=r"a pose is held up to 18, less than .*; name the keys"):
        Outcome(source, tmp_path)


@pytest.mark.parametrize("keys", [(), (12.0, 18.0, 26.0)])
def test_what_exporters_write_before_a_stepped_key_is_said_to_be_filled_over(
    keys: tuple[float, ...], tmp_path: Path
) -> None:
    done = Outcome(stage(tmp_path, held=17.99, pop=18.0), tmp_path, keys=keys)
    plan = done.run.plan[0]
    assert plan["keys"] == (12, 18, 26)
    (said,) = [each for each in plan["warnings"] if "exporters" in each]
    assert "what is authored at 17.99 only holds a pose up to the key just behind" in said
    assert done.differs(SKEL, 17.99) > 1e-2


def test_a_step_that_exporters_wrote_stays_where_all_samples_are_named(tmp_path: Path) -> None:
    done = Outcome(stage(tmp_path, held=17.99, pop=18.0), tmp_path, keys=(12.0, 17.99, 18.0, 26.0))
    assert [done.differs(SKEL, time) for time in (12, 17.99, 18, 26)] == [0] * 4
    assert not any("exporters" in each for each in done.run.plan[0]["warnings"])


@pytest.mark.parametrize("first", [1.0, 50.0])
def test_who_steps_from_the_first_sample_meets_each_filled_one(first: float, tmp_path: Path) -> None:
    """Where a frame is 200 time codes, the frames of a shot are seldom those that count from 0."""
    frames = [*range(12), 17, 25]
    rig = Rig(tmp_path, times=dict.fromkeys((*MOVING, "scales"), tuple(first + 200.0 * n for n in frames)))
    rig.stage.SetTimeCodesPerSecond(4800)
    rig.stage.SetFramesPerSecond(24)
    done = Outcome(rig.saved(), tmp_path)
    for channel in MOVING:
        assert list(done.samples(done.result, channel)) == [first + 200.0 * n for n in range(26)]
    assert [done.differs(SKEL, first + 200.0 * n) for n in frames] == [0] * len(frames)
