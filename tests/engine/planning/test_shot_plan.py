"""What of a run's settings counts for which skeleton of a shot."""

from dataclasses import replace
from typing import Any

import pytest

from engine.config import RunConfig
from engine.errors import ConfigError
from engine.planning.shot_plan import plan_shot
from tests.engine.conftest import make_character, make_motion
from usd_io.model import Shot, StageInfo


def two() -> Shot:
    """A long skeleton, with the joints a to e, and a short one, with a to c."""
    characters = [
        replace(make_character(parents), skeleton_path=path)
        for parents, path in (((-1, 0, 1, 2, 3), "/Long"), ((-1, 0, 1), "/Short"))
    ]
    motions = tuple(make_motion(character, range(73)) for character in characters)
    info = StageInfo("shot.usda", (), 0.0, 72.0, 30.0, 30.0, "Y", 1.0, None, ())
    return Shot(info, tuple(characters), motions)


def settings(**more: Any) -> RunConfig:
    return RunConfig("shot.usda", context=[(0, 36)], keys=[36, 54, 72], **more)


def test_a_joint_is_pinned_and_locked_in_the_skeletons_that_have_it() -> None:
    planned = plan_shot(two(), settings(pin=["e@40:50", "b@52:53"], lock=["d"]))
    long, short = planned.plans
    assert planned.notes == ()
    assert [pin.joint for pin in long.pins] == ["a/b/c/d/e", "a/b"]
    assert [pin.joint for pin in short.pins] == ["a/b"]
    assert (long.locked, short.locked) == (("a/b/c/d",), ())


@pytest.mark.parametrize("more", [{"pin": ["nobody@40:50"]}, {"lock": ["nobody"]}])
def test_a_joint_that_no_skeleton_has_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="no joint is called nobody"):
        plan_shot(two(), settings(**more))
