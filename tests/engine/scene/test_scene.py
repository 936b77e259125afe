"""What the video engine looks at."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.config import RunConfig
from engine.geometry.resample import resample
from engine.geometry.skeleton import joint_positions
from engine.planning.plan import Gap, Plan
from engine.priors.fill import fill, split
from engine.rendering.projection import project
from engine.run import plan
from engine.scene.scene import make_scene, make_schedule
from engine.scene.subject import Subject
from engine.settings.choices import VIEWS
from usd_io.model import Motion


def made_plan(contexts: tuple[tuple[float, float], ...], gaps: tuple[tuple[float, float], ...]) -> Plan:
    keys = tuple(sorted({t for gap in gaps for t in gap}))
    filled = tuple(Gap(a, b, tuple(np.arange(a + 1, b).tolist())) for a, b in gaps)
    return Plan("/A", contexts, keys, filled)


@pytest.fixture
def motion() -> Motion:
    return Motion(
        times=np.arange(3.0),
        translations=np.zeros((3, 1, 3), np.float32),
        rotations=np.zeros((3, 1, 4), np.float32),
        scales=np.ones((3, 1, 3), np.float32),
        T_world_skel=np.tile(np.eye(4), (3, 1, 1)),
        time_codes_per_second=10,
        frame_rate=10,
    )


def test_one_character_shows_two_seconds_before_its_gap(motion: Motion) -> None:
    made = make_schedule([made_plan(((0, 40),), ((40, 50), (50, 60)))], motion)
    assert made.gaps == ((40, 50), (50, 60))
    assert made.true == (*range(20, 41), 50, 60)
    assert made.context == tuple(range(20, 41))


def test_a_context_is_shown_at_its_samples_where_these_lie_beside_frames(motion: Motion) -> None:
    """24 samples per second, of a stage that says 23.976 frames: after 1000 a frame is a whole one off."""
    times = np.arange(1061.0)
    names = ("translations", "rotations", "scales", "T_world_skel")
    still = {name: np.repeat(getattr(motion, name)[:1], len(times), 0) for name in names}
    dense = replace(motion, times=times, time_codes_per_second=24, frame_rate=23.976, **still)
    made = make_schedule([made_plan(((0, 1040),), ((1040, 1050), (1050, 1060)))], dense)
    assert made.true == (*range(992, 1041), 1050, 1060)
    assert made.context == tuple(range(992, 1041))


def test_context_behind_the_gaps_counts_too(motion: Motion) -> None:
    made = make_schedule([made_plan(((0, 5), (25, 60)), ((5, 15), (15, 25)))], motion)
    assert made.true == (*range(6), 15, *range(25, 46))
    assert made.context == tuple(range(25, 46))


def test_characters_with_keys_of_their_own_share_gaps_that_start_and_end_known(motion: Motion) -> None:
    plans = [
        made_plan(((0, 20),), ((20, 30), (30, 40))),
        made_plan(((0, 20),), ((20, 26), (26, 40))),
    ]
    made = make_schedule(plans, motion)
    assert made.gaps == ((20, 40),)


def test_a_character_known_throughout_hinders_nobody(motion: Motion) -> None:
    plans = [made_plan(((0, 20),), ((20, 30),)), made_plan(((0, 20),), ((60, 70),))]
    made = make_schedule(plans, motion)
    assert made.gaps == ((20, 30), (60, 70))
    assert made.context == tuple(range(21))


def test_the_fox_is_in_the_picture_from_all_sides(data: Path) -> None:
    stage = str(data / "fox" / "fox.usdc")
    planned = plan(RunConfig(stage=stage, context=((0, 40),), keys=(50, 60), prior="slerp"))
    (character,), (motion,), (made,) = planned.shot.characters, planned.shot.motions, planned.plans
    start = fill(character, split(motion, made, lambda t: resample(motion, t)), made, "slerp")
    scene = make_scene(stage, [Subject(character, made, start, start)], height=32, width=48)
    assert [view.name for view in scene.views] == list(VIEWS)
    joints = joint_positions(scene.characters[0], scene.motions(np.arange(20.0, 61.0))[0])
    for view in scene.views:
        x, y, depth = project(view.cameras, torch.from_numpy(joints)).unbind(-1)
        assert (depth > 0).all()
        assert ((x > -2) & (x < 50) & (y > -2) & (y < 34)).all()
