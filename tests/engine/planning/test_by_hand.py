"""What a plan says of keys and contexts that were named by hand and do not fall on the samples."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.config import RunConfig
from engine.planning.by_hand import listed
from engine.planning.plan import make_plan
from engine.planning.shot_plan import plan_shot
from tests.engine.conftest import make_character, make_motion
from usd_io.model import Character, Motion, Shot, StageInfo

MotionAt = Callable[..., Motion]
DENSE = range(41)
ABOUT = "named by hand"


def said(character: Character, motion: Motion, **options: Any) -> list[str]:
    """What a plan says of times that were named."""
    return [text for text in make_plan(character, motion, **options).warnings if ABOUT in text]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"keys": [40, 58, 76]},
            ["no sample is authored at 58,", "samples at 52 and 64 are none of the keys"],
        ),
        ({"keys": [40, 52]}, ["samples at 64 and 76 lie beyond the keys"]),
        ({"context": [(0, 50)]}, ["context 0:50 named by hand has no sample between 40 and 50"]),
        ({"context": [(0, 40), (52, 62)]}, ["context 52:62 named by hand has no sample between 52 and 62"]),
        ({"context": [(0, 40), (54, 62)]}, ["context 54:62 named by hand has no sample between 54 and 62"]),
        ({"context": [(0, 40), (62, 64)]}, ["no sample is authored at 62,"]),
        ({"context": [(0, 30)]}, ["10 authored samples from 31 to 40 lie outside of the context"]),
        ({"context": [(0, 39)]}, ["authored sample at 40 lies outside of the context"]),
    ],
)
def test_what_does_not_fall_on_samples_is_said(
    character: Character, motion_at: MotionAt, options: dict[str, Any], words: list[str]
) -> None:
    named = {"contexts": options.get("context", ()), "keys": options.get("keys", ())}
    found = said(character, motion_at([*DENSE, 52, 64, 76]), **named)
    assert len(found) == len(words)
    for text, word in zip(found, words, strict=True):
        assert word in text
        assert text.startswith("/Test/Skel: ")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"keys": [40, 52, 64, 76]},
        {"contexts": [(0, 40)], "keys": [52, 64, 76]},
        {"contexts": [(0, 40)]},
        {"contexts": [(0, 20)], "keys": [20, 40, 52, 64, 76]},
        {"contexts": [(0, 15), (25, 40)]},
    ],
)
def test_of_times_that_leave_no_doubt_nothing_is_said(
    character: Character, motion_at: MotionAt, options: dict[str, Any]
) -> None:
    assert said(character, motion_at([*DENSE, 52, 64, 76]), **options) == []


def test_part_of_a_dense_clip_is_made_anew_without_a_word(character: Character, motion_at: MotionAt) -> None:
    motion = motion_at(range(101))
    assert said(character, motion, keys=[40, 52, 76]) == []
    assert said(character, motion, contexts=[(0, 30)], keys=[40, 52]) == []


def test_a_channel_without_a_sample_at_a_named_key_is_said(character: Character, motion_at: MotionAt) -> None:
    motion = motion_at([*DENSE, 52, 60, 64, 76])
    own = {
        "rotations": (*map(float, DENSE), 52.0, 64.0, 76.0),
        "translations": (*map(float, DENSE), 60.0, 76.0),
    }
    motion = replace(motion, channel_times=own)
    found = said(character, motion, keys=[40, 52, 76])
    assert len(found) == 3
    assert "translations have no sample at 52," in found[0]
    assert "sample at 64 (of rotations alone) is none of the keys" in found[1]
    assert "sample at 60 (of translations alone) is none of the keys" in found[2]
    found = said(character, motion, keys=[40, 52])
    assert "sample at 64 (of rotations alone) lies beyond the keys" in found[1]
    assert "sample at 60 (of translations alone) lies beyond the keys" in found[2]
    assert "sample at 76 lies beyond the keys" in found[3]


def test_of_two_skeletons_the_one_without_samples_at_the_keys_is_named() -> None:
    characters = [replace(make_character((-1, 0)), skeleton_path=path) for path in ("/A", "/B")]
    times = ([*DENSE, 52, 64, 76], [*DENSE, 58, 70, 76])
    motions = tuple(make_motion(c, t) for c, t in zip(characters, times, strict=True))
    info = StageInfo("shot.usda", (), 0.0, 76.0, 24.0, 24.0, "Y", 1.0, None, ())
    planned = plan_shot(Shot(info, tuple(characters), motions), RunConfig("shot.usda", keys=[40, 52, 64, 76]))
    ours, theirs = ([w for w in plan.warnings if ABOUT in w] for plan in planned.plans)
    assert ours == []
    assert [text.startswith("/B: ") for text in theirs] == [True, True]
    assert "at 52 and 64" in theirs[0]
    assert "at 58 and 70" in theirs[1]


def test_of_many_times_a_few_are_named(character: Character) -> None:
    motion = make_motion(character, np.arange(0, 60_000, 12).tolist())
    found = said(character, motion, keys=(np.arange(0.0, 60_000 - 12, 24) + 6).tolist())
    assert "at 6, 30, 54, 78, 102, 126 and 2494 more," in found[0]
    assert "samples at 12, 24, 36, 48, 60, 72 and" in found[1]
    assert listed([1.0]) == "1"
